//! What the report says, whatever it is written as: sentences, names of states, and findings in one list.

use crate::cli::output::{plural, thousands};
use crate::entra_connect::{
    Direction, FlowCounts, FlowLine, Format, Likeness, Lost, Message, MessageKind, Report, RuleLine, State, Untested,
};

/// What a conversion came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Complete,
    WithWarnings,
    Incomplete,
}

pub(super) fn verdict(report: &Report) -> Verdict {
    match (report.counts.by_hand, report.counts.warnings + report.remarks.len()) {
        (0, 0) => Verdict::Complete,
        (0, _) => Verdict::WithWarnings,
        _ => Verdict::Incomplete,
    }
}

/// The verdict in one sentence.
pub(super) fn sentence(report: &Report) -> String {
    let odd = match (report.counts.warnings, report.remarks.len()) {
        (0, 0) => String::new(),
        (warnings, 0) => plural(warnings, "warning"),
        (0, remarks) => plural(remarks, "remark"),
        (warnings, remarks) => format!("{} and {}", plural(warnings, "warning"), plural(remarks, "remark")),
    };
    match (verdict(report), report.counts.by_hand) {
        (Verdict::Complete, _) => "Complete: nothing needs a hand.".to_owned(),
        (Verdict::WithWarnings, _) => format!("Complete: nothing needs a hand; {odd}."),
        (Verdict::Incomplete, 1) => {
            "Incomplete: 1 place needs a hand; until then, the objects of its rule fail.".into()
        }
        (Verdict::Incomplete, count) => {
            format!("Incomplete: {} places need a hand; until then, the objects of their rules fail.", thousands(count))
        }
    }
}

/// What was read, in a line.
pub(super) fn source(report: &Report) -> String {
    let about: Vec<&str> = report.server.iter().chain(&report.version).map(String::as_str).collect();
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
    let format = match report.format {
        Format::Xml => "XML of the server",
        Format::PowerShell => "PowerShell of the rule editor",
        Format::Policy => "JSON policy of the wizard",
        Format::Yaml => "YAML of configuration as code",
    };
    format!("{format}{about}")
}

/// `38 run, 24 set aside, 2 added`
pub(super) fn rules(report: &Report) -> String {
    let counts = &report.counts;
    let parts = [
        (counts.on, "run"),
        (counts.off, "switched off"),
        (counts.set_aside, "set aside"),
        (report.added.len(), "added"),
    ];
    listed(&parts)
}

/// `348 copied, 268 trimmed, …`
pub(super) fn flows(counts: &FlowCounts) -> String {
    let parts = [
        (counts.copied, "copied"),
        (counts.trimmed, "trimmed"),
        (counts.simplified, "in words of rules"),
        (counts.exact, "with functions of Entra Connect"),
        (counts.not_written, "not written"),
        (counts.by_hand, "by hand"),
    ];
    listed(&parts)
}

/// The flows of all rules.
pub(super) fn all_flows(report: &Report) -> FlowCounts {
    let counts = &report.counts;
    FlowCounts {
        copied: counts.copied,
        trimmed: counts.trimmed,
        simplified: counts.simplified,
        exact: counts.exact,
        not_written: counts.not_written,
        by_hand: report.rules.iter().map(|rule| rule.counts.by_hand).sum(),
    }
}

/// How many flows a rule has.
pub(super) fn total(counts: &FlowCounts) -> usize {
    let FlowCounts { copied, trimmed, simplified, exact, not_written, by_hand } = counts;
    copied + trimmed + simplified + exact + not_written + by_hand
}

fn listed(parts: &[(usize, &str)]) -> String {
    let some = parts.iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = some.map(|(count, what)| format!("{} {what}", thousands(*count))).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// How a rule stands to the one that the product ships.
pub(super) fn likeness(rule: &RuleLine) -> &'static str {
    match rule.stock {
        Likeness::Own => "own",
        Likeness::Same => "as shipped",
        Likeness::Changed => "changed",
        Likeness::OtherRevision => "another revision",
        Likeness::Unknown => "not known",
    }
}

/// `runs`, `off`, `set aside`; and why.
pub(super) fn state(rule: &RuleLine) -> (&'static str, &str) {
    match &rule.state {
        State::On => ("runs", ""),
        State::Off => ("off", "it was switched off"),
        State::SetAside(why) => ("set aside", why),
    }
}

/// `ad → metaverse`
pub(super) fn way(rule: &RuleLine) -> String {
    match rule.direction {
        Direction::Inbound => format!("{} → metaverse", rule.connector),
        Direction::Outbound => format!("metaverse → {}", rule.connector),
    }
}

/// Something to look at: a message about a flow, or a scope that could not be converted.
pub(super) struct Finding<'a> {
    pub(super) rule: &'a RuleLine,
    /// The flow and what is said of it; nothing for a scope.
    pub(super) flow: Option<(&'a FlowLine, &'a Message)>,
    pub(super) text: &'a str,
    pub(super) hint: Option<&'a str>,
    /// The line of the new file.
    pub(super) line: Option<usize>,
}

impl Finding<'_> {
    /// What it is about: an attribute, or the scope.
    pub(super) fn subject(&self) -> &str {
        self.flow.map_or("scope", |(flow, _)| &flow.to)
    }

    /// Where it stood.
    pub(super) fn place(&self) -> String {
        let place = self.flow.map_or(&self.rule.place, |(flow, _)| &flow.place);
        let file = place.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        format!("{file}:{}", place.line)
    }
}

