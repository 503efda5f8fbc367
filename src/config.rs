//! `syncline.toml`: read whole, every mistake reported at once, each with its place.
//!
//! Relative paths are relative to the folder of the file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::connector::{graph, ldap, ldif};
use crate::diagnostic::{Diagnostic, SourceText, did_you_mean};
use crate::rules::{Settings, State};

mod approval;
mod limits;
mod observing;
mod serving;
mod targets;

pub use approval::Approval;
pub use limits::{Limit, Limited, Limits};
use observing::AlertSection;
pub use observing::{Address, Alerting, Logging};
pub use serving::{Serving, Times};
pub use targets::TargetSettings;
use targets::{left_alone, stand_ins};

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file, for diagnostics.
    pub source: Arc<SourceText>,
    /// Connectors in the order of the file, which breaks ties of precedence.
    pub connectors: Vec<(String, ConnectorSettings)>,
    /// Where the rules are.
    pub rules_folder: PathBuf,
    /// Whether runs do everything but export, until somebody says `promote`.
    pub staging: bool,
    /// What connectors that are written to have in common, by name.
    pub targets: BTreeMap<String, TargetSettings>,
    /// The folder that it lies over, such as the rules that ship: files of one name replace those there.
    pub rules_below: Option<PathBuf>,
    /// What rules are told: `[rules.settings]`, and connectors that stand in for others (`as`).
    pub settings: Settings,
    /// Where the state is.
    pub store_folder: PathBuf,
    /// How much may be deleted or disabled.
    pub limits: Limits,
    /// Changing rules.
    pub reload: Reload,
    /// The time between two cycles of `syncline serve`.
    pub every: Duration,
    /// What else `syncline serve` heeds.
    pub serving: Serving,
    /// Whom `syncline serve` tells what is wrong.
    pub alerting: Alerting,
    /// Who approves what a person has to look at; nothing: nobody does, and nothing is signed.
    pub approval: Option<Approval>,
}

/// One connector.
#[derive(Clone, Debug)]
pub enum ConnectorSettings {
    /// Active Directory or another LDAP server.
    Ldap(ldap::Flavour, ldap::Settings),
    /// An LDIF file.
    Ldif(ldif::Settings),
    /// Microsoft Entra ID.
    Entra(graph::Settings),
    /// An Entra stand-in that is started with the run.
    EmulatedEntra {
        /// The name of the tenant.
        tenant: String,
    },
}

/// What happens when rules change while Syncline runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Rules that would change fewer objects than this are taken by themselves, if nobody is deleted or disabled.
    pub apply_below: usize,
    /// How often the folder is looked at besides what the system tells: network file systems tell nothing.
    pub poll: Duration,
}

