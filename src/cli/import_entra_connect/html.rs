//! The report as one page that needs nothing else: its data lies in it as JSON, and a script of its own shows it as text.
//! The page may fetch nothing, for what it shows was written by somebody else.

use serde_json::{Value as Json, json};

use super::words::{self, Finding, Verdict, marked};
use crate::cli::output::plural;
use crate::cli::plan::html::filled;
use crate::entra_connect::{FlowLine, MessageKind, Report, RuleLine};

const PAGE: &str = include_str!("page.html");

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let level = match words::verdict(report) {
        Verdict::Complete => "complete",
        Verdict::WithWarnings => "warnings",
        Verdict::Incomplete => "incomplete",
    };
    let mut counts = vec![
        (plural(report.counts.rules, "rule"), words::rules(report)),
        (plural(report.counts.flows, "flow"), words::flows(&words::all_flows(report))),
    ];
    if report.branches > 0 {
        counts.push(("Tests".to_owned(), words::of_tests(report)));
    }
    let (settings, off) = words::settings(report);
    let data = json!({
        "level": level,
        "verdict": words::sentence(report),
        "source": words::source(report),
        "connectors": report.connectors,
        "counts": counts,
        "hand": words::by_hand(report).iter().map(finding).collect::<Vec<_>>(),
        "warnings": words::warnings(report).iter().map(finding).collect::<Vec<_>>(),
        "rules": report.rules.iter().map(rule).collect::<Vec<_>>(),
        "added": report.added,
        "contests": report.contests,
        "lost": words::lost(report),
        "settings": settings,
        "off": off,
        "untested": words::untested(report),
        "remarks": report.remarks,
    });
    filled(PAGE, &data)
}

fn finding(finding: &Finding<'_>) -> Json {
    let expression = finding.flow.map(|(flow, message)| marked(&flow.original, message));
    let expression = expression.or(finding.rule.scope.as_deref().map(|scope| (scope, "", "")));
    let at = finding.flow.and_then(|(_, message)| message.at);
    json!({ "rule": finding.rule.name, "precedence": finding.rule.precedence, "subject": finding.subject(),
        "file": finding.rule.file, "line": finding.line, "place": finding.place(), "at": at, "expression": expression,
        "text": finding.text, "hint": finding.hint })
}

fn rule(rule: &RuleLine) -> Json {
    let (state, why) = words::state(rule);
    let has = |kind: MessageKind| rule.flows.iter().flat_map(|flow| &flow.messages).any(|found| found.kind == kind);
    json!({ "name": rule.name, "tag": rule.tag, "stock": words::likeness(rule), "likeness": rule.stock,
        "way": words::way(rule), "precedence": rule.precedence, "file": rule.file, "state": state, "why": why,
        "remarks": rule.remarks, "flows": words::flows(&rule.counts), "plain": rule.plain,
        "hand": rule.by_hand.is_some() || rule.counts.by_hand > 0, "warned": has(MessageKind::Warning),
        "lost": words::not_written(rule), "written": rule.flows.iter().filter(|flow| is_written(flow)).map(flow).collect::<Vec<_>>() })
}

fn is_written(flow: &FlowLine) -> bool {
    flow.outcome != "not-written"
}

fn flow(flow: &FlowLine) -> Json {
    let messages: Vec<Json> =
        flow.messages.iter().map(|message| json!([message.kind, message.text, message.hint])).collect();
    json!([flow.here, flow.line, flow.original, flow.code, messages])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_nobody_for_anything() {
        assert!(PAGE.contains("default-src 'none'"));
        for wrong in ["http:", "https:", "src=", "href=", "@import", "url(", "innerHTML", "fetch("] {
            assert!(!PAGE.contains(wrong), "{wrong}");
        }
    }
}
