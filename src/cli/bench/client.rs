//! As little HTTP/1.1 as a load needs: one connection, one request at a time. A whole client would take from the server
//! under load what it is to be measured by.

use std::io::{Error, ErrorKind};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that stays open.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4_096) })
    }

    /// Sends a request with this head (all but the length) and body; the status of the answer.
    pub(super) async fn post(&mut self, head: &str, body: &[u8]) -> std::io::Result<u16> {
        self.buffer.clear();
        self.buffer.extend_from_slice(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        self.buffer.extend_from_slice(body);
        self.stream.write_all(&self.buffer).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> std::io::Result<u16> {
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(Error::new(ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
            let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if self.buffer.len() >= end + 4 + length.unwrap_or(0_usize) {
                let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
                return status.ok_or_else(|| Error::new(ErrorKind::InvalidData, "no HTTP answer"));
            }
        }
    }
}
