//! The heart: what came in becomes what shall be. Pure and synchronous: no clock, no dice, no files, no network.
//!
//! Reading order: [`ledger`] (what it reads and writes), [`stage`] (imports), [`inbound`], [`memberships`], [`precedence`], [`matching`], [`outbound`],
//! [`references`], [`deprovision`], [`audit`], [`comparison`]. This file drives them through the queues.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

pub mod audit;
pub mod by_hand;
pub mod comparison;
pub mod deprovision;
pub mod inbound;
pub mod ledger;
pub(crate) mod matching;
pub mod memberships;
pub mod outbound;
pub mod precedence;
pub mod references;
pub mod stage;

use crate::connector_space::{ConnectorObject, ObjectError, ObjectId};
use crate::metaverse::{MetaverseId, MetaverseObject};
use crate::rules::{Context, Coverage, Footprint, Host, Input, RuleSet};
use crate::value::{AttributeName, Attributes, Schema};
use inbound::{Evaluation, SyncError};
use ledger::{Ledger, LedgerError, View};
pub use matching::Matching;
use outbound::OutboundEvaluation;

/// How often the queues may refill in one synchronisation before something is going in circles.
const MOST_PASSES: usize = 10;
/// Fewer objects are not worth a second worker.
const FEW: usize = 4;

/// What rules may know about the objects of a connector.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Attributes that scripts see as lists, by object type.
    pub lists: BTreeMap<String, Arc<BTreeSet<AttributeName>>>,
    /// Attributes that were imported, by object type. A type that is not here was never imported.
    pub imported: BTreeMap<String, Arc<BTreeSet<AttributeName>>>,
    /// Attributes that hold references, by object type; of a type that is not here, nobody knows.
    pub references: BTreeMap<String, BTreeSet<AttributeName>>,
    /// NetBIOS names of domains, by their DNS names.
    pub netbios: BTreeMap<String, String>,
}

impl Source {
    /// Whether it was asked for the members of groups.
    fn knows_groups(&self) -> bool {
        self.imported.values().any(|names| memberships::ATTRIBUTES.iter().any(|name| names.contains(&(*name).into())))
    }
}

/// By connector.
pub type Sources = BTreeMap<String, Source>;

/// What is known about a target.
#[derive(Clone)]
pub struct Target {
    /// Schemas by object type.
    pub schemas: BTreeMap<String, Schema>,
    /// `target.…` in outbound rules.
    pub context: Arc<Context>,
    /// Whether values that others change are only reported, and not put right.
    pub reports_drift: bool,
    /// Why an object, by its image, must not be written.
    pub protected: fn(&str, &Attributes) -> Option<&'static str>,
    /// Which of its objects may be taken for somebody's.
    pub matching: Matching,
}

impl Target {
    /// Whether objects of a type can be made at all.
    pub fn may_provision(&self, object_type: &str) -> bool {
        self.schemas.get(object_type).is_some_and(|schema| schema.unwritable().is_none())
    }
}

/// By connector.
pub type Targets = BTreeMap<String, Target>;

/// Everything that a synchronisation needs besides the ledger.
pub struct Synchronisation<'a> {
    /// The rules; rules that are off are not in here.
    pub rules: &'a RuleSet,
    /// The connectors that objects come from.
    pub sources: &'a Sources,
    /// The connectors that objects go to.
    pub targets: &'a Targets,
    /// The place of each connector in the configuration.
    pub orders: &'a BTreeMap<String, u16>,
    references: ReadReferences,
    hosts: Vec<Host>,
    failed: BTreeSet<uuid::Uuid>,
    passes: usize,
    stage: Stage,
    keeps_answers: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Inbound(Option<ObjectId>),
    Outbound(Option<MetaverseId>),
    Edges,
    Done,
}

/// What the rules answered about an object of the connector space.
pub type InboundAnswer = (ConnectorObject, Evaluation);

/// What the rules answered about a metaverse object.
pub type OutboundAnswer = (MetaverseObject, Vec<OutboundEvaluation>);

