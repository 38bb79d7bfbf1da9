//! Whom people mean when they name a customer: the one place that reads what they type or put into a path.

use crate::model::ProfileId;

use super::{Database, StoreError};

/// Why nobody is meant, in words for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unnamed {
    #[error(
        "no customer has the {kind} `{value}`; say `user_id:…`, `anonymous_id:…` or `profile:…` (a profile's id, as \
         `tidewater segment members` lists them)"
    )]
    Nobody { kind: String, value: String },
    #[error("this person was erased; `tidewater privacy audit` lists the receipts")]
    Erased,
    #[error("`{0}` is the user id of one customer and the id of another's profile; say `user_id:{0}` or `profile:{0}`")]
    Several(String),
}

const PROFILE: &str = "profile";
const KINDS: [&str; 3] = ["user_id", "anonymous_id", PROFILE];

impl Database {
    /// The customer of `user_id:…`, `anonymous_id:…` or `profile:…`, of a bare user id, or of the id of a profile that is nobody's
    /// user id; after a merge the profile that took it in.
    ///
    /// # Errors
    /// The database failed.
    pub async fn named(&self, text: &str) -> Result<Result<ProfileId, Unnamed>, StoreError> {
        if let Some((kind, value)) = text.split_once(':').filter(|(kind, _)| KINDS.contains(kind)) {
            return self.named_by(kind, value).await;
        }
        // An id of another system, such as a digest, may look as ours do.
        let (by_name, by_id) = (self.named_by("user_id", text).await?, self.named_by(PROFILE, text).await?);
        Ok(match (by_name, by_id) {
            (Ok(name), Ok(id)) if name != id => Err(Unnamed::Several(text.to_owned())),
            (Ok(profile), _) | (_, Ok(profile)) => Ok(profile),
            (_, Err(Unnamed::Erased)) => Err(Unnamed::Erased),
            (nobody, _) => nobody,
        })
    }

    async fn named_by(&self, kind: &str, value: &str) -> Result<Result<ProfileId, Unnamed>, StoreError> {
        let nobody = || Unnamed::Nobody { kind: kind.replace('_', " "), value: value.to_owned() };
        let known = if kind == PROFILE { value.parse().ok() } else { self.find_profile_by(kind, value).await? };
        let Some(profile) = known else {
            return Ok(Err(nobody()));
        };
        let profile = self.surviving_profile(profile).await?;
        if self.is_erased(profile).await? {
            return Ok(Err(Unnamed::Erased));
        }
        // One that is not saved yet is known by its identifiers, if there is one.
        let is_there = kind != PROFILE
            || !self.load_profiles(&[profile]).await?.is_empty()
            || !self.identifiers_of(profile).await?.is_empty();
        Ok(if is_there { Ok(profile) } else { Err(nobody()) })
    }
}
