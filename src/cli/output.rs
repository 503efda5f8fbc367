//! Printing: data to stdout, talk to stderr.

use std::io::{IsTerminal, Write};

use super::Format;
use crate::diagnostic::{Diagnostic, Severity};

/// Talk.
pub(super) fn say(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Data. A reader that went away is no error.
pub(super) fn print(line: &str) {
    let _ = writeln!(anstream::stdout(), "{line}");
}

/// Data for machines.
pub(super) fn print_json(value: &impl serde::Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print(&text),
        Err(error) => say(&format!("error: cannot print: {error}")),
    }
}

/// Findings about files, and a last line that counts them.
pub(super) fn diagnostics(problems: &[Diagnostic], format: Format) {
    if format == Format::Json {
        return print_json(&problems.iter().map(Diagnostic::to_json).collect::<Vec<_>>());
    }
    findings(problems);
    say(&summary(problems));
}

/// Every finding, for people, without a word about how many.
pub(super) fn findings(problems: &[Diagnostic]) {
    let colour = std::io::stderr().is_terminal();
    for problem in problems {
        say(&problem.render(colour));
        say("");
    }
}

/// `1 error`, `2 errors`.
pub(super) fn plural(count: usize, what: &str) -> String {
    format!("{} {what}{}", thousands(count), if count == 1 { "" } else { "s" })
}

/// `99,160`.
pub(super) fn thousands(count: usize) -> String {
    crate::run::thousands(u64::try_from(count).unwrap_or(u64::MAX))
}

/// `1 error, 2 warnings`.
pub(super) fn summary(problems: &[Diagnostic]) -> String {
    let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    format!("{}, {}", plural(count(Severity::Error), "error"), plural(count(Severity::Warning), "warning"))
}
