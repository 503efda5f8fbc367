//! The report as Markdown: for a pull request, an editor, a terminal. What has to be done comes first.

use super::escape::{block, cell, code, plain, prose};
use super::picture::{picture, wrapped};
use super::words::{self, Finding};
use crate::cli::output::{plural, thousands};
use crate::entra_connect::{Contest, FlowLine, Report, RuleLine};

/// An expression and its code of at most so many characters stand side by side.
const SHORT: usize = 60;

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let mut out = head(report);
    out += &findings("Needs a hand", &words::by_hand(report));
    out += &findings("Warnings", &words::warnings(report));
    out += &rules(report);
    out += &contests(&report.contests);
    out += &lost(report);
    out += &settings(report);
    out += &untested(report);
    if !report.remarks.is_empty() {
        out += "## Other remarks\n\n";
        report.remarks.iter().for_each(|remark| out.push_str(&format!("- {}\n", prose(remark))));
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out + "\n"
}

fn head(report: &Report) -> String {
    let mut out = format!("# From Entra Connect to Syncline\n\n**{}**\n\n", words::sentence(report));
    out += &format!("- read: {}\n", plain(&words::source(report)));
    for (there, here) in &report.connectors {
        out += &format!("- connector: {} is {}\n", code(there), code(here));
    }
    out += &format!("- {}: {}\n", plural(report.counts.rules, "rule"), words::rules(report));
    out += &format!("- {}: {}\n", plural(report.counts.flows, "flow"), words::flows(&words::all_flows(report)));
    if report.branches > 0 {
        let which = if report.untested.is_empty() { "" } else { ": [which](#branches-without-a-test)" };
        out += &format!("- tests: {}{which}\n", words::of_tests(report));
    }
    if !report.lost.is_empty() {
        out += &format!(
            "- {} that Graph does not take: [what to do](#not-taken-by-graph)\n",
            attributes(report.lost.len())
        );
    }
    out.push('\n');
    out
}

fn attributes(count: usize) -> String {
    plural(count, "attribute")
}

fn findings(title: &str, findings: &[Finding<'_>]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut out = format!("## {title}\n\n");
    for (at, finding) in findings.iter().enumerate() {
        let (rule, line) = (finding.rule, finding.line);
        out += &format!("### {}. {} of {}\n\n", at + 1, code(finding.subject()), code(&rule.name));
        let place = code(&finding.place());
        out += &format!("{}, precedence {}; it stood at {place}\n\n", link(rule, line), rule.precedence);
        if let Some((flow, message)) = finding.flow {
            out += &format!("{}\n", block(&picture(&flow.original, message)));
        } else if let Some(scope) = &rule.scope {
            out += &format!("{}\n", block(&wrapped(scope)));
        }
        let at = finding.flow.and_then(|(_, message)| message.at);
        let at = at.map(|(line, column)| format!("line {line}, column {column}: ")).unwrap_or_default();
        out += &format!("{at}**{}**\n\n", prose(finding.text));
        if let Some(hint) = finding.hint {
            out += &format!("Hint: {}\n\n", prose(hint));
        }
    }
    out
}

/// `[rules/x.rhai, line 12](rules/x.rhai#L12)`. Names of files are of small letters, digits and hyphens.
fn link(rule: &RuleLine, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("[{0}:{line}]({0}#L{line})", rule.file),
        None => format!("[{0}]({0})", rule.file),
    }
}

fn rules(report: &Report) -> String {
    let mut out =
        "## Rules by precedence\n\n| | rule | way | state | stock | flows |\n|--:|---|---|---|---|--:|\n".to_owned();
    for rule in &report.rules {
        let (state, _) = words::state(rule);
        let name = format!("[{}]({})", cell(&rule.name), rule.file);
        let cells = [name, words::way(rule), state.to_owned(), words::likeness(rule).to_owned()];
        out +=
            &format!("| {} | {} | {} |\n", rule.precedence, cells.join(" | "), thousands(words::total(&rule.counts)));
    }
    out.push('\n');
    let aside = words::set_aside(report);
    if !aside.is_empty() {
        out += "Set aside, for they would do nothing:\n\n";
        for (why, names) in aside {
            out += &format!("- {}: {}\n", plural(names.len(), "rule"), prose(why));
        }
        out.push('\n');
    }
    if !report.added.is_empty() {
        out += "Added, to do what the service behind Entra Connect did:\n\n";
        report.added.iter().for_each(|(file, why)| out.push_str(&format!("- [{file}]({file}): {}\n", prose(why))));
        out.push('\n');
    }
    report.rules.iter().for_each(|rule| out.push_str(&details(rule)));
    out
}

