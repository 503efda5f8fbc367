//! What the store knows and no directory does: who was joined, what is ours, what waits. As lines of text, so that a store
//! can be made anew from them and an import.

use std::collections::BTreeSet;
use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

use super::Draft;
use super::walk::{STRETCH, stretches};
use crate::connector_space::{ConnectorObject, Edge, ObjectId};
use crate::metaverse::MetaverseObject;
use crate::sync::ledger::{Ledger, LedgerError, Result, View};
use crate::value::{AttributeName, Attributes};

/// The version of the lines.
const VERSION: u32 = 1;

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    /// The first one: the version.
    Decisions(u32),
    /// A fact about the whole, such as `live/entra`.
    Fact(String, serde_json::Value),
    /// An object without what imports bring back.
    Object(Box<ConnectorObject>),
    /// A metaverse object without what rules bring back.
    Person(MetaverseObject),
    /// A reference that we added, that others changed, or that waits.
    Reference(ObjectId, AttributeName, ObjectId, Edge),
}

/// How many of each there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Decisions {
    /// Objects of directories.
    pub objects: usize,
    /// Metaverse objects.
    pub people: usize,
    /// References.
    pub references: usize,
}

/// Writes every decision as a line of JSON. `unique`: metaverse attributes in which names were decided once.
///
/// # Errors
/// When the store cannot be read, or the lines not written.
pub fn write(draft: &Draft<'_>, unique: &BTreeSet<AttributeName>, to: &mut dyn Write) -> Result<Decisions> {
    let mut count = Decisions::default();
    line(to, &Line::Decisions(VERSION))?;
    for name in draft.fact_names()?.into_iter().filter(|name| is_decision(name)) {
        if let Some(fact) = draft.fact(&name)? {
            line(to, &Line::Fact(name, fact))?;
        }
    }
    let objects = |after| draft.all_objects(after, STRETCH);
    stretches(objects, |ids| ids.iter().try_for_each(|id| object(draft, *id, to, &mut count)))?;
    let people = |after| draft.all_metaverse(after, STRETCH);
    stretches(people, |ids| {
        for id in ids {
            let Some(mut person) = draft.metaverse(*id)? else { continue };
            count.people += 1;
            person.contributions.retain(|name, _| unique.contains(name));
            person.error = None;
            line(to, &Line::Person(person))?;
        }
        Ok(())
    })?;
    Ok(count)
}

/// Facts that no import and no configuration brings back: what is live, what the guard counted, which rules linked.
fn is_decision(fact: &str) -> bool {
    let whole = ["promoted", "standby", "accepted", "basis"];
    whole.contains(&fact) || ["live/", "guard/"].iter().any(|start| fact.starts_with(start))
}

fn object(draft: &Draft<'_>, id: ObjectId, to: &mut dyn Write, count: &mut Decisions) -> Result<()> {
    let Some(object) = draft.object(id)? else { return Ok(()) };
    count.objects += 1;
    for attribute in draft.reference_attributes(id)? {
        let edges = draft.edges(id, &attribute)?.into_iter();
        for (other, edge) in edges.filter(|(_, edge)| edge.ours || edge.drifted || edge.pending.is_some()) {
            count.references += 1;
            line(to, &Line::Reference(id, attribute.clone(), other, Edge { seen: false, ..edge }))?;
        }
    }
    let bare = ConnectorObject { image: Attributes::new(), dn: None, error: None, seeks: BTreeSet::new(), ..object };
    line(to, &Line::Object(Box::new(bare)))
}

fn line(to: &mut dyn Write, line: &Line) -> Result<()> {
    let failed = |error: String| LedgerError(format!("cannot write a decision: {error}"));
    let text = serde_json::to_string(line).map_err(|error| failed(error.to_string()))?;
    writeln!(to, "{text}").map_err(|error| failed(error.to_string()))
}

/// Puts decisions into a draft of an empty store; everything is due, and is filled by the next imports.
///
/// # Errors
/// The line that is wrong, and why.
pub fn read(draft: &mut Draft<'_>, from: &mut dyn BufRead) -> Result<Decisions> {
    let mut count = Decisions::default();
    let mut versions = 0;
    for (number, text) in from.lines().enumerate() {
        let wrong = |error: String| LedgerError(format!("line {} is no decision: {error}", number + 1));
        let text = text.map_err(|error| wrong(error.to_string()))?;
        let line: Line = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        match line {
            Line::Decisions(VERSION) => versions += 1,
            Line::Decisions(other) => return Err(wrong(format!("version {other}, and this reads {VERSION}"))),
            _ if versions == 0 => return Err(wrong("the first line says which version it is".into())),
            Line::Fact(name, fact) => draft.put_fact(&name, &fact)?,
            Line::Object(object) => {
                draft.put_object(&object)?;
                draft.mark_object(object.id)?;
                count.objects += 1;
            }
            Line::Person(person) => {
                draft.put_metaverse(&person)?;
                draft.mark_metaverse(person.id)?;
                count.people += 1;
            }
            Line::Reference(object, attribute, to, edge) => {
                draft.put_edge(object, &attribute, to, edge)?;
                draft.mark_edge(object, &attribute, to)?;
                count.references += 1;
            }
        }
    }
    if versions == 0 {
        return Err(LedgerError("there are no decisions in it".into()));
    }
    Ok(count)
}
