//! A target is gone through object by object, and what was found is put in order: by rule, by attribute, by likeness.

use std::collections::{BTreeMap, BTreeSet};

use super::lost::Census;
use super::references::{self, References};
use super::{Alike, ByAttribute, Comparison, Different, DifferentValue, PlanLine, Whole};
use crate::connector_space::{ConnectorObject, Operation};
use crate::run::RunError;
use crate::run::plan::{self, LETTER_CASE};
use crate::store::Draft;
use crate::value::{AttributeName, values_to_json};

/// What was found so far.
#[derive(Default)]
pub(super) struct Reading {
    references: References,
    census: Census,
    same: usize,
    different: Vec<(PlanLine, Different)>,
    missing: Vec<Whole>,
    leaving: Vec<Whole>,
    proposed: Vec<Whole>,
    unknown: Vec<Whole>,
}

impl Reading {
    pub(super) fn of(references: References) -> Reading {
        Reading { references, ..Reading::default() }
    }

    /// Looks at an object of the target.
    pub(super) fn add(&mut self, draft: &Draft<'_>, object: &ConnectorObject) -> Result<(), RunError> {
        self.census.look_at(object);
        let linked = object.link.as_ref().is_some_and(|link| link.kind.is_outbound());
        let operation = object.export.as_ref().map(|export| export.operation);
        let reason = || object.export.as_ref().map(|export| export.reason.clone()).unwrap_or_default();
        match (linked, operation) {
            (_, Some(Operation::Create)) if object.anchor.is_none() => self.missing.push(whole(object, reason())),
            (_, Some(Operation::Delete)) => self.leaving.push(whole(object, reason())),
            (false, Some(Operation::Update | Operation::Create)) => self.leaving.push(whole(object, reason())),
            (false, None) => match &object.outbound.proposed {
                Some(proposal) => {
                    let by: Vec<String> = proposal.by.iter().map(|name| format!("`{name}`")).collect();
                    self.proposed.push(whole(object, format!("by {}, {}", by.join(" and "), proposal.rule)));
                }
                None => self.unknown.push(whole(object, String::new())),
            },
            (true, _) => self.compare(draft, object)?,
        }
        Ok(())
    }

    fn compare(&mut self, draft: &Draft<'_>, object: &ConnectorObject) -> Result<(), RunError> {
        let changes = plan::planned_changes(object);
        let mut values = held(object);
        values.extend(self.references(object));
        values.extend(references::staying(draft, object)?);
        if changes.is_empty() && values.is_empty() {
            self.same += 1;
            return Ok(());
        }
        let Whole { name, id, object_type, .. } = whole(object, String::new());
        // A difference is grouped as a plan groups changes.
        let line = PlanLine { kind: "update", object_type: object_type.clone(), changes, ..PlanLine::default() };
        self.different.push((line, Different { name, id, object_type, values }));
        Ok(())
    }

    fn references(&mut self, object: &ConnectorObject) -> Vec<DifferentValue> {
        let due = self.references.remove(&object.id).into_iter().flatten();
        due.map(|(attribute, due)| {
            let source = object.outbound.references.get(&AttributeName::from(attribute.as_str()));
            DifferentValue {
                rule: source.map(|source| source.rule.clone()).unwrap_or_default(),
                there: due.go.into(),
                ours: due.come.into(),
                references: Some(due.counts),
                attribute,
                ..DifferentValue::default()
            }
        })
        .collect()
    }
}

impl Reading {
    /// Everything in order. `types` are those that were read.
    pub(super) fn end(
        self,
        (connector, rules): (String, String),
        types: &BTreeMap<String, BTreeSet<AttributeName>>,
        errors: Vec<(String, String)>,
    ) -> Comparison {
        let (different, alike) = grouped(self.different);
        let sorted = |mut list: Vec<Whole>| {
            list.sort();
            list
        };
        let [missing, leaving, proposed, unknown] =
            [self.missing, self.leaving, self.proposed, self.unknown].map(sorted);
        let called = |whole: &Whole| (whole.object_type.clone(), whole.name.to_lowercase());
        let names: BTreeSet<(String, String)> = unknown.iter().map(called).collect();
        let mut comparison = Comparison {
            connector,
            rules,
            same: self.same,
            twice: missing.iter().filter(|whole| names.contains(&called(whole))).count(),
            missing,
            leaving,
            proposed,
            unknown,
            values: different.iter().map(|object| object.values.len()).sum(),
            letter_case: alike.iter().filter(|alike| alike.how == LETTER_CASE).map(|alike| alike.count).sum(),
            by_rule: by_rule(&different),
            by_attribute: Vec::new(),
            different,
            alike,
            lost: self.census.lost(types),
            errors,
            ..Comparison::default()
        };
        comparison.by_attribute = by_attribute(&comparison.alike);
        comparison.put_in_order();
        comparison.judge();
        comparison
    }
}

