//! What never applies: rules in whose scope nobody is, and ways that no decision ever goes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Answers, Counted, shown};
use crate::connector_space::ObjectId;
use crate::diagnostic::{Diagnostic, word_at};
use crate::metaverse::MetaverseId;
use crate::rules::{Clause, Coverage, Direction, Rule, RuleSet, Untaken, Way};
use crate::run::RunError;
use crate::run::thousands;
use crate::store::Draft;
use crate::sync::ledger::View;
use crate::sync::{Synchronisation, name};

/// How many of those that are out of a rule's scope are asked why.
const ASKED_WHY: usize = 100;

/// Whom each rule was asked about.
pub(super) struct Unused {
    rules: BTreeMap<String, Asked>,
    /// Objects of directories that were looked at.
    pub(super) objects: u64,
    /// Metaverse objects that were looked at.
    pub(super) people: u64,
}

/// Whom a rule was asked about.
#[derive(Default)]
struct Asked {
    count: u64,
    in_scope: u64,
    /// The first that were not in its scope.
    out: Vec<Subject>,
}

#[derive(Clone, Copy)]
enum Subject {
    Object(ObjectId),
    Person(MetaverseId),
}

impl Unused {
    pub(super) fn of(rules: &RuleSet) -> Unused {
        let rules = rules.rules().iter().map(|rule| (rule.name.clone(), Asked::default())).collect();
        Unused { rules, objects: 0, people: 0 }
    }

    /// Takes in what the rules said about some.
    pub(super) fn add(&mut self, answers: &Answers) {
        for (id, (_, evaluation)) in &answers.inbound {
            self.objects += 1;
            evaluation.flows.iter().for_each(|(rule, _)| self.ask(rule, None));
            evaluation.out_of_scope.iter().for_each(|rule| self.ask(rule, Some(Subject::Object(*id))));
        }
        for (id, (_, evaluations)) in &answers.outbound {
            self.people += 1;
            for evaluation in evaluations {
                evaluation.in_scope.iter().for_each(|rule| self.ask(rule, None));
                evaluation.out_of_scope.iter().for_each(|rule| self.ask(rule, Some(Subject::Person(*id))));
            }
        }
    }

    fn ask(&mut self, rule: &str, out: Option<Subject>) {
        let Some(asked) = self.rules.get_mut(rule) else { return };
        asked.count += 1;
        match out {
            None => asked.in_scope += 1,
            Some(subject) if asked.out.len() < ASKED_WHY => asked.out.push(subject),
            Some(_) => {}
        }
    }

    /// Rules in whose scope nobody is. Those that are `restless` apply every other time.
    pub(super) fn rules(
        &self,
        rules: &RuleSet,
        draft: &Draft<'_>,
        steps: &Synchronisation<'_>,
        restless: &BTreeSet<&str>,
    ) -> Result<Counted, RunError> {
        let mut found = Counted::new();
        for rule in rules.rules().iter().filter(|rule| !restless.contains(rule.name.as_str())) {
            let Some(asked) = self.rules.get(&rule.name).filter(|asked| asked.in_scope == 0) else { continue };
            let kinds = read_kinds(rule);
            if asked.count == 0 {
                let message = format!("`{}` never applies: there is no {kinds}", rule.name);
                let finding = Diagnostic::warning("W320", message).at(&rule.source, rule.place_of("from"));
                found.push((0, finding.hint("a rule for what may come yet is no mistake")));
                continue;
            }
            let count = thousands(asked.count);
            let message = format!("`{}` never applies: none of {count} {kinds} is in its scope", rule.name);
            let finding = Diagnostic::warning("W320", message);
            let finding = match refusing(rule, asked, draft, steps)? {
                Some((clause, seen)) => {
                    let place = place_of(&rule.source.text, &clause);
                    let who =
                        if asked.out.len() < ASKED_WHY { "everybody" } else { "each of those that were asked why" };
                    let finding = finding.at(&rule.source, place).note(format!("`{}` says no to {who}", clause.text));
                    seen.into_iter().fold(finding, Diagnostic::note)
                }
                None => finding.at(&rule.source, rule.place_of("scope")),
            };
            found.push((asked.count, finding));
        }
        Ok(found)
    }

