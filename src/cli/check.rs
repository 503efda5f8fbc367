//! `syncline check`.

use std::path::PathBuf;

use clap::Args;

use super::output::{self, plural, print, print_json, say};
use super::{Exit, Format, sarif};
use crate::config::{Config, ConnectorSettings};
use crate::connector::directory::Directory;
use crate::connector::graph;
use crate::connector::ldap::Ldap;
use crate::connector::ldif::Ldif;
use crate::diagnostic::Diagnostic;
use crate::rules::{RuleSet, Schemas};
use crate::run::RunError;
use crate::run::rules_in_use;
use crate::run::session::compile_rules;
use crate::run::session::folders;
use crate::store::Store;

/// Whether the configuration and the rules are right.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline check\n  syncline check --format json\n  syncline check --sarif findings.sarif      for code scanning in CI\n  syncline explain E210                      what a finding means"
)]
pub(super) struct CheckArguments {
    /// Writes the findings as SARIF, too; `-` is stdout.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
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
    if format == Format::Json {
        print_json(&serde_json::json!({
            "rules": set.rules().iter().map(|rule| rule.name.clone()).collect::<Vec<_>>(),
            "fingerprint": set.fingerprint(),
            "diagnostics": warnings.iter().map(Diagnostic::to_json).collect::<Vec<_>>(),
        }));
        return Ok(Exit::Success);
    }
    for replaced in folders(config).replacements().unwrap_or_default() {
        say(&format!("{} replaces {}", replaced.own.path.display(), replaced.below.path.display()));
    }
    output::findings(&warnings);
    print(&format!(
        "{} {} right (fingerprint {}), {}",
        plural(set.rules().len(), "rule"),
        if set.rules().len() == 1 { "is" } else { "are" },
        set.fingerprint(),
        output::summary(&warnings)
    ));
    Ok(Exit::Success)
}

pub(super) fn schemas(config: &Config) -> Schemas {
    let folder = config.store_folder.join("store");
    let store = folder.exists().then(|| Store::open(&folder).ok()).flatten();
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
