//! Connections to the mail server, kept open between messages.
//!
//! Our own rather than lettre's: that one leaves Nagle's algorithm on, which with delayed acknowledgements costs some
//! 40 ms a message, many times the work itself (`docs/performance.md`).

use std::sync::Mutex;
use std::time::{Duration, Instant};

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::workspace::config::{EmailConfig, SmtpSecurity};

/// How long a connection may lie idle: servers hang up after five minutes or so.
const IDLE: Duration = Duration::from_secs(60);
/// How long the server may take to greet.
const CONNECT: Duration = Duration::from_secs(30);

pub(super) struct Pool {
    settings: EmailConfig,
    hello: ClientId,
    idle: Mutex<Vec<(Instant, AsyncSmtpConnection)>>,
}

impl Pool {
    pub(super) fn new(settings: &EmailConfig) -> Self {
        Self { settings: settings.clone(), hello: ClientId::default(), idle: Mutex::new(Vec::new()) }
    }

    /// An open connection: an idle one that still answers, or a new one.
    pub(super) async fn take(&self) -> Result<AsyncSmtpConnection, String> {
        while let Some((since, mut connection)) = self.pop() {
            if since.elapsed() < IDLE && connection.test_connected().await {
                return Ok(connection);
            }
        }
        match timeout(CONNECT, self.connect()).await {
            Ok(connected) => connected,
            Err(_) => Err("the mail server did not greet in time".to_owned()),
        }
    }

    /// Keeps a connection for the next message.
    pub(super) fn put(&self, connection: AsyncSmtpConnection) {
        if let Ok(mut idle) = self.idle.lock()
            && idle.len() < self.settings.connections
            && !connection.has_broken()
        {
            idle.push((Instant::now(), connection));
        }
    }

    fn pop(&self) -> Option<(Instant, AsyncSmtpConnection)> {
        self.idle.lock().ok()?.pop()
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let EmailConfig { host, port, security, .. } = &self.settings;
        let failed =
            |error: &dyn std::fmt::Display| format!("the mail server {host}:{port} cannot be reached: {error}");
        let mut connection = if *security == SmtpSecurity::Tls {
            let tls = Some(self.tls()?);
            AsyncSmtpConnection::connect_tokio1((host.as_str(), *port), Some(CONNECT), &self.hello, tls, None)
                .await
                .map_err(|error| failed(&error))?
        } else {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| failed(&error))?;
            stream.set_nodelay(true).map_err(|error| failed(&error))?;
            AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello)
                .await
                .map_err(|error| failed(&error))?
        };
        if *security == SmtpSecurity::StartTls {
            let tls = self.tls()?;
            connection.starttls(tls, &self.hello).await.map_err(|error| failed(&error))?;
        }
        if let (Some(user), Some(password)) = (&self.settings.user, &self.settings.password) {
            let credentials = Credentials::new(user.clone(), password.reveal().to_owned());
            let signed_in = connection.auth(DEFAULT_MECHANISMS, &credentials).await;
            signed_in.map_err(|error| format!("the mail server {host}:{port} does not let us in: {error}"))?;
        }
        Ok(connection)
    }

    fn tls(&self) -> Result<TlsParameters, String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        TlsParameters::new(self.settings.host.clone())
            .map_err(|error| format!("no TLS to {}: {error}", self.settings.host))
    }
}
