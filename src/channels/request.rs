//! The one way in which channels call over HTTP: guarded, bounded in time and size, without redirects or proxies.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, RequestBuilder, Response, StatusCode};

use crate::engine::Effect;
use crate::model::Span;

use super::breaker::Contact;
use super::guard::{GuardedResolver, check_url};
use super::{Outcome, again};

/// Bytes of an answer that are read; what comes after does not matter to us.
const ANSWER_BYTES: usize = 64 * 1024;

/// Where an author wants calls to go: an address that was looked at, and a client that looks at what it resolves to.
pub(super) struct Endpoint {
    client: Client,
    url: url::Url,
}

impl Endpoint {
    /// # Errors
    /// The address cannot be used; says why.
    pub(super) fn new(url: &str, allow_private_network: bool) -> Result<Self, String> {
        Ok(Self { client: client(allow_private_network)?, url: check_url(url, allow_private_network)? })
    }

    /// The part of the address that may be shown.
    pub(super) fn host(&self) -> Option<&str> {
        self.url.host_str()
    }

    pub(super) fn post(&self) -> RequestBuilder {
        self.client.post(self.url.clone())
    }
}

fn client(allow_private_network: bool) -> Result<Client, String> {
    // The first to come installs it; later ones find it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(15))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(GuardedResolver { allow_private_network }))
        .user_agent(concat!("tidewater/", env!("CARGO_PKG_VERSION")))
        .tcp_nodelay(true)
        .build()
        .map_err(|error| format!("no HTTP client could be made: {error}"))
}

/// Calls once. The far side tells repeats by their id, so that silence is simply another try.
pub(super) async fn call(request: RequestBuilder, effect: &Effect, attempts: u32) -> Outcome {
    match request.send().await {
        Err(error) => again(effect, attempts, reason(&error), Contact::Silent),
        Ok(response) => answered(response, effect, attempts).await,
    }
}

async fn answered(mut response: Response, effect: &Effect, attempts: u32) -> Outcome {
    let status = response.status();
    let wait = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok())
        .filter(|seconds| (0..=86_400).contains(seconds))
        .map(|seconds| Span::SECOND.times(seconds));
    let body = read_start(&mut response).await;
    if status.is_success() {
        return Outcome::Sent { detail: status.as_u16().to_string() };
    }
    let reason = match body.trim() {
        "" => format!("answered {status}"),
        said => format!("answered {status}: {}", said.chars().take(200).collect::<String>()),
    };
    let may_pass = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
    if !may_pass {
        return Outcome::Failed { reason };
    }
    match (again(effect, attempts, reason, Contact::Answered), wait) {
        // The far side knows best when it is ready; never sooner than we would come by ourselves, though.
        (Outcome::RetryAt { after, reason, contact }, Some(wait)) => {
            Outcome::RetryAt { after: after.max(wait), reason, contact }
        }
        (outcome, _) => outcome,
    }
}

/// The beginning of an answer, for the reason. An endless or broken one ends where it does.
async fn read_start(response: &mut Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= ANSWER_BYTES {
            break;
        }
    }
    bytes.truncate(ANSWER_BYTES);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The innermost cause: what reqwest says around it names the address, which may hold a secret.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
