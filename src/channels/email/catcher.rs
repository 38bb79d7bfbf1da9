//! A real SMTP server that keeps what it gets: for `tidewater demo`, and for tests that script its answers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::super::catcher::Listening;
pub use super::mime::CaughtMail;

/// Bytes of a message that are taken.
const MESSAGE_BYTES: usize = 10 * 1024 * 1024;
const LINE_BYTES: usize = 4096;

/// What the server does at a point of the conversation, in place of what it would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// Answers this line at `stage`.
    Answer { stage: Stage, line: String },
    /// Hangs up at `stage`, without a word; at [`Stage::Message`] after it has the whole message.
    HangUp { stage: Stage },
}

/// A point of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Greeting,
    Mail,
    Recipient,
    Data,
    /// After the final dot.
    Message,
}

#[derive(Debug, Default)]
struct Shared {
    messages: Vec<CaughtMail>,
    scripts: Vec<Script>,
}

/// The server. It stops when it is dropped.
#[derive(Debug)]
pub struct MailCatcher {
    listening: Listening,
    shared: Arc<Mutex<Shared>>,
}

impl MailCatcher {
    /// Listens on a free port of this machine.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let for_all = Arc::clone(&shared);
        let listening = Listening::start(move |stream| {
            let shared = Arc::clone(&for_all);
            async move { converse(stream, &shared).await }
        });
        Ok(Self { listening: listening.await?, shared })
    }

    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.listening.address
    }

    /// All messages so far, oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<CaughtMail> {
        lock(&self.shared).messages.clone()
    }

    /// Does this once, at the next conversation that comes to its stage; scripts wait in line.
    pub fn script(&self, script: Script) {
        lock(&self.shared).scripts.push(script);
    }
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    // A poisoned list of messages is still a list of messages.
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The script for this stage, if it is next in line.
fn take_script(shared: &Mutex<Shared>, here: Stage) -> Option<Script> {
    let mut shared = lock(shared);
    let is_next = match shared.scripts.first()? {
        Script::Answer { stage, .. } | Script::HangUp { stage } => *stage == here,
    };
    is_next.then(|| shared.scripts.remove(0))
}

/// What the conversation goes on with.
enum Turn {
    GoOn,
    /// A script said no in place of the usual answer.
    Refused,
    End,
}

async fn answer(
    writer: &mut (impl AsyncWriteExt + Unpin),
    shared: &Mutex<Shared>,
    stage: Stage,
    usual: &str,
) -> std::io::Result<Turn> {
    let line = match take_script(shared, stage) {
        Some(Script::HangUp { .. }) => return Ok(Turn::End),
        Some(Script::Answer { line, .. }) => line,
        None => usual.to_owned(),
    };
    writer.write_all(format!("{line}\r\n").as_bytes()).await?;
    Ok(match line.as_bytes() {
        [b'4', b'2', b'1', ..] => Turn::End,
        [b'4' | b'5', ..] => Turn::Refused,
        _ => Turn::GoOn,
    })
}

async fn converse(stream: TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    if let Turn::End = answer(&mut writer, shared, Stage::Greeting, "220 tidewater catcher").await? {
        return Ok(());
    }
    let (mut from, mut to): (Option<String>, Vec<String>) = (None, Vec::new());
    while let Some(line) = read_line(&mut reader).await? {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let command = text.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let turn = match command.as_str() {
            "EHLO" => {
                writer.write_all(b"250-catcher\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 10485760\r\n").await?;
                Turn::GoOn
            }
            "MAIL" => {
                (from, to) = (Some(address_in(&text)), Vec::new());
                answer(&mut writer, shared, Stage::Mail, "250 sender taken").await?
            }
            "RCPT" if from.is_some() => {
                to.push(address_in(&text));
                answer(&mut writer, shared, Stage::Recipient, "250 recipient taken").await?
            }
            "DATA" if !to.is_empty() => {
                let ready = answer(&mut writer, shared, Stage::Data, "354 go on, end with a dot").await?;
                match ready {
                    Turn::End => Turn::End,
                    Turn::Refused => Turn::Refused,
                    Turn::GoOn => {
                        let Some(raw) = read_message(&mut reader).await? else { return Ok(()) };
                        let script = take_script(shared, Stage::Message);
                        let refused = matches!(&script, Some(Script::Answer { line, .. }) if !line.starts_with('2'));
                        if !refused {
                            let mail = CaughtMail::read(from.take().unwrap_or_default(), std::mem::take(&mut to), raw);
                            lock(shared).messages.push(mail);
                        }
                        match script {
                            Some(Script::HangUp { .. }) => Turn::End,
                            Some(Script::Answer { line, .. }) => {
                                writer.write_all(format!("{line}\r\n").as_bytes()).await?;
                                Turn::GoOn
                            }
                            None => {
                                writer.write_all(b"250 message taken\r\n").await?;
                                Turn::GoOn
                            }
                        }
                    }
                }
            }
            "QUIT" => {
                writer.write_all(b"221 good bye\r\n").await?;
                Turn::End
            }
            "HELO" | "RSET" | "NOOP" => {
                (from, to) = if command == "NOOP" { (from, to) } else { (None, Vec::new()) };
                writer.write_all(b"250 fine\r\n").await?;
                Turn::GoOn
            }
            "RCPT" | "DATA" => {
                writer.write_all(b"503 not in this order\r\n").await?;
                Turn::GoOn
            }
            _ => {
                writer.write_all(b"502 not known here\r\n").await?;
                Turn::GoOn
            }
        };
        if let Turn::End = turn {
            return Ok(());
        }
    }
    Ok(())
}

/// The address between the angle brackets.
fn address_in(text: &str) -> String {
    let inner = text.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(String::new, |(address, _)| address.to_owned())
}

/// One line, or nothing at the end; a line beyond all measure ends the conversation.
async fn read_line(reader: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = reader.read_until(b'\n', &mut line).await?;
    Ok((read > 0 && read <= LINE_BYTES.max(MESSAGE_BYTES)).then_some(line))
}

/// The message up to the line with a single dot, with the dots undone that the sender put before lines (RFC 5321,
/// section 4.5.2). Nothing where the sender breaks off or it is too large.
async fn read_message(reader: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut raw = Vec::new();
    loop {
        let Some(line) = read_line(reader).await? else { return Ok(None) };
        if line == b".\r\n" || line == b".\n" {
            return Ok(Some(raw));
        }
        raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        if raw.len() > MESSAGE_BYTES {
            return Ok(None);
        }
    }
}
