//! Effects that steps decide.

use crate::journey::graph::{EmailStep, WebhookStep};
use crate::lang::eval::View;
use crate::lang::rules::ComputeIndex;
use crate::model::value::ValueMap;
use crate::model::{ConsentKey, EffectId, Span, Value};

use crate::engine::consent::topic_allows;
use crate::engine::profile::Run;
use crate::engine::transition::{Effect, EffectBody, EffectConsent, Origin, StepOutcome};
use crate::engine::turn::Turn;
use crate::engine::view::value_of;

/// A message that could not leave for this long says something that is no longer true.
const EXPIRES_AFTER: Span = Span::DAY.times(3);

impl Turn<'_> {
    pub(super) fn decide_email(&mut self, run: &Run, step: &str, visit: u32, email: &EmailStep) -> StepOutcome {
        let topic = &self.program.rules.topics[email.topic];
        if !topic_allows(self.profile, topic, "email") {
            return StepOutcome::Skipped("no_consent".to_owned());
        }
        let view = self.view();
        let Some(to) = view.trait_value(email.address).and_then(Value::as_text).filter(|to| !to.is_empty()) else {
            return StepOutcome::Skipped("no_address".to_owned());
        };
        let body = EffectBody::Email {
            to: to.to_owned(),
            template: email.template.clone(),
            subject: email.subject.clone(),
            variables: self.variables(run),
        };
        let consent = EffectConsent {
            key: ConsentKey::Topic { topic: topic.name.clone(), channel: "email".to_owned() },
            class: topic.class,
        };
        self.decide(run, step, visit, "email".to_owned(), Some(consent), body)
    }

    pub(super) fn decide_webhook(&mut self, run: &Run, step: &str, visit: u32, webhook: &WebhookStep) -> StepOutcome {
        let body = EffectBody::Webhook { body: webhook.body.clone(), variables: self.variables(run) };
        self.decide(run, step, visit, webhook.destination.clone(), None, body)
    }

    pub(super) fn decide_audience(&mut self, run: &Run, step: &str, audience: usize, add: bool) -> StepOutcome {
        match self.choose(audience, add, &origin(run, step)) {
            Some(effect) => StepOutcome::Decided(effect),
            None => StepOutcome::Skipped("nothing_to_change".to_owned()),
        }
    }

    fn decide(
        &mut self,
        run: &Run,
        step: &str,
        visit: u32,
        destination: String,
        consent: Option<EffectConsent>,
        body: EffectBody,
    ) -> StepOutcome {
        let id = EffectId::of_step(run.id, step, visit);
        self.out.effects.push(Effect {
            id,
            profile: self.profile.id,
            destination,
            origin: Some(origin(run, step)),
            consent,
            decided_at: self.now,
            expires_at: Some(self.now + EXPIRES_AFTER),
            body,
        });
        StepOutcome::Decided(id)
    }

    /// What templates may name: traits, computes, `user_id`, `entry` (the entry event) and `journey`.
    fn variables(&self, run: &Run) -> ValueMap {
        let mut variables = self.profile.traits.clone();
        for (index, compute) in self.program.rules.computes.iter().enumerate() {
            let index = ComputeIndex(index as u32);
            if let Some(value) = value_of(self.profile, self.program, index, self.now) {
                variables.insert(compute.name.clone(), value);
            }
        }
        if let Some(user_id) = &self.profile.user_id {
            variables.insert("user_id".to_owned(), user_id.as_str().into());
        }
        variables.insert("profile_id".to_owned(), self.profile.id.to_string().into());
        variables.insert("entry".to_owned(), Value::Map(run.entry.clone()));
        variables.insert("journey".to_owned(), run.journey.as_str().into());
        variables
    }
}

fn origin(run: &Run, step: &str) -> Origin {
    Origin { journey: run.journey.clone(), run: run.id, step: step.to_owned() }
}
