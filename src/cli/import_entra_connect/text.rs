//! The report for a terminal: what became of how much, what needs a hand, and what is next.

use std::path::Path;

use super::words;
use crate::cli::output::{plural, print, say, thousands};
use crate::diagnostic::Diagnostic;
use crate::entra_connect::Report;

/// So many findings are drawn whole, and so many of a list are named.
const SHOWN: usize = 12;

pub(super) fn tell(report: &Report, out: &Path, problems: &[Diagnostic]) {
    for problem in problems.iter().take(SHOWN) {
        say(&format!("{}\n", problem.render(false)));
    }
    if problems.len() > SHOWN {
        say(&format!("… and {} more, in the report\n", problems.len() - SHOWN));
    }
    let counts = &report.counts;
    let (rules, flows) = (plural(counts.rules, "rule"), plural(counts.flows, "flow"));
    print(&format!("read      {}: {rules}, {flows}", words::source(report)));
    connectors(report);
    print(&format!("rules     {}", words::rules(report)));
    for (why, names) in words::set_aside(report) {
        print(&format!("          {:>3} aside: {why}", names.len()));
    }
    print(&format!("flows     {}", words::flows(&words::all_flows(report))));
    if counts.not_written > 0 {
        print("          not written: Graph does not take them, or does not show what they are made of");
    }
    if !report.lost.is_empty() {
        let lost = plural(report.lost.len(), "attribute");
        print(&format!("          {lost} that Graph does not take: the report says what to do"));
    }
    if !report.contests.is_empty() {
        let contested: usize = report.contests.iter().map(|contest| contest.attributes.len()).sum();
        let contested = plural(contested, "attribute");
        print(&format!("          several forests give {contested}: the report says whose value comes first"));
    }
    if report.branches > 0 {
        let which = if report.untested.is_empty() { "" } else { ": the report says which" };
        print(&format!("tests     {}{which}", words::of_tests(report)));
    }
    for remark in report.remarks.iter().take(SHOWN) {
        print(&format!("note      {remark}"));
    }
    if report.remarks.len() > SHOWN {
        print(&format!("note      … and {} more, in the report", report.remarks.len() - SHOWN));
    }
    hands(report);
    let folder = out.display();
    print(&format!("wrote     {folder}/rules  {folder}/syncline.toml  {folder}/report.html  {folder}/report.md"));
    let first = if counts.by_hand > 0 { "write what needs a hand; " } else { "" };
    say(&format!(
        "next: {first}fill in what says CHANGE in {folder}/syncline.toml; then, in that folder, `syncline check`, `syncline test`, `syncline doctor`, `syncline compare --with entra`"
    ));
}

/// What connectors are called here. A name that is an id is no name.
fn connectors(report: &Report) {
    for (there, here) in &report.connectors {
        print(&format!("          {there} is `{here}`"));
    }
    let nameless = |there: &str| there.len() == 36 && there.matches('-').count() == 4;
    let made_of_id = |(there, here): &&(String, String)| nameless(there) && here.contains(there.as_str());
    if let Some((there, _)) = report.connectors.iter().find(made_of_id) {
        say(&format!("hint: this format does not name connectors: `--connector {there}=ad` does"));
    }
}

fn hands(report: &Report) {
    let findings = words::by_hand(report);
    let warnings = match report.counts.warnings {
        0 => String::new(),
        1 => "; 1 flow with a warning".to_owned(),
        count => format!("; {} flows with a warning", thousands(count)),
    };
    match findings.len() {
        0 => print(&format!("hands     nothing needs a hand{warnings}")),
        1 => print(&format!("hands     1 NEEDS A HAND: until then, the objects of its rule fail{warnings}")),
        count => {
            print(&format!("hands     {count} NEED A HAND: until then, the objects of their rules fail{warnings}"))
        }
    }
    let place = |finding: &words::Finding<'_>| {
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{}{line}", finding.rule.file)
    };
    let width = findings.iter().take(SHOWN).map(|finding| place(finding).chars().count()).max().unwrap_or(0);
    for finding in findings.iter().take(SHOWN) {
        let subject = finding.subject();
        print(&format!("          {:<width$}  {subject}: {}", place(finding), finding.text));
    }
    if findings.len() > SHOWN {
        print(&format!("          … and {} more, in the report", findings.len() - SHOWN));
    }
}
