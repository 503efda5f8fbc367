//! What every command that touches the state needs: configuration, rules, store, connectors, and what the store
//! remembers about them.
//!
//! Here is what a session is; [`fitting`] has its rules, [`knowledge`] what the store knows of directories, and [`waiting`]
//! how a session waits for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::{Pulse, RunError};
use crate::config::{Config, ConnectorSettings};
use crate::connector::ConnectorError;
use crate::connector::correlation::Correlation;
use crate::connector::directory::Directory;
use crate::connector::graph::{self, Graph};
use crate::connector::ldap::Ldap;
use crate::connector::ldif::Ldif;
use crate::connector::target::TargetKind;
use crate::connector_space::ObjectId;
use crate::diagnostic::Diagnostic;
use crate::emulator;
use crate::rules::RuleSet;
use crate::store::Store;

mod fitting;
mod knowledge;
mod waiting;

pub use fitting::{compile_rules, fit_all, folders};
use knowledge::Known;

/// An open deployment.
pub struct Session {
    /// The configuration.
    pub config: Config,
    /// The rules that take part in runs.
    pub rules: RuleSet,
    /// Warnings about the rules.
    pub warnings: Vec<Diagnostic>,
    /// The whole set as it was compiled, without rules that are off.
    compiled: RuleSet,
    /// A set that may be taken soon: what it reads is imported, and what it joins on can be looked up.
    pub(in crate::run) expected: Option<RuleSet>,
    /// The store.
    pub store: Store,
    /// The directories by name.
    pub directories: BTreeMap<String, Arc<Directory>>,
    /// The place of each connector in the configuration.
    pub orders: BTreeMap<String, u16>,
    /// Connectors whose imports are believed, however few objects they show: a person has looked.
    pub believed: BTreeSet<String>,
    /// Set when somebody pressed Ctrl-C.
    pub interrupted: Arc<AtomicBool>,
    /// Where connectors run.
    pub runtime: Runtime,
    /// The name that a person gave for the audit log (`--as`).
    pub who: Option<String>,
    /// When it was opened, or its last cycle began, in seconds since 1970: rules that ask for the day get this one.
    pub now: i64,
    /// Targets that did not answer in this cycle.
    pub(in crate::run) down: BTreeSet<String>,
    /// Objects that the last export sent and the target did not take, by connector.
    pub(in crate::run) put_off: BTreeMap<String, BTreeSet<ObjectId>>,
    /// There is more to be taken in than this cycle does: nobody's days are over before it is known whether they are back.
    pub(in crate::run) behind: bool,
    /// Connectors that do not answer: they are not asked about themselves.
    pub(in crate::run) silent: BTreeSet<String>,
    /// How long an export may take before the rest is left for the next one; nothing: as long as it takes.
    pub(in crate::run) slice: Option<Duration>,
    /// Gives a sign of life.
    pub(in crate::run) pulse: Option<Pulse>,
    /// Whether this cycle reads what changed, and not everything.
    pub(in crate::run) follows: bool,
    /// The id of the run that is under way, or of the next one: what leads to a run is part of it.
    pub(in crate::run) correlation: Correlation,
    /// When directories were last asked about themselves.
    pub(in crate::run) learned: Option<Instant>,
    /// What they said that people should know, by connector, until a report says it.
    pub(in crate::run) advice: BTreeMap<String, Vec<String>>,
    emulators: Vec<emulator::Emulator>,
    /// What is known of directories, once it was asked for.
    known: Mutex<Option<Arc<Known>>>,
}

/// A directory as configured. An emulated one is started.
fn directory(
    runtime: &Runtime,
    store_folder: &Path,
    name: &str,
    settings: &ConnectorSettings,
    emulators: &mut Vec<emulator::Emulator>,
) -> Result<Directory, ConnectorError> {
    match settings {
        ConnectorSettings::Ldap(flavour, settings) => Ldap::new(*flavour, settings.clone()).map(Directory::Ldap),
        ConnectorSettings::Ldif(settings) => Ldif::new(settings.clone()).map(Directory::Ldif),
        ConnectorSettings::Entra(settings) => Graph::new(settings.clone()).map(Directory::Entra),
        ConnectorSettings::EmulatedEntra { tenant } => {
            let folder = store_folder.join(format!("emulator-{name}"));
            let settings = emulator::Settings::for_tenant(tenant, Some(folder));
            let emulator = runtime.block_on(emulator::start_asleep(settings)).map_err(|error| {
                ConnectorError::new(crate::connector::ConnectorErrorKind::Unreachable, format!("the emulator: {error}"))
            })?;
            let settings = graph::Settings::for_emulator(&emulator.base_url, tenant);
            emulators.push(emulator);
            Graph::new(settings).map(Directory::Entra)
        }
    }
}

