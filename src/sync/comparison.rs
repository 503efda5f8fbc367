//! Whom an edit of rules touches: the rules that differ are asked in both texts about the same object. Who gets the same
//! answers twice is left alone, so that an edit costs what it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ledger::{LedgerError, View};
use super::{ReadReferences, Sources, Targets, input_for, outbound, read_of, read_references};
use crate::connector_space::{ConnectorObject, ObjectId};
use crate::metaverse::{MetaverseId, MetaverseObject};
use crate::rules::{
    Circumstances, ConnectorType, Direction, Edit, Flow, Host, Input, LinkType, Rule, RuleError, RuleSet, edit,
};
use crate::value::AttributeName;

/// Rules before and after an edit, each cut down to what the edit may change.
pub struct Comparison<'a> {
    before: RuleSet,
    after: RuleSet,
    edits: BTreeMap<String, Edit>,
    sources: &'a Sources,
    targets: &'a Targets,
    /// Whether it matters on which line an answer stands: lineage names lines.
    lines: bool,
    references: ReadReferences,
    workers: Vec<(Host, Host)>,
}

/// The rules that read a type of objects, and what of an object is looked at first.
struct Side<'r> {
    before: BTreeMap<&'r str, &'r Rule>,
    after: BTreeMap<&'r str, &'r Rule>,
    reads: BTreeSet<AttributeName>,
}

/// Whether a scope that stayed as it was is asked when answers differ.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scopes {
    Asked,
    /// Not with what was read so far.
    Later,
}

/// What a header says that matters beyond the values that flow.
#[derive(PartialEq)]
struct Traits<'r> {
    to: (Option<&'r ConnectorType>, Option<&'r str>),
    link: LinkType,
    joins: bool,
    precedence: i64,
    ends: (crate::connector_space::Deprovision, Option<u16>),
    members: Option<crate::connector_space::Members>,
}

fn traits(rule: &Rule) -> Traits<'_> {
    let header = &rule.header;
    let to = match &header.direction {
        Direction::Inbound { to, .. } => (None, to.as_deref()),
        Direction::Outbound { from, to } => (Some(to), Some(from.as_str())),
    };
    Traits {
        to,
        link: header.link,
        joins: rule.joins(),
        precedence: header.precedence,
        ends: (header.deprovision, header.delete_after),
        members: header.members,
    }
}

