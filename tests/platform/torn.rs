//! SQLite's files as a crash or a bad disk may leave them: the log cut at the end of every frame and in the middle of
//! them, bits that flipped in the log and in a block of the journal. What was answered before the place is there; what
//! comes after it is there whole or not at all; and what is damaged at rest is told.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sea_orm::ConnectionTrait;
use serde_json::json;
use tidewater::model::{Entry, EntryBody, Offset, ProfileId, Skipped, Target, Timestamp};
use tidewater::store::journal::Append;
use tidewater::store::{Database, StoreError};

use crate::databases::TestDatabase;
use crate::process::{PATIENCE, Running, Server};

/// Of SQLite's log (<https://www.sqlite.org/walformat.html>): its head, then a head and a page for each frame.
const LOG_HEAD: usize = 32;
const FRAME: usize = 24 + 4_096;
const APPENDS: u64 = 8;
const PLACES: usize = 60;

fn url(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

/// Entries of an append, some of them so large that a block takes several pages.
fn block(number: u64) -> Vec<Entry> {
    let entry = |n: u64| Entry {
        offset: Offset(number * 3 + n),
        received_at: Timestamp(number as i64),
        target: Target::Profile(ProfileId(u128::from(n))),
        body: EntryBody::ScheduleFired { journey: noise(number, (number as usize % 3) * 2_000), at: Timestamp(7) },
    };
    (1..=3).map(entry).collect()
}

/// A text that does not compress.
fn noise(seed: u64, length: usize) -> String {
    let mut chance = StdRng::seed_from_u64(seed);
    (0..length).map(|_| char::from(chance.random_range(b'!'..=b'~'))).collect()
}

/// A database whose appends are all in its log.
struct Written {
    _folder: tempfile::TempDir,
    database: Vec<u8>,
    log: Vec<u8>,
    /// How long the log was when each append was answered, with the entries that the journal held then.
    answered: Vec<(usize, u64)>,
}

impl Written {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.db");
        // What makes the tables is not part of this: it goes from the log to the database at the end.
        Database::open(&url(&file)).await.unwrap().close().await;
        let store = Database::open(&url(&file)).await.unwrap();
        let mut answered = Vec::new();
        let log = log_of(&file);
        for number in 0..APPENDS {
            store.append(&Append { entries: block(number), ..Append::default() }).await.unwrap();
            answered.push((std::fs::metadata(&log).unwrap().len() as usize, (number + 1) * 3));
        }
        let (database, log) = (std::fs::read(&file).unwrap(), std::fs::read(&log).unwrap());
        store.close().await;
        assert_eq!((log.len() - LOG_HEAD) % FRAME, 0, "the log is whole frames");
        Self { _folder: folder, database, log, answered }
    }

    /// Entries that were answered before the log was so long.
    fn answered_by(&self, length: usize) -> u64 {
        self.answered.iter().filter(|(end, _)| *end <= length).map(|(_, entries)| *entries).max().unwrap_or(0)
    }

    /// Opens the database over another log. `intact`: up to where it is the true one. Returns the entries found.
    async fn open_over(&self, log: &[u8], intact: usize) -> u64 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.db");
        std::fs::write(&file, &self.database).unwrap();
        std::fs::write(log_of(&file), log).unwrap();
        let store = Database::open(&url(&file)).await.unwrap();
        let found = store.read_journal(Offset(0), 1_000).await.unwrap();
        let count = found.len() as u64;
        let whole: Vec<Entry> = (0..APPENDS).flat_map(block).collect();
        assert!(found == whole[..found.len()] && count.is_multiple_of(3), "whole appends, in order, from the first");
        assert_eq!(store.journal_head().await.unwrap().offset.0, count);
        assert!(count >= self.answered_by(intact), "{count} entries; intact up to byte {intact}: {:?}", self.answered);
        // And it goes on from there.
        store.append(&Append { entries: block(count / 3), ..Append::default() }).await.unwrap();
        store.close().await;
        count
    }
}

fn log_of(file: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", file.display()))
}