/// A rule that can be unfolded.
fn details(rule: &RuleLine) -> String {
    let flows = words::flows(&rule.counts);
    let (state, why) = words::state(rule);
    let mut out =
        format!("<details><summary>{} <b>{}</b> ({state}): {flows}</summary>\n\n", rule.precedence, plain(&rule.name));
    let tag = rule.tag.as_deref().map(|tag| format!(" ({})", code(tag))).unwrap_or_default();
    out += &format!("{}, {}, {}{tag}\n\n", link(rule, None), words::way(rule), words::likeness(rule));
    let mut notes: Vec<String> = Vec::new();
    if !why.is_empty() {
        notes.push(format!("{state}: {}", prose(why)));
    }
    let by_hand = rule.flows.iter().filter(|flow| flow.outcome == "by-hand");
    let by_hand: Vec<&str> = by_hand.map(|flow| flow.to.as_str()).collect();
    if !by_hand.is_empty() {
        notes.push(format!("needs a hand: {}", names(&by_hand)));
    }
    notes.extend(rule.remarks.iter().map(|remark| prose(remark)));
    if !rule.plain.is_empty() {
        notes.push(format!("copied or trimmed: {}", names(&rule.plain)));
    }
    let not_written = words::not_written(rule).into_iter();
    notes.extend(not_written.map(|(why, list)| format!("not written ({}): {}", prose(why), names(&list))));
    notes.iter().for_each(|note| out.push_str(&format!("- {note}\n")));
    if !notes.is_empty() {
        out.push('\n');
    }
    let written = rule.flows.iter().filter(|flow| ["simplified", "exact"].contains(&flow.outcome));
    let (short, long): (Vec<&FlowLine>, Vec<&FlowLine>) = written.partition(|flow| is_short(flow));
    if !short.is_empty() {
        out += "| line | attribute | was | is |\n|--:|---|---|---|\n";
        for flow in short {
            let cells = [cell(&flow.here), cell(&flow.original), cell(&flow.code)];
            out += &format!("| {} | {} |\n", line_link(rule, flow), cells.join(" | "));
        }
        out.push('\n');
    }
    for flow in long {
        out += &format!("{}, line {}\n\n", code(&flow.here), line_link(rule, flow));
        out += &format!("{}\n{}\n", block(&wrapped(&flow.original)), block(&flow.code));
    }
    out + "</details>\n\n"
}

fn is_short(flow: &FlowLine) -> bool {
    let fits = |text: &str| text.chars().count() <= SHORT && !text.trim().contains('\n');
    fits(&flow.original) && fits(&flow.code)
}

fn line_link(rule: &RuleLine, flow: &FlowLine) -> String {
    flow.line.map(|line| format!("[{line}]({}#L{line})", rule.file)).unwrap_or_default()
}

fn names(names: &[impl AsRef<str>]) -> String {
    names.iter().map(|name| code(name.as_ref())).collect::<Vec<_>>().join(", ")
}

fn contests(contests: &[Contest]) -> String {
    if contests.is_empty() {
        return String::new();
    }
    let mut out = "## Precedence over forests\n\nWhere rules of several forests give an attribute of one object, the first that has a value wins.\n\n".to_owned();
    for contest in contests {
        let all = if contest.merged { "; the values of all are put together" } else { "" };
        out += &format!("{} of {}{all}:\n\n", names(&contest.attributes), code(&contest.object));
        for (at, giver) in contest.givers.iter().enumerate() {
            let name = format!("[{}]({})", code(&giver.rule), giver.file);
            out +=
                &format!("{}. {name}, precedence {}, connector {}\n", at + 1, giver.precedence, code(&giver.connector));
        }
        out.push('\n');
    }
    out
}

fn lost(report: &Report) -> String {
    if report.lost.is_empty() {
        return String::new();
    }
    let mut out = "## Not taken by Graph\n\n".to_owned();
    for (why, list) in words::lost(report) {
        out += &format!("- {}, {}: {}\n", prose(&why), attributes(list.len()), names(&list));
    }
    out.push('\n');
    out
}

fn settings(report: &Report) -> String {
    if report.settings.is_empty() {
        return String::new();
    }
    let mut out = "## Settings without a counterpart\n\n".to_owned();
    let (groups, off) = words::settings(report);
    for (word, list) in groups {
        out += &format!("- {}: {}\n", prose(word), names(&list));
    }
    if !off.is_empty() {
        out += &format!("- off or empty there, so nothing is lost: {}\n", names(&off));
    }
    out.push('\n');
    out
}

fn untested(report: &Report) -> String {
    if report.untested.is_empty() {
        return String::new();
    }
    let mut out = "## Branches without a test\n\n".to_owned();
    for ((file, attribute, why), conditions) in words::untested(report) {
        out += &format!("- {} of [{file}]({file}), {}: {}\n", code(attribute), prose(why), names(&conditions));
    }
    out.push('\n');
    out
}
