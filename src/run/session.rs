//! What every command that touches the state needs: configuration, rules, store, connectors, and what the store
//! remembers about them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::{Pulse, RunError};
use crate::config::{Config, ConnectorSettings};
use crate::connector::correlation::Correlation;
use crate::connector::directory::Directory;
use crate::connector::graph::{self, Graph};
use crate::connector::ldap::Ldap;
use crate::connector::ldif::Ldif;
use crate::connector::target::TargetKind;
use crate::connector::{Anchor, ConnectorError, Stock, TenantFacts};
use crate::connector_space::ObjectId;
use crate::diagnostic::{Diagnostic, Severity};
use crate::emulator;
use crate::rules::{Compiled, Context, Folders, RuleSet, Schemas, against_schemas};
use crate::store::{Indexes, Store};
use crate::sync::{Matching, Source, Sources, Target, Targets};
use crate::value::{AttributeName, Kind};

/// How often it is looked whether somebody pressed Ctrl-C.
const GLANCE: Duration = Duration::from_millis(50);

/// How often there is a sign of life while a directory does not answer.
const SIGN: Duration = Duration::from_secs(1);

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
    pub(super) expected: Option<RuleSet>,
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
    pub(super) down: BTreeSet<String>,
    /// Objects that the last export sent and the target did not take, by connector.
    pub(super) put_off: BTreeMap<String, BTreeSet<ObjectId>>,
    /// There is more to be taken in than this cycle does: nobody's days are over before it is known whether they are back.
    pub(super) behind: bool,
    /// Connectors that do not answer: they are not asked about themselves.
    pub(super) silent: BTreeSet<String>,
    /// How long an export may take before the rest is left for the next one; nothing: as long as it takes.
    pub(super) slice: Option<Duration>,
    /// Gives a sign of life.
    pub(super) pulse: Option<Pulse>,
    /// Whether this cycle reads what changed, and not everything.
    pub(super) follows: bool,
    /// The id of the run that is under way, or of the next one: what leads to a run is part of it.
    pub(super) correlation: Correlation,
    /// When directories were last asked about themselves.
    pub(super) learned: Option<Instant>,
    /// What they said that people should know, by connector, until a report says it.
    pub(super) advice: Vec<(String, String)>,
    emulators: Vec<emulator::Emulator>,
    /// What is known of directories, once it was asked for.
    known: Mutex<Option<Arc<Known>>>,
}

/// What the store knows of directories, put together: cycles that change little would spend their time with that.
pub(super) struct Known {
    pub(super) schemas: Schemas,
    pub(super) sources: Sources,
    pub(super) targets: Targets,
}

/// Where the rules of a configuration lie.
pub fn folders(config: &Config) -> Folders {
    Folders { own: config.rules_folder.clone(), below: config.rules_below.clone() }
}

/// Compiles the rules of a configuration and checks them against what is known of the schemas.
///
/// # Errors
/// Every mistake.
pub fn compile_rules(config: &Config, schemas: &Schemas) -> Result<(RuleSet, Vec<Diagnostic>), RunError> {
    let files = folders(config).read().map_err(RunError::Rules)?;
    let (set, mut findings) = RuleSet::gather(files, config.settings.clone());
    let set = set.lying_over(config.rules_below.as_deref());
    let is_error = |finding: &Diagnostic| finding.severity == Severity::Error;
    if !findings.iter().any(is_error) {
        return fit(&set, schemas, findings);
    }
    // Rules that could be read are checked all the same; warnings about what the others may do would be guesses.
    findings.extend(against_schemas(&set.fitted(schemas), &set, schemas).into_iter().filter(is_error));
    Err(RunError::Rules(findings))
}

/// Checks rules that were compiled against what is known of the schemas.
///
/// # Errors
/// Every mistake.
pub fn fit_all(compiled: Compiled, schemas: &Schemas) -> Result<(RuleSet, Vec<Diagnostic>), RunError> {
    let (set, findings) = compiled.map_err(RunError::Rules)?;
    fit(&set, schemas, findings)
}

