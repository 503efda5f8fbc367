//! `syncline import-entra-connect`: a configuration of Entra Connect as rules, settings, tests and a report.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::output::{print_json, say};
use super::{Exit, Format};
use crate::config::Config;
use crate::entra_connect::{self, Conversion, Export, Report, Unreadable};
use crate::run::RunError;
use crate::run::session::compile_rules;
use crate::testing::bless;

mod escape;
mod html;
mod markdown;
mod picture;
mod text;
mod words;

/// Writes rules, settings, tests and a report from the configuration of an Entra Connect server. Nothing is executed, and
/// nothing secret is read.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline import-entra-connect Exported-ServerConfiguration --out contoso\n  syncline import-entra-connect rules.ps1 --out contoso --connector ae4db4cc-b16b-4eb2-acf5-837ca84e4d7d=ad\n\nOn the server, `Get-ADSyncServerConfiguration -Path FOLDER` writes what is read here best; the Export button of the\nrule editor, the wizard's JSON and the YAML of AADConnectDsc are read, too.\n\nExit codes: 0 complete, 1 with warnings, 3 something needs a hand."
)]
pub(super) struct ImportArguments {
    /// The folder or the file.
    path: PathBuf,
    /// The folder to write; it is made.
    #[arg(long)]
    out: PathBuf,
    /// What a connector is called here, by its id or its name there.
    #[arg(long = "connector", value_name = "THERE=HERE", value_parser = named)]
    connectors: Vec<(String, String)>,
    /// Writes over files that are there and differ.
    #[arg(long)]
    force: bool,
}

fn named(text: &str) -> Result<(String, String), String> {
    let (there, here) = text.rsplit_once('=').ok_or("write `contoso.com=ad`")?;
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter);
    if here.is_empty() || !here.chars().all(fits) {
        return Err(format!("`{here}` is no name of a connector: small letters, digits, `-` and `_`"));
    }
    let there = there.trim_matches(['{', '}']);
    Ok((if there.len() == 36 { there.to_lowercase() } else { there.to_owned() }, here.to_owned()))
}

pub(super) fn run(arguments: &ImportArguments, format: Format) -> Result<Exit, RunError> {
    let export = match entra_connect::read(&arguments.path) {
        Ok(export) => export,
        Err(problem) => return Err(unreadable(&problem)),
    };
    let chosen: BTreeMap<String, String> = arguments.connectors.iter().cloned().collect();
    if let Some(unknown) =
        chosen.keys().find(|name| !export.connectors.iter().any(|known| known.id == **name || known.name == **name))
    {
        let known: Vec<String> = export.connectors.iter().map(|connector| format!("`{}`", connector.id)).collect();
        return Err(RunError::Unknown(format!(
            "there is no connector `{unknown}` in it; there are {}",
            known.join(", ")
        )));
    }
    let conversion = entra_connect::convert(&export, &chosen);
    let report = entra_connect::report(&export, &conversion);
    let mut files = files(&export, &conversion, &report);
    let trouble = tested(&arguments.out, &mut files);
    write(&arguments.out, &files, arguments.force)?;
    match format {
        Format::Json => print_json(&report),
        Format::Text => text::tell(&report, &arguments.out, &problems(&conversion)),
    }
    if let Some(error) = trouble {
        say("the rules do not compile as they stand, so no tests were written:");
        return Ok(match super::report(&error, format) {
            Exit::Success => Exit::Rules,
            exit => exit,
        });
    }
    Ok(if report.counts.by_hand > 0 {
        Exit::Rules
    } else if report.counts.warnings > 0 || !report.remarks.is_empty() {
        Exit::ObjectErrors
    } else {
        Exit::Success
    })
}

fn unreadable(problem: &Unreadable) -> RunError {
    match &problem.hint {
        Some(hint) => RunError::Unknown(format!("{problem}\n  hint: {hint}")),
        None => RunError::Unknown(problem.to_string()),
    }
}

/// Every file by its path below the folder.
fn files(export: &Export, conversion: &Conversion, report: &Report) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for rule in &conversion.rules {
        files.insert(entra_connect::file_of(rule), rule.text.clone());
    }
    for rule in &conversion.added {
        files.insert(format!("rules/{}.rhai", rule.file), rule.text.clone());
    }
    files.extend(entra_connect::tests(export, conversion).files);
    files.insert("syncline.toml".to_owned(), entra_connect::settings(export, conversion));
    files.insert("report.md".to_owned(), markdown::page(report));
    files.insert("report.html".to_owned(), html::page(report));
    files
}

