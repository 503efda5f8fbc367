//! Whom an edit of rules touches: the rules that differ are asked in both texts about the same object. Who gets the same
//! answers twice is left alone, so that an edit costs what it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ledger::{LedgerError, View};
use super::{Sources, Targets, input_for, outbound, parallel};
use crate::connector_space::ObjectId;
use crate::metaverse::{MetaverseId, MetaverseObject};
use crate::rules::{ConnectorType, Direction, Flow, Host, Input, JoinGroup, LinkType, Rule, RuleError, RuleSet};

/// Rules before and after an edit.
pub struct Comparison<'a> {
    before: &'a RuleSet,
    after: &'a RuleSet,
    names: BTreeSet<String>,
    sources: &'a Sources,
    targets: &'a Targets,
    /// Whether it matters on which line an answer stands: lineage names lines.
    lines: bool,
    workers: Vec<(Host, Host)>,
}

/// What a rule says about an object that is in its scope.
#[derive(PartialEq)]
struct Answer<'r> {
    header: Traits<'r>,
    flows: Vec<Flow>,
    joins: Vec<JoinGroup>,
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
    /// Compares two sets as far as these rules go. `moments` are the seconds since 1970 that rules are told before and
    /// after; `lines` says whether another line with the same answer is a difference.
    pub fn new(
        (before, after): (&'a RuleSet, &'a RuleSet),
        names: BTreeSet<String>,
        (sources, targets): (&'a Sources, &'a Targets),
        moments: (i64, i64),
        lines: bool,
        threads: usize,
    ) -> Comparison<'a> {
        let host = |rules: &RuleSet, at| {
            let mut host = Host::new(rules);
            host.at = at;
            host
        };
        let pair = |_| (host(before, moments.0), host(after, moments.1));
        let workers = (0..threads.max(1)).map(pair).collect();
        Comparison { before, after, names, sources, targets, lines, workers }
    }

    /// The objects about which inbound rules say something else than before, or fail.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn objects<V: View + Sync>(&self, view: &V, ids: &[ObjectId]) -> Result<Vec<ObjectId>, LedgerError> {
        self.those(ids, |hosts, id| self.touches_object(view, hosts, id))
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
        self.those(ids, |hosts, id| {
            let Some(person) = view.metaverse(id)? else { return Ok(true) };
            Ok(types.contains(&person.object_type) || self.touches_person(hosts, &person))
        })
    }

    fn touches_object<V: View>(&self, view: &V, hosts: &(Host, Host), id: ObjectId) -> Result<bool, LedgerError> {
        let Some(object) = view.object(id)? else { return Ok(true) };
        let (connector, object_type) = (object.connector.as_str(), object.object_type.as_str());
        let before = self.of(self.before.inbound(connector, object_type));
        let after = self.of(self.after.inbound(connector, object_type));
        let footprints = || before.values().chain(after.values()).map(|rule| &rule.footprint);
        let input = input_for(view, self.sources.get(connector), &object, footprints)?;
        // What flows from an object that belongs to nobody arrives nowhere.
        let matters = |rule: &Rule| object.link.is_some() || rule.header.link != LinkType::None;
        Ok(self.differ(hosts, &before, &after, &input, matters))
    }

    fn touches_person(&self, hosts: &(Host, Host), person: &MetaverseObject) -> bool {
        let before = self.of(self.before.outbound(&person.object_type).map(|(rule, _)| rule));
        let after = self.of(self.after.outbound(&person.object_type).map(|(rule, _)| rule));
        if before.is_empty() && after.is_empty() {
            return false;
        }
        let mut input = outbound::input_of(person);
        let connectors: BTreeSet<String> = before.values().chain(after.values()).map(|rule| rule.connector()).collect();
        for connector in connectors {
            input.context = self.targets.get(&connector).map(|target| Arc::clone(&target.context)).unwrap_or_default();
            let there = |rule: &Rule| rule.connector() == connector;
            if self.differ(hosts, &before, &after, &Arc::new(input.clone()), there) {
                return true;
            }
        }
        false
    }

    /// Those of the rules that are compared, by name.
    fn of<'r>(&self, rules: impl Iterator<Item = &'r Rule>) -> BTreeMap<&'r str, &'r Rule> {
        rules.filter(|rule| self.names.contains(&rule.name)).map(|rule| (rule.name.as_str(), rule)).collect()
    }

    /// Whether rules that matter answer differently.
    fn differ<'r>(
        &self,
        hosts: &(Host, Host),
        before: &BTreeMap<&str, &'r Rule>,
        after: &BTreeMap<&str, &'r Rule>,
        input: &Arc<Input>,
        matters: impl Fn(&Rule) -> bool,
    ) -> bool {
        let names: BTreeSet<&&str> = before.keys().chain(after.keys()).collect();
        names.into_iter().any(|name| {
            let (was, is) = (before.get(*name).copied(), after.get(*name).copied());
            if !was.into_iter().chain(is).any(&matters) {
                return false;
            }
            let answer =
                |host: &Host, rule: Option<&'r Rule>| rule.map_or(Ok(None), |rule| self.ask(host, rule, input));
            // A failure is told to somebody, be it the same as before or not.
            !matches!((answer(&hosts.0, was), answer(&hosts.1, is)), (Ok(was), Ok(is)) if was == is)
        })
    }

    /// What a rule answers; nothing where the object is out of its scope.
    fn ask<'r>(&self, host: &Host, rule: &'r Rule, input: &Arc<Input>) -> Result<Option<Answer<'r>>, RuleError> {
        if !host.scope(rule, input)? {
            return Ok(None);
        }
        let mut flows = host.flow(rule, input)?;
        if !self.lines {
            flows.iter_mut().for_each(|flow| flow.line = 0);
        }
        flows.sort_by(|left, right| left.attribute.cmp(&right.attribute));
        let links = rule.header.link != LinkType::None;
        let joins = if links { host.join(rule, input)? } else { Vec::new() };
        Ok(Some(Answer { header: traits(rule), flows, joins }))
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