/// What somebody has to write, rule by rule.
pub(super) fn by_hand(report: &Report) -> Vec<Finding<'_>> {
    let of_rule = |rule| {
        let scope = scope_of(rule);
        scope.into_iter().chain(messages(rule, MessageKind::ByHand))
    };
    report.rules.iter().flat_map(of_rule).collect()
}

/// What works and is odd, rule by rule.
pub(super) fn warnings(report: &Report) -> Vec<Finding<'_>> {
    report.rules.iter().flat_map(|rule| messages(rule, MessageKind::Warning)).collect()
}

fn scope_of(rule: &RuleLine) -> Option<Finding<'_>> {
    let text = rule.by_hand.as_deref()?;
    let hint = Some("write the condition into `scope`; `syncline docs functions` lists what there is");
    Some(Finding { rule, flow: None, text, hint, line: rule.scope_line })
}

fn messages(rule: &RuleLine, kind: MessageKind) -> impl Iterator<Item = Finding<'_>> {
    let all = rule.flows.iter().flat_map(|flow| flow.messages.iter().map(move |message| (flow, message)));
    let wanted = all.filter(move |(_, message)| message.kind == kind);
    wanted.map(move |(flow, message)| Finding {
        rule,
        flow: Some((flow, message)),
        text: &message.text,
        hint: message.hint.as_deref(),
        line: flow.line,
    })
}

/// The flows that were not written, by the reason.
pub(super) fn not_written(rule: &RuleLine) -> Vec<(&str, Vec<&str>)> {
    let flows = rule.flows.iter().flat_map(|flow| flow.messages.iter().map(move |message| (flow, message)));
    let wanted = flows.filter(|(_, message)| message.kind == MessageKind::NotWritten);
    grouped(wanted.map(|(flow, message)| (message.text.as_str(), flow.to.as_str())))
}

/// Rules that were set aside, by the reason.
pub(super) fn set_aside(report: &Report) -> Vec<(&str, Vec<&str>)> {
    grouped(report.rules.iter().filter_map(|rule| match &rule.state {
        State::SetAside(why) => Some((why.as_str(), rule.name.as_str())),
        State::On | State::Off => None,
    }))
}

/// Attributes that Graph does not take, by the reason and the types of objects; what concerns most comes first.
pub(super) fn lost(report: &Report) -> Vec<(String, Vec<&str>)> {
    let reason = |lost: &Lost| format!("{} ({})", lost.why, lost.objects.join(", "));
    let mut groups = grouped(report.lost.iter().map(|lost| (reason(lost), lost.attribute.as_str())));
    groups.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    groups
}

/// The file of a rule, an attribute, and why something of it has no test.
type Gap<'a> = (&'a str, &'a str, &'a str);

/// Branches without a test: by rule, attribute and reason, as conditions that hold or do not.
pub(super) fn untested(report: &Report) -> Vec<(Gap<'_>, Vec<String>)> {
    let say =
        |branch: &Untested| format!("{} {}", branch.condition, if branch.holds { "holds" } else { "does not hold" });
    grouped(
        report
            .untested
            .iter()
            .map(|branch| ((branch.file.as_str(), branch.attribute.as_str(), branch.why), say(branch))),
    )
}

/// `9 of 238 branches have no test`.
pub(super) fn of_tests(report: &Report) -> String {
    let all = plural(report.branches, "branch").replace("branchs", "branches");
    match report.untested.len() {
        0 => format!("{all} of expressions, and each has a test"),
        count => format!(
            "{all} of expressions, and {} no test",
            if count == 1 { "1 has".to_owned() } else { format!("{} have", thousands(count)) }
        ),
    }
}

/// Settings without a counterpart: by what there is to know, as `name = value`; and those that were off or empty.
pub(super) fn settings(report: &Report) -> (Vec<(&str, Vec<String>)>, Vec<&str>) {
    let is_off = |value: &str| value.trim().is_empty() || value.trim().eq_ignore_ascii_case("false");
    let (off, on): (Vec<_>, Vec<_>) = report.settings.iter().partition(|(_, value, _)| is_off(value));
    let mut groups = grouped(on.iter().map(|(name, value, word)| (word.as_str(), format!("{name} = {value}"))));
    // What something can be said about comes first.
    groups.sort_by_key(|(word, _)| *word == "nothing corresponds to it");
    (groups, off.iter().map(|(name, ..)| name.as_str()).collect())
}

/// Things by a word about them, in the order in which the words come.
fn grouped<K: PartialEq, T: PartialEq>(pairs: impl Iterator<Item = (K, T)>) -> Vec<(K, Vec<T>)> {
    let mut groups: Vec<(K, Vec<T>)> = Vec::new();
    for (word, thing) in pairs {
        match groups.iter_mut().find(|(known, _)| *known == word) {
            Some((_, things)) if things.contains(&thing) => {}
            Some((_, things)) => things.push(thing),
            None => groups.push((word, vec![thing])),
        }
    }
    groups
}

/// A text in three: before what is marked, that, and after it.
pub(super) fn marked<'a>(text: &'a str, message: &Message) -> (&'a str, &'a str, &'a str) {
    let Some((line, column)) = message.at else { return (text, "", "") };
    let start_of_line = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum::<usize>();
    let rest = text.get(start_of_line..).unwrap_or_default();
    let after = |count: usize| start_of_line + rest.chars().take(count).map(char::len_utf8).sum::<usize>();
    let (start, end) = (after(column.saturating_sub(1)), after(column.saturating_sub(1) + message.length));
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    (part(0, start), part(start, end), part(end, text.len()))
}