/// The same files, with what comes of the objects of the tests in them: the rules are tried in a folder of their own.
///
/// The error is why rules as they stand cannot be tried: they are written all the same, without tests.
fn tested(out: &Path, files: &mut BTreeMap<String, String>) -> Option<RunError> {
    let tests: Vec<String> = files.keys().filter(|name| name.starts_with("rules/tests/")).cloned().collect();
    let folder = out.join(format!(".trying-{}", std::process::id()));
    let tried = tried(&folder, files, &tests);
    // A folder that begins with a dot is no rule, if it should stay.
    let _ = fs::remove_dir_all(&folder);
    match tried {
        Ok(tests) => {
            files.extend(tests);
            None
        }
        Err(error) => {
            files.retain(|name, _| !name.starts_with("rules/tests/"));
            Some(error)
        }
    }
}

fn tried(
    folder: &Path,
    files: &BTreeMap<String, String>,
    tests: &[String],
) -> Result<BTreeMap<String, String>, RunError> {
    write(folder, files, true)?;
    let config = Config::load(&folder.join("syncline.toml")).map_err(RunError::Config)?;
    let (config, schemas) = super::test::in_the_rules_own_names(&config);
    let (rules, _) = compile_rules(&config, &schemas)?;
    if tests.is_empty() {
        return Ok(BTreeMap::new());
    }
    bless::run(&rules, &schemas, &folder.join("rules/tests"), &[]).map_err(RunError::Rules)?;
    let read = |name: &String| {
        let text = fs::read_to_string(folder.join(name));
        text.map(|text| (name.clone(), text)).map_err(|error| RunError::Unknown(format!("{name}: {error}")))
    };
    tests.iter().map(read).collect()
}

/// Writes what differs. What people may have changed since is not written over without a word.
fn write(folder: &Path, files: &BTreeMap<String, String>, force: bool) -> Result<(), RunError> {
    let differs =
        |name: &String, text: &String| fs::read_to_string(folder.join(name)).is_ok_and(|there| there != *text);
    let is_report = |name: &str| name.starts_with("report.");
    let changed: Vec<&String> =
        files.iter().filter(|(name, text)| !is_report(name) && differs(name, text)).map(|(name, _)| name).collect();
    if !force && !changed.is_empty() {
        let names: Vec<String> = changed.iter().take(5).map(|name| format!("`{name}`")).collect();
        let more = if changed.len() > 5 { format!(" and {} more", changed.len() - 5) } else { String::new() };
        let what = format!(
            "{} holds files that differ from what would be written: {}{more}",
            folder.display(),
            names.join(", ")
        );
        return Err(RunError::Unknown(format!("{what}\n  hint: give another folder, or `--force` to write over them")));
    }
    for (name, text) in files {
        let path = folder.join(name);
        let failed =
            |error: std::io::Error| RunError::Unknown(format!("{} cannot be written: {error}", path.display()));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        if fs::read_to_string(&path).is_ok_and(|there| there == *text) {
            continue;
        }
        fs::write(&path, text).map_err(failed)?;
    }
    let ours = |name: &str| files.contains_key(name);
    for stranger in strangers(folder, &ours) {
        say(&format!("warning: `{stranger}` is in the folder, and not of this configuration"));
    }
    Ok(())
}

/// Rules in the folder that this conversion did not write.
fn strangers(folder: &Path, ours: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for place in ["rules", "set-aside"] {
        let Ok(entries) = fs::read_dir(folder.join(place)) else { continue };
        for entry in entries.flatten() {
            let name = format!("{place}/{}", entry.file_name().to_string_lossy());
            if name.ends_with(".rhai") && !ours(&name) {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}

/// What needs a hand, and what is odd, drawn with its place.
fn problems(conversion: &Conversion) -> Vec<crate::diagnostic::Diagnostic> {
    let flows = conversion.rules.iter().flat_map(|rule| &rule.flows);
    let mut problems = Vec::new();
    for flow in flows {
        if let entra_connect::FlowOutcome::ByHand(problem) = &flow.outcome {
            problems.push(problem.clone());
        }
        problems.extend(flow.warnings.iter().cloned());
    }
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    problems
}
