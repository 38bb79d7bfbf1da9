//! Links in mail that say who clicked what, or who wants no more: a payload and its HMAC, so that nobody can forge one
//! or change where it leads.
//!
//! `https://…/c/<payload>.<mac>` and `/u/<payload>.<mac>`; both parts are base64url. Each purpose has a key of its own,
//! derived from the workspace's secret, so that a click link is no unsubscribe link.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::engine::transition::Origin;
use crate::model::{EffectId, ProfileId};

/// Bytes of the MAC that a link carries: 128 bits cannot be guessed, and links stay short.
const MAC_BYTES: usize = 16;

/// Signs links and reads them back.
pub struct Signer {
    click: Vec<u8>,
    unsubscribe: Vec<u8>,
    public_url: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

/// A click on a link of an e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClickLink {
    #[serde(rename = "p")]
    pub profile: ProfileId,
    #[serde(rename = "e")]
    pub effect: EffectId,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Where the link leads: http or https.
    #[serde(rename = "u")]
    pub url: String,
}

/// A wish to get no more of a topic on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsubscribeLink {
    #[serde(rename = "p")]
    pub profile: ProfileId,
    #[serde(rename = "t")]
    pub topic: String,
    #[serde(rename = "c")]
    pub channel: String,
    /// The message that carried the link.
    #[serde(rename = "e")]
    pub effect: EffectId,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

impl Signer {
    /// `public_url` has no trailing slash.
    #[must_use]
    pub fn new(secret: &[u8], public_url: &str) -> Self {
        let key = |purpose: &str| mac(secret, purpose.as_bytes());
        let public_url = public_url.trim_end_matches('/').to_owned();
        Self { click: key("tidewater click link"), unsubscribe: key("tidewater unsubscribe link"), public_url }
    }

    /// The address that notes the click and leads on to `link.url`.
    #[must_use]
    pub fn click_url(&self, link: &ClickLink) -> String {
        format!("{}/c/{}", self.public_url, sign(&self.click, link))
    }

    /// The address that shows the unsubscribe page, and acts on a POST.
    #[must_use]
    pub fn unsubscribe_url(&self, link: &UnsubscribeLink) -> String {
        format!("{}/u/{}", self.public_url, sign(&self.unsubscribe, link))
    }

    /// What a click token says, if we signed it.
    #[must_use]
    pub fn verify_click(&self, token: &str) -> Option<ClickLink> {
        let link: ClickLink = verify(&self.click, token)?;
        (link.url.starts_with("https://") || link.url.starts_with("http://")).then_some(link)
    }

    /// What an unsubscribe token says, if we signed it.
    #[must_use]
    pub fn verify_unsubscribe(&self, token: &str) -> Option<UnsubscribeLink> {
        verify(&self.unsubscribe, token)
    }
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length.
    let mut hmac = match Hmac::<Sha256>::new_from_slice(key) {
        Ok(hmac) => hmac,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    };
    hmac.update(message);
    hmac.finalize().into_bytes().to_vec()
}

fn sign(key: &[u8], payload: &impl Serialize) -> String {
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(payload).unwrap_or_default());
    let signature = mac(key, payload.as_bytes());
    format!("{payload}.{}", URL_SAFE_NO_PAD.encode(&signature[..MAC_BYTES]))
}

fn verify<T: DeserializeOwned>(key: &[u8], token: &str) -> Option<T> {
    let (payload, signature) = token.split_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let expected = mac(key, payload.as_bytes());
    if !bool::from(expected[..MAC_BYTES].ct_eq(&signature)) {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> ClickLink {
        ClickLink {
            profile: ProfileId(1),
            effect: EffectId(2),
            origin: None,
            url: "https://shop.example/?a=1&b=2".to_owned(),
        }
    }

    fn token(url: &str) -> &str {
        url.rsplit('/').next().unwrap()
    }

    #[test]
    fn a_link_says_what_was_signed() {
        let signer = Signer::new(b"secret", "https://t.example/");
        let url = signer.click_url(&link());
        assert!(url.starts_with("https://t.example/c/"), "{url}");
        assert_eq!(signer.verify_click(token(&url)), Some(link()));
    }

    #[test]
    fn a_link_with_any_byte_changed_says_nothing() {
        let signer = Signer::new(b"secret", "https://t.example");
        let url = signer.click_url(&link());
        let token = token(&url).to_owned();
        for position in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(bytes).unwrap();
            assert_eq!(signer.verify_click(&forged), None, "byte {position}");
        }
        assert_eq!(signer.verify_click(""), None);
        assert_eq!(signer.verify_click(&format!("{token}x")), None);
    }

    #[test]
    fn a_click_link_is_no_unsubscribe_link_and_another_secret_is_no_key() {
        let signer = Signer::new(b"secret", "https://t.example");
        let url = signer.click_url(&link());
        assert_eq!(signer.verify_unsubscribe(token(&url)), None);
        assert_eq!(Signer::new(b"other", "https://t.example").verify_click(token(&url)), None);
    }

    #[test]
    fn a_link_leads_to_the_web_only() {
        let signer = Signer::new(b"secret", "https://t.example");
        let url = signer.click_url(&ClickLink { url: "javascript:alert(1)".to_owned(), ..link() });
        assert_eq!(signer.verify_click(token(&url)), None);
    }
}
