//! Signatures of the Standard Webhooks scheme: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The secret shared with the receiver.
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// Reads `whsec_` and base64, with or without the prefix.
    ///
    /// # Errors
    /// What a secret must look like.
    pub fn parse(secret: &str) -> Result<Self, String> {
        let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
        let key = STANDARD.decode(encoded).map_err(|_| {
            "a webhook secret is `whsec_` and base64, such as `openssl rand -base64 32` prints".to_owned()
        })?;
        if key.len() < 16 {
            return Err("a webhook secret must hold 16 bytes at least (24 to 64 are usual)".to_owned());
        }
        Ok(Self(key))
    }

    /// The value of `webhook-signature`.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("HMAC takes keys of any length")
        };
        hmac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(hmac.finalize().into_bytes()))
    }
}

/// Whether one of the signatures of a `webhook-signature` header is right. For our own catcher and tests.
#[must_use]
pub fn verify(key: &SigningKey, id: &str, timestamp: i64, body: &str, header: &str) -> bool {
    let expected = key.sign(id, timestamp, body);
    header.split(' ').any(|signature| bool::from(signature.as_bytes().ct_eq(expected.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_with_the_schemes_own_library_accepts_our_signature() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", r#"{"test": 2432232314}"#);
        let timestamp = chrono::Utc::now().timestamp();
        let signature = SigningKey::parse(secret).unwrap().sign(id, timestamp, body);
        let receiver = standardwebhooks::Webhook::new(secret).unwrap();
        let mut headers = http_headers();
        headers.insert("webhook-id", id.parse().unwrap());
        headers.insert("webhook-timestamp", timestamp.to_string().parse().unwrap());
        headers.insert("webhook-signature", signature.parse().unwrap());
        receiver.verify(body.as_bytes(), &headers).unwrap();
        assert!(receiver.verify(b"{}", &headers).is_err());
    }

    fn http_headers() -> reqwest::header::HeaderMap {
        reqwest::header::HeaderMap::new()
    }

    #[test]
    fn secrets_that_are_none_are_refused() {
        assert!(SigningKey::parse("whsec_short").is_err());
        assert!(SigningKey::parse("whsec_c2hvcnQ=").is_err());
    }
}