impl Default for Reload {
    fn default() -> Self {
        Reload { apply_below: 20, poll: Duration::from_secs(2) }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ReloadSection {
    apply_below: Option<usize>,
    poll: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ServeSection {
    every: Option<u32>,
    whole: Option<u32>,
    #[serde(default)]
    quiet: Vec<String>,
    maintenance: Option<String>,
    journal_days: Option<u32>,
    backups: Option<PathBuf>,
    keep_backups: Option<usize>,
    listen: Option<std::net::SocketAddr>,
    log: Option<Logging>,
    otlp: Option<String>,
}

/// At least one second.
fn seconds(number: u32) -> Duration {
    Duration::from_secs(u64::from(number.max(1)))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RulesSection {
    folder: Option<PathBuf>,
    over: Option<PathBuf>,
    #[serde(default)]
    switch_on: Vec<String>,
    #[serde(default)]
    switch_off: Vec<String>,
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct StoreSection {
    folder: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmulatorSection {
    #[serde(default = "default_tenant")]
    tenant: String,
}

fn default_tenant() -> String {
    "contoso.onmicrosoft.com".into()
}

const SECTIONS: [&str; 9] =
    ["connector", "rules", "store", "limits", "reload", "serve", "alert", "staging", "approval"];
const KINDS: [&str; 4] = ["active-directory", "openldap", "ldif", "entra"];

/// Where the store lies in the folder of the state.
pub(crate) const STORE: &str = "store";

impl Config {
    /// The folder that the store lies in.
    pub fn store(&self) -> PathBuf {
        self.store_folder.join(STORE)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Config, Vec<Diagnostic>> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let problem = Diagnostic::error("E003", format!("cannot read `{}`: {error}", path.display()));
            vec![problem.hint("name another file with `--config`; `examples/contoso` has one to start from")]
        })?;
        Config::parse(SourceText { path: path.into(), text })
    }

    /// Reads a text.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(source: SourceText) -> Result<Config, Vec<Diagnostic>> {
        let source = Arc::new(source);
        let shown = Arc::new(SourceText { path: source.path.clone(), text: masked(&source.text) });
        let mut reader = Reader { source: Arc::clone(&source), shown, problems: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        for error in errors {
            reader.problem(error.message(), error.span().unwrap_or(0..0));
        }
        let config = reader.config(table.into_inner());
        if reader.problems.is_empty() { Ok(config) } else { Err(reader.problems) }
    }

    /// What is set for a target.
    pub fn target(&self, connector: &str) -> TargetSettings {
        self.targets.get(connector).cloned().unwrap_or_default()
    }

    fn resolve(folder: &Path, path: &mut PathBuf) {
        if path.is_relative() {
            *path = beside(folder, path);
        }
    }
}

/// A path relative to a folder, without the detours: `a/b/../c` is `a/c`.
fn beside(folder: &Path, path: &Path) -> PathBuf {
    let mut joined = folder.to_path_buf();
    for part in path.components() {
        let can_go_up = joined.components().next_back().is_some_and(|last| matches!(last, Component::Normal(_)));
        match part {
            Component::CurDir => {}
            Component::ParentDir if can_go_up => {
                joined.pop();
            }
            Component::ParentDir | Component::Normal(_) | Component::RootDir | Component::Prefix(_) => {
                joined.push(part)
            }
        }
    }
    joined
}

/// What the names of secrets have in them.
const SECRET: [&str; 3] = ["passw", "secret", "certificate"];

/// The text with whatever stands after a secret's key masked, unless it only says where the secret is. Works on text that
/// is no TOML, too. Every byte keeps its place.
fn masked(text: &str) -> String {
    let mut open: Option<&str> = None;
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if let Some(quotes) = open {
            open = open.filter(|_| !line.contains(quotes));
            shown.push_str(&stars(line));
            continue;
        }
        let folded = line.to_ascii_lowercase();
        let key = SECRET.iter().filter_map(|part| folded.find(part)).min();
        let equals = key.and_then(|key| folded.get(key..)?.find('=').map(|at| key + at + 1));
        let Some((key, value)) = equals.and_then(|at| line.split_at_checked(at)) else {
            shown.push_str(line);
            continue;
        };
        let named = value.trim().trim_matches(['"', '\'']);
        if !named.contains(['"', '\'']) && crate::connector::secret::Secret::parse(named).is_some() {
            shown.push_str(line);
            continue;
        }
        open = ["\"\"\"", "'''"].into_iter().find(|quotes| value.matches(quotes).count() % 2 == 1);
        shown.push_str(key);
        shown.push_str(&stars(value));
    }
    shown
}

/// The text with the values of a key nobody knows masked: it may be the misspelled key of a secret.
fn masked_after(text: &str, key: &Range<usize>) -> String {
    let (before, after) = text.split_at_checked(key.end).unwrap_or((text, ""));
    let (line, rest) = after.split_at(after.find('\n').unwrap_or(after.len()));
    let (equals, value) = line.split_at(line.find('=').map_or(line.len(), |at| at + 1));
    format!("{before}{equals}{}{rest}", stars(value))
}

fn stars(text: &str) -> String {
    text.bytes().map(|byte| if matches!(byte, b' ' | b'\n' | b'\r') { char::from(byte) } else { '*' }).collect()
}

struct Reader {
    source: Arc<SourceText>,
    /// The same text with secrets masked, byte for byte: diagnostics quote this one.
    shown: Arc<SourceText>,
    problems: Vec<Diagnostic>,
}

impl Reader {
    fn problem(&mut self, message: impl Into<String>, range: Range<usize>) {
        let message = message.into();
        let plain_secret = message.contains("secret in plain text");
        let shown = if message.contains("unknown field") {
            let text = masked_after(&self.shown.text, &range);
            Arc::new(SourceText { path: self.shown.path.clone(), text })
        } else {
            Arc::clone(&self.shown)
        };
        let problem = Diagnostic::error("E010", message).at(&shown, range);
        self.problems.push(if plain_secret {
            problem.hint("for example `password = \"env:SYNCLINE_AD_PASSWORD\"`")
        } else {
            problem
        });
    }

    fn section<T: DeserializeOwned>(&mut self, name: &str, value: Spanned<DeValue<'_>>) -> Option<T> {
        let whole = value.span();
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(section) => Some(section),
            Err(error) => {
                let range = error.span().unwrap_or(whole);
                self.problem(format!("`{name}`: {}", error.message()), range);
                None
            }
        }
    }

    fn config(&mut self, table: DeTable<'_>) -> Config {
        let folder = self.source.path.parent().map(Path::to_path_buf).unwrap_or_default();
        let mut config = Config {
            source: Arc::clone(&self.source),
            connectors: Vec::new(),
            rules_folder: folder.join("rules"),
            rules_below: None,
            staging: false,
            targets: BTreeMap::new(),
            settings: Settings::default(),
            store_folder: folder.join("state"),
            limits: Limits::default(),
            reload: Reload::default(),
            every: Duration::from_secs(30),
            serving: Serving::default(),
            alerting: Alerting::default(),
            approval: None,
        };
        let mut limits_at = 0..0;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "connector" => {
                    let mut named = BTreeMap::new();
                    config.connectors = self.connectors(value, &folder, &mut config.targets, &mut named);
                    config.settings.stand_ins = stand_ins(&config.connectors, &named);
                    config.settings.left_alone = left_alone(&config.targets);
                }
                "rules" => {
                    let section: RulesSection = self.section("rules", value).unwrap_or_default();
                    config.rules_folder = beside(&folder, &section.folder.unwrap_or_else(|| "rules".into()));
                    config.rules_below = section.over.map(|over| beside(&folder, &over));
                    config.settings.values = section.settings;
                    let on = section.switch_on.into_iter().map(|name| (name, State::On));
                    let off = section.switch_off.into_iter().map(|name| (name, State::Off));
                    config.settings.switched = on.chain(off).collect();
                }
                "store" => {
                    let section: StoreSection = self.section("store", value).unwrap_or_default();
                    config.store_folder = beside(&folder, &section.folder.unwrap_or_else(|| "state".into()));
                }
                "limits" => {
                    limits_at = value.span();
                    config.limits = self.limits(value);
                }
                "reload" => {
                    let section: ReloadSection = self.section("reload", value).unwrap_or_default();
                    let reload = &mut config.reload;
                    reload.apply_below = section.apply_below.unwrap_or(reload.apply_below);
                    reload.poll = section.poll.map_or(reload.poll, seconds);
                }
                "approval" => config.approval = self.approval(value, &folder),
                "alert" => {
                    let section: AlertSection = self.section("alert", value).unwrap_or_default();
                    match section.alerting() {
                        Ok(alerting) => config.alerting = alerting,
                        Err(why) => self.problem(why, key.span()),
                    }
                }
                "staging" => match value.get_ref() {
                    DeValue::Boolean(staging) => config.staging = *staging,
                    _ => self.problem("`staging` is `true` or `false`", value.span()),
                },
                "serve" => {
                    let section: ServeSection = self.section("serve", value).unwrap_or_default();
                    config.every = section.every.map_or(config.every, seconds);
                    config.serving.listen = section.listen;
                    config.serving.log = section.log.unwrap_or_default();
                    config.serving.otlp = section.otlp;
                    if let Some(hours) = section.whole {
                        config.serving.whole = Duration::from_secs(u64::from(hours) * 3_600);
                    }
                    let times = section.quiet.iter().map(|text| ("quiet", text));
                    for (name, text) in times.chain(section.maintenance.iter().map(|text| ("maintenance", text))) {
                        match Times::parse(text) {
                            Ok(times) if name == "quiet" => config.serving.quiet.push(times),
                            Ok(times) => config.serving.maintenance = Some(times),
                            Err(why) => self.problem(format!("`{name}`: `{text}`: {why}"), key.span()),
                        }
                    }
                    config.serving.journal_days = section.journal_days.unwrap_or(0);
                    config.serving.backups = section.backups.map(|backups| folder.join(backups));
                    config.serving.keep_backups = section.keep_backups.unwrap_or(config.serving.keep_backups);
                }
                other => {
                    let hint = did_you_mean(other, SECTIONS);
                    self.problem(format!("there is no section `{other}`"), key.span());
                    if let (Some(problem), Some(hint)) = (self.problems.last_mut(), hint) {
                        problem.hint = Some(hint);
                    }
                }
            }
        }
        let names: Vec<String> = config.connectors.iter().map(|(name, _)| name.clone()).collect();
        self.unknown_places(&config.limits.clone(), &names, &limits_at);
        if config.connectors.is_empty() && self.problems.is_empty() {
            self.problem("there is no connector", 0..0);
        }
        config
    }

