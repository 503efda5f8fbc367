//! Text in, rules out: compiles a folder of Rhai files into a [`RuleSet`], and evaluates it. The only place that knows
//! Rhai.
//!
//! Reading order: `compile.rs` (files into a set), `header.rs` (what a rule says about itself), `footprint.rs` (what it reads
//! and writes), `check.rs` (what it may not do), `input.rs` (what it is shown and answers), `host.rs` (running it),
//! `why.rs` (saying why not), `vocabulary/` (what it may call).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY};
use uuid::Uuid;

use crate::diagnostic::{Diagnostic, Severity, SourceText};
use crate::value::AttributeName;

mod agreement;
mod check;
mod clauses;
mod code;
mod compile;
mod coverage;
mod edit;
mod folders;
mod footprint;
mod header;
mod host;
mod input;
mod lint;
mod schemas;
mod script;
mod settings;
mod shapes;
mod slips;
mod sources;
mod spent;
mod tables;
pub mod vocabulary;
mod why;
mod words;

pub use coverage::{Coverage, Covered, Untaken, Way};
pub(crate) use edit::edit;
pub use edit::{Circumstances, Edit};
pub use folders::{Folders, Replacement};
pub use footprint::{Footprint, Literal};
pub use header::{ConnectorType, Copy, Deprovision, Direction, Header, LinkType, Members, State};
pub use host::Host;
pub use input::{Context, Flow, FlowValue, Groups, Input, JoinGroup, JoinKey, RuleError};
pub use schemas::{Schemas, against_schemas};
pub use settings::{LeftAlone, Settings};
pub use shapes::Shape;
pub use tables::Table;
pub use why::{Clause, JoinAttempt};
pub use words::{WORDS, Word};

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The file name without `.rhai`.
    pub name: String,
    /// Its file.
    pub source: Arc<SourceText>,
    /// What it says about itself.
    pub header: Header,
    /// What it reads and writes.
    pub footprint: Arc<Footprint>,
    /// What is suspicious in it.
    findings: Vec<Diagnostic>,
    /// Attributes that it leaves out after all.
    muted: BTreeSet<AttributeName>,
    /// Its place in the set.
    index: usize,
    has_scope: bool,
    has_join: bool,
    has_flow: bool,
    /// What it took; a copy of the rule counts on.
    spent: Arc<spent::Spent>,
}

impl Rule {
    /// Whether it has a scope; without one it takes all.
    pub fn has_scope(&self) -> bool {
        self.has_scope
    }

    /// The connector that it reads from or writes to; the first, where it reads from several.
    pub fn connector(&self) -> String {
        match &self.header.direction {
            Direction::Inbound { from, .. } => from.first().map(|side| side.connector.clone()).unwrap_or_default(),
            Direction::Outbound { to, .. } => to.connector.clone(),
        }
    }

    /// Where it writes an attribute, in bytes of its text.
    pub fn written_at(&self, attribute: &AttributeName) -> Range<usize> {
        schemas::written_at(self, attribute)
    }

    /// Where something stands in it for the first time, in bytes of its text.
    pub fn place_of(&self, word: &str) -> Range<usize> {
        schemas::word(self, word)
    }

    /// How often its functions were called, and how long that took in nanoseconds: estimated from one call in sixteen.
    pub fn spent(&self) -> (u64, u64) {
        self.spent.so_far()
    }

    /// Whether it has join criteria.
    pub fn joins(&self) -> bool {
        self.has_join
    }
}

/// A whole rules folder, compiled. Immutable: a change makes a new one.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    libraries: BTreeMap<String, Arc<SourceText>>,
    tables: Arc<BTreeMap<String, Table>>,
    /// Tables that are there and could not be read.
    broken_tables: BTreeSet<String>,
    settings: Arc<Settings>,
    fingerprint: String,
    /// The folder of rules that came from elsewhere.
    below: Option<PathBuf>,
}

/// A compiled set with its warnings, or everything that is wrong.
pub type Compiled = Result<(RuleSet, Vec<Diagnostic>), Vec<Diagnostic>>;

impl RuleSet {
    /// Compiles files into a set, all or nothing.
    ///
    /// `files` are paths relative to the rules folder: `in-from-ad-user.rhai` is a rule, `lib/names.rhai` a library,
    /// `tables/sites.csv` a lookup table.
    ///
    /// # Errors
    /// Every problem of every file, warnings included.
    pub fn compile(files: Vec<SourceText>, settings: impl Into<Settings>) -> Compiled {
        RuleSet::recompile(files, settings, None)
    }