/// What one step did.
#[derive(Clone, Debug, Default)]
pub struct StepReport {
    /// Objects of the connector space that were evaluated.
    pub objects: usize,
    /// Metaverse objects that were evaluated.
    pub metaverse: usize,
    /// References that were settled.
    pub references: usize,
    /// Objects that were left as they were: a title, and why.
    pub errors: Vec<(String, String)>,
    /// What the inbound rules answered, for those who asked to keep it.
    pub inbound: Vec<InboundAnswer>,
    /// What the outbound rules answered, for the same.
    pub outbound: Vec<OutboundAnswer>,
}

impl StepReport {
    fn absorb(&mut self, other: StepReport) {
        self.objects += other.objects;
        self.metaverse += other.metaverse;
        self.references += other.references;
        self.errors.extend(other.errors);
        self.inbound.extend(other.inbound);
        self.outbound.extend(other.outbound);
    }
}

impl<'a> Synchronisation<'a> {
    /// Prepares `threads` workers.
    pub fn new(
        rules: &'a RuleSet,
        sources: &'a Sources,
        targets: &'a Targets,
        orders: &'a BTreeMap<String, u16>,
        threads: usize,
    ) -> Synchronisation<'a> {
        let hosts = (0..threads.max(1)).map(|_| Host::new(rules)).collect();
        let failed = BTreeSet::new();
        let references = read_references(&[rules], sources);
        let stage = Stage::Inbound(None);
        let (passes, keeps_answers) = (0, false);
        Synchronisation { rules, sources, targets, orders, references, hosts, failed, passes, stage, keeps_answers }
    }

    /// Says when the run began, in seconds since 1970. Without it rules think that it is 1970-01-01.
    #[must_use]
    pub fn at(mut self, seconds: i64) -> Self {
        self.hosts.iter_mut().for_each(|host| host.at = seconds);
        self
    }

    /// Counts what the rules evaluate.
    #[must_use]
    pub fn recording(mut self, coverage: Option<&Coverage>) -> Self {
        for (host, coverage) in self.hosts.iter_mut().zip(coverage.into_iter().cycle()) {
            host.record(self.rules, coverage);
        }
        self
    }

    /// Hands out what the rules answer, step by step.
    #[must_use]
    pub fn keeping_answers(mut self) -> Self {
        self.keeps_answers = true;
        self
    }

    /// Begins another synchronisation with the same workers; who failed before is tried again.
    pub fn begin_anew(&mut self) {
        self.failed.clear();
        self.passes = 0;
        self.stage = Stage::Inbound(None);
    }

    /// Does the next stretch of work, at most `limit` objects. Gives nothing when all queues are empty, save for what
    /// failed.
    ///
    /// # Errors
    /// When the ledger fails, or the queues refill without end.
    pub fn step(&mut self, ledger: &mut dyn Ledger, limit: usize) -> Result<Option<StepReport>, LedgerError> {
        let mut report = StepReport::default();
        self.stage = match self.stage {
            Stage::Inbound(after) => self.inbound(ledger, after, limit, &mut report)?,
            Stage::Outbound(after) => self.outbound(ledger, after, limit, &mut report)?,
            Stage::Edges => self.edges(ledger, limit * 4, &mut report)?,
            Stage::Done => {
                let more = self.has_work(ledger)?;
                self.passes += 1;
                match (more, self.passes < MOST_PASSES) {
                    (false, _) => return Ok(None),
                    (true, true) => Stage::Inbound(None),
                    (true, false) => {
                        return Err(LedgerError(
                            "the rules go in circles: objects change each other without end".into(),
                        ));
                    }
                }
            }
        };
        Ok(Some(report))
    }

    fn has_work(&self, ledger: &dyn Ledger) -> Result<bool, LedgerError> {
        let limit = self.failed.len() + 1;
        let fresh = |id: uuid::Uuid| !self.failed.contains(&id);
        Ok(ledger.object_queue(None, limit)?.into_iter().any(|id| fresh(id.0))
            || ledger.metaverse_queue(None, limit)?.into_iter().any(|id| fresh(id.0))
            || !ledger.edge_queue(1)?.is_empty())
    }

    fn inbound(
        &mut self,
        ledger: &mut dyn Ledger,
        after: Option<ObjectId>,
        limit: usize,
        report: &mut StepReport,
    ) -> Result<Stage, LedgerError> {
        let ids = ledger.object_queue(after, limit)?;
        let Some(last) = ids.last().copied() else { return Ok(Stage::Outbound(None)) };
        self.in_parts(ledger, &ids, report, Synchronisation::one_inbound)?;
        Ok(Stage::Inbound(Some(last)))
    }

    /// Does something with each of these, all workers side by side.
    fn in_parts<T: Copy + Sync>(
        &mut self,
        ledger: &mut dyn Ledger,
        ids: &[T],
        report: &mut StepReport,
        one: One<'a, T>,
    ) -> Result<(), LedgerError> {
        let workers = if ids.len() < FEW { 1 } else { self.hosts.len() };
        let parts: Vec<&[T]> = ids.chunks(ids.len().div_ceil(workers).max(1)).collect();
        let shares: Vec<Mutex<Share>> = parts.iter().map(|_| Mutex::default()).collect();
        let this = &*self;
        let work = |at: usize, ledger: &mut dyn Ledger| {
            let (Some(part), Some(host), Some(share)) = (parts.get(at), this.hosts.get(at), shares.get(at)) else {
                return Ok(());
            };
            let mut done = Share::default();
            for id in *part {
                one(this, host, ledger, *id, &mut done)?;
            }
            *share.lock().unwrap_or_else(PoisonError::into_inner) = done;
            Ok(())
        };
        match parts.len() {
            1 => work(0, ledger)?,
            parts => ledger.side_by_side(parts, &work)?,
        }
        for share in shares {
            let share = share.into_inner().unwrap_or_else(PoisonError::into_inner);
            self.failed.extend(share.failed);
            report.absorb(share.report);
        }
        Ok(())
    }

    fn one_inbound(
        &self,
        host: &Host,
        ledger: &mut dyn Ledger,
        id: ObjectId,
        share: &mut Share,
    ) -> Result<(), LedgerError> {
        if self.failed.contains(&id.0) {
            return Ok(());
        }
        let Some(object) = ledger.object(id)? else { return ledger.unmark_object(id) };
        let input = self.input(ledger, &object)?;
        share.report.objects += 1;
        ledger.savepoint();
        let done = self.evaluate_inbound(host, &object, &input).and_then(|evaluation| {
            inbound::integrate(ledger, self.rules, self.orders, object.clone(), &evaluation)?;
            Ok(evaluation)
        });
        match done {
            Ok(evaluation) => {
                share.report.inbound.extend(self.keeps_answers.then_some((object, evaluation)));
                Ok(())
            }
            Err(SyncError::Ledger(error)) => Err(error),
            Err(error) => {
                ledger.rollback();
                share.fail(object.id.0, format!("{} `{}`", object.connector, object.title()), &error);
                hold(ledger, object, &error)
            }
        }
    }

    /// What rules say about an object.
    ///
    /// # Errors
    /// See [`inbound::evaluate`].
    pub fn evaluate_inbound(
        &self,
        host: &Host,
        object: &ConnectorObject,
        input: &Arc<Input>,
    ) -> Result<Evaluation, SyncError> {
        inbound::evaluate(host, self.rules.inbound(&object.connector, &object.object_type), input)
    }

    /// The first worker, for those who evaluate one object.
    pub fn host(&self) -> Option<&Host> {
        self.hosts.first()
    }

    /// A connector object as rules see it.
    ///
    /// # Errors
    /// When the ledger fails.
    pub fn input(&self, ledger: &dyn Ledger, object: &ConnectorObject) -> Result<Arc<Input>, LedgerError> {
        let footprints = || self.rules.inbound(&object.connector, &object.object_type).map(|rule| &*rule.footprint);
        let references = read_of(&self.references, object);
        input_for(ledger, (self.sources.get(&object.connector), references), object, footprints)
    }

    fn outbound(
        &mut self,
        ledger: &mut dyn Ledger,
        after: Option<MetaverseId>,
        limit: usize,
        report: &mut StepReport,
    ) -> Result<Stage, LedgerError> {
        let ids = ledger.metaverse_queue(after, limit)?;
        let Some(last) = ids.last().copied() else { return Ok(Stage::Edges) };
        self.in_parts(ledger, &ids, report, Synchronisation::one_outbound)?;
        Ok(Stage::Outbound(Some(last)))
    }

    fn one_outbound(
        &self,
        host: &Host,
        ledger: &mut dyn Ledger,
        id: MetaverseId,
        share: &mut Share,
    ) -> Result<(), LedgerError> {
        if self.failed.contains(&id.0) {
            return Ok(());
        }
        let Some(person) = ledger.metaverse(id)? else { return ledger.unmark_metaverse(id) };
        share.report.metaverse += 1;
        ledger.savepoint();
        let done = self.evaluate_outbound(host, &person).and_then(|evaluation| {
            outbound::integrate(ledger, self.rules, self.targets, &person, &evaluation)?;
            Ok(evaluation)
        });
        match done {
            Ok(evaluation) => {
                keep_error(ledger, &person, None)?;
                share.report.outbound.extend(self.keeps_answers.then_some((person, evaluation)));
                Ok(())
            }
            Err(SyncError::Ledger(error)) => Err(error),
            Err(error) => {
                ledger.rollback();
                share.fail(person.id.0, title(&person), &error);
                keep_error(ledger, &person, Some(error.kept()))
            }
        }
    }

    /// What outbound rules say about a metaverse object.
    ///
    /// # Errors
    /// See [`outbound::evaluate`].
    pub fn evaluate_outbound(
        &self,
        host: &Host,
        person: &MetaverseObject,
    ) -> Result<Vec<OutboundEvaluation>, SyncError> {
        outbound::evaluate(host, self.rules, self.targets, person)
    }

    /// A metaverse object as the outbound rules to a connector see it.
    pub fn outbound_input(&self, person: &MetaverseObject, connector: &str) -> Arc<Input> {
        let mut input = outbound::input_of(person);
        if let Some(target) = self.targets.get(connector) {
            input.context = Arc::clone(&target.context);
        }
        Arc::new(input)
    }

    fn edges(&self, ledger: &mut dyn Ledger, limit: usize, report: &mut StepReport) -> Result<Stage, LedgerError> {
        let edges = ledger.edge_queue(limit)?;
        if edges.is_empty() {
            return Ok(Stage::Done);
        }
        let reporting = |connector: &str| self.targets.get(connector).is_some_and(|target| target.reports_drift);
        for (from, attribute, to) in edges {
            report.references += 1;
            references::settle(ledger, from, &attribute, to, &reporting)?;
        }
        Ok(Stage::Edges)
    }
}

