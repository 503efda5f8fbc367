//! `syncline test`.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;

use super::output::{plural, print, print_json, say};
use super::{Exit, Format, check};
use crate::config::Config;
use crate::reload::stamps_of;
use crate::rules::Schemas;
use crate::run::RunError;
use crate::run::session::compile_rules;
use crate::testing::bless::Blessed;
use crate::testing::mutants::Mutant;
use crate::testing::{self, Report};

/// How often files are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Runs the unit tests of the rules: objects in, and what rules make of them. Needs no directory and no store.
#[derive(Args, Default)]
#[command(
    after_help = "Examples:\n  syncline test\n  syncline test disabled            tests with `disabled` in their name or file\n  syncline test --touched           which rules and attributes no test touches\n  syncline test --coverage          which lines and branches no test evaluates\n  syncline test --junit tests.xml\n  syncline test --mutants           changes of the rules that no test notices"
)]
pub(super) struct TestArguments {
    /// Parts of names or files.
    filters: Vec<String>,
    /// Where the tests are; `tests` in the rules folder otherwise.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Shows which rules and attributes no test touches.
    #[arg(long)]
    touched: bool,
    /// Shows which lines and branches of the rules no test evaluates.
    #[arg(long)]
    coverage: bool,
    /// Changes one thing of the rules at a time, and shows the changes that no test notices.
    #[arg(long, conflicts_with_all = ["filters", "touched", "junit", "coverage"])]
    mutants: bool,
    /// With `--mutants`: ends with exit code 1 if fewer per cent are noticed.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, requires = "mutants")]
    at_least: usize,
    /// Writes the results as JUnit XML, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Writes what is into the tests that fail, and all of it into those that expect nothing yet. Look at the change
    /// before it is kept.
    #[arg(long, conflicts_with_all = ["mutants", "touched", "coverage", "junit", "watch"])]
    bless: bool,
    /// Runs them again at every save of a rule, a table or a test, until Ctrl-C.
    #[arg(long, conflicts_with = "mutants")]
    watch: bool,
}

/// Runs the tests, or goes on doing so.
pub(super) fn command(config: &Config, arguments: &TestArguments, format: Format) -> Result<Exit, RunError> {
    if !arguments.watch {
        return run(config, arguments, format);
    }
    let folder = arguments.folder.clone().unwrap_or_else(|| config.rules_folder.join("tests"));
    let stamps = || (stamps_of(&config.rules_folder), stamps_of(&folder));
    let stop = super::serve::stop_on_signals(super::serve::log)?;
    say(&format!("watching {}; Ctrl-C ends", config.rules_folder.display()));
    let mut seen = None;
    while !stop.load(Ordering::Relaxed) {
        let now = stamps();
        if seen.as_ref() == Some(&now) {
            std::thread::sleep(TICK);
            continue;
        }
        // Editors write a file in several steps.
        std::thread::sleep(TICK);
        if stamps() != now {
            continue;
        }
        seen = Some(now);
        if let Err(error) = run(config, arguments, format) {
            super::report(&error, format);
        }
    }
    Ok(Exit::Success)
}

pub(super) fn run(config: &Config, arguments: &TestArguments, format: Format) -> Result<Exit, RunError> {
    let (config, schemas) = in_the_rules_own_names(config);
    let (rules, _) = compile_rules(&config, &schemas)?;
    let folder = arguments.folder.clone().unwrap_or_else(|| config.rules_folder.join("tests"));
    if arguments.bless {
        let blessed = testing::bless::run(&rules, &schemas, &folder, &arguments.filters).map_err(RunError::Rules)?;
        return Ok(tell_blessed(&blessed, format));
    }
    let report =
        testing::run(&rules, &schemas, &folder, &arguments.filters, arguments.coverage).map_err(RunError::Rules)?;
    if arguments.mutants {
        if report.failed() > 0 {
            tell(&report, false);
            return Ok(Exit::ObjectErrors);
        }
        let found = testing::mutants::run(&rules, &schemas, &config.settings, &folder).map_err(RunError::Rules)?;
        return Ok(mutants(&found, arguments.at_least, format));
    }
    if let Some(path) = &arguments.junit {
        std::fs::write(path, junit(&report))
            .map_err(|error| RunError::Unknown(format!("cannot write `{}`: {error}", path.display())))?;
    }
    match format {
        Format::Json => print_json(&report),
        Format::Text => tell(&report, arguments.touched),
    }
    Ok(if report.failed() > 0 || report.outcomes.is_empty() { Exit::ObjectErrors } else { Exit::Success })
}

/// Tests name connectors as rules do, whatever connectors stand in for these.
pub(super) fn in_the_rules_own_names(config: &Config) -> (Config, Schemas) {
    let mut config = config.clone();
    let mut schemas = check::shipped_schemas(&config);
    for (used, meant) in std::mem::take(&mut config.settings.stand_ins) {
        if let (Some(known), false) =
            (meant.first().and_then(|name| schemas.get(name).cloned()), schemas.contains_key(&used))
        {
            schemas.insert(used, known);
        }
    }
    (config, schemas)
}

