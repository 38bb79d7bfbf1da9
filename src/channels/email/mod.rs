//! E-mail over SMTP.

pub mod catcher;
mod html;
mod message;
mod mime;
mod pool;

use std::sync::Arc;
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use tokio::time::timeout;

use crate::engine::Effect;
use crate::lang::rules::MessageClass;
use crate::privacy::links::Signer;
use crate::workspace::Program;
use crate::workspace::config::{EmailConfig, Limits};

pub use message::{Rendered, render_email};

use message::{Sender, build};
use pool::Pool;

use super::breaker::Contact;
use super::{Outcome, again};

/// How long the server may take over a command, and over the message itself (RFC 5321 section 4.5.3.2 asks for five
/// and ten minutes; a server that needs more than these has a problem that another try meets better).
const COMMAND: Duration = Duration::from_secs(60);
const MESSAGE: Duration = Duration::from_secs(120);
const GOOD_BYE: Duration = Duration::from_secs(2);

/// A mail server, and how we present ourselves to it.
pub struct Email {
    pool: Pool,
    sender: Sender,
    links: Arc<Signer>,
    connections: usize,
    limits: Limits,
}

impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Email").field("sender", &self.sender).finish_non_exhaustive()
    }
}

impl Email {
    /// # Errors
    /// The settings cannot be used; says why.
    pub fn new(config: &EmailConfig, links: Arc<Signer>) -> Result<Self, String> {
        let mailbox = |text: &str| text.parse().map_err(|_| format!("`{text}` is no sender: write `Name <address>`"));
        let from = mailbox(&config.from)?;
        let reply_to = config.reply_to.as_deref().map(mailbox).transpose()?;
        let connections = config.connections.max(1);
        Ok(Self {
            pool: Pool::new(config),
            sender: Sender { from, reply_to },
            links,
            connections,
            limits: config.limits,
        })
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn at_once(&self) -> usize {
        self.connections
    }

    /// Sends a message once.
    pub async fn perform(&self, effect: &Effect, attempts: u32, program: &Program) -> Outcome {
        let built =
            render_email(effect, program, &self.links).and_then(|rendered| build(effect, rendered, &self.sender));
        let message = match built {
            Ok(message) => message,
            Err(reason) => return Outcome::Failed { reason },
        };
        let mut connection = match self.pool.take().await {
            Ok(connection) => connection,
            Err(reason) => return again(effect, attempts, reason, Contact::Silent),
        };
        let sent = send(&mut connection, &message).await;
        let outcome = match sent {
            Ok(detail) => {
                self.pool.put(connection);
                return Outcome::Sent { detail };
            }
            Err(Trouble::Refused { permanent: true, reason }) => Outcome::Failed { reason },
            Err(Trouble::Refused { permanent: false, reason }) => again(effect, attempts, reason, Contact::Answered),
            Err(Trouble::Broke { reason }) => again(effect, attempts, reason, Contact::Silent),
            Err(Trouble::Silent { reason }) => silent(effect, attempts, reason),
        };
        // A server that does not answer our leave-taking must not hold up the next message.
        let _ = timeout(GOOD_BYE, connection.abort()).await;
        outcome
    }
}

/// The server had the whole message and did not say what it did with it (RFC 1047). A marketing message is left at
/// that: it may be there. A transactional one is sent again under the same `Message-ID`.
fn silent(effect: &Effect, attempts: u32, reason: String) -> Outcome {
    let class = effect.consent.as_ref().map_or(MessageClass::Transactional, |consent| consent.class);
    match class {
        MessageClass::Marketing => Outcome::Unknown { reason },
        MessageClass::Transactional => again(effect, attempts, reason, Contact::Silent),
    }
}

/// How a conversation with the server can go wrong.
enum Trouble {
    /// It said no.
    Refused { permanent: bool, reason: String },
    /// The connection broke before the message was through.
    Broke { reason: String },
    /// The connection broke after the message was through, before the answer.
    Silent { reason: String },
}

/// The conversation of one message; the server's last word.
async fn send(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<String, Trouble> {
    let envelope = message.envelope();
    let bytes = message.formatted();
    let mut parameters = Vec::new();
    let addresses = envelope.to().iter().chain(envelope.from());
    if addresses.into_iter().any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            let reason = "the mail server takes no addresses beyond ASCII (SMTPUTF8)".to_owned();
            return Err(Trouble::Refused { permanent: true, reason });
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !bytes.is_ascii() && connection.server_info().supports_feature(Extension::EightBitMime) {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    step(connection.command(Mail::new(envelope.from().cloned(), parameters))).await?;
    for to in envelope.to() {
        step(connection.command(Rcpt::new(to.clone(), Vec::new()))).await?;
    }
    step(connection.command(Data)).await?;
    match timeout(MESSAGE, connection.message(&bytes)).await {
        Ok(Ok(response)) => Ok(response.message().collect::<Vec<_>>().join(" ")),
        Ok(Err(error)) => Err(match refusal(&error) {
            Some(refused) => refused,
            // Whether the last byte went out cannot be told from here: it may have.
            None => Trouble::Silent { reason: format!("the connection broke over the message: {error}") },
        }),
        Err(_) => Err(Trouble::Silent { reason: "no answer to the message in time".to_owned() }),
    }
}

async fn step<T>(command: impl Future<Output = Result<T, SmtpError>>) -> Result<T, Trouble> {
    match timeout(COMMAND, command).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            Err(refusal(&error).unwrap_or(Trouble::Broke { reason: format!("the connection broke: {error}") }))
        }
        Err(_) => Err(Trouble::Broke { reason: "the mail server did not answer in time".to_owned() }),
    }
}

/// The server's no, if that is what the error is.
fn refusal(error: &SmtpError) -> Option<Trouble> {
    let reason = match std::error::Error::source(error) {
        Some(said) => format!("{error}: {said}"),
        None => error.to_string(),
    };
    // 421 is temporary by its number, and closes the connection besides.
    (error.is_permanent() || error.is_transient()).then(|| Trouble::Refused { permanent: error.is_permanent(), reason })
}
