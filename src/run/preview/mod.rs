//! A preview: one object through every rule, on a draft that nobody commits, as plain data.
//!
//! Reading order: this file (the data), [`subject`] (which object, and what is tried on it), `trace` (making it),
//! [`compare`] (two rule sets on one object). Prints nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::RunError;
use super::session::Session;
use super::wanted::Wanted;
use crate::connector::target::TargetKind;
use crate::connector::{RenderedRequest, TenantFacts};
use crate::connector_space::ObjectId;
use crate::metaverse::MetaverseId;
use crate::sync::{Sources, Targets};

pub mod compare;
mod person;
mod rules;
mod shown;
pub mod subject;
mod trace;

pub use trace::trace;

/// What rules stand on: everything that a preview needs besides a draft.
pub struct World {
    /// The connectors that objects come from.
    pub sources: Sources,
    /// The connectors that objects go to.
    pub targets: Targets,
    /// The place of each connector in the configuration.
    pub orders: BTreeMap<String, u16>,
    /// What each target said about itself.
    pub facts: BTreeMap<String, TenantFacts>,
    /// The ways of each target.
    pub kinds: BTreeMap<String, TargetKind>,
    /// What rules that ask for the day are told, in seconds since 1970.
    pub now: i64,
}

impl World {
    /// As the last imports left it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(session: &Session) -> Result<World, RunError> {
        let (sources, targets) = (session.sources()?, session.targets()?);
        let mut facts = BTreeMap::new();
        for name in targets.keys() {
            facts.insert(name.clone(), session.tenant(name)?);
        }
        let kinds = session.target_kinds().map(|(name, kind)| (name.clone(), kind)).collect();
        Ok(World { sources, targets, orders: session.orders.clone(), facts, kinds, now: session.now })
    }

    /// A file shows everything of an object. Of types that a connector has never imported, there are no others.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn believe_file(&mut self, session: &Session, connector: &str) -> Result<(), RunError> {
        let wanted = Wanted::of(session, connector)?;
        let Some(source) = self.sources.get_mut(connector) else { return Ok(()) };
        for (object_type, names) in wanted.request.types {
            source.imported.entry(object_type).or_insert_with(|| Arc::new(names));
        }
        Ok(())
    }
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A connector object.
    Object(ObjectId),
    /// A metaverse object.
    Person(MetaverseId),
}

/// One object through every rule of a set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preview {
    /// The fingerprint of the rules.
    pub rules: String,
    /// The object that was asked for; nothing for a metaverse object.
    pub subject: Option<ObjectTrace>,
    /// What was tried on it, before and after.
    pub tried: Vec<Tried>,
    /// Source objects with their rules: the subject, if it is one, and then the others of its person.
    pub sources: Vec<SourceTrace>,
    /// The metaverse object.
    pub person: Option<PersonTrace>,
    /// Outbound rules.
    pub outbound: Vec<RuleTrace>,
    /// Target objects.
    pub targets: Vec<TargetTrace>,
    /// Objects that would be left as they are, and why.
    pub errors: Vec<String>,
}

/// One connector object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectTrace {
    /// Its id in the connector space.
    pub id: ObjectId,
    /// Its connector.
    pub connector: String,
    /// What a person calls it.
    pub name: String,
    /// `user`, `group`.
    pub object_type: String,
    /// Its id in the directory; nothing until it is made there.
    pub anchor: Option<String>,
    /// How it is linked now.
    pub link: Option<LinkTrace>,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkTrace {
    /// To which metaverse object.
    pub metaverse: String,
    /// `joined`, `projected`, `provisioned`, …
    pub kind: String,
    /// The rule that made it.
    pub rule: String,
}

/// One change that was tried on the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// The attribute, or `dn`.
    pub attribute: String,
    /// What is stored.
    pub before: Vec<String>,
    /// What is tried.
    pub after: Vec<String>,
    /// Whether some rule reads it; where none does, it changes nothing.
    pub read: bool,
}

impl Preview {
    /// Whose rules say most: the subject's, or everybody's where the subject is no source or the metaverse object is
    /// made or ends.
    pub fn main_sources(&self) -> impl Iterator<Item = &SourceTrace> {
        let subject = self.subject.as_ref().map(|subject| subject.id);
        let is_source = self.sources.iter().any(|source| Some(source.object.id) == subject);
        let stays = self.person.as_ref().is_none_or(|person| person.fate == Fate::Stays);
        self.sources.iter().filter(move |source| !is_source || !stays || Some(source.object.id) == subject)
    }
}