/// The rules that apply to these schemas, with what was found; an error refuses them all.
fn fit(
    whole: &RuleSet,
    schemas: &Schemas,
    mut findings: Vec<Diagnostic>,
) -> Result<(RuleSet, Vec<Diagnostic>), RunError> {
    let fitted = whole.fitted(schemas);
    findings.extend(against_schemas(&fitted, whole, schemas));
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(RunError::Rules(findings));
    }
    Ok((fitted, findings))
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
            advice: Vec::new(),
        };
        session.correlate();
        session.fit_rules(warnings)?;
        Ok(session)
    }

    /// Takes another set of rules from now on. Gives the one before.
    ///
    /// # Errors
    /// When it does not fit the schemas; then nothing has changed.
    pub(super) fn take_rules(&mut self, rules: &RuleSet) -> Result<RuleSet, RunError> {
        let before = std::mem::replace(&mut self.compiled, rules.clone());
        match self.fit_rules(Vec::new()) {
            Ok(()) => Ok(before),
            Err(error) => {
                self.compiled = before;
                Err(error)
            }
        }
    }

    /// Prepares for a set of rules that may be taken soon.
    ///
    /// # Errors
    /// When it does not fit the schemas.
    pub(super) fn expect_rules(&mut self, rules: &RuleSet) -> Result<(), RunError> {
        let (fitted, _) = fit(rules, &self.schemas()?, Vec::new())?;
        self.expected = Some(fitted);
        let indexes = self.indexes();
        Ok(self.store.set_indexes(indexes)?)
    }

    /// Fits the rules to what the directories say about their attributes: at the start, and again after imports, which
    /// may have learned more.
    ///
    /// # Errors
    /// What does not fit.
    pub fn fit_rules(&mut self, findings: Vec<Diagnostic>) -> Result<(), RunError> {
        let schemas = self.schemas()?;
        let (rules, warnings) = fit(&self.compiled, &schemas, findings)?;
        self.warnings = warnings;
        self.rules = rules;
        let indexes = self.indexes();
        self.store.set_indexes(indexes)?;
        Ok(())
    }

    /// Lets the joins of another rule set be looked up, too, until the next session. Keys are built anew where the
    /// other joins on attributes that these rules do not join on.
    ///
    /// # Errors
    /// When the store fails.
    pub fn index_for(&mut self, other: &RuleSet) -> Result<(), RunError> {
        let mut indexes = self.indexes();
        indexes.metaverse.extend(other.join_attributes());
        for (connector, names) in &mut indexes.objects {
            names.extend(other.match_attributes(connector));
        }
        Ok(self.store.set_indexes(indexes)?)
    }

    /// Reads what emulated directories keep. They do it by themselves when they are asked for something; damage is told
    /// here.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn wake(&self) -> Result<(), RunError> {
        let failed = |error: emulator::EmulatorError| RunError::Runtime(format!("the emulator: {error}"));
        self.emulators.iter().try_for_each(|emulator| emulator.wake().map_err(failed))
    }

    /// What directories are asked from now on belongs to the next run.
    pub(super) fn correlate(&mut self) {
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
    pub(super) fn leave(self) -> Result<Store, RunError> {
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
    pub(super) fn remember<T: serde::Serialize>(&mut self, key: &str, fact: &T) -> Result<(), RunError> {
        let mut draft = self.store.draft();
        draft.put_fact(key, fact)?;
        let writes = draft.finish();
        self.store.commit(writes)?;
        Ok(())
    }

    /// Waits for what a directory does. It may take its time, within its own limits: there are signs of life meanwhile.
    pub(super) fn alive_while<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(async {
            let mut work = std::pin::pin!(work);
            loop {
                tokio::select! {
                    done = &mut work => return done,
                    () = tokio::time::sleep(SIGN) => {
                        if let Some(pulse) = &self.pulse {
                            pulse();
                        }
                    }
                }
            }
        })
    }

    /// Waits for what a directory shows next, until somebody presses Ctrl-C; nothing at the end.
    ///
    /// # Errors
    /// `Interrupted`.
    pub(super) fn next<T>(&self, shown: &mut tokio::sync::mpsc::Receiver<T>) -> Result<Option<T>, RunError> {
        self.alive_while(async {
            tokio::select! {
                next = shown.recv() => Ok(next),
                () = self.is_overdue(Duration::ZERO) => Err(RunError::Interrupted),
            }
        })
    }

    /// Ends so long after somebody wanted to stop.
    pub(super) async fn is_overdue(&self, grace: Duration) {
        while !self.interrupted.load(Ordering::Relaxed) {
            tokio::time::sleep(GLANCE).await;
        }
        tokio::time::sleep(grace).await;
    }

    /// Waits for what a directory does, until somebody presses Ctrl-C.
    ///
    /// # Errors
    /// When the directory could not be used, or `Interrupted`.
    pub(super) fn wait_for<T>(
        &self,
        connector: &str,
        work: impl Future<Output = Result<T, ConnectorError>>,
    ) -> Result<T, RunError> {
        let stopped = self.is_overdue(Duration::ZERO);
        let done = self.alive_while(async {
            tokio::select! {
                done = work => Some(done),
                () = stopped => None,
            }
        });
        let failed = |error| RunError::Connector { connector: connector.to_owned(), error };
        done.map_or(Err(RunError::Interrupted), |done| done.map_err(failed))
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

    /// The schemas of all connectors: as their servers said at the last import, or as shipped.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn schemas(&self) -> Result<Schemas, RunError> {
        let draft = self.store.draft();
        let mut schemas = BTreeMap::new();
        for (name, directory) in &self.directories {
            let stored = draft.fact(&format!("schema/{name}"))?;
            schemas.insert(name.clone(), stored.unwrap_or_else(|| directory.shipped_schema()));
        }
        Ok(schemas)
    }

    /// All that is known of directories, put together once.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn known(&self) -> Result<Arc<Known>, RunError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known {
            return Ok(Arc::clone(known));
        }
        let found = Known { schemas: self.schemas()?, sources: self.sources()?, targets: self.targets()? };
        Ok(Arc::clone(known.insert(Arc::new(found))))
    }

    /// Something about a directory was learned: what is known is put together anew.
    pub(super) fn forget(&mut self) {
        self.known = Mutex::new(None);
    }

    /// What rules may know about sources.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sources(&self) -> Result<Sources, RunError> {
        let draft = self.store.draft();
        let mut sources = Sources::new();
        for (name, schemas) in self.schemas()? {
            let mut source = Source::default();
            let imported: BTreeMap<String, BTreeSet<AttributeName>> =
                draft.fact(&format!("imported/{name}"))?.unwrap_or_default();
            for (object_type, schema) in schemas {
                let of_kind = |wanted| schema.attributes.iter().filter(move |(_, kind)| kind.kind == wanted);
                let references = of_kind(Kind::Reference).map(|(name, _)| name.clone()).collect();
                source.references.insert(object_type.clone(), references);
                let lists = schema.attributes.iter().filter(|(_, kind)| kind.multi && kind.kind != Kind::Reference);
                source.lists.insert(object_type, Arc::new(lists.map(|(name, _)| name.clone()).collect()));
            }
            source.imported = imported.into_iter().map(|(name, attributes)| (name, Arc::new(attributes))).collect();
            source.netbios = draft.fact(&format!("netbios/{name}"))?.unwrap_or_default();
            sources.insert(name, source);
        }
        Ok(sources)
    }

    /// What a target said about itself at the last import.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tenant(&self, connector: &str) -> Result<TenantFacts, RunError> {
        Ok(self.store.draft().fact(&format!("tenant/{connector}"))?.unwrap_or_default())
    }

    /// What a target had only so much of at the last import.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stock(&self, connector: &str) -> Result<Stock, RunError> {
        Ok(self.store.draft().fact(&format!("stock/{connector}"))?.unwrap_or_default())
    }

    /// What is known about targets.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn targets(&self) -> Result<Targets, RunError> {
        let schemas = self.schemas()?;
        let mut targets = Targets::new();
        for (name, kind) in self.target_kinds() {
            let facts = self.tenant(name)?;
            let settings = self.config.target(name);
            let anchors = |object_type: &String| {
                let anchors = kind.matching_attributes(object_type).iter().map(|name| AttributeName::from(*name));
                (object_type.clone(), anchors.collect())
            };
            let privileged = if settings.allow_privileged { None } else { facts.privileged };
            let matching = Matching {
                anchors: self
                    .object_types(name)
                    .iter()
                    .map(anchors)
                    .filter(|(_, names): &(_, Vec<_>)| !names.is_empty())
                    .collect(),
                soft: settings.soft_match,
                privileged: privileged.into_iter().flatten().map(Anchor).collect(),
            };
            let mut context = Context { name: "target", ..Context::default() };
            context.texts.insert("connector", name.clone());
            context.texts.insert("name", facts.name);
            context.texts.insert("initial_domain", facts.initial_domain);
            context.texts.insert("base_dn", facts.base_dn);
            context.lists.insert("verified_domains", facts.verified_domains);
            targets.insert(
                name.clone(),
                Target {
                    schemas: schemas.get(name).cloned().unwrap_or_default(),
                    context: Arc::new(context),
                    reports_drift: settings.reports_drift,
                    protected: kind.protected(),
                    matching,
                },
            );
        }
        Ok(targets)
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

    /// The rules in use, and those that may be taken soon.
    pub(super) fn rule_sets(&self) -> impl Iterator<Item = &RuleSet> {
        std::iter::once(&self.rules).chain(&self.expected)
    }

    fn indexes(&self) -> Indexes {
        let joins = self.rule_sets().flat_map(RuleSet::join_attributes).collect();
        let mut indexes = Indexes { metaverse: joins, ..Indexes::default() };
        for (name, kind) in self.target_kinds() {
            let mut names: BTreeSet<AttributeName> =
                self.rule_sets().flat_map(|rules| rules.match_attributes(name)).collect();
            for object_type in self.object_types(name) {
                names.extend(kind.unique_attributes(&object_type).iter().map(|name| AttributeName::from(*name)));
            }
            indexes.objects.insert(name.clone(), names);
        }
        indexes
    }
}
