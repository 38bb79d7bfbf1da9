//! What an erasure is at, and how far it has come there.

use super::super::StoreError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Stage {
    /// Waits until the shards have saved that the person is gone.
    Saving,
    /// Looks for what was refused or set aside, after this row.
    Quarantine {
        after: String,
    },
    /// Writes blocks of the journal anew, after the one that begins with this entry.
    Journal {
        after: i64,
    },
    /// Waits until far sides have let go of the person.
    Effects,
    /// Has the database let go of what it holds of removed rows. Where the file has been written anew, its log is left.
    File {
        is_packed: bool,
    },
    Done,
}

const PACKED: &str = "packed";

impl Stage {
    /// Reads it from its word and from how far it has come.
    pub(in crate::store) fn read(word: &str, cursor: &str) -> Result<Self, StoreError> {
        match word {
            "saving" => Ok(Self::Saving),
            "quarantine" => Ok(Self::Quarantine { after: cursor.to_owned() }),
            "journal" => Ok(Self::Journal { after: cursor.parse().unwrap_or(0) }),
            "effects" => Ok(Self::Effects),
            "file" => Ok(Self::File { is_packed: cursor == PACKED }),
            "done" => Ok(Self::Done),
            _ => Err(StoreError::Corrupt(format!("the stage `{word}` of an erasure"))),
        }
    }

    pub(in crate::store) fn word(&self) -> &'static str {
        match self {
            Self::Saving => "saving",
            Self::Quarantine { .. } => "quarantine",
            Self::Journal { .. } => "journal",
            Self::Effects => "effects",
            Self::File { .. } => "file",
            Self::Done => "done",
        }
    }

    pub(in crate::store) fn cursor(&self) -> String {
        match self {
            Self::Quarantine { after } => after.clone(),
            Self::Journal { after } => after.to_string(),
            Self::File { is_packed: true } => PACKED.to_owned(),
            Self::Saving | Self::Effects | Self::File { is_packed: false } | Self::Done => String::new(),
        }
    }

    /// For people: what is under way.
    pub(in crate::store) fn says(&self) -> Option<&'static str> {
        match self {
            Self::Saving => Some("waits until what was decided before is saved"),
            Self::Quarantine { .. } => Some("looks through the quarantine"),
            Self::Journal { .. } => Some("writes blocks of the journal anew"),
            Self::Effects => Some("waits until channels have taken the person out of audiences"),
            Self::File { .. } => Some("has the database let go of removed rows"),
            Self::Done => None,
        }
    }

    /// Of a walk over what is of everyone: which is further on is greater. Walks over the quarantine are all alike.
    pub(super) fn walked(&self) -> Option<i64> {
        match self {
            Self::Quarantine { .. } => Some(i64::MIN),
            Self::Journal { after } => Some(*after),
            Self::Saving | Self::Effects | Self::File { .. } | Self::Done => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_of_a_stage_is_read_again() {
        let stages = [
            Stage::Saving,
            Stage::Quarantine { after: "q7".to_owned() },
            Stage::Journal { after: 129 },
            Stage::Effects,
            Stage::File { is_packed: false },
            Stage::File { is_packed: true },
            Stage::Done,
        ];
        for stage in stages {
            assert_eq!(Stage::read(stage.word(), &stage.cursor()).unwrap(), stage);
        }
        assert_eq!(Stage::read("journal", "").unwrap(), Stage::Journal { after: 0 });
        assert!(Stage::read("packing", "").is_err());
    }
}