/// One source object and its inbound rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceTrace {
    /// The object.
    pub object: ObjectTrace,
    /// Its rules, the best precedence first.
    pub rules: Vec<RuleTrace>,
}

/// One rule on one object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleTrace {
    /// Its name.
    pub rule: String,
    /// Lower wins.
    pub precedence: i64,
    /// `metaverse/person`, `entra/user`.
    pub to: String,
    /// `project`, `join`, `provision`, `none`, …
    pub link: String,
    /// Whether the object is in scope.
    pub scope: ScopeTrace,
    /// Its join groups, if it links and the object is in scope.
    pub joins: Vec<JoinTrace>,
}

/// Whether an object is in the scope of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum ScopeTrace {
    /// It is.
    In,
    /// It is not.
    Out {
        /// The line of the first clause that said no.
        line: u32,
        /// Its text.
        text: String,
        /// What it read: names and values.
        reads: Vec<(String, Vec<String>)>,
    },
    /// The rule fails on it.
    Error {
        /// Why, with the place.
        message: String,
    },
}

/// One join group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JoinTrace {
    /// Its keys: names and values. A key without a value is empty.
    pub keys: Vec<(String, String)>,
    /// What it came to.
    pub outcome: JoinOutcome,
}

/// What a join group came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum JoinOutcome {
    /// A key has no value: the group is skipped.
    Skipped(Vec<String>),
    /// Nobody.
    Nobody,
    /// One: its name.
    One(String),
    /// Several: the first of their names. It is ambiguous.
    Several(Vec<String>),
}

/// A metaverse object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PersonTrace {
    /// Its id.
    pub id: String,
    /// `person`, `group`.
    pub object_type: String,
    /// What a person calls it.
    pub name: String,
    /// What becomes of it: `new`, `stays`, `ends`.
    pub fate: Fate,
    /// Every attribute.
    pub attributes: Vec<AttributeTrace>,
    /// Source objects that belong to it besides the subject.
    pub others: Vec<String>,
}

/// What becomes of a metaverse object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It would be made.
    New,
    /// It is there and stays.
    Stays,
    /// It would end.
    Ends,
}

/// One attribute of a metaverse object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttributeTrace {
    /// Its name.
    pub attribute: String,
    /// What is stored.
    pub now: Vec<String>,
    /// What would be.
    pub after: Vec<String>,
    /// Who gives the value; several where rules merge.
    pub from: Vec<Origin>,
    /// Who would give another one, and loses.
    pub beats: Vec<Origin>,
}

/// One flow that gives a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The rule.
    pub rule: String,
    /// Its line.
    pub line: u32,
    /// The text of the flow.
    pub source: String,
    /// What it says.
    pub value: String,
    /// The object it comes from, where that is not the subject.
    pub object: Option<String>,
}

/// One object of a target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetTrace {
    /// The object.
    pub object: ObjectTrace,
    /// Whether runs write to its target at all: not before `go-live`.
    pub live: bool,
    /// `create`, `update`, `delete`; nothing when there is nothing to write.
    pub operation: Option<String>,
    /// Why, where it is not for its values.
    pub reason: String,
    /// Attribute by attribute.
    pub changes: Vec<ChangeTrace>,
    /// References of and to the object that would be added or removed.
    pub references: Vec<ReferenceTrace>,
    /// What would be sent.
    pub requests: Vec<RenderedRequest>,
    /// Why it would be refused before it is sent.
    pub refused: Vec<String>,
    /// What is left alone, and why.
    pub held: Vec<String>,
    /// What an earlier run sent or was refused, where that is not settled yet.
    pub unsettled: Option<String>,
}

/// One attribute of a target object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeTrace {
    /// Its name.
    pub attribute: String,
    /// What the target has.
    pub now: Vec<String>,
    /// What it would have; nothing clears.
    pub after: Vec<String>,
    /// The rule.
    pub rule: String,
    /// Its line.
    pub line: u32,
    /// The text of the flow.
    pub source: String,
}

/// One reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReferenceTrace {
    /// Whether it is added.
    pub add: bool,
    /// The attribute.
    pub attribute: String,
    /// Whose attribute it is.
    pub of: String,
    /// What it refers to.
    pub to: String,
    /// It cannot be sent before both are in the target.
    pub waits: bool,
}

/// A request in one line: `PATCH /users/… {…}`.
pub fn request_line(request: &RenderedRequest) -> String {
    let body = request.body.as_ref().map(|body| format!(" {body}")).unwrap_or_default();
    format!("{} {}{body}", request.method, request.path)
}