/// What is done with one object: by which worker, on which ledger, and where it is counted.
type One<'a, T> = fn(&Synchronisation<'a>, &Host, &mut dyn Ledger, T, &mut Share) -> Result<(), LedgerError>;

/// What a part of a step did.
#[derive(Default)]
struct Share {
    report: StepReport,
    failed: BTreeSet<uuid::Uuid>,
}

impl Share {
    fn fail(&mut self, id: uuid::Uuid, who: String, error: &SyncError) {
        self.failed.insert(id);
        self.report.errors.push((who, error.to_string()));
    }
}

/// Remembers with an object why it was left as it was.
fn hold(ledger: &mut dyn Ledger, mut object: ConnectorObject, error: &SyncError) -> Result<(), LedgerError> {
    let kept = error.kept();
    if object.error.as_ref() == Some(&kept) {
        return Ok(());
    }
    object.error = Some(kept);
    ledger.note(crate::change::Change::Held(object.id, error.to_string()));
    ledger.put_object(&object)
}

/// Keeps with a metaverse object why it could not be carried to a target, or that it was.
fn keep_error(
    ledger: &mut dyn Ledger,
    person: &MetaverseObject,
    error: Option<ObjectError>,
) -> Result<(), LedgerError> {
    if person.error == error {
        return Ok(());
    }
    match ledger.metaverse(person.id)? {
        Some(person) => ledger.put_metaverse(&MetaverseObject { error, ..person }),
        None => Ok(()),
    }
}