    fn connectors(
        &mut self,
        value: Spanned<DeValue<'_>>,
        folder: &Path,
        targets: &mut BTreeMap<String, TargetSettings>,
        named: &mut BTreeMap<String, String>,
    ) -> Vec<(String, ConnectorSettings)> {
        let range = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            self.problem("`connector` must be a table: `[connector.ad]`", range);
            return Vec::new();
        };
        let mut entries: Vec<_> = table.into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut connectors = Vec::new();
        for (key, mut value) in entries {
            let name = key.get_ref().to_string();
            targets.insert(name.clone(), self.target_settings(&name, &mut value));
            named.extend(self.stands_in(&name, &mut value).map(|other| (name.clone(), other)));
            if name == "metaverse" {
                self.problem("`metaverse` cannot be the name of a connector", key.span());
                continue;
            }
            if let Some(settings) = self.connector(&name, value, folder, key.span()) {
                connectors.push((name, settings));
            }
        }
        connectors
    }

    fn connector(
        &mut self,
        name: &str,
        value: Spanned<DeValue<'_>>,
        folder: &Path,
        key: Range<usize>,
    ) -> Option<ConnectorSettings> {
        let range = value.span();
        let DeValue::Table(mut table) = value.into_inner() else {
            self.problem(format!("`connector.{name}` must be a table"), key);
            return None;
        };
        let kind = table.remove("kind");
        let emulator = table.remove("emulator");
        let emulated = emulator.is_some_and(|value| matches!(value.get_ref(), DeValue::Boolean(true)));
        let path = format!("connector.{name}");
        let (kind, kind_range) = match kind.as_ref().map(|kind| (kind.get_ref(), kind.span())) {
            Some((DeValue::String(kind), range)) => (kind.to_string(), range),
            _ => {
                self.problem(format!("`{path}` needs a `kind`: {}", KINDS.join(", ")), key);
                return None;
            }
        };
        let rest = Spanned::new(range, DeValue::Table(table));
        let ldap = |mut settings: ldap::Settings| {
            if let Some(file) = &mut settings.ca_file {
                Config::resolve(folder, file);
            }
            settings
        };
        match kind.as_str() {
            "active-directory" => {
                Some(ConnectorSettings::Ldap(ldap::Flavour::ActiveDirectory, ldap(self.section(&path, rest)?)))
            }
            "openldap" => Some(ConnectorSettings::Ldap(ldap::Flavour::OpenLdap, ldap(self.section(&path, rest)?))),
            "ldif" => {
                let mut settings: ldif::Settings = self.section(&path, rest)?;
                settings.resolve(folder);
                Some(ConnectorSettings::Ldif(settings))
            }
            "entra" if emulated => {
                let section: EmulatorSection = self.section(&path, rest)?;
                Some(ConnectorSettings::EmulatedEntra { tenant: section.tenant })
            }
            "entra" => {
                let mut settings: graph::Settings = self.section(&path, rest)?;
                if let Some(file) = &mut settings.ca_file {
                    Config::resolve(folder, file);
                }
                Some(ConnectorSettings::Entra(settings))
            }
            other => {
                self.problem(format!("`{path}`: there is no kind `{other}`"), kind_range);
                if let Some(problem) = self.problems.last_mut() {
                    let known = format!("kinds: {}", KINDS.join(", "));
                    problem.hint = Some(did_you_mean(other, KINDS).unwrap_or(known));
                }
                None
            }
        }
    }
}
