//! What every kind of connector may have in its section: the name that rules use for it, what is done about changes of
//! others, and which of its objects may be taken for somebody's.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;

use super::{ConnectorSettings, Reader};
use crate::connector::graph;
use crate::diagnostic::did_you_mean;
use crate::rules::LeftAlone;

/// The settings of a connector that is written to, whatever its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetSettings {
    /// Changes of others are only reported, and not put right.
    pub reports_drift: bool,
    /// Objects may be found by attributes that are no anchors; a person approves each.
    pub soft_match: bool,
    /// Objects that hold power over the directory may be found, too.
    pub allow_privileged: bool,
    /// The applications whose attributes are written; nothing: all attributes are.
    pub applications: Option<Vec<String>>,
}

/// By the name that rules use, the connectors that they mean, in the order of the file.
pub(super) fn stand_ins(
    connectors: &[(String, ConnectorSettings)],
    named: &BTreeMap<String, String>,
) -> BTreeMap<String, Vec<String>> {
    let mut meant: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, _) in connectors {
        let used = named.get(name).unwrap_or(name);
        meant.entry(used.clone()).or_default().push(name.clone());
        if used != name {
            // Rules that name the connector itself mean it all the same.
            meant.entry(name.clone()).or_default().push(name.clone());
        }
    }
    meant.retain(|used, names| *names != [used.clone()]);
    meant
}

/// Attributes that are left alone, by connector and type: none of the target's applications reads them.
pub(super) fn left_alone(targets: &BTreeMap<String, TargetSettings>) -> BTreeMap<String, LeftAlone> {
    let mut left = BTreeMap::new();
    for (name, target) in targets {
        let Some(applications) = &target.applications else { continue };
        let unread = |object_type: &str| (object_type.to_owned(), graph::unread(applications, object_type));
        left.insert(name.clone(), ["user", "group"].map(unread).into());
    }
    left
}

impl Reader {
    /// Takes them out of a connector's section.
    pub(super) fn target_settings(&mut self, name: &str, value: &mut Spanned<DeValue<'_>>) -> TargetSettings {
        TargetSettings {
            reports_drift: self.reports_drift(name, value),
            soft_match: self.flag(name, value, "soft_match"),
            allow_privileged: self.flag(name, value, "allow_privileged"),
            applications: self.applications(name, value),
        }
    }

    fn reports_drift(&mut self, name: &str, value: &mut Spanned<DeValue<'_>>) -> bool {
        let DeValue::Table(table) = value.get_mut() else { return false };
        let Some(drift) = table.remove("drift") else { return false };
        match drift.get_ref() {
            DeValue::String(text) if text == "report" => true,
            DeValue::String(text) if text == "correct" => false,
            _ => {
                let range = drift.span();
                self.problem(format!("`connector.{name}`: `drift` is \"correct\" or \"report\""), range);
                false
            }
        }
    }

    /// `as = "ad"`: rules that name `ad` mean this connector.
    pub(super) fn stands_in(&mut self, name: &str, value: &mut Spanned<DeValue<'_>>) -> Option<String> {
        let DeValue::Table(table) = value.get_mut() else { return None };
        let other = table.remove("as")?;
        match other.get_ref() {
            DeValue::String(other) if !other.is_empty() => Some(other.to_string()),
            _ => {
                let message = format!("`connector.{name}`: `as` is the name that rules use for it, such as \"ad\"");
                self.problem(message, other.span());
                None
            }
        }
    }

    fn applications(&mut self, name: &str, value: &mut Spanned<DeValue<'_>>) -> Option<Vec<String>> {
        let DeValue::Table(table) = value.get_mut() else { return None };
        let list = table.remove("applications")?;
        let DeValue::Array(items) = list.get_ref() else {
            self.problem(format!("`connector.{name}`: `applications` is a list of names"), list.span());
            return None;
        };
        let mut names = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::String(text) if graph::applications().any(|known| known == text) => {
                    names.push(text.to_string())
                }
                other => {
                    let text = other.as_str().unwrap_or_default();
                    let known = graph::applications().collect::<Vec<_>>().join(", ");
                    self.problem(format!("`connector.{name}`: there is no application `{text}`"), item.span());
                    let hint = did_you_mean(text, graph::applications());
                    if let Some(problem) = self.problems.last_mut() {
                        problem.hint = Some(hint.unwrap_or(format!("applications: {known}")));
                    }
                }
            }
        }
        Some(names)
    }

    fn flag(&mut self, name: &str, value: &mut Spanned<DeValue<'_>>, key: &str) -> bool {
        let DeValue::Table(table) = value.get_mut() else { return false };
        let Some(flag) = table.remove(key) else { return false };
        match flag.get_ref() {
            DeValue::Boolean(flag) => *flag,
            _ => {
                self.problem(format!("`connector.{name}`: `{key}` is `true` or `false`"), flag.span());
                false
            }
        }
    }
}
