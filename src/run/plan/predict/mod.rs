//! What a target would answer, before anything is sent: whether a value is somebody else's, and how long it takes. Then
//! `room` (objects that it takes no more of), `references` (which it would refuse), `licences` (who would get none).

use crate::connector::target::TargetKind;
use crate::connector::{Pace, TenantFacts};
use crate::connector_space::{ConnectorObject, ExportState, Operation};
use crate::run::{RunError, refusals, waves};
use crate::store::Draft;
use crate::sync::ledger::View;
use crate::value::{AttributeName, Value};

mod licences;
mod references;
mod room;

pub(super) use licences::Licences;
pub use licences::Warning;
pub(super) use references::{References, Trouble};
pub(super) use room::leave_out;

/// How long a chain of people who wait for each other's values is followed.
const CHAIN: usize = 4;
/// More holders of one value are not looked at.
const HOLDERS: usize = 8;

/// Looks at what waits for one target.
pub(super) struct Predictor<'a, 's> {
    /// Where everybody is.
    pub(super) draft: &'a Draft<'s>,
    /// The ways of the target.
    pub(super) kind: TargetKind,
    /// What it says of itself.
    pub(super) facts: &'a TenantFacts,
}

impl Predictor<'_, '_> {
    /// Values that another object of the target holds and will not let go of, one sentence each.
    pub(super) fn taken(&self, object: &ConnectorObject) -> Result<Vec<String>, RunError> {
        self.taken_within(object, CHAIN)
    }

    /// The same, and how far it matters whether those who hold something are refused themselves.
    fn taken_within(&self, object: &ConnectorObject, chain: usize) -> Result<Vec<String>, RunError> {
        let Some(export) = object.export.as_ref().filter(|export| export.operation != Operation::Delete) else {
            return Ok(Vec::new());
        };
        let mut taken = Vec::new();
        for (name, change) in export.changes.iter().filter(|(_, change)| !change.sent) {
            for value in &change.values {
                for (held_as, text) in self.kind.claims(&object.object_type, name, value) {
                    if let Some(holder) = self.holder(object, &held_as, &text, chain)? {
                        let who = format!("{} `{}`", holder.object_type, holder.title());
                        let how = if held_as == *name { String::new() } else { format!(" as `{held_as}`") };
                        taken.push(format!("`{name}` `{value}` is held by {who}{how}"));
                        break;
                    }
                }
            }
        }
        Ok(taken)
    }

    /// Who has a value and keeps it, or would get it before this object does.
    fn holder(
        &self,
        object: &ConnectorObject,
        name: &AttributeName,
        folded: &str,
        chain: usize,
    ) -> Result<Option<ConnectorObject>, RunError> {
        for id in self.draft.find_object(&object.connector, name, folded, HOLDERS)? {
            if id == object.id {
                continue;
            }
            let Some(holder) = self.draft.object(id)? else { continue };
            let has = |values: Option<&Vec<Value>>| {
                values.is_some_and(|values| values.iter().any(|value| value.folded() == folded))
            };
            let pending = holder.export.as_ref().filter(|export| !matches!(export.state, ExportState::Failed { .. }));
            let holds = match pending {
                Some(export) if export.operation == Operation::Delete => false,
                // What is refused changes nothing.
                Some(_) if self.is_refused(&holder, chain)? => has(holder.image.get(name)),
                Some(_) => match self.kind.after(&holder, name) {
                    Some(values) => {
                        has(Some(&values)) && (has(holder.image.get(name)) || self.precedes(&holder, object)?)
                    }
                    None => has(holder.image.get(name)),
                },
                None => has(holder.image.get(name)),
            };
            if holds {
                return Ok(Some(holder));
            }
        }
        Ok(None)
    }
}

impl Predictor<'_, '_> {
    fn is_refused(&self, object: &ConnectorObject, chain: usize) -> Result<bool, RunError> {
        let Some(chain) = chain.checked_sub(1) else { return Ok(false) };
        let invalid = !refusals::refusals(object, self.kind, self.facts).is_empty();
        Ok(invalid || !self.taken_within(object, chain)?.is_empty())
    }

    /// Two would get it: first is who waits for fewer others, then who has an object already, then the lower id.
    fn precedes(&self, left: &ConnectorObject, right: &ConnectorObject) -> Result<bool, RunError> {
        let place = |object: &ConnectorObject| {
            let wave = waves::depth(self.draft, self.kind, object)?;
            Ok::<_, RunError>((wave, object.anchor.is_none(), object.id))
        };
        Ok(place(left)? < place(right)?)
    }
}

/// How long so many writes take at least, with a full bucket at the start.
pub(super) fn seconds(writes: usize, pace: Pace) -> u64 {
    let waiting = u64::try_from(writes).unwrap_or(u64::MAX).saturating_sub(pace.burst);
    waiting.saturating_mul(pace.seconds) / pace.burst.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_full_at_first_and_fills_at_a_steady_rate() {
        let pace = Pace { burst: 3_000, seconds: 150 };
        assert_eq!(seconds(0, pace), 0);
        assert_eq!(seconds(3_000, pace), 0);
        assert_eq!(seconds(10_000, pace), 350);
        assert_eq!(seconds(100_000, pace), 4_850);
    }
}