fn chance() -> StdRng {
    let seed = std::env::var("TIDEWATER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("seed {seed}: set TIDEWATER_SEED={seed} for the same places");
    StdRng::seed_from_u64(seed)
}

#[tokio::test]
async fn a_log_may_be_cut_anywhere() {
    let written = Written::new().await;
    let mut chance = chance();
    let ends = (0..=(written.log.len() - LOG_HEAD) / FRAME).map(|frame| LOG_HEAD + frame * FRAME);
    let mut cuts: Vec<usize> = ends.collect();
    let frames = cuts.len();
    cuts.extend((0..PLACES).map(|_| chance.random_range(0..written.log.len())));
    let mut found = Vec::new();
    for cut in &cuts {
        let count = written.open_over(&written.log[..*cut], *cut).await;
        assert_eq!(count, written.answered_by(*cut), "nothing that was not answered, cut at {cut}");
        found.push(count);
    }
    println!("cut at the end of {frames} frames and at {PLACES} other bytes");
    assert_eq!((found[0], found[frames - 1]), (0, APPENDS * 3), "from nothing to all of it");
}

#[tokio::test]
async fn a_bit_may_flip_anywhere_in_the_log() {
    let written = Written::new().await;
    let mut chance = chance();
    for _ in 0..PLACES {
        let (byte, bit) = (chance.random_range(0..written.log.len()), chance.random_range(0..8_u8));
        let mut log = written.log.clone();
        log[byte] ^= 1 << bit;
        let intact = if byte < LOG_HEAD { 0 } else { byte };
        written.open_over(&log, intact).await;
    }
    println!("flipped {PLACES} bits, one at a time");
}

#[tokio::test]
async fn each_bit_of_a_block_at_rest_may_flip_and_is_told_with_its_place() {
    let database = TestDatabase::sqlite();
    let store = database.open().await;
    store.append(&Append { entries: block(0), ..Append::default() }).await.unwrap();
    let beside = sea_orm::Database::connect(&database.url).await.unwrap();
    let row = sea_orm::Statement::from_string(beside.get_database_backend(), "SELECT entries FROM journal_block");
    let packed: Vec<u8> = beside.query_one_raw(row).await.unwrap().unwrap().try_get_by_index(0).unwrap();
    let write = async |bytes: &[u8]| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        beside.execute_unprepared(&format!("UPDATE journal_block SET entries = x'{hex}'")).await.unwrap();
    };
    beside.execute_unprepared("PRAGMA synchronous = OFF").await.unwrap();
    for bit in 0..packed.len() * 8 {
        let mut flipped = packed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        write(&flipped).await;
        let told = store.read_journal(Offset(0), 10).await;
        let Err(StoreError::Corrupt(told)) = told else { panic!("bit {bit} is read as if nothing were: {told:?}") };
        assert!(told.starts_with("journal block 1: "), "{told}");
    }
    println!("flipped each of {} bits", packed.len() * 8);
    write(&packed).await;
    assert_eq!(store.read_journal(Offset(0), 10).await.unwrap(), block(0));
}

#[actix_rt::test]
async fn a_server_does_not_start_over_a_damaged_journal_and_says_what_to_do() {
    let mut running = Running::start().await;
    let request = running.client.post(format!("{}/v1/track", running.url)).basic_auth("test-write-key", Some(""));
    let event = json!({"userId": "ada", "messageId": "m1", "event": "Signed Up"});
    assert_eq!(request.json(&event).send().await.unwrap().status().as_u16(), 200);
    running.server.kill();
    let file = running.folder.path().join("data/tidewater.db");
    let beside = sea_orm::Database::connect(url(&file)).await.unwrap();
    // No shard has saved anything yet, as far as the store knows: all of the journal is read again.
    let damage = "UPDATE journal_block SET entries = CAST(substr(entries, 1, 12) || x'ff' || substr(entries, 14) AS BLOB); \
                  DELETE FROM shard_offset";
    beside.execute_unprepared(damage).await.unwrap();
    beside.close().await.unwrap();
    let mut server = Server::start(running.folder.path());
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = server.child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "the server runs over a damaged journal");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(!status.success());
    let log = std::fs::read_to_string(running.folder.path().join("server.log")).unwrap();
    assert!(log.contains("journal block 1: it is damaged: its checksum is wrong. Nothing is skipped"), "{log}");
    assert!(log.contains("restore the last backup of the database"), "{log}");
}

#[actix_rt::test]
async fn a_damaged_state_is_told_and_stands_in_nobody_elses_way() {
    let mut running = Running::start().await;
    let request = running.client.post(format!("{}/v1/batch", running.url)).basic_auth("test-write-key", Some(""));
    let send = async |number: u32| {
        let order = |user: &str| json!({"type": "track", "userId": user, "messageId": format!("{user}-{number}"), "event": "Signed Up"});
        let answer = request.try_clone().unwrap().json(&json!({"batch": [order("ada"), order("bob")]})).send().await;
        assert_eq!(answer.unwrap().status().as_u16(), 200);
    };
    send(1).await;
    running.server.stop().await;
    let ada = ProfileId::from_identifier("user_id", "ada");
    let file = running.folder.path().join("data/tidewater.db");
    let beside = sea_orm::Database::connect(url(&file)).await.unwrap();
    let damage = format!(
        "UPDATE profile SET snapshot = CAST(substr(snapshot, 1, 12) || x'ff' || substr(snapshot, 14) AS BLOB) \
         WHERE id = '{ada}'"
    );
    assert_eq!(beside.execute_unprepared(&damage).await.unwrap().rows_affected(), 1);
    beside.close().await.unwrap();
    running.restart().await;
    send(2).await;
    running.server.stop().await;
    let store = Database::open_existing(&url(&file)).await.unwrap();
    let counted: Vec<String> = store.message_counts().await.unwrap().into_iter().map(|(id, _)| id).collect();
    assert_eq!(counted, ["ada-1", "bob-1", "bob-2"], "others go on");
    let refused = store.quarantine(10).await.unwrap();
    let [(_, refused)] = &refused[..] else { panic!("one event is set aside: {refused:?}") };
    assert!(refused.code == "poison" && refused.payload.contains("ada-2"), "{refused:?}");
    let log = std::fs::read_to_string(running.folder.path().join("server.log")).unwrap();
    let told = log.lines().find(|line| line.contains("a profile cannot be read; its events go to quarantine"));
    assert!(told.is_some_and(|told| told.contains(&ada.to_string()) && told.contains("checksum")), "{log}");
    // Nobody writes over what may still be mended.
    let journal = store.read_journal(Offset(0), 100).await.unwrap();
    let is_skip = |entry: &&Entry| matches!(entry.body, EntryBody::Skip(Skipped::Entry(_)));
    assert_eq!(journal.iter().filter(is_skip).count(), 1, "and a replay passes it over as well");
}