impl<'a> Comparison<'a> {
    /// Compares two sets. `moments` are the seconds since 1970 that rules are told before and after; `lines` says whether
    /// another line with the same answer is a difference.
    pub fn new(
        (before, after): (&RuleSet, &RuleSet),
        (sources, targets): (&'a Sources, &'a Targets),
        moments: (i64, i64),
        lines: bool,
        threads: usize,
    ) -> Comparison<'a> {
        let day = |at: i64| at.div_euclid(86_400);
        let how = Circumstances { lines, another_day: day(moments.0) != day(moments.1) };
        let mut edits = BTreeMap::new();
        for was in before.rules() {
            if let Some(is) = after.rule(&was.name) {
                edits.insert(was.name.clone(), edit((before, was), (after, is), how));
            }
        }
        let wanted = edits.iter().map(|(name, edit)| (name.clone(), edit.attributes.clone())).collect();
        let (before, after) = (before.giving(&wanted), after.giving(&wanted));
        let host = |rules: &RuleSet, at| {
            let mut host = Host::new(rules);
            host.at = at;
            host
        };
        let pair = |_| (host(&before, moments.0), host(&after, moments.1));
        let workers = (0..threads.max(1)).map(pair).collect();
        let references = read_references(&[&before, &after], sources);
        Comparison { before, after, edits, sources, targets, lines, references, workers }
    }

    /// The objects of a type about which inbound rules say something else than before, or fail.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn objects<V: View + Sync>(
        &self,
        view: &V,
        (connector, object_type): (&str, &str),
        ids: &[ObjectId],
    ) -> Result<Vec<ObjectId>, LedgerError> {
        let before = of(self.before.inbound(connector, object_type));
        let after = of(self.after.inbound(connector, object_type));
        let side = Side { reads: self.reads(&before, &after), before, after };
        self.those(ids, |hosts, id| self.touches_object(view, hosts, &side, id))
    }

    /// What the question whether somebody may be touched reads: not what a `scope` reads that stayed as it was.
    fn reads(&self, before: &BTreeMap<&str, &Rule>, after: &BTreeMap<&str, &Rule>) -> BTreeSet<AttributeName> {
        let mut reads = BTreeSet::new();
        for (name, rule) in before.iter().chain(after) {
            let both = before.get(name).zip(after.get(name));
            let scope = self.edits.get(*name).is_none_or(|edit| edit.scope)
                || both.is_none_or(|(was, is)| traits(was) != traits(is));
            reads.extend(rule.footprint.flow.iter().chain(&rule.footprint.join).cloned());
            reads.extend(rule.footprint.scope.iter().filter(|_| scope).cloned());
        }
        reads
    }

    /// The metaverse objects about which outbound rules say something else than before, or fail; and all of some types.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn people<V: View + Sync>(
        &self,
        view: &V,
        ids: &[MetaverseId],
        types: &BTreeSet<String>,
    ) -> Result<Vec<MetaverseId>, LedgerError> {
        let outbound = |rule: &&Rule| is_outbound(rule);
        let before = of(self.before.rules().iter().filter(outbound));
        let after = of(self.after.rules().iter().filter(outbound));
        let reads = self.reads(&before, &after);
        self.those(ids, |hosts, id| {
            let Some(person) = view.metaverse_with(id, &reads)? else { return Ok(true) };
            if types.contains(&person.object_type) {
                return Ok(true);
            }
            if !self.touches_person(hosts, &person, Scopes::Later) {
                return Ok(false);
            }
            let Some(person) = view.metaverse(id)? else { return Ok(true) };
            Ok(self.touches_person(hosts, &person, Scopes::Asked))
        })
    }

    /// Most are not touched, and that shows in the few attributes that the edit is about. Of the others all is read.
    fn touches_object<V: View>(
        &self,
        view: &V,
        hosts: &(Host, Host),
        side: &Side<'_>,
        id: ObjectId,
    ) -> Result<bool, LedgerError> {
        let Some(object) = view.object_with(id, &side.reads)? else { return Ok(true) };
        if !self.object_differs(view, hosts, side, &object, Scopes::Later)? {
            return Ok(false);
        }
        let Some(object) = view.object(id)? else { return Ok(true) };
        self.object_differs(view, hosts, side, &object, Scopes::Asked)
    }

    fn object_differs<V: View>(
        &self,
        view: &V,
        hosts: &(Host, Host),
        side: &Side<'_>,
        object: &ConnectorObject,
        scopes: Scopes,
    ) -> Result<bool, LedgerError> {
        let (before, after) = (&side.before, &side.after);
        let footprints = || before.values().chain(after.values()).map(|rule| &*rule.footprint);
        let source = (self.sources.get(&object.connector), read_of(&self.references, object));
        let input = input_for(view, source, object, footprints)?;
        // What flows from an object that belongs to nobody arrives nowhere.
        let matters = |rule: &Rule| object.link.is_some() || rule.header.link != LinkType::None;
        Ok(self.differ(hosts, (before, after), (&input, scopes), matters))
    }

    fn touches_person(&self, hosts: &(Host, Host), person: &MetaverseObject, scopes: Scopes) -> bool {
        let before = of(self.before.outbound(&person.object_type).map(|(rule, _)| rule));
        let after = of(self.after.outbound(&person.object_type).map(|(rule, _)| rule));
        if before.is_empty() && after.is_empty() {
            return false;
        }
        let mut input = outbound::input_of(person);
        let connectors: BTreeSet<String> = before.values().chain(after.values()).map(|rule| rule.connector()).collect();
        for connector in connectors {
            input.context = self.targets.get(&connector).map(|target| Arc::clone(&target.context)).unwrap_or_default();
            let there = |rule: &Rule| rule.connector() == connector;
            if self.differ(hosts, (&before, &after), (&Arc::new(input.clone()), scopes), there) {
                return true;
            }
        }
        false
    }

    /// Whether rules that matter answer differently.
    fn differ<'r>(
        &self,
        hosts: &(Host, Host),
        (before, after): (&BTreeMap<&str, &'r Rule>, &BTreeMap<&str, &'r Rule>),
        (input, scopes): (&Arc<Input>, Scopes),
        matters: impl Fn(&Rule) -> bool,
    ) -> bool {
        let names: BTreeSet<&&str> = before.keys().chain(after.keys()).collect();
        names.into_iter().any(|name| {
            let (was, is) = (before.get(*name).copied(), after.get(*name).copied());
            if !was.into_iter().chain(is).any(&matters) {
                return false;
            }
            // A failure is told to somebody, be it the same as before or not.
            match (was, is, self.edits.get(*name)) {
                (Some(was), Some(is), Some(edit)) => {
                    self.changes(hosts, (was, is), edit, (input, scopes)).unwrap_or(true)
                }
                (Some(was), ..) => hosts.0.scope(was, input).unwrap_or(true),
                (None, Some(is), _) => hosts.1.scope(is, input).unwrap_or(true),
                (None, None, _) => false,
            }
        })
    }

    /// Whether a rule answers differently in its two texts.
    fn changes(
        &self,
        (old, new): &(Host, Host),
        (was, is): (&Rule, &Rule),
        edit: &Edit,
        (input, scopes): (&Arc<Input>, Scopes),
    ) -> Result<bool, RuleError> {
        let header = traits(was) != traits(is);
        if header || edit.scope {
            match (old.scope(was, input)?, new.scope(is, input)?) {
                (false, false) => return Ok(false),
                (true, true) if !header => {}
                _ => return Ok(true),
            }
        }
        let same_flows = match (self.flows(old, was, input), self.flows(new, is, input)) {
            (Some(was), Some(is)) => was == is,
            (None, _) | (_, None) => false,
        };
        let answers = same_flows
            && (!edit.join || was.header.link == LinkType::None || old.join(was, input)? == new.join(is, input)?);
        // Last, for most answers are the same: what a rule says of whom it does not take is nothing.
        Ok(!answers && (edit.scope || scopes == Scopes::Later || new.scope(is, input)?))
    }

    /// What a rule gives, in the order of attributes; nothing where it fails.
    fn flows(&self, host: &Host, rule: &Rule, input: &Arc<Input>) -> Option<Vec<Flow>> {
        let mut flows = host.flow(rule, input).ok()?;
        if !self.lines {
            flows.iter_mut().for_each(|flow| flow.line = 0);
        }
        flows.sort_by(|left, right| left.attribute.cmp(&right.attribute));
        Some(flows)
    }

    /// The ids of which something is true, asked on all workers, in their order.
    fn those<T: Copy + Sync>(
        &self,
        ids: &[T],
        is: impl Fn(&(Host, Host), T) -> Result<bool, LedgerError> + Sync,
    ) -> Result<Vec<T>, LedgerError> {
        let answers = parallel(&self.workers, ids, |hosts, id| is(hosts, *id));
        let mut those = Vec::new();
        for (id, answer) in ids.iter().zip(answers) {
            if answer? {
                those.push(*id);
            }
        }
        Ok(those)
    }
}

fn is_outbound(rule: &Rule) -> bool {
    matches!(rule.header.direction, Direction::Outbound { .. })
}

/// Rules by name.
fn of<'r>(rules: impl Iterator<Item = &'r Rule>) -> BTreeMap<&'r str, &'r Rule> {
    rules.map(|rule| (rule.name.as_str(), rule)).collect()
}

/// Asks about items on all workers; answers come in the order of the items.
fn parallel<W: Sync, T: Sync, R: Send>(workers: &[W], items: &[T], ask: impl Fn(&W, &T) -> R + Sync) -> Vec<R> {
    let [worker, others @ ..] = workers else { return Vec::new() };
    if others.is_empty() || items.len() < 32 {
        return items.iter().map(|item| ask(worker, item)).collect();
    }
    let share = items.len().div_ceil(workers.len());
    std::thread::scope(|scope| {
        let ask = &ask;
        let threads: Vec<_> = items
            .chunks(share)
            .zip(workers)
            .map(|(chunk, worker)| scope.spawn(move || chunk.iter().map(|item| ask(worker, item)).collect::<Vec<R>>()))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
