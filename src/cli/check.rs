//! `syncline check`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::output::{self, plural, print, print_json, say};
use super::progress::Terminal;
use super::{Exit, Format, sarif};
use crate::config::{Config, ConnectorSettings};
use crate::connector::directory::Directory;
use crate::connector::graph;
use crate::connector::ldap::Ldap;
use crate::connector::ldif::Ldif;
use crate::diagnostic::Diagnostic;
use crate::rules::{RuleSet, Schemas};
use crate::run::analysis::{self, Analysis};
use crate::run::rules_in_use;
use crate::run::session::{Session, compile_rules, folders};
use crate::run::{Progress, RunError, Silent, turn};
use crate::store::Store;

/// Whether the configuration and the rules are right.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline check\n  syncline check --format json\n  syncline check --deep                      against everybody who is stored\n  syncline check --sarif findings.sarif      for code scanning in CI\n  syncline explain E210                      what a finding means"
)]
pub(super) struct CheckArguments {
    /// Writes the findings as SARIF, too; `-` is stdout.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// Asks the rules about everybody who is stored: where they contradict each other, what never applies, what never comes
    /// to rest. Reads no directory and writes nothing.
    #[arg(long)]
    pub(super) deep: bool,
}

/// Checks against the schemas that the last imports brought, without calling any directory. If a run has the store
/// open, the shipped schemas serve.
pub(super) fn run(config: &Config, arguments: &CheckArguments, format: Format) -> Result<Exit, RunError> {
    let checked = compile_rules(config, &schemas(config));
    if let Some(path) = &arguments.sarif {
        let findings = match &checked {
            Ok((_, findings)) | Err(RunError::Rules(findings)) => findings.as_slice(),
            Err(_) => &[],
        };
        sarif::write(path, findings)?;
        if path.as_os_str() == "-" {
            return checked.map(|_| Exit::Success).or_else(|error| match error {
                RunError::Rules(_) => Ok(Exit::Rules),
                other => Err(other),
            });
        }
    }
    report(checked, config, format)
}

/// Checks the rules as they are, and then against everybody who is stored.
pub(super) fn deep(
    opened: Result<Session, RunError>,
    config: &Config,
    arguments: &CheckArguments,
    format: Format,
) -> Result<Exit, RunError> {
    let session = match opened {
        // Rules that are wrong are shown as without `--deep`.
        Err(RunError::Rules(_)) => return run(config, arguments, format),
        opened => opened?,
    };
    super::run::stop_on_ctrl_c(&session);
    let terminal = Terminal::new();
    let progress: &dyn Progress = if format == Format::Text { &terminal } else { &Silent };
    let analysis = analysis::make(&session, progress);
    let (rules, mut findings) = (session.rules.clone(), session.warnings.clone());
    session.close()?;
    let mut analysis = analysis?;
    findings.append(&mut analysis.findings);
    if let Some(path) = &arguments.sarif {
        sarif::write(path, &findings)?;
        if path.as_os_str() == "-" {
            return Ok(Exit::Success);
        }
    }
    tell(&rules, &findings, Some(&analysis), config, format);
    Ok(Exit::Success)
}

/// Says what a check found.
pub(super) fn report(
    checked: Result<(RuleSet, Vec<Diagnostic>), RunError>,
    config: &Config,
    format: Format,
) -> Result<Exit, RunError> {
    let (set, warnings) = match checked {
        Err(RunError::Rules(problems)) => {
            output::diagnostics(&problems, format);
            if format == Format::Text
                && let Some(in_use) = rules_in_use::status(&config.store_folder).and_then(|status| status.in_use)
            {
                let since = super::explain::time(in_use.since);
                say(&format!("The rules in use are still those of {since} (fingerprint {}).", in_use.fingerprint));
            }
            return Ok(Exit::Rules);
        }
        other => other?,
    };
    tell(&set, &warnings, None, config, format);
    Ok(Exit::Success)
}

/// Shows rules that are right, with what was found all the same.
fn tell(set: &RuleSet, warnings: &[Diagnostic], deep: Option<&Analysis>, config: &Config, format: Format) {
    if format == Format::Json {
        let mut json = serde_json::json!({
            "rules": set.rules().iter().map(|rule| rule.name.clone()).collect::<Vec<_>>(),
            "fingerprint": set.fingerprint(),
            "diagnostics": warnings.iter().map(Diagnostic::to_json).collect::<Vec<_>>(),
        });
        if let (Some(analysis), Some(map)) = (deep, json.as_object_mut()) {
            map.insert("population".into(), serde_json::to_value(analysis).unwrap_or_default());
        }
        return print_json(&json);
    }
    for replaced in folders(config).replacements().unwrap_or_default() {
        say(&format!("{} replaces {}", replaced.own.path.display(), replaced.below.path.display()));
    }
    output::findings(warnings);
    deep.into_iter().for_each(looked_at);
    print(&format!(
        "{} {} right (fingerprint {}), {}",
        plural(set.rules().len(), "rule"),
        if set.rules().len() == 1 { "is" } else { "are" },
        set.fingerprint(),
        output::summary(warnings)
    ));
}

/// Who was asked.
fn looked_at(analysis: &Analysis) {
    for reason in &analysis.incomplete {
        say(&format!("the last import was not complete, {reason}; what it did not show is looked at as it was before"));
    }
    if let Some((who, why)) = &analysis.first_error {
        say(&format!("{} could not be evaluated, and nothing is said about them; the first: {who}", analysis.errors));
        say(&format!("  {why}"));
    }
    let Analysis { objects, metaverse, milliseconds, .. } = analysis;
    let seconds = *milliseconds as f64 / 1_000.0;
    say(&format!("looked at {objects} objects of directories and {metaverse} of the metaverse in {seconds:.1} s"));
}

/// How long a check waits for the store; what it knows of attributes is no more than a help.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn schemas(config: &Config) -> Schemas {
    let folder = config.store();
    let open = || Store::open(&folder).map_err(RunError::Store);
    let store = folder.exists().then(|| turn::take(&config.store_folder, PATIENCE, || {}, open).ok()).flatten();
    let mut schemas = Schemas::new();
    for (name, settings) in &config.connectors {
        let stored = store.as_ref().and_then(|store| store.draft().fact(&format!("schema/{name}")).ok().flatten());
        schemas.insert(name.clone(), stored.unwrap_or_else(|| shipped(settings)));
    }
    if let Some(store) = store {
        // A store that cannot be closed in order is rebuilt at its next start.
        let _ = store.close();
    }
    schemas
}

/// What is known of the schemas of a configuration's connectors before anything was imported.
pub fn shipped_schemas(config: &Config) -> Schemas {
    config.connectors.iter().map(|(name, settings)| (name.clone(), shipped(settings))).collect()
}

fn shipped(settings: &ConnectorSettings) -> std::collections::BTreeMap<String, crate::value::Schema> {
    match settings {
        ConnectorSettings::Ldap(flavour, settings) => {
            Ldap::new(*flavour, settings.clone()).map(|ldap| Directory::Ldap(ldap).shipped_schema()).unwrap_or_default()
        }
        ConnectorSettings::Ldif(settings) => {
            Ldif::new(settings.clone()).map(|ldif| Directory::Ldif(ldif).shipped_schema()).unwrap_or_default()
        }
        ConnectorSettings::Entra(_) | ConnectorSettings::EmulatedEntra { .. } => graph::schemas(),
    }
}
