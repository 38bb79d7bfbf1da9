//! Requests that never end: whoever sends them, they take a bounded amount of memory, and whoever shows a key comes through.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::overload::resident;
use crate::process::{PATIENCE, Running};

const SENDERS: usize = 150;
/// What the server may take above what it takes at rest, where 1,200 MB are sent: the buffers of that many connections in
/// full flow, and what the allocator keeps.
const BEYOND_KIB: u64 = 256 * 1024;
/// Basic authentication with the write key of the workspace.
const KEY: &str = "Authorization: Basic dGVzdC13cml0ZS1rZXk6\r\n";

/// Begins so many requests that say they are `length` long, and end a little before. The connections stay open.
async fn begin(url: &str, key: &str, length: usize) -> Vec<TcpStream> {
    let address = url.strip_prefix("http://").unwrap();
    let head = format!("POST /v1/batch HTTP/1.1\r\nHost: shop\r\n{key}Content-Length: {length}\r\n\r\n");
    let senders = (0..SENDERS).map(|_| {
        let (address, head) = (address.to_owned(), head.clone());
        actix_rt::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            let body = vec![b' '; length - length / 20];
            // Who is refused may be cut off.
            let _ = tokio::time::timeout(PATIENCE, stream.write_all(&body)).await;
            stream
        })
    });
    let mut streams = Vec::new();
    for sender in senders.collect::<Vec<_>>() {
        streams.push(sender.await.unwrap());
    }
    streams
}

/// Posts a batch until it is taken; `size` bytes of it say nothing. Without `is_known` the key is in the body.
async fn insist(running: &Running, size: usize, is_known: bool, id: &str) {
    let event = json!({"type": "track", "userId": "ada", "messageId": id, "event": "Signed Up"});
    let mut body = json!({"batch": [event], "ignored": " ".repeat(size)});
    let mut request = running.client.post(format!("{}/v1/batch", running.url));
    if is_known {
        request = request.basic_auth("test-write-key", Some(""));
    } else {
        body["writeKey"] = json!("test-write-key");
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = request.try_clone().unwrap().json(&body).send().await.unwrap();
        match answer.status().as_u16() {
            200 => return,
            429 => assert!(answer.headers().contains_key("retry-after")),
            status => panic!("{status}: {}", answer.text().await.unwrap()),
        }
        assert!(Instant::now() < deadline, "{id} is never taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[actix_rt::test]
async fn requests_that_never_end_take_bounded_memory_and_leave_room_for_who_shows_a_key() {
    let mut running = Running::start_on(None, |folder| {
        let settings = folder.join("tidewater.yaml");
        let before = std::fs::read_to_string(&settings).unwrap();
        std::fs::write(settings, format!("{before}memory: 16 MB\n")).unwrap();
    })
    .await;
    insist(&running, 1_000, true, "first").await;
    let at_rest = resident(&running.server, "VmRSS:");
    let body = json!({"batch": [], "writeKey": "test-write-key", "ignored": " ".repeat(600_000)});
    let answer = running.client.post(format!("{}/v1/batch", running.url)).json(&body).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 413);
    assert!(answer.text().await.unwrap().contains("basic authentication"));
    // As much as whoever shows no key may send, and more than that.
    let mut small = begin(&running.url, "", 490_000).await;
    let large = begin(&running.url, "", 4_000_000).await;
    // Nobody of them is in the way of a batch with a key.
    let answered = Instant::now();
    insist(&running, 3_000_000, true, "known").await;
    assert!(answered.elapsed() < Duration::from_secs(20), "it did not wait for them to be given up");
    drop(large);
    let known = begin(&running.url, KEY, 4_000_000).await;
    let highest = resident(&running.server, "VmHWM:");
    println!("{at_rest} KiB at rest, {highest} KiB at the most");
    assert!(highest < at_rest + BEYOND_KIB, "{highest} KiB, {at_rest} KiB at rest");
    drop(known);
    // One of the first still waits to be told, and is, when it ends what it began.
    let mut answers = Vec::new();
    for stream in &mut small {
        let _ = stream.write_all(&vec![b' '; 490_000 / 20]).await;
        let mut answer = [0; 12];
        if tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().is_ok() {
            answers.push(String::from_utf8_lossy(&answer).into_owned());
        }
    }
    let (busy, bad) = ("HTTP/1.1 429".to_owned(), "HTTP/1.1 400".to_owned());
    assert!(answers.contains(&busy) && answers.contains(&bad), "some had room, and some had not: {answers:?}");
    drop(small);
    // What they took is given back.
    insist(&running, 480_000, false, "stranger").await;
    insist(&running, 3_900_000, true, "last").await;
    running.server.stop().await;
}