    /// Ways that decisions never go, in rules that do apply. Those that are `restless` go one way now and another then.
    pub(super) fn branches(&self, rules: &RuleSet, coverage: &Coverage, restless: &BTreeSet<&str>) -> Counted {
        let applies = |rule: &&Rule| {
            let met = self.rules.get(&rule.name).is_some_and(|asked| asked.in_scope > 0);
            met && !restless.contains(rule.name.as_str())
        };
        let mut found = Counted::new();
        for rule in rules.rules().iter().filter(applies) {
            let mut labels: BTreeMap<u16, Vec<Untaken>> = BTreeMap::new();
            for untaken in rules.untaken(coverage, rule) {
                if untaken.way == Way::Case {
                    labels.entry(untaken.decided).or_default().push(untaken);
                } else {
                    found.push((untaken.asked, branch(rule, &untaken)));
                }
            }
            let labels =
                labels.values().filter_map(|labels| Some((labels.first()?.asked, self::labels(rule, labels)?)));
            found.extend(labels);
        }
        found
    }
}

/// `ad/user or ad/inetOrgPerson`.
fn read_kinds(rule: &Rule) -> String {
    match &rule.header.direction {
        Direction::Inbound { from, .. } => {
            let sides: Vec<String> =
                from.iter().map(|side| format!("{}/{}", side.connector, side.object_type)).collect();
            sides.join(" or ")
        }
        Direction::Outbound { from, .. } => format!("metaverse/{from}"),
    }
}

/// The clause that says no to all that are asked, if it is one; and what one of them has.
fn refusing(
    rule: &Rule,
    asked: &Asked,
    draft: &Draft<'_>,
    steps: &Synchronisation<'_>,
) -> Result<Option<(Clause, Option<String>)>, RunError> {
    let Some(host) = steps.host() else { return Ok(None) };
    let mut refusing: Option<(Clause, Option<String>)> = None;
    for subject in &asked.out {
        let (input, called) = match subject {
            Subject::Object(id) => match draft.object(*id)? {
                Some(object) => (steps.input(draft, &object)?, object.title()),
                None => continue,
            },
            Subject::Person(id) => match draft.metaverse(*id)? {
                Some(person) => (steps.outbound_input(&person, &rule.connector()), name(&person)),
                None => continue,
            },
        };
        let Some(clause) = host.why_not(rule, &input) else { continue };
        let has: Vec<String> =
            clause.reads.iter().map(|(read, values)| format!("{read} is {}", shown(values))).collect();
        let has = (!has.is_empty()).then(|| format!("of `{called}`, {}", has.join(", ")));
        match &refusing {
            None => refusing = Some((clause, has)),
            Some((known, _)) if (known.line, &known.text) == (clause.line, &clause.text) => {}
            Some(_) => return Ok(None),
        }
    }
    Ok(refusing)
}

fn branch(rule: &Rule, untaken: &Untaken) -> Diagnostic {
    let asked = thousands(untaken.asked);
    let message = match untaken.way {
        Way::Then => format!("this `if` never holds: it was asked {asked} times"),
        Way::Else => format!("this `if` always holds: it was asked {asked} times, and what is behind it never comes"),
        Way::And => format!("what follows `&&` is never asked: what stands before it never holds, {asked} times"),
        Way::Or => format!("what follows `||` is never asked: what stands before it always holds, {asked} times"),
        Way::Case => format!("this label never comes: `switch` was asked {asked} times"),
    };
    Diagnostic::warning("W321", message).at(&rule.source, place(rule, untaken))
}

/// Labels of one `switch` that nothing ever fits.
fn labels(rule: &Rule, labels: &[Untaken]) -> Option<Diagnostic> {
    let first = labels.first()?;
    let lines: BTreeSet<String> = labels.iter().map(|label| label.line.to_string()).collect();
    let [_, _, ..] = labels else { return Some(branch(rule, first)) };
    let message = format!(
        "{} labels of the `switch` in line {} never come: it was asked {} times",
        labels.len(),
        first.decided,
        thousands(first.asked)
    );
    let finding = Diagnostic::warning("W321", message).at(&rule.source, place(rule, first));
    let mut lines: Vec<String> = lines.into_iter().collect();
    lines.sort_by_key(|line| line.parse::<u32>().unwrap_or_default());
    Some(finding.note(format!("they stand in line {}", lines.join(", "))))
}

fn place(rule: &Rule, untaken: &Untaken) -> Range<usize> {
    word_at(&rule.source.text, usize::from(untaken.line), usize::from(untaken.column))
}

/// A clause of a scope: its text where that stands in its line, else the line without the blanks around it.
fn place_of(text: &str, clause: &Clause) -> Range<usize> {
    let number = usize::try_from(clause.line).unwrap_or(1).saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(number).map(str::len).sum();
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    match line.find(&clause.text) {
        Some(at) => start + at..start + at + clause.text.len(),
        None => start + line.len() - line.trim_start().len()..start + line.trim_end().len(),
    }
}
