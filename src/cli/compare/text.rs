//! A comparison for people: the verdict, then what differs, rule by rule and line by line.

use serde_json::Value as Json;

use super::wholes;
use crate::cli::output::{plural, thousands};
use crate::run::compare::lost::{Loss, Lost};
use crate::run::compare::{Alike, ByAttribute, Comparison, Counts, DifferentValue, Whole};

/// How much of each kind is shown.
const SHOWN: usize = 10;
/// How many values of a list are shown.
const VALUES: usize = 3;

/// Everything.
pub(super) fn all(comparison: &Comparison, all: bool) -> String {
    let mut lines = vec![comparison.verdict.clone(), format!("  {}", counts(comparison))];
    lines.extend(notes(comparison).into_iter().map(|note| format!("  {note}")));
    for sum in &comparison.by_attribute {
        lines.extend(attribute(comparison, sum, all));
    }
    if all {
        comparison.different.iter().for_each(|found| lines.extend(of_object(&found.name, &found.values)));
    }
    for ((_, list), what) in wholes(comparison).into_iter().zip(WHAT) {
        let of = |(name, reason): (&str, &str)| format!("{name}   {reason}").trim_end().to_owned();
        let list: Vec<String> = list.iter().map(|whole| of((&whole.name, &whole.reason))).collect();
        lines.extend(part(what, &list, all));
    }
    let errors: Vec<String> = comparison.errors.iter().map(|(who, why)| format!("{who}   {why}")).collect();
    lines.extend(part("could not be evaluated", &errors, all));
    if let Some(lost) = &comparison.lost {
        lines.push(format!("  {}", mastered(lost)));
        lines.push("  lost by switching, whatever the rules say".to_owned());
        lines.extend(lost.losses.iter().map(|found| format!("    {}", loss(found))));
    }
    lines.join("\n")
}

/// The kinds of objects of which there is nothing to compare, in their order.
const WHAT: [&str; 4] = [
    "missing: the rules would make them",
    "leaving: made or adopted by us, and no rule wants them any more",
    "proposed: they look like somebody's, and wait for `syncline adopt`",
    "known to no rule: they stay as they are",
];

/// One object.
pub(super) fn object(comparison: &Comparison, wanted: &str) -> String {
    let mut lines: Vec<String> =
        comparison.different.iter().flat_map(|found| of_object(&found.name, &found.values)).collect();
    for (kind, list) in wholes(comparison) {
        let of = |found: &Whole| format!("  {} {}   {kind}   {}", found.object_type, found.name, found.reason);
        lines.extend(list.iter().map(|found| of(found).trim_end().to_owned()));
    }
    lines.extend(comparison.errors.iter().map(|(who, why)| format!("  {who}   could not be evaluated   {why}")));
    if lines.is_empty() {
        lines.push(format!("`{wanted}` is as the rules make it, or is not there; `syncline preview` shows it"));
    }
    lines.join("\n")
}

/// How many objects of each kind there are.
pub(super) fn counts(comparison: &Comparison) -> String {
    let Comparison { same, different, missing, leaving, proposed, unknown, .. } = comparison;
    let mut counts = vec![
        format!("{} as the rules make them", thousands(*same)),
        format!("{} otherwise", thousands(different.len())),
        format!("{} missing", thousands(missing.len())),
        format!("{} leaving", thousands(leaving.len())),
    ];
    if !proposed.is_empty() {
        counts.push(format!("{} proposed", thousands(proposed.len())));
    }
    counts.push(format!("{} that no rule knows", thousands(unknown.len())));
    counts.join("   ")
}

/// What is worth knowing of all differences.
pub(super) fn notes(comparison: &Comparison) -> Vec<String> {
    let Comparison { values, letter_case, by_rule, twice, .. } = comparison;
    let mut notes = Vec::new();
    if *letter_case > 0 {
        notes.push(format!("{} of {} in letter case alone", thousands(*letter_case), plural(*values, "difference")));
    }
    if by_rule.len() > 1 {
        let rules: Vec<String> = by_rule.iter().map(|(rule, count)| format!("{rule} {}", thousands(*count))).collect();
        notes.push(format!("objects by rule: {}", rules.join(", ")));
    }
    if *twice > 0 {
        let have = if *twice == 1 { "has" } else { "have" };
        notes.push(format!(
            "{} of the missing {have} the name of an object that no rule knows, and would be made a second time",
            thousands(*twice)
        ));
    }
    notes
}