impl Comparison {
    /// What is alike follows the order of the attributes; objects know the new places.
    fn put_in_order(&mut self) {
        let mut order: Vec<usize> = Vec::with_capacity(self.alike.len());
        for sum in &self.by_attribute {
            let of_sum = self.alike.iter().enumerate().filter(|(_, alike)| sum.has(alike)).map(|(at, _)| at);
            let mut of_sum: Vec<usize> = of_sum.collect();
            of_sum.sort_by_key(|at| std::cmp::Reverse(self.alike.get(*at).map_or(0, |alike| alike.count)));
            order.extend(of_sum);
        }
        let places: BTreeMap<usize, usize> = order.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        for value in self.different.iter_mut().flat_map(|object| &mut object.values) {
            value.alike = places.get(&value.alike).copied().unwrap_or_default();
        }
        self.alike = order.iter().filter_map(|at| self.alike.get(*at).cloned()).collect();
        self.different.sort_by(|left, right| (&left.name, &left.id).cmp(&(&right.name, &right.id)));
    }
}

fn whole(object: &ConnectorObject, reason: String) -> Whole {
    let id = object.anchor.as_ref().map(ToString::to_string).unwrap_or_default();
    Whole { name: object.title(), id, object_type: object.object_type.clone(), reason }
}

/// What the rules want otherwise, and what is left alone all the same.
fn held(object: &ConnectorObject) -> Vec<DifferentValue> {
    let of = |(name, why): (&AttributeName, &String)| {
        let there = object.image.get(name).map_or(&[][..], Vec::as_slice);
        let there = values_to_json(there, there.len() > 1);
        DifferentValue { attribute: name.to_string(), there, held: why.clone(), ..DifferentValue::default() }
    };
    object.outbound.held.iter().map(of).collect()
}

/// Groups values as a plan does; references and what is held are groups of their own.
fn grouped(found: Vec<(PlanLine, Different)>) -> (Vec<Different>, Vec<Alike>) {
    let (mut lines, mut different): (Vec<PlanLine>, Vec<Different>) = found.into_iter().unzip();
    let groups = plan::group(&mut lines);
    let mut places: BTreeMap<Key, usize> = BTreeMap::new();
    let mut alike = Vec::new();
    for (line, object) in lines.into_iter().zip(&mut different) {
        let changes = line.changes.into_iter().map(|change| {
            let how = groups.get(change.group).map(|group| group.what.as_str()).unwrap_or_default();
            let how = how.strip_prefix(&format!("{}: ", change.attribute)).unwrap_or(how).to_owned();
            let (rule, line) = match change.from.rsplit_once(':').map(|(rule, line)| (rule, line.parse())) {
                Some((rule, Ok(line))) => (rule.to_owned(), line),
                Some((_, Err(_))) | None => (change.from, 0),
            };
            let (attribute, there, ours) = (change.attribute, change.before, change.after);
            (how, DifferentValue { attribute, rule, line, there, ours, ..DifferentValue::default() })
        });
        let others = std::mem::take(&mut object.values).into_iter().map(|value| (value.held.clone(), value));
        let mut values: Vec<DifferentValue> = Vec::new();
        for (how, mut value) in changes.chain(others) {
            value.alike = place(&mut places, &mut alike, (how, &value), &object.name);
            values.push(value);
        }
        object.values = values;
    }
    (different, alike)
}

/// Attribute, rule, line, and how they differ.
type Key = (String, String, u32, String);

/// The place of a difference among what is alike.
fn place(
    places: &mut BTreeMap<Key, usize>,
    alike: &mut Vec<Alike>,
    (how, value): (String, &DifferentValue),
    name: &str,
) -> usize {
    let key = (value.attribute.clone(), value.rule.clone(), value.line, how);
    let at = *places.entry(key).or_insert_with_key(|(attribute, rule, line, how)| {
        let (attribute, rule, how) = (attribute.clone(), rule.clone(), how.clone());
        let (example, value) = (name.to_owned(), value.clone());
        alike.push(Alike { attribute, rule, line: *line, how, count: 0, example, value });
        alike.len() - 1
    });
    if let Some(alike) = alike.get_mut(at) {
        alike.count += 1;
    }
    at
}

fn by_attribute(alike: &[Alike]) -> Vec<ByAttribute> {
    let mut sums: BTreeMap<(&str, &str, u32), usize> = BTreeMap::new();
    for found in alike {
        *sums.entry((&found.attribute, &found.rule, found.line)).or_default() += found.count;
    }
    let of = |((attribute, rule, line), count): ((&str, &str, u32), usize)| ByAttribute {
        attribute: attribute.to_owned(),
        rule: rule.to_owned(),
        line,
        count,
    };
    let mut sums: Vec<ByAttribute> = sums.into_iter().map(of).collect();
    sums.sort_by_key(|sum| std::cmp::Reverse(sum.count));
    sums
}

fn by_rule(different: &[Different]) -> Vec<(String, usize)> {
    let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
    for object in different {
        let rules: BTreeSet<&str> = object.values.iter().map(|value| value.rule.as_str()).collect();
        rules.into_iter().filter(|rule| !rule.is_empty()).for_each(|rule| *sums.entry(rule).or_default() += 1);
    }
    let mut sums: Vec<(String, usize)> = sums.into_iter().map(|(rule, count)| (rule.to_owned(), count)).collect();
    sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    sums
}