    /// The same, for files that came after others: rules of the last set whose text is the same, and everything that
    /// they may use, are taken over. So a reload costs what changed.
    ///
    /// # Errors
    /// As [`RuleSet::compile`].
    pub fn recompile(files: Vec<SourceText>, settings: impl Into<Settings>, last: Option<&RuleSet>) -> Compiled {
        let (set, problems) = compile::gather(files, settings.into(), last);
        if problems.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(problems);
        }
        Ok((set, problems))
    }

    /// Compiles what can be compiled, for those who look for mistakes: the set lacks rules that have some, and must not be
    /// used for anything else.
    pub fn gather(files: Vec<SourceText>, settings: impl Into<Settings>) -> (RuleSet, Vec<Diagnostic>) {
        compile::gather(files, settings.into(), None)
    }

    /// Reads and compiles folders.
    ///
    /// # Errors
    /// As [`Folders::read`] and [`RuleSet::compile`].
    pub fn load(folders: &Folders, settings: impl Into<Settings>) -> Compiled {
        let (set, findings) = RuleSet::compile(folders.read()?, settings)?;
        Ok((set.lying_over(folders.below.as_deref()), findings))
    }

    /// Says that rules below this folder came from elsewhere: those for connectors that are not configured are left out.
    #[must_use]
    pub fn lying_over(mut self, below: Option<&Path>) -> RuleSet {
        self.below = below.map(Path::to_path_buf);
        self
    }

    /// Everything that the set was compiled from.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<SourceText>> {
        let tables = self.tables.values().map(|table| &table.source);
        self.libraries.values().chain(tables).chain(self.rules.iter().map(|rule| &rule.source))
    }

    /// Identifies what a rule depends on: its text, and what else of the set it may use. Another digest means that the
    /// rule may answer differently.
    pub fn digest(&self, rule: &Rule) -> String {
        let text = &rule.source.text;
        let mut whole = text.clone();
        if text.contains("::") {
            whole.extend(self.libraries.iter().map(|(name, source)| format!("\0{name}\0{}", source.text)));
        }
        for (name, table) in self.tables.iter().filter(|_| text.contains("lookup") || text.contains("::")) {
            whole.push_str(&format!("\0{name}\0{}", table.source.text));
        }
        if text.contains("setting") || text.contains("::") {
            whole.extend(self.settings.values.iter().map(|(key, value)| format!("\0{key}\0{value}")));
        }
        // Where a rule does not apply to all that it names, what it applies to matters as well.
        whole.push_str(&format!("\0{:?}\0{:?}", rule.header.direction, rule.muted));
        short_digest(&whole)
    }

    /// The set with one attribute less that a rule writes: what would be lost without it.
    #[must_use]
    pub fn muting(&self, rule: &str, attribute: &AttributeName) -> RuleSet {
        let mut set = self.clone();
        for rule in set.rules.iter_mut().filter(|known| known.name == rule) {
            rule.muted.insert(attribute.clone());
        }
        set
    }

    /// Whether a rule, or a helper that it may call, asks for the day.
    pub fn asks_for_the_day(&self, rule: &Rule) -> bool {
        let asks = |source: &SourceText| asks_for_day(&source.text);
        asks(&rule.source) || rule.source.text.contains("::") && self.libraries.values().any(|source| asks(source))
    }

    /// What of each file was evaluated; libraries are `lib/name`.
    pub fn covered(&self, coverage: &Coverage) -> BTreeMap<String, Covered> {
        let engine = host::engine(self);
        let libraries = self.libraries.iter().map(|(name, source)| (format!("lib/{name}"), source));
        let files = libraries.chain(self.rules.iter().map(|rule| (rule.name.clone(), &rule.source)));
        let covered = files.filter_map(|(name, source)| {
            let ast = engine.compile(source.text.as_str()).ok()?;
            let covered = coverage.of(&name, &ast);
            Some((name, covered))
        });
        covered.collect()
    }

    /// The ways that the decisions of a rule never went, though there was something to decide.
    pub fn untaken(&self, coverage: &Coverage, rule: &Rule) -> BTreeSet<Untaken> {
        let ast = host::engine(self).compile(rule.source.text.as_str());
        ast.map(|ast| coverage.untaken(&rule.name, &ast)).unwrap_or_default()
    }

    /// The rules, by file name.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// A rule by name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// Identifies the texts and settings of the set: 12 hexadecimal digits.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The set without rules that are switched off, and without proposed ones unless asked for.
    pub fn active(&self, proposed: bool) -> RuleSet {
        let mut set = self.clone();
        set.rules.retain(|rule| match rule.header.state {
            State::On => true,
            State::Off => false,
            State::Proposed => proposed,
        });
        set.reindexed()
    }

    /// The set with some of its rules alone.
    #[must_use]
    pub fn only(&self, names: &BTreeSet<String>) -> RuleSet {
        let mut set = self.clone();
        set.rules.retain(|rule| names.contains(&rule.name));
        set.reindexed()
    }

    /// Says to each rule where it stands now.
    fn reindexed(mut self) -> RuleSet {
        for (index, rule) in self.rules.iter_mut().enumerate() {
            rule.index = index;
        }
        self
    }

    /// The set without rules that need attributes which a directory's own schema does not have.
    pub fn fitted(&self, schemas: &Schemas) -> RuleSet {
        let mut set = self.clone();
        let lacks = |side: &ConnectorType, needs: &[AttributeName]| {
            let schema = schemas.get(&side.connector).and_then(|types| {
                types.iter().find(|(name, _)| name.eq_ignore_ascii_case(&side.object_type)).map(|(_, schema)| schema)
            });
            schema.is_some_and(|schema| schema.closed && needs.iter().any(|name| schema.get(name).is_none()))
        };
        let below = self.below.as_deref();
        set.rules.retain_mut(|rule| {
            let needs = rule.header.needs.clone();
            let foreign = below.is_some_and(|below| rule.source.path.starts_with(below));
            let absent = |side: &ConnectorType| foreign && !schemas.contains_key(&side.connector);
            match &mut rule.header.direction {
                Direction::Inbound { from, .. } => {
                    from.retain(|side| !absent(side) && !lacks(side, &needs));
                    !from.is_empty()
                }
                Direction::Outbound { to, .. } => !absent(to) && !lacks(to, &needs),
            }
        });
        set.reindexed()
    }

    /// Whether rules ask which groups objects of a connector are in.
    pub fn asks_for_memberships(&self, connector: &str) -> bool {
        self.rules.iter().any(|rule| match &rule.header.direction {
            Direction::Inbound { from, .. } => {
                rule.footprint.memberships && from.iter().any(|from| from.connector == connector)
            }
            Direction::Outbound { .. } => false,
        })
    }

    /// Inbound rules for a type of a connector's objects.
    pub fn inbound<'a>(&'a self, connector: &'a str, object_type: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| match &rule.header.direction {
            Direction::Inbound { from, .. } => from.iter().any(|from| is(from, connector, object_type)),
            Direction::Outbound { .. } => false,
        })
    }

    /// Outbound rules from a metaverse type to a type of a connector's objects.
    pub fn outbound<'a>(&'a self, metaverse_type: &'a str) -> impl Iterator<Item = (&'a Rule, &'a ConnectorType)> {
        self.rules.iter().filter_map(move |rule| match &rule.header.direction {
            Direction::Outbound { from, to } if from == metaverse_type => Some((rule, to)),
            Direction::Outbound { .. } | Direction::Inbound { .. } => None,
        })
    }

    /// Attributes that rules read from a type of a connector's objects, whichever side they stand on.
    pub fn reads(&self, connector: &str, object_type: &str) -> BTreeSet<AttributeName> {
        let mut reads = BTreeSet::new();
        for rule in &self.rules {
            match &rule.header.direction {
                Direction::Inbound { from, .. } if from.iter().any(|from| is(from, connector, object_type)) => {
                    reads.extend(rule.footprint.reads());
                }
                Direction::Outbound { to, .. } if is(to, connector, object_type) => {
                    reads.extend(rule.footprint.writes.keys().cloned());
                    reads.extend(rule.footprint.join_keys.iter().cloned());
                }
                Direction::Inbound { .. } | Direction::Outbound { .. } => {}
            }
        }
        reads
    }

    /// Every `connector/type` that rules name.
    pub fn connector_types(&self) -> BTreeSet<ConnectorType> {
        self.rules
            .iter()
            .flat_map(|rule| match &rule.header.direction {
                Direction::Inbound { from, .. } => from.clone(),
                Direction::Outbound { to, .. } => vec![to.clone()],
            })
            .collect()
    }

    /// Attributes of a connector that outbound rules match on.
    pub fn match_attributes(&self, connector: &str) -> BTreeSet<AttributeName> {
        let mut names = BTreeSet::new();
        for rule in &self.rules {
            if matches!(&rule.header.direction, Direction::Outbound { to, .. } if to.connector == connector) {
                names.extend(rule.footprint.join_keys.iter().cloned());
            }
        }
        names
    }

    /// Rules that link objects: their names. One that vanishes would deprovision.
    pub fn linking(&self) -> BTreeSet<String> {
        let links = self.rules.iter().filter(|rule| rule.header.link != LinkType::None);
        links.map(|rule| rule.name.clone()).collect()
    }

    /// Metaverse attributes that inbound rules join on: the store keeps an index of them.
    pub fn join_attributes(&self) -> BTreeSet<AttributeName> {
        let inbound = self.rules.iter().filter(|rule| matches!(rule.header.direction, Direction::Inbound { .. }));
        inbound.flat_map(|rule| rule.footprint.join_keys.iter().chain(&rule.footprint.unique).cloned()).collect()
    }
}

/// The calls that ask for the day.
const DAY: [&str; 2] = ["today(", "entra::Now("];

fn asks_for_day(text: &str) -> bool {
    DAY.iter().any(|call| text.contains(call))
}

fn is(candidate: &ConnectorType, connector: &str, object_type: &str) -> bool {
    candidate.connector == connector && candidate.object_type.eq_ignore_ascii_case(object_type)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
/// How the name-based UUID of a text begins. The library that does TLS computes it five times as fast as that of UUIDs.
fn short_digest(text: &str) -> String {
    let mut sha = digest::Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    sha.update(Uuid::NAMESPACE_OID.as_bytes());
    sha.update(text.as_bytes());
    crate::value::hex(sha.finish().as_ref().get(..6).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_beginning_of_a_name_based_id() {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, b"in-user\0fn flow");
        assert!(id.simple().to_string().starts_with(&short_digest("in-user\0fn flow")));
    }
}
