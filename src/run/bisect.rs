//! Where a value began: the run, the rules and the line that first gave what is there now, and what was new in that run.

use serde::Serialize;

use super::explain::{Explainer, Story};
use super::{RunError, runs};
use crate::change::{Change, Stamp};
use crate::connector_space::ConnectorObject;
use crate::value::AttributeName;

/// Where the present value of an attribute began.
#[derive(Clone, Debug, Serialize)]
pub struct Beginning {
    /// The connector.
    pub connector: String,
    /// What a person calls the object.
    pub object: String,
    /// The attribute.
    pub attribute: String,
    /// Its values now.
    pub values: Vec<String>,
    /// The run and its rules; nothing when the journal does not reach back so far.
    pub given: Option<Stamp>,
    /// What was there before; empty when there was nothing, or the object was new.
    pub before: Vec<String>,
    /// The rule that gave it.
    pub rule: Option<String>,
    /// Its line, in the rules of that run where the journal has it, else in those of now.
    pub line: Option<u32>,
    /// The rules of the run before, where they were others.
    pub rules_before: Option<String>,
    /// What it is made of, as far as that changed in the same run.
    pub causes: Vec<Cause>,
}

/// Something that changed in the same run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// A connector, or a type of the metaverse.
    pub whose: String,
    /// The attribute.
    pub attribute: String,
    /// What it was.
    pub before: Vec<String>,
}

/// Looks for the beginning of a value.
///
/// # Errors
/// When the store fails, or a rule does.
pub fn beginning(
    explainer: &Explainer<'_>,
    object: &ConnectorObject,
    attribute: &AttributeName,
) -> Result<Beginning, RunError> {
    let story = explainer.attribute(object, attribute)?;
    let latest = story.history.first();
    let mut beginning = Beginning {
        connector: story.connector.clone(),
        object: story.object.clone(),
        attribute: story.attribute.clone(),
        values: story.values.clone(),
        given: latest.map(|past| past.stamp.clone()),
        before: latest.map(|past| past.before.clone()).unwrap_or_default(),
        rule: story.from.as_ref().map(|from| from.rule.clone()),
        line: story.from.as_ref().map(|from| from.line),
        rules_before: None,
        causes: Vec::new(),
    };
    let Some(given) = beginning.given.clone() else { return Ok(beginning) };
    for entry in explainer.draft.history(object.id.0)?.into_iter().filter(|entry| entry.stamp.run == given.run) {
        for change in &entry.changes {
            let Change::Writing(_, writing) = change else { continue };
            if let Some(written) = writing.changes.iter().find(|written| written.attribute == *attribute) {
                beginning.rule = Some(written.rule.clone());
                beginning.line = Some(written.line);
            }
        }
    }
    let before = runs::one(&explainer.draft, given.run.saturating_sub(1))?;
    beginning.rules_before = before.map(|log| log.rules).filter(|rules| *rules != given.rules);
    causes(&story, given.run, &mut beginning.causes);
    Ok(beginning)
}

fn causes(story: &Story, run: u64, found: &mut Vec<Cause>) {
    for part in &story.parts {
        let changed = part.history.first().filter(|past| past.stamp.run == run);
        if let Some(past) = changed.filter(|_| part.connector != "metaverse") {
            let (whose, attribute) = (part.connector.clone(), part.attribute.clone());
            let cause = Cause { whose, attribute, before: past.before.clone() };
            if !found.contains(&cause) {
                found.push(cause);
            }
        }
        causes(part, run, found);
    }
}
