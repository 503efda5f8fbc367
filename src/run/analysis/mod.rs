//! Rules against everybody who is stored: where they contradict each other, what never applies, what never comes to rest.
//!
//! First what is due is synchronised on a draft, as `plan` does. From there everybody is synchronised once more, in
//! stretches, each on a draft of its own that is dropped: with nothing else changed, nothing should change.
//! Reading order: this file (the walk), [`clashes`], [`unused`], [`unrest`].

use std::collections::{BTreeMap, BTreeSet};

use super::session::Session;
use super::synchronise::{self, threads};
use super::wanted::Wanted;
use super::{Progress, RunError, runs};
use crate::connector::{ConnectorError, ConnectorErrorKind};
use crate::connector_space::{Export, ObjectId};
use crate::diagnostic::Diagnostic;
use crate::metaverse::MetaverseId;
use crate::rules::{Coverage, Direction};
use crate::store::Draft;
use crate::sync::ledger::{Ledger, View};
use crate::sync::stage::Readers;
use crate::sync::{InboundAnswer, OutboundAnswer, Sources, Synchronisation, Targets};
use crate::value::{Value, values_to_json};
use clashes::Clashes;
use unrest::Unrest;
use unused::Unused;

mod clashes;
mod unrest;
mod unused;

/// How many people are looked at on one draft.
const STRETCH: usize = 1_000;
/// How many objects are evaluated at a time.
const BATCH: usize = 500;
/// How often somebody is synchronised before a value that still changes counts as one that always will.
const ROUNDS: usize = 4;
/// How much of a value is shown.
const SHOWN: usize = 60;

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Analysis {
    /// Objects of directories that rules were asked about.
    pub objects: u64,
    /// Metaverse objects that rules were asked about.
    pub metaverse: u64,
    /// How many could not be evaluated; nothing is said about them.
    pub errors: u64,
    /// The first of them, and why.
    pub first_error: Option<(String, String)>,
    /// Imports that were not complete: what they did not show is looked at as it was before.
    pub incomplete: Vec<String>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// What was found, by code, and most often first.
    #[serde(skip)]
    pub findings: Vec<Diagnostic>,
}

/// Looks at everybody. Reads no directory and keeps nothing.
///
/// # Errors
/// When nothing is known of a directory that rules name, the store fails, or somebody pressed Ctrl-C.
pub fn make(session: &Session, progress: &dyn Progress) -> Result<Analysis, RunError> {
    let started = std::time::Instant::now();
    let incomplete = imports(session)?;
    let (sources, targets) = (session.sources()?, session.targets()?);
    progress.begin("check", "", None);
    let mut settled = session.store.draft();
    synchronise::on_draft(session, &mut settled, (&sources, &targets), progress)?;
    empty_queues(&mut settled)?;
    let coverage = Coverage::default();
    let mut walk = Walk::new(session, &settled, (&sources, &targets), &coverage)?;
    walk.people(progress)?;
    walk.strangers(progress)?;
    let findings = walk.findings(&coverage)?;
    Ok(Analysis {
        objects: walk.unused.objects,
        metaverse: walk.unused.people,
        errors: walk.errors,
        first_error: walk.first_error,
        incomplete,
        milliseconds: super::cycle::milliseconds(started),
        findings,
    })
}

/// Refuses to speak about directories that are not known; says which ones are not known as they are now.
fn imports(session: &Session) -> Result<Vec<String>, RunError> {
    let draft = session.store.draft();
    let connectors: BTreeSet<String> = session.rules.connector_types().into_iter().map(|side| side.connector).collect();
    for connector in &connectors {
        if draft.fact::<serde_json::Value>(&format!("imported/{connector}"))?.is_some() {
            continue;
        }
        let mut seen = false;
        for object_type in session.directory(connector)?.object_types() {
            seen |= !draft.population(connector, &object_type, None, 1)?.is_empty();
        }
        let what = if seen { "no import of it was ever complete" } else { "nothing has been imported from it yet" };
        let error = ConnectorError::new(ConnectorErrorKind::Settings, what)
            .hint("`syncline plan --import` reads the directories and writes to none");
        return Err(RunError::Connector { connector: connector.clone(), error });
    }
    let last = runs::last(&draft, 1)?.into_iter().find_map(|log| log.report);
    let imports = last.as_ref().and_then(|report| report.get("imports")?.as_array().cloned()).unwrap_or_default();
    let incomplete = imports.iter().filter_map(|import| {
        let reasons: Vec<&str> = import.get("incomplete")?.as_array()?.iter().filter_map(|why| why.as_str()).collect();
        let connector = import.get("connector")?.as_str()?;
        (!reasons.is_empty()).then(|| format!("{connector}: {}", reasons.join("; ")))
    });
    Ok(incomplete.collect())
}