/// What a person would call a metaverse object.
pub fn title(person: &MetaverseObject) -> String {
    format!("{} `{}`", person.object_type, name(person))
}

/// The same without its type.
pub fn name(person: &MetaverseObject) -> String {
    let named = |name: &str| {
        let list = person.contributions.get(&AttributeName::from(name))?;
        precedence::values(list).first().map(ToString::to_string)
    };
    named("userPrincipalName").or_else(|| named("displayName")).unwrap_or_else(|| person.id.to_string())
}

/// A connector object as rules with these footprints see it.
fn input_for<'r, V: View + ?Sized, F: Iterator<Item = &'r Footprint>>(
    ledger: &V,
    (source, references): (Option<&Source>, Option<&[AttributeName]>),
    object: &ConnectorObject,
    footprints: impl Fn() -> F,
) -> Result<Arc<Input>, LedgerError> {
    let mut input = Input { id: object.id.0, attributes: object.expected(), ..Input::default() };
    for name in object.export.iter().flat_map(|export| export.changes.keys()) {
        input.confirmed.insert(name.clone(), object.image.get(name).cloned().unwrap_or_default());
    }
    for name in references_of(ledger, references, object)? {
        let counted = footprints().any(|footprint| footprint.counts.contains(&name));
        let seen =
            |edges: Vec<(ObjectId, crate::connector_space::Edge)>| edges.iter().filter(|(_, edge)| edge.seen).count();
        let count = if counted { seen(ledger.edges(object.id, &name)?) } else { 1 };
        if count > 0 {
            input.references.insert(name, count);
        }
    }
    let knows_groups = source.is_none_or(Source::knows_groups);
    if footprints().any(|footprint| footprint.memberships) && knows_groups {
        input.groups = Some(memberships::of(ledger, object.id)?);
    }
    if let Some(source) = source {
        input.lists = source.lists.get(&object.object_type).cloned().unwrap_or_default();
        input.imported = Some(source.imported.get(&object.object_type).cloned().unwrap_or_default());
    }
    input.context = Arc::new(context(object, source));
    Ok(Arc::new(input))
}

