//! A group that the store refuses for what it carries, taken apart again: one request must not be in the way of others.

use crate::model::EntryBody;

use super::group::{Group, Request};

/// What is kept of a request beside the group that is made of it.
pub(super) enum Spare {
    /// Nothing: the entries have its events. Those are most of all that is written, and are not held twice.
    Events,
    Whole(Request),
}

impl Spare {
    pub(super) fn of(requests: &[Request]) -> Vec<Self> {
        let spare = |request: &Request| match request {
            Request::Source { .. } => Self::Events,
            other => Self::Whole(other.clone()),
        };
        requests.iter().map(spare).collect()
    }
}

/// The requests of which a group was made, in their order.
pub(super) fn requests(spares: Vec<Spare>, group: Group) -> Vec<Request> {
    let mut entries = group.append.entries.into_iter().peekable();
    let mut quarantined = group.append.quarantined.into_iter();
    let mut rows = 0;
    let request = |(spare, end): (Spare, super::group::End)| {
        let own = std::iter::from_fn(|| entries.next_if(|entry| entry.offset <= end.offset));
        let events = own.filter_map(|entry| if let EntryBody::Event(event) = entry.body { Some(event) } else { None });
        let events = events.collect();
        let quarantined = quarantined.by_ref().take(end.quarantined - rows).collect();
        rows = end.quarantined;
        match spare {
            Spare::Events => Request::Source { events, quarantined },
            Spare::Whole(request) => request,
        }
    };
    spares.into_iter().zip(group.ends).map(request).collect()
}