/// What failed waits in the queues; nobody is looked at before his stretch.
fn empty_queues(draft: &mut Draft<'_>) -> Result<(), RunError> {
    for id in draft.object_queue(None, usize::MAX)? {
        draft.unmark_object(id)?;
    }
    for id in draft.metaverse_queue(None, usize::MAX)? {
        draft.unmark_metaverse(id)?;
    }
    Ok(())
}

/// What the rules answered in one round, by object; the last answer where one was asked twice.
#[derive(Default)]
struct Answers {
    inbound: BTreeMap<ObjectId, InboundAnswer>,
    outbound: BTreeMap<MetaverseId, OutboundAnswer>,
}

/// The walk over everybody.
struct Walk<'s> {
    session: &'s Session,
    /// What is stored, with all that is due done.
    settled: &'s Draft<'s>,
    /// Asks everybody once, and counts what the rules evaluate.
    steps: Synchronisation<'s>,
    /// Asks those again who may not be at rest.
    again: Synchronisation<'s>,
    /// Connectors that inbound rules read.
    read: BTreeSet<String>,
    /// Who reads the objects of a target, by connector and type.
    readers: BTreeMap<(String, String), Readers>,
    /// Objects of targets that are read, and wait for something to be written.
    waiting: BTreeSet<ObjectId>,
    clashes: Clashes,
    unused: Unused,
    unrest: Unrest,
    errors: u64,
    first_error: Option<(String, String)>,
}

