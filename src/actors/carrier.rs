//! What a channel actor needs of a channel: to carry one effect into the world and say what became of it.
//!
//! Every channel of `tidewater.yaml` is a carrier. The seam is here so that tests can watch what is carried and when.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use crate::channels::{Channel, Outcome};
use crate::engine::Effect;
use crate::privacy::links::Signer;
use crate::workspace::config::Limits;
use crate::workspace::{Config, Program};

/// A try under way.
pub type Performing = Pin<Box<dyn Future<Output = Outcome>>>;

/// Carries the effects of one destination.
pub trait Carrier: Send + Sync {
    /// How many effects may be under way at once.
    fn at_once(&self) -> usize;

    /// How fast it may go, in all and for each domain.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Tries once; `attempts` tells how often it was tried before.
    fn perform(self: Arc<Self>, effect: Effect, attempts: u32, program: Arc<Program>) -> Performing;
}

impl Carrier for Channel {
    fn at_once(&self) -> usize {
        Channel::at_once(self)
    }

    fn limits(&self) -> Limits {
        *Channel::limits(self)
    }

    fn perform(self: Arc<Self>, effect: Effect, attempts: u32, program: Arc<Program>) -> Performing {
        Box::pin(async move { Channel::perform(&self, &effect, attempts, &program).await })
    }
}

/// A carrier for each channel of the settings.
pub(super) fn from_config(config: &Config, links: &Arc<Signer>) -> Result<BTreeMap<String, Arc<dyn Carrier>>, String> {
    let channel = |name: &String| {
        let channel = Channel::from_config(name, config, links.clone())
            .map_err(|reason| format!("channel `{name}` cannot be used: {reason}"))?;
        Ok((name.clone(), Arc::new(channel) as Arc<dyn Carrier>))
    };
    config.channels.keys().map(channel).collect()
}