impl Session {
    /// Opens everything. `proposed` lets proposed rules take part.
    ///
    /// # Errors
    /// Configuration, rules, store; connectors are only prepared, not called.
    pub fn open(config: Config, proposed: bool) -> Result<Session, RunError> {
        let (set, warnings) = RuleSet::load(&folders(&config), config.settings.clone()).map_err(RunError::Rules)?;
        Session::open_with(config, &set.active(proposed), warnings)
    }

    /// Opens everything with a set of rules that was compiled before.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn open_with(config: Config, rules: &RuleSet, warnings: Vec<Diagnostic>) -> Result<Session, RunError> {
        let store = Store::open(&config.store())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| RunError::Runtime(error.to_string()))?;
        let mut emulators = Vec::new();
        let mut directories = BTreeMap::new();
        let mut orders = BTreeMap::new();
        for (name, settings) in &config.connectors {
            orders.insert(name.clone(), u16::try_from(orders.len()).unwrap_or(u16::MAX));
            let directory = directory(&runtime, &config.store_folder, name, settings, &mut emulators)
                .map_err(|error| RunError::Connector { connector: name.clone(), error })?;
            directories.insert(name.clone(), Arc::new(directory));
        }
        let mut session = Session {
            config,
            rules: RuleSet::default(),
            warnings: Vec::new(),
            compiled: rules.clone(),
            expected: None,
            store,
            directories,
            orders,
            believed: BTreeSet::new(),
            interrupted: Arc::new(AtomicBool::new(false)),
            runtime,
            emulators,
            who: None,
            now: jiff::Timestamp::now().as_second(),
            known: Mutex::new(None),
            down: BTreeSet::new(),
            put_off: BTreeMap::new(),
            behind: false,
            silent: BTreeSet::new(),
            slice: None,
            pulse: None,
            follows: false,
            correlation: Correlation::new(),
            learned: None,
            advice: BTreeMap::new(),
        };
        session.correlate();
        session.fit_rules(warnings)?;
        Ok(session)
    }

    /// Reads what emulated directories keep. They do it by themselves when they are asked for something; damage is told
    /// here.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(in crate::run) fn wake(&self) -> Result<(), RunError> {
        let failed = |error: emulator::EmulatorError| RunError::Runtime(format!("the emulator: {error}"));
        self.emulators.iter().try_for_each(|emulator| emulator.wake().map_err(failed))
    }

    /// What directories are asked from now on belongs to the next run.
    pub(in crate::run) fn correlate(&mut self) {
        self.correlation = Correlation::new();
        self.directories.values().for_each(|directory| directory.correlate(&self.correlation));
    }

    /// Ends the session in order.
    ///
    /// # Errors
    /// When the store cannot be brought to the disk.
    pub fn close(self) -> Result<(), RunError> {
        Ok(self.leave()?.close()?)
    }

    /// Ends it, and gives the store.
    ///
    /// # Errors
    /// When an emulated directory cannot be stopped.
    pub(in crate::run) fn leave(self) -> Result<Store, RunError> {
        for emulator in self.emulators {
            self.runtime
                .block_on(emulator.stop())
                .map_err(|error| RunError::Runtime(format!("the emulator could not be stopped: {error}")))?;
        }
        Ok(self.store)
    }

    /// Whether somebody pressed Ctrl-C.
    ///
    /// # Errors
    /// `Interrupted` if so.
    pub fn go_on(&self) -> Result<(), RunError> {
        if self.interrupted.load(Ordering::Relaxed) { Err(RunError::Interrupted) } else { Ok(()) }
    }

    /// Remembers one fact, in a commit of its own.
    ///
    /// # Errors
    /// When the store fails.
    pub(in crate::run) fn remember<T: serde::Serialize>(&mut self, key: &str, fact: &T) -> Result<(), RunError> {
        let mut draft = self.store.draft();
        draft.put_fact(key, fact)?;
        let writes = draft.finish();
        self.store.commit(writes)?;
        Ok(())
    }

    /// A directory by name.
    ///
    /// # Errors
    /// When there is none.
    pub fn directory(&self, name: &str) -> Result<Arc<Directory>, RunError> {
        self.directories.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.directories.keys().map(String::as_str).collect();
            RunError::Unknown(format!("there is no connector `{name}`; there is {}", known.join(", ")))
        })
    }

    /// The connectors that are written to, with their ways.
    pub fn target_kinds(&self) -> impl Iterator<Item = (&String, TargetKind)> {
        self.directories.iter().filter_map(|(name, directory)| Some((name, directory.target_kind()?)))
    }

    /// The ways of a connector that is written to.
    ///
    /// # Errors
    /// When there is no such connector, or nothing is written to it.
    pub fn target_kind(&self, connector: &str) -> Result<TargetKind, RunError> {
        let unknown = || RunError::Unknown(format!("nothing is written to `{connector}`"));
        self.directory(connector)?.target_kind().ok_or_else(unknown)
    }

    fn object_types(&self, connector: &str) -> Vec<String> {
        self.directories.get(connector).map(|directory| directory.object_types()).unwrap_or_default()
    }
}
