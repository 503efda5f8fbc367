//! Two rule sets on one object, for people: only what differs.

use super::text::{Paint, from, join_line, joined, paint, scope, tried_line};
use crate::cli::output::print;
use crate::run::preview::compare::{Comparison, Pair, TargetDifference};
use crate::run::preview::{AttributeTrace, ChangeTrace, Fate, ReferenceTrace, RuleTrace};

/// Prints all of it. `names` are those of the two folders.
pub(super) fn tell(comparison: &Comparison, names: [&str; 2]) {
    let side = Sides::new(names);
    if let Some(subject) = &comparison.subject {
        print(&format!("{}  {}        {}", paint(Paint::Bold, &subject.connector), subject.name, subject.object_type));
    }
    comparison.tried.iter().for_each(|tried| print(&format!("  {}", tried_line(tried))));
    side.both(&comparison.rules, |fingerprint| vec![format!("fingerprint {fingerprint}")]);
    if comparison.is_empty() {
        print("");
        print("nothing differs for this object");
        return;
    }
    title("rules", comparison.scopes.is_empty());
    for pair in &comparison.scopes {
        let Some(rule) = pair.here.as_ref().or(pair.there.as_ref()) else { continue };
        print(&format!("  {}  {}", rule.rule, paint(Paint::Dim, &format!("to {}", rule.to))));
        side.both(pair, |rule| rule_lines(rule, is_other_kind(pair)));
    }
    let other_fate = comparison.person.here != comparison.person.there;
    title("metaverse", comparison.attributes.is_empty() && !other_fate);
    if other_fate {
        side.both(&comparison.person, |fate| vec![fate_line(*fate).to_owned()]);
    }
    // Where one side has no object, every value differs.
    for pair in comparison.attributes.iter().filter(|_| !other_fate) {
        let Some(attribute) = pair.here.as_ref().or(pair.there.as_ref()) else { continue };
        print(&format!("  {}", attribute.attribute));
        side.both(pair, attribute_lines);
    }
    comparison.targets.iter().for_each(|target| tell_target(target, &side));
    title("left as they are", !has_lines(&comparison.errors));
    if has_lines(&comparison.errors) {
        side.both(&comparison.errors, Clone::clone);
    }
}

fn title(text: &str, nothing: bool) {
    if !nothing {
        print("");
        print(&paint(Paint::Bold, text));
    }
}

fn has_lines<T>(pair: &Pair<Vec<T>>) -> bool {
    [&pair.here, &pair.there].into_iter().flatten().any(|list| !list.is_empty())
}

/// The names of both sides, of one width.
struct Sides {
    here: String,
    there: String,
}

impl Sides {
    fn new([here, there]: [&str; 2]) -> Sides {
        let there = if here == there { format!("{there} (other)") } else { there.to_owned() };
        let width = here.chars().count().max(there.chars().count());
        Sides { here: format!("{here:<width$}"), there: format!("{there:<width$}") }
    }

    fn both<T>(&self, pair: &Pair<T>, lines: impl Fn(&T) -> Vec<String>) {
        for (name, colour, side) in [(&self.here, Paint::Red, &pair.here), (&self.there, Paint::Green, &pair.there)] {
            let mut said = side.as_ref().map(&lines).unwrap_or_default();
            if said.is_empty() {
                said.push("—".to_owned());
            }
            for (at, line) in said.into_iter().enumerate() {
                let name = if at == 0 { name.clone() } else { " ".repeat(name.chars().count()) };
                print(&format!("      {}  {line}", paint(colour, &name)));
            }
        }
    }
}

/// Whether precedence, link or direction differ.
fn is_other_kind(pair: &Pair<RuleTrace>) -> bool {
    let kind = |rule: &RuleTrace| (rule.precedence, rule.link.clone(), rule.to.clone());
    pair.here.as_ref().map(kind) != pair.there.as_ref().map(kind)
}

fn fate_line(fate: Fate) -> &'static str {
    match fate {
        Fate::New => "would be made",
        Fate::Stays => "stays",
        Fate::Ends => "would end",
    }
}

fn rule_lines(rule: &RuleTrace, kind: bool) -> Vec<String> {
    let kind = if kind { format!("   precedence {}, link {}", rule.precedence, rule.link) } else { String::new() };
    let first = format!("{}{kind}", scope(&rule.scope));
    let join = if rule.to.starts_with("metaverse/") { "join" } else { "match" };
    std::iter::once(first).chain(rule.joins.iter().map(|group| join_line(group, join))).collect()
}

fn attribute_lines(trace: &AttributeTrace) -> Vec<String> {
    vec![format!("{}   {}", joined(&trace.after), paint(Paint::Dim, &from(trace, Fate::Stays)))]
}

fn change_lines(change: &ChangeTrace) -> Vec<String> {
    let place = paint(Paint::Dim, &format!("{}:{}", change.rule, change.line));
    vec![format!("{} → {}   {place}", joined(&change.now), joined(&change.after))]
}

fn reference_lines(references: &Vec<ReferenceTrace>) -> Vec<String> {
    let line = |reference: &ReferenceTrace| {
        let sign = if reference.add { '+' } else { '-' };
        format!("{sign} {} of `{}`: {}", reference.attribute, reference.of, reference.to)
    };
    references.iter().map(line).collect()
}

fn tell_target(target: &TargetDifference, side: &Sides) {
    title(
        &format!("outbound → {}  {} {}", target.object.connector, target.object.object_type, target.object.name),
        false,
    );
    let ends = |operation: &Option<String>| operation.as_deref().is_some_and(|operation| operation != "update");
    let differs = target.operation.here != target.operation.there;
    if differs && (ends(&target.operation.here) || ends(&target.operation.there)) {
        print("  what is done");
        side.both(&target.operation, |operation| vec![operation.clone()]);
    }
    for pair in &target.changes {
        let Some(change) = pair.here.as_ref().or(pair.there.as_ref()) else { continue };
        print(&format!("  {}", change.attribute));
        side.both(pair, change_lines);
    }
    if has_lines(&target.references) {
        print("  references");
        side.both(&target.references, reference_lines);
    }
    if target.requests.here.is_some() || target.requests.there.is_some() {
        print("  requests (not sent: this is a preview)");
        side.both(&target.requests, Clone::clone);
    }
}
