//! Ranks: what lets someone into the top, worked out over everyone at once and then a fact until the next time.

use crate::lang::eval::operand_value;
use crate::lang::rules::{Rank, Standing};
use crate::model::Timestamp;
use crate::workspace::Program;

use super::profile::Profile;
use super::turn::Turn;
use super::view::ProfileView;

/// What a profile counts for in a rank at an instant: `None` for who is not in its population or lacks the value.
#[must_use]
pub fn rank_value(profile: &Profile, program: &Program, rank: &Rank, now: Timestamp) -> Option<f64> {
    let is_in = rank
        .population
        .is_none_or(|segment| profile.memberships.contains_key(&program.rules.segments[segment.at()].name));
    if !is_in || profile.is_gone() {
        return None;
    }
    operand_value(&ProfileView::new(profile, program, now), &rank.operand)?.as_number()
}

/// The value that parts those who have the standing from those who have not; `None` where there is nobody.
#[must_use]
pub fn threshold(mut values: Vec<f64>, standing: Standing) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    // At least one, as long as there is anyone: the best of three is in the top 10%.
    let share = |percent: f64| ((percent / 100.0 * count as f64).ceil() as usize).clamp(1, count.max(1));
    match standing {
        Standing::Top(percent) => values.get(count.checked_sub(share(percent))?).copied(),
        Standing::Bottom(percent) => values.get(share(percent) - 1).copied(),
        Standing::AboveMedian | Standing::BelowMedian if count == 0 => None,
        Standing::AboveMedian | Standing::BelowMedian => {
            let (low, high) = (values[(count - 1) / 2], values[count / 2]);
            Some(low + (high - low) / 2.0)
        }
    }
}

/// Whether a value has the standing. Ties are in a share; the median itself is neither above nor below.
fn stands(value: f64, threshold: f64, standing: Standing) -> bool {
    match standing {
        Standing::Top(_) => value >= threshold,
        Standing::Bottom(_) => value <= threshold,
        Standing::AboveMedian => value > threshold,
        Standing::BelowMedian => value < threshold,
    }
}

impl Turn<'_> {
    /// A rank was worked out anew: where this profile stands from now on.
    pub(super) fn take_rank(&mut self, key: u64, threshold: Option<f64>) {
        let program = self.program;
        let Some(index) = program.rules.readers.rank_of_key.get(&key) else {
            self.profile.ranks.remove(&key);
            return;
        };
        let rank = &program.rules.ranks[index.at()];
        let value = rank_value(self.profile, program, rank, self.now);
        let has = value.zip(threshold).is_some_and(|(value, threshold)| stands(value, threshold, rank.standing));
        let changed = if has { self.profile.ranks.insert(key) } else { self.profile.ranks.remove(&key) };
        if changed {
            for segment in &program.rules.readers.segments_of_rank[index.at()] {
                self.dirty(*segment);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_parts_the_share_and_ties_are_in() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(threshold(values.clone(), Standing::Top(10.0)), Some(19.0));
        assert_eq!(threshold(values.clone(), Standing::Bottom(10.0)), Some(2.0));
        assert_eq!(threshold(values, Standing::AboveMedian), Some(10.5));
        assert_eq!(threshold(vec![5.0, 5.0, 5.0], Standing::Top(10.0)), Some(5.0));
        assert!(stands(5.0, 5.0, Standing::Top(10.0)) && !stands(5.0, 5.0, Standing::AboveMedian));
        assert_eq!(threshold(Vec::new(), Standing::Top(10.0)), None);
    }
}
