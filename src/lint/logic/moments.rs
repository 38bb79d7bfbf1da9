//! `did`: what one says about another.

use crate::lang::Rules;
use crate::lang::rules::{Period, Selector, TrailIndex, TrailKind};
use crate::lang::window::Window;
use crate::model::platform_event;

/// `did … at least n times` within a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Times {
    pub trail: TrailIndex,
    pub at_least: u32,
    pub within: Within,
}

/// A [`Period`] with an order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Within {
    Ever,
    Last(Window),
    SinceLast(TrailIndex),
    SinceEntry,
}

impl Within {
    #[must_use]
    pub fn of(period: Period) -> Self {
        match period {
            Period::Ever => Self::Ever,
            Period::Last(window) => Self::Last(window),
            Period::SinceLast(trail) => Self::SinceLast(trail),
            Period::SinceEntry => Self::SinceEntry,
        }
    }

    /// Whether every moment of this stretch lies in the other.
    fn lies_in(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Ever) => true,
            (Self::Last(part), Self::Last(whole)) => part.lies_in(*whole),
            _ => self == other,
        }
    }
}

impl Times {
    /// Whether who did this did the other as well.
    #[must_use]
    pub fn implies(&self, other: &Self, rules: &Rules) -> bool {
        self.at_least >= other.at_least && self.within.lies_in(&other.within) && is_part(self.trail, other.trail, rules)
    }
}

/// Whether every event of the first trail is one of the second.
fn is_part(part: TrailIndex, whole: TrailIndex, rules: &Rules) -> bool {
    if part == whole {
        return true;
    }
    let (part, whole) = (&rules.trails[part.at()], &rules.trails[whole.at()]);
    let is_selected = match (&part.selector, &whole.selector) {
        (Selector::Named(name), Selector::AnyActivity) => platform_event::find(name).is_none(),
        (one, other) => one == other,
    };
    // The newest of a day, and the first ever, are among all.
    is_selected
        && (whole.filter.is_none() || whole.filter == part.filter)
        && (whole.dates == (None, None) || whole.dates == part.dates)
        && whole.kind == TrailKind::Each
}
