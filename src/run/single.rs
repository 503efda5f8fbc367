//! One object, now: it is read with what it refers to, synchronised, and exported, and each step says how it went. Adds and
//! changes; a deletion is left to a run, whose guard sees all of them.

use std::collections::{BTreeSet, HashSet};

use serde::Serialize;

use super::changes::taking_in::look_at;
use super::cycle::{self, CycleReport};
use super::export::{self, Only};
use super::import::{self, ImportReport};
use super::session::Session;
use super::staging::Batch;
use super::wanted::Wanted;
use super::{Progress, RunError, guard, live, runs, shrinkage, synchronise};
use crate::connector::changes::Hint;
use crate::connector::directory::Directory;
use crate::connector::{Anchor, Presence};
use crate::connector_space::{ConnectorObject, ObjectId, Operation};
use crate::sync::ledger::View as _;
use crate::value::AttributeName;

/// More objects that one refers to are left to the next run.
const REFERRED: usize = 200;

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should.
    Ok,
    /// It did not, and nothing more was done.
    Failed,
    /// There was nothing to do, or it may not be done now.
    Skipped,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What was looked at or done: `place`, `export`.
    pub step: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// What was found, in a sentence.
    pub detail: String,
}

/// A value that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// The target.
    pub connector: String,
    /// The object there.
    pub object: String,
    /// The attribute.
    pub attribute: AttributeName,
    /// The values before.
    pub before: Vec<String>,
    /// The values now.
    pub after: Vec<String>,
    /// The rule and its line.
    pub by: String,
}

/// What became of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Single {
    /// Its connector.
    pub connector: String,
    /// Its name.
    pub object: String,
    /// The number of the run.
    pub run: u64,
    /// The ten steps, up to the one that failed.
    pub steps: Vec<Step>,
    /// What was written.
    pub sent: Vec<Sent>,
}

impl Single {
    fn step(&mut self, step: &'static str, outcome: Outcome, detail: impl Into<String>) {
        self.steps.push(Step { step, outcome, detail: detail.into() });
    }

    /// Whether a step failed.
    pub fn has_failed(&self) -> bool {
        self.steps.iter().any(|step| step.outcome == Outcome::Failed)
    }
}

/// Reads, synchronises and exports one object. `stored` is the object if it is known; else `name` is its distinguished
/// name or anchor in the directory.
///
/// # Errors
/// When the store fails or rules vanished; what a directory says is in the steps.
pub fn run(
    session: &mut Session,
    connector: &str,
    (stored, name): (Option<ObjectId>, &str),
    progress: &dyn Progress,
) -> Result<Single, RunError> {
    synchronise::refuse_vanished(session)?;
    let log = runs::begin(session)?;
    let mut single =
        Single { connector: connector.to_owned(), object: name.to_owned(), run: log.run, ..Single::default() };
    let mut report = CycleReport { run: log.run, rules: log.rules.clone(), ..CycleReport::default() };
    let done = steps(session, connector, (stored, name), progress, &mut single, &mut report);
    let ended = runs::end(session, &log, done.as_ref().map(|()| &report));
    done?;
    ended?;
    Ok(single)
}

fn steps(
    session: &mut Session,
    connector: &str,
    (stored, name): (Option<ObjectId>, &str),
    progress: &dyn Progress,
    single: &mut Single,
    report: &mut CycleReport,
) -> Result<(), RunError> {
    if !answers(session, connector, single)? {
        return Ok(());
    }
    session.fit_rules(Vec::new())?;
    let wanted = Wanted::of(session, connector)?;
    let Some((anchor, dn)) = identity(session, connector, (stored, name), single)? else { return Ok(()) };
    let Some(read) = look(session, connector, &wanted, (&anchor, dn.as_deref()), single)? else { return Ok(()) };
    progress.end(&super::lines::import_line(&read));
    let id = session.store.draft().id_of_anchor(connector, &anchor)?;
    if let Some(why) = shrinkage::unbelieved(session)?.into_iter().next() {
        single.step("rules", Outcome::Failed, format!("{why}: `syncline run --allow-shrinkage`"));
        return Ok(());
    }
    let targets = counterparts(session, id, single)?;
    report.imports.push(read);
    report.sync = synchronise::run(session, progress)?;
    if !synchronised(session, id, single)? {
        return Ok(());
    }
    let all: BTreeSet<ObjectId> = targets.into_iter().chain(linked(session, id)?).collect();
    deliver(session, &all, progress, single, report)
}