fn tell(report: &Report, touched: bool) {
    for outcome in &report.outcomes {
        if outcome.mismatches.is_empty() {
            continue;
        }
        print(&format!("✗ {}: {}", outcome.file, outcome.name));
        for mismatch in &outcome.mismatches {
            let from = mismatch.from.as_ref().map(|from| format!("   {from}")).unwrap_or_default();
            print(&format!("    {}", mismatch.what));
            print(&format!("      - {}", mismatch.wanted));
            print(&format!("      + {}{from}", mismatch.got));
        }
    }
    if touched {
        untouched(report);
    }
    covered(report);
    let microseconds: u64 = report.outcomes.iter().map(|outcome| outcome.microseconds).sum();
    let failed = report.failed();
    say(&format!(
        "{} passed, {failed} failed   {} ms",
        plural(report.outcomes.len() - failed, "test"),
        microseconds / 1_000
    ));
    if report.outcomes.is_empty() {
        say("  hint: no test has such a name");
    }
}

fn tell_blessed(blessed: &[Blessed], format: Format) -> Exit {
    match format {
        Format::Json => print_json(&blessed),
        Format::Text => {
            for Blessed { file, name, written, left } in blessed {
                print(&format!("{file}: {name}   {}", plural(*written, "expectation")));
                if *left > 0 {
                    print(&format!(
                        "    {} left: an error cannot be written down as it is",
                        plural(*left, "difference")
                    ));
                }
            }
            say(&format!("{} written", plural(blessed.iter().map(|one| one.written).sum(), "expectation")));
        }
    }
    if blessed.iter().any(|one| one.left > 0) { Exit::ObjectErrors } else { Exit::Success }
}

fn mutants(found: &[Mutant], at_least: usize, format: Format) -> Exit {
    let killed = found.iter().filter(|mutant| mutant.killed).count();
    let percent = if found.is_empty() { 100 } else { killed * 100 / found.len() };
    match format {
        Format::Json => print_json(&found),
        Format::Text => {
            for Mutant { rule, line, before, after, .. } in found.iter().filter(|mutant| !mutant.killed) {
                print(&format!("not noticed   {rule}.rhai:{line}   `{before}` → `{after}`"));
            }
            say(&format!("{killed} of {} changes are noticed ({percent} %)", found.len()));
        }
    }
    if percent < at_least { Exit::ObjectErrors } else { Exit::Success }
}

fn covered(report: &Report) {
    for (file, covered) in &report.covered {
        let lines = covered.lines - covered.missed_lines.len();
        let branches = covered.branches - covered.missed_branches.len();
        print(&format!(
            "{file:<34} {lines:>3} of {:<3} lines   {branches:>3} of {} branches",
            covered.lines, covered.branches
        ));
        if !covered.missed_lines.is_empty() {
            let lines: Vec<String> = covered.missed_lines.iter().map(ToString::to_string).collect();
            print(&format!("    never evaluated: line {}", lines.join(", ")));
        }
        for (line, what) in &covered.missed_branches {
            print(&format!("    {file}.rhai:{line}   {what}"));
        }
    }
}

fn untouched(report: &Report) {
    for (rule, touched) in &report.touched {
        let all = touched.flowed.len() + touched.never_flowed.len();
        let mut gaps = Vec::new();
        if !touched.in_scope {
            gaps.push("never in scope".to_owned());
        }
        if !touched.out_of_scope {
            gaps.push("never out of scope".to_owned());
        }
        if !touched.never_flowed.is_empty() {
            let names: Vec<&str> = touched.never_flowed.iter().map(String::as_str).collect();
            gaps.push(format!("never given: {}", names.join(", ")));
        }
        print(&format!("{rule:<34} {:>3} of {all:<3} attributes   {}", touched.flowed.len(), gaps.join("; ")));
    }
}

fn junit(report: &Report) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace(|c: char| c.is_control() && c != '\n', "?")
    };
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"syncline\" tests=\"{}\" failures=\"{}\">\n",
        report.outcomes.len(),
        report.failed()
    );
    for outcome in &report.outcomes {
        let seconds = format!("{}.{:06}", outcome.microseconds / 1_000_000, outcome.microseconds % 1_000_000);
        let (file, name) = (escape(&outcome.file), escape(&outcome.name));
        xml += &format!("  <testcase classname=\"{file}\" name=\"{name}\" time=\"{seconds}\">\n");
        for mismatch in &outcome.mismatches {
            let text = format!("{}: wanted {}, got {}", mismatch.what, mismatch.wanted, mismatch.got);
            xml += &format!("    <failure message=\"{}\"/>\n", escape(&text));
        }
        xml += "  </testcase>\n";
    }
    xml + "</testsuite>\n"
}