/// Who is mastered on-premises, and what that means.
pub(super) fn mastered(lost: &Lost) -> String {
    let groups = match lost.groups {
        Some(groups) => format!(" and {}", plural(groups, "group")),
        None => String::new(),
    };
    let users = plural(lost.users, "user");
    format!(
        "mastered on-premises: {users}{groups}; nothing is written to them before their source of authority is moved"
    )
}

/// `distribution lists (3): …`.
pub(super) fn loss(found: &Loss) -> String {
    let count = found.count.map(|count| format!(" ({})", thousands(count))).unwrap_or_default();
    format!("{}{count}: {}", found.what, found.why)
}

fn attribute(comparison: &Comparison, sum: &ByAttribute, all: bool) -> Vec<String> {
    let found: Vec<&Alike> = comparison.alike.iter().filter(|alike| sum.has(alike)).collect();
    let head = format!("  {:>6}  {:<24} {:<28}", thousands(sum.count), sum.attribute, sum.from());
    if let [only] = found.as_slice() {
        return vec![format!("{head} {}", of_kind(only))];
    }
    let shown = if all { found.len() } else { SHOWN };
    let mut lines = vec![head.trim_end().to_owned()];
    lines.extend(
        found.iter().take(shown).map(|alike| format!("          {:>6}  {}", thousands(alike.count), of_kind(alike))),
    );
    if found.len() > shown {
        lines.push(format!("                  … and {} more kinds: `--all`", found.len() - shown));
    }
    lines
}

/// How they differ, and one of them.
fn of_kind(alike: &Alike) -> String {
    let example = format!("{}   {}", difference(&alike.value), alike.example);
    match &alike.value {
        value if value.references.is_some() || !value.held.is_empty() => example,
        value if format!("{} → {}", value.there, value.ours) == alike.how || alike.how == "another value" => example,
        _ => format!("{}   e.g. {example}", alike.how),
    }
}

fn of_object(name: &str, values: &[DifferentValue]) -> Vec<String> {
    let line = |value: &DifferentValue| {
        format!("    {:<24} {}   {}", value.attribute, difference(value), value.from()).trim_end().to_owned()
    };
    std::iter::once(format!("  {name}")).chain(values.iter().map(line)).collect()
}

fn difference(value: &DifferentValue) -> String {
    match (&value.references, value.held.is_empty()) {
        (Some(counts), _) => references(value, *counts),
        (None, false) => format!("stays {}: {}", shown(&value.there), value.held),
        (None, true) => format!("{} → {}", shown(&value.there), shown(&value.ours)),
    }
}

fn references(value: &DifferentValue, counts: Counts) -> String {
    let part = |count: usize, what: &str, names: &Json| {
        (count > 0).then(|| {
            let names: Vec<&str> = names.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
            let more = if count > VALUES.min(names.len()) { ", …" } else { "" };
            let names: Vec<&str> = names.into_iter().take(VALUES).collect();
            format!("{} {what}: {}{more}", thousands(count), names.join(", "))
        })
    };
    let parts = [part(counts.go, value.goes(), &value.there), part(counts.come, "would come", &value.ours)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{}   {}", parts.join("   "), value.held).trim_end().to_owned()
}

fn shown(value: &Json) -> String {
    match value {
        Json::Null => "—".to_owned(),
        Json::String(text) => text.clone(),
        Json::Array(values) if values.len() > VALUES => {
            let first: Vec<String> = values.iter().take(VALUES).map(shown).collect();
            format!("{}, … ({})", first.join(", "), values.len())
        }
        Json::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        Json::Bool(_) | Json::Number(_) | Json::Object(_) => value.to_string(),
    }
}

fn part(what: &str, list: &[String], all: bool) -> Vec<String> {
    if list.is_empty() {
        return Vec::new();
    }
    let count = if all { list.len() } else { SHOWN };
    let mut lines = vec![format!("  {what}")];
    lines.extend(list.iter().take(count).map(|line| format!("    {line}")));
    if list.len() > count {
        lines.push(format!("    … and {} more: `--all`", thousands(list.len() - count)));
    }
    lines
}