/// By connector and object type, the reference attributes that rules read. Of a type that is not here nobody knows.
type ReadReferences = BTreeMap<String, BTreeMap<String, Vec<AttributeName>>>;

fn read_references(sets: &[&RuleSet], sources: &Sources) -> ReadReferences {
    let of_source = |(connector, source): (&String, &Source)| {
        let of_type = |(object_type, known): (&String, &BTreeSet<AttributeName>)| {
            let rules = || sets.iter().flat_map(|set| set.inbound(connector, object_type));
            let read = known.iter().filter(|name| rules().any(|rule| rule.footprint.reads_one(name)));
            (object_type.clone(), read.cloned().collect())
        };
        (connector.clone(), source.references.iter().map(of_type).collect())
    };
    sources.iter().map(of_source).collect()
}

fn read_of<'a>(references: &'a ReadReferences, object: &ConnectorObject) -> Option<&'a [AttributeName]> {
    references.get(&object.connector)?.get(&object.object_type).map(Vec::as_slice)
}

/// The reference attributes that an object has, among those that rules read.
fn references_of<V: View + ?Sized>(
    ledger: &V,
    read: Option<&[AttributeName]>,
    object: &ConnectorObject,
) -> Result<Vec<AttributeName>, LedgerError> {
    let Some(read) = read else { return ledger.reference_attributes(object.id) };
    let mut names = Vec::new();
    for name in read {
        if ledger.refers(object.id, name)? {
            names.push(name.clone());
        }
    }
    Ok(names)
}

fn context(object: &ConnectorObject, source: Option<&Source>) -> Context {
    let mut context = Context { name: "source", ..Context::default() };
    context.texts.insert("connector", object.connector.clone());
    let dn = object.dn.clone().unwrap_or_default();
    let domain = crate::dn::domain(&dn);
    let netbios = source.and_then(|source| source.netbios.get(&domain).cloned());
    let first_label = || domain.split('.').next().unwrap_or_default().to_uppercase();
    context.texts.insert("domain_netbios", netbios.unwrap_or_else(first_label));
    context.texts.insert("domain_fqdn", domain);
    context.texts.insert("dn", dn);
    context
}
