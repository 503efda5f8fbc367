//! The report for a terminal: what became of how much, what needs a hand, and what is next.

use std::path::Path;

use crate::cli::output::{print, say};
use crate::diagnostic::Diagnostic;
use crate::entra_connect::{Format, Report, State};

/// So many findings are drawn whole.
const SHOWN: usize = 12;

pub(super) fn tell(report: &Report, out: &Path, problems: &[Diagnostic]) {
    for problem in problems.iter().take(SHOWN) {
        say(&format!("{}\n", problem.render(false)));
    }
    if problems.len() > SHOWN {
        say(&format!("… and {} more, in the report\n", problems.len() - SHOWN));
    }
    let counts = &report.counts;
    let about: Vec<&str> = report.server.iter().chain(&report.version).map(String::as_str).collect();
    print(
        format!(
            "read      {}: {} rules, {} flows   {}",
            named(report.format),
            counts.rules,
            counts.flows,
            about.join(", ")
        )
        .trim_end(),
    );
    for (there, here) in &report.connectors {
        print(&format!("          {there} is `{here}`"));
    }
    let off = if counts.off > 0 { format!(", {} switched off", counts.off) } else { String::new() };
    print(&format!("rules     {} run{off}, {} set aside, {} added", counts.on, counts.set_aside, report.added.len()));
    for (why, names) in set_aside(report) {
        print(&format!("          {:>3} aside: {why}", names.len()));
    }
    print(&format!(
        "flows     {} copied, {} trimmed, {} in words of rules, {} with functions of Entra Connect",
        counts.copied, counts.trimmed, counts.simplified, counts.exact
    ));
    print(&format!(
        "          {} not written: Graph does not take them, or does not show what they are made of",
        counts.not_written
    ));
    let lost = report.lost.len();
    if lost > 0 {
        print(&format!("          {lost} attributes that Graph does not take are in the report, with what to do"));
    }
    for remark in report.remarks.iter().take(SHOWN) {
        print(&format!("note      {remark}"));
    }
    if report.remarks.len() > SHOWN {
        print(&format!("note      … and {} more, in the report", report.remarks.len() - SHOWN));
    }
    print(&match (counts.by_hand, counts.warnings) {
        (0, 0) => "hands     nothing needs a hand".to_owned(),
        (0, warnings) => format!("hands     nothing needs a hand; {warnings} flows with a warning"),
        (count, _) => format!("hands     {count} NEED A HAND: until then, their objects fail"),
    });
    for rule in &report.rules {
        if let Some(why) = &rule.by_hand {
            print(&format!("          {}: {why}", rule.file));
        }
        for flow in rule.flows.iter().filter(|flow| flow.outcome == "by-hand") {
            let line = flow.line.map(|line| format!(":{line}")).unwrap_or_default();
            print(&format!("          {}{line}   {}", rule.file, flow.to));
        }
    }
    let folder = out.display();
    print(&format!("wrote     {folder}/rules  {folder}/syncline.toml  {folder}/report.html  {folder}/report.md"));
    say(&format!(
        "next: fill in what says CHANGE in {folder}/syncline.toml; then, in that folder, `syncline check`, `syncline test`, `syncline doctor`, `syncline compare --with entra`"
    ));
}

fn named(format: Format) -> &'static str {
    match format {
        Format::Xml => "XML of the server",
        Format::PowerShell => "PowerShell of the rule editor",
        Format::Policy => "JSON policy of the wizard",
        Format::Yaml => "YAML of configuration as code",
    }
}

/// Rules that were set aside, by the reason.
pub(super) fn set_aside(report: &Report) -> Vec<(&str, Vec<&str>)> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for rule in &report.rules {
        let State::SetAside(why) = &rule.state else { continue };
        match reasons.iter_mut().find(|(known, _)| known == why) {
            Some((_, names)) => names.push(&rule.name),
            None => reasons.push((why, vec![&rule.name])),
        }
    }
    reasons
}
