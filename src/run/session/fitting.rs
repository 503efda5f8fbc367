//! The rules of a session: compiled, and fitted to what directories say about their attributes.

use std::collections::BTreeSet;

use super::Session;
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Severity};
use crate::rules::{Compiled, Folders, RuleSet, Schemas, against_schemas};
use crate::run::RunError;
use crate::store::Indexes;
use crate::value::AttributeName;

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

impl Session {
    /// Takes another set of rules from now on. Gives the one before.
    ///
    /// # Errors
    /// When it does not fit the schemas; then nothing has changed.
    pub(in crate::run) fn take_rules(&mut self, rules: &RuleSet) -> Result<RuleSet, RunError> {
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
    pub(in crate::run) fn expect_rules(&mut self, rules: &RuleSet) -> Result<(), RunError> {
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

    /// The rules in use, and those that may be taken soon.
    pub(in crate::run) fn rule_sets(&self) -> impl Iterator<Item = &RuleSet> {
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