impl<'s> Walk<'s> {
    fn new(
        session: &'s Session,
        settled: &'s Draft<'s>,
        (sources, targets): (&'s Sources, &'s Targets),
        coverage: &Coverage,
    ) -> Result<Walk<'s>, RunError> {
        let synchronisation =
            || Synchronisation::new(&session.rules, sources, targets, &session.orders, threads()).at(session.now);
        let steps = synchronisation().recording(Some(coverage)).keeping_answers();
        let mut walk = Walk {
            session,
            settled,
            steps,
            again: synchronisation(),
            read: BTreeSet::new(),
            readers: BTreeMap::new(),
            waiting: BTreeSet::new(),
            clashes: Clashes::default(),
            unused: Unused::of(&session.rules),
            unrest: Unrest::default(),
            errors: 0,
            first_error: None,
        };
        for rule in session.rules.rules() {
            if let Direction::Inbound { from, .. } = &rule.header.direction {
                walk.read.extend(from.iter().map(|side| side.connector.clone()));
            }
        }
        for connector in targets.keys().filter(|name| walk.read.contains(*name)) {
            let wanted = Wanted::of(session, connector)?;
            for object_type in session.directory(connector)?.object_types() {
                let readers = wanted.readers(&object_type);
                walk.readers.insert((connector.clone(), object_type), readers);
            }
            settled.each_export(connector, |object| {
                if object.export.as_ref().is_some_and(Export::is_due) {
                    walk.waiting.insert(object.id);
                }
            })?;
        }
        Ok(walk)
    }

    /// Everybody in the metaverse, with the objects that belong to them.
    fn people(&mut self, progress: &dyn Progress) -> Result<(), RunError> {
        let mut after = None;
        loop {
            let people = self.settled.all_metaverse(after, STRETCH)?;
            let Some(last) = people.last() else { return Ok(()) };
            after = Some(*last);
            let mut objects = Vec::new();
            for id in &people {
                let links = self.settled.metaverse(*id)?.map(|person| person.links).unwrap_or_default();
                objects.extend(links.into_iter().filter(|(_, of)| self.read.contains(of)).map(|(id, _)| id));
            }
            self.stretch(&people, &objects)?;
            progress.advance(self.unused.people + self.unused.objects, None);
        }
    }

    /// Objects that belong to nobody.
    fn strangers(&mut self, progress: &dyn Progress) -> Result<(), RunError> {
        let rules = &self.session.rules;
        let sides = rules.connector_types();
        for side in sides.iter().filter(|side| rules.inbound(&side.connector, &side.object_type).next().is_some()) {
            let mut after = None;
            loop {
                let mut ids = self.settled.population(&side.connector, &side.object_type, after, STRETCH)?;
                let Some(last) = ids.last() else { break };
                after = Some(*last);
                let mut owners = Vec::with_capacity(ids.len());
                for id in &ids {
                    owners.push(self.settled.person_of(*id)?);
                }
                let mut owners = owners.into_iter();
                ids.retain(|_| owners.next().flatten().is_none());
                if !ids.is_empty() {
                    self.stretch(&[], &ids)?;
                }
                progress.advance(self.unused.people + self.unused.objects, None);
            }
        }
        Ok(())
    }

    /// Synchronises some once more, then lets the targets show what was written, and looks whether it comes to rest.
    fn stretch(&mut self, people: &[MetaverseId], objects: &[ObjectId]) -> Result<(), RunError> {
        let mut draft = self.settled.over();
        for id in people {
            draft.mark_metaverse(*id)?;
        }
        for id in objects {
            draft.mark_object(*id)?;
        }
        let (mut answers, errors) = round(self.session, &mut self.steps, &mut draft)?;
        self.errors += u64::try_from(errors.len()).unwrap_or(u64::MAX);
        self.first_error = self.first_error.take().or_else(|| errors.into_iter().next());
        let asked: BTreeSet<ObjectId> = objects.iter().copied().collect();
        answers.inbound.retain(|id, _| asked.contains(id));
        answers.outbound.retain(|id, _| people.binary_search(id).is_ok());
        self.unused.add(&answers);
        self.clashes.add(&draft, &answers)?;
        let mut history = vec![unrest::snapshot(&draft)?];
        for _ in 1..ROUNDS {
            let changed = unrest::has_changed(self.settled, &history)?;
            let mut waiting: BTreeSet<ObjectId> = asked.intersection(&self.waiting).copied().collect();
            waiting.extend(draft.written_objects());
            let mut shown = false;
            for id in waiting {
                shown |= unrest::confirm(&mut draft, id, &self.readers)?;
            }
            if !shown && !changed {
                break;
            }
            for id in draft.written_objects() {
                draft.mark_object(id)?;
            }
            for id in draft.written_metaverse() {
                draft.mark_metaverse(id)?;
            }
            round(self.session, &mut self.again, &mut draft)?;
            history.push(unrest::snapshot(&draft)?);
        }
        self.unrest.add(&self.session.store.draft(), self.settled, &history)
    }

    fn findings(&self, coverage: &Coverage) -> Result<Vec<Diagnostic>, RunError> {
        let rules = &self.session.rules;
        let mut findings = self.unrest.findings(rules);
        findings.extend(self.clashes.findings(rules, &self.session.orders));
        let restless = self.unrest.rules();
        findings.extend(self.unused.branches(rules, coverage, &restless));
        // These ask rules again, so the counting is over by now.
        findings.extend(self.unused.rules(rules, self.settled, &self.steps, &restless)?);
        findings.sort_by_key(|(count, finding)| (finding.code, std::cmp::Reverse(*count)));
        Ok(findings.into_iter().map(|(_, finding)| finding).collect())
    }
}

/// Synchronises whoever is marked. Gives the answers, and who could not be evaluated.
fn round(
    session: &Session,
    steps: &mut Synchronisation<'_>,
    draft: &mut Draft<'_>,
) -> Result<(Answers, Vec<(String, String)>), RunError> {
    let (mut answers, mut errors) = (Answers::default(), Vec::new());
    steps.begin_anew();
    while let Some(step) = steps.step(draft, BATCH)? {
        session.go_on()?;
        answers.inbound.extend(step.inbound.into_iter().map(|answer| (answer.0.id, answer)));
        answers.outbound.extend(step.outbound.into_iter().map(|answer| (answer.0.id, answer)));
        errors.extend(step.errors);
    }
    Ok((answers, errors))
}

/// Findings with how many objects each concerns.
type Counted = Vec<(u64, Diagnostic)>;

/// Values for people: `"Sales"`, `["a","b"]`, `—` for none.
fn shown(values: &[Value]) -> String {
    if values.is_empty() {
        return "—".to_owned();
    }
    let text = values_to_json(values, values.len() > 1).to_string();
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