/// Steps 1 and 2: whether the source and the targets answer.
fn answers(session: &mut Session, connector: &str, single: &mut Single) -> Result<bool, RunError> {
    let targets: Vec<String> = session.target_kinds().map(|(name, _)| name.clone()).collect();
    let others = targets.into_iter().filter(|name| name != connector);
    for (step, name) in std::iter::once(("source", connector.to_owned())).chain(others.map(|name| ("target", name))) {
        match import::learn(session, &name) {
            Ok(_) => single.step(step, Outcome::Ok, format!("`{name}` answers")),
            Err(RunError::Connector { error, .. }) => {
                single.step(step, Outcome::Failed, format!("`{name}`: {error}"));
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Which object is meant: a stored one, or an entry of the directory by its name.
fn identity(
    session: &Session,
    connector: &str,
    (stored, name): (Option<ObjectId>, &str),
    single: &mut Single,
) -> Result<Option<(Anchor, Option<String>)>, RunError> {
    if let Some(object) = stored.map(|id| session.store.draft().object(id)).transpose()?.flatten() {
        single.object = object.title();
        return Ok(object.anchor.map(|anchor| (anchor, object.dn)));
    }
    let directory = session.directory(connector)?;
    let found = match &*directory {
        Directory::Ldap(ldap) if crate::dn::is_dn(name) => session.runtime.block_on(ldap.anchor_of(name)),
        Directory::Ldap(_) | Directory::Ldif(_) | Directory::Entra(_) => {
            Ok(uuid::Uuid::try_parse(name).ok().map(|id| Anchor(id.hyphenated().to_string())))
        }
    };
    match found {
        Ok(Some(anchor)) => Ok(Some((anchor, None))),
        Ok(None) => {
            let message = format!("`{connector}` shows no `{name}`: it is not there, or the account may not see it");
            single.step("readable", Outcome::Failed, message);
            Ok(None)
        }
        Err(error) => {
            single.step("readable", Outcome::Failed, error.to_string());
            Ok(None)
        }
    }
}

/// Steps 3, 4, 5 and 7: where it lies, whether it can be read, and what it shows.
fn look(
    session: &mut Session,
    connector: &str,
    wanted: &Wanted,
    (anchor, dn): (&Anchor, Option<&str>),
    single: &mut Single,
) -> Result<Option<ImportReport>, RunError> {
    let directory = session.directory(connector)?;
    let asked = [(anchor.clone(), dn.map(str::to_owned))];
    let found = session.runtime.block_on(directory.look_up(&wanted.request, &asked));
    let presence = found.map(|found| found.into_iter().next().map(|(_, presence)| presence));
    let object = match presence {
        Ok(Some(Presence::Present(object))) => object,
        Ok(Some(Presence::OutOfScope(place))) => {
            single.step("place", Outcome::Failed, format!("it is not read here: {place}"));
            return Ok(None);
        }
        Ok(Some(Presence::Deleted)) => {
            single.step("readable", Outcome::Failed, "it was deleted; `syncline run` deals with that");
            return Ok(None);
        }
        Ok(Some(Presence::NotFound) | None) => {
            single.step("readable", Outcome::Failed, "it is not there, or the account may not see it");
            return Ok(None);
        }
        Err(error) => {
            single.step("readable", Outcome::Failed, error.to_string());
            return Ok(None);
        }
    };
    let name = object.dn.clone().unwrap_or_else(|| object.anchor.to_string());
    single.step("place", Outcome::Ok, format!("`{name}` is read"));
    let shown = object.attributes.len() + object.references.len();
    let asked_for = wanted.request.types.get(&object.object_type).map_or(0, BTreeSet::len);
    single.step("readable", Outcome::Ok, format!("it shows {shown} of {asked_for} attributes that rules ask for"));
    single.step("type", Outcome::Ok, object.object_type.clone());
    let mut report = ImportReport { connector: connector.to_owned(), ..ImportReport::default() };
    let referred = referred_to(session, connector, &object)?;
    let mut seen = HashSet::new();
    for chunk in [referred, vec![(anchor.clone(), Hint::There)]] {
        Batch::over(session, |batch| look_at(batch, connector, wanted, &chunk, &mut seen, &mut report))?;
    }
    let what = match (report.new, report.changed) {
        (0, 0) => "nothing has changed".to_owned(),
        (new, changed) => format!("{new} new, {changed} changed, with what it refers to"),
    };
    single.step("import", Outcome::Ok, what);
    Ok(Some(report))
}

/// Objects that it refers to and that are not known yet.
fn referred_to(
    session: &Session,
    connector: &str,
    object: &crate::connector::ImportedObject,
) -> Result<Vec<(Anchor, Hint)>, RunError> {
    let directory = session.directory(connector)?;
    let Directory::Ldap(ldap) = &*directory else { return Ok(Vec::new()) };
    let mut unknown = Vec::new();
    for target in object.references.values().flatten() {
        let crate::connector::Target::Dn(name) = target else { continue };
        if unknown.len() >= REFERRED {
            break;
        }
        if session.store.draft().id_of_dn(connector, &crate::dn::normalise(name))?.is_none() {
            let anchor = session.wait_for(connector, ldap.anchor_of(name))?;
            unknown.extend(anchor.map(|anchor| (anchor, Hint::There)));
        }
    }
    Ok(unknown)
}

/// Objects of targets that belong to the same person.
fn linked(session: &Session, id: ObjectId) -> Result<Vec<ObjectId>, RunError> {
    let draft = session.store.draft();
    let Some(person) = draft.person_of(id)? else { return Ok(Vec::new()) };
    let Some(person) = draft.metaverse(person)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (linked, _) in &person.links {
        let object = draft.object(*linked)?;
        let is_target = |object: &ConnectorObject| object.link.as_ref().is_some_and(|link| link.kind.is_outbound());
        found.extend(object.filter(is_target).map(|object| object.id));
    }
    Ok(found)
}

/// Step 8: what the targets show of it now.
fn counterparts(session: &mut Session, id: ObjectId, single: &mut Single) -> Result<Vec<ObjectId>, RunError> {
    let objects = linked(session, id)?;
    let mut by_target: std::collections::BTreeMap<String, Vec<ObjectId>> = Default::default();
    for object in &objects {
        if let Some(object) = session.store.draft().object(*object)?.filter(|object| object.anchor.is_some()) {
            by_target.entry(object.connector).or_default().push(object.id);
        }
    }
    for (target, ids) in &by_target {
        import::refresh(session, target, ids)?;
    }
    let what = match objects.len() {
        0 => (Outcome::Skipped, "nothing belongs to it in any target yet".to_owned()),
        _ => (Outcome::Ok, format!("read again from {}", by_target.keys().cloned().collect::<Vec<_>>().join(", "))),
    };
    single.step("import of targets", what.0, what.1);
    Ok(objects)
}

/// Steps 6 and 9: whether rules take it, and what came of it.
fn synchronised(session: &Session, id: ObjectId, single: &mut Single) -> Result<bool, RunError> {
    let draft = session.store.draft();
    let Some(object) = draft.object(id)? else { return Ok(false) };
    if let Some(error) = &object.error {
        single.step("rules", Outcome::Failed, error.message.clone());
        return Ok(false);
    }
    let Some(link) = &object.link else {
        let hint = "no rule takes it: its scope, or that of every rule, leaves it out (`syncline preview` shows which)";
        single.step("rules", Outcome::Failed, hint);
        return Ok(false);
    };
    single.step("rules", Outcome::Ok, format!("`{}` took it", link.rule));
    single.step("synchronise", Outcome::Ok, "everything that depends on it is decided");
    Ok(true)
}

/// Step 10: what belongs to it is written.
fn deliver(
    session: &mut Session,
    objects: &BTreeSet<ObjectId>,
    progress: &dyn Progress,
    single: &mut Single,
    report: &mut CycleReport,
) -> Result<(), RunError> {
    let targets: Vec<String> = session.target_kinds().map(|(name, _)| name.clone()).collect();
    for target in targets {
        let draft = session.store.draft();
        let (mut only, mut left) = (Only::default(), 0);
        for id in objects {
            let Some(object) = draft.object(*id)?.filter(|object| object.connector == target) else { continue };
            if object.export.as_ref().is_some_and(|export| export.operation == Operation::Delete) {
                left += 1;
                continue;
            }
            single.sent.extend(export::item_of(&object).into_iter().flat_map(|_| sent(&object)));
            only.objects.insert(*id);
        }
        if left > 0 {
            single.step("export", Outcome::Skipped, "it would be deleted; that is left to a run and its guard");
        }
        if only.objects.is_empty() {
            continue;
        }
        if !live::is_live(&draft, &target)? {
            let message = format!("`{target}` is not written to before `go-live` (or `promote`)");
            single.step("export", Outcome::Skipped, message);
            single.sent.clear();
            continue;
        }
        let nobody = BTreeSet::new();
        let intent = guard::intent(session, &draft, &target, (&nobody, Some(&only)))?;
        let exceeded = guard::check(session, &draft, &target, &intent)?;
        drop(draft);
        if let Some(exceeded) = exceeded.first() {
            single.step("export", Outcome::Failed, format!("the guard stops it: it would {}", exceeded.deed()));
            single.sent.clear();
            return Ok(());
        }
        let delivered = cycle::deliver(session, &target, (&nobody, Some(&only)), progress, report)?;
        outcome(&target, delivered, report, single);
    }
    if !single.steps.iter().any(|step| step.step == "export") {
        single.step("export", Outcome::Skipped, "no target has anything that belongs to it");
    }
    Ok(())
}

fn outcome(target: &str, delivered: cycle::Delivered, report: &CycleReport, single: &mut Single) {
    let problem = report.exports.last().and_then(|export| export.problems.first());
    let (outcome, detail) = match (delivered.refused, delivered.unanswered, delivered.touched) {
        (0, 0, 0) => (Outcome::Ok, format!("`{target}` is as it should be")),
        (0, 0, touched) => (Outcome::Ok, format!("`{target}` took it, and shows {} of {touched}", delivered.seen)),
        (0, _, _) => (Outcome::Failed, format!("`{target}` gave no answer; the next run looks first")),
        (_, _, _) => {
            let why = problem.map_or_else(String::new, |(who, why)| format!(": {who}: {why}"));
            (Outcome::Failed, format!("`{target}` refuses it{why}"))
        }
    };
    if outcome == Outcome::Failed {
        single.sent.clear();
    }
    single.step("export", outcome, detail);
}

/// The values that an export is about to write.
fn sent(object: &ConnectorObject) -> Vec<Sent> {
    let texts = |values: &crate::value::Values| values.iter().map(ToString::to_string).collect();
    let changes = object.export.iter().flat_map(|export| &export.changes).filter(|(_, change)| !change.sent);
    changes
        .map(|(name, change)| Sent {
            connector: object.connector.clone(),
            object: object.title(),
            attribute: name.clone(),
            before: object.image.get(name).map(texts).unwrap_or_default(),
            after: texts(&change.values),
            by: format!("{}:{}", change.rule, change.line),
        })
        .collect()
}
