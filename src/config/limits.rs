//! `[limits]`: how much of everything may change in 24 hours, for all connectors, for one, and for one of its types.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Reader;
use crate::diagnostic::did_you_mean;

/// The lower of a number and a share of the population; without either there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// At most so many.
    pub count: Option<usize>,
    /// At most so many per cent.
    pub percent: Option<usize>,
}

impl Limit {
    /// How many objects of a population this is; nothing without a limit. One is always allowed, or small directories
    /// could delete nobody; of nobody there is no share.
    pub fn of(self, population: usize) -> Option<usize> {
        let share = self.percent.filter(|_| population > 0).map(|percent| (population * percent / 100).max(1));
        self.count.into_iter().chain(share).min()
    }

    /// Whether there is one.
    pub fn is_set(self) -> bool {
        self.count.is_some() || self.percent.is_some()
    }
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limited {
    /// Objects that are deleted.
    Deletes,
    /// Accounts that are disabled.
    Disables,
    /// Anchors that change: objects that would become somebody else's.
    Anchors,
    /// Objects that are made.
    Creates,
    /// Objects that are changed.
    Updates,
    /// References that are added or removed.
    Members,
    /// How many fewer objects, or values of an attribute, an import may show than the last one that was accepted.
    Shrinkage,
}

const NAMES: [(&str, Limited); 7] = [
    ("deletes", Limited::Deletes),
    ("disables", Limited::Disables),
    ("anchors", Limited::Anchors),
    ("creates", Limited::Creates),
    ("updates", Limited::Updates),
    ("members", Limited::Members),
    ("shrinkage", Limited::Shrinkage),
];

/// Where limits hold: everywhere, for a connector, or for a type of its objects.
type Place = (Option<String>, Option<String>);

/// All limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    by_place: BTreeMap<Place, BTreeMap<Limited, Limit>>,
    /// Objects with errors in one run: with so many, something is wrong with all of them.
    pub errors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let careful = Limit { count: Some(500), percent: Some(5) };
        let shrinkage = Limit { count: None, percent: Some(20) };
        let kinds = [Limited::Deletes, Limited::Disables, Limited::Anchors];
        let everywhere = kinds.map(|kind| (kind, careful)).into_iter().chain([(Limited::Shrinkage, shrinkage)]);
        Limits { by_place: BTreeMap::from([((None, None), everywhere.collect())]), errors: 5_000 }
    }
}

impl Limits {
    /// The limit for a type of a connector's objects: the most particular one that was given.
    pub fn of(&self, what: Limited, connector: &str, object_type: &str) -> Limit {
        let places =
            [(Some(connector), Some(object_type)), (Some(connector), None), (None, None)].map(|(connector, of)| {
                let place = (connector.map(str::to_owned), of.map(str::to_owned));
                self.by_place.get(&place).and_then(|limits| limits.get(&what)).copied()
            });
        places.into_iter().flatten().next().unwrap_or_default()
    }
}

impl Reader {
    /// Reads the section.
    pub(super) fn limits(&mut self, value: Spanned<DeValue<'_>>) -> Limits {
        let mut limits = Limits::default();
        let range = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            self.problem("`limits` must be a table: `[limits]`", range);
            return limits;
        };
        self.limits_at((None, None), "limits", table, &mut limits);
        limits
    }

    fn limits_at(&mut self, place: Place, path: &str, table: DeTable<'_>, limits: &mut Limits) {
        // What holds everywhere first: what is more particular begins with that.
        let is_table = |value: &Spanned<DeValue<'_>>| matches!(value.get_ref(), DeValue::Table(_));
        let (tables, plain): (Vec<_>, Vec<_>) = table.into_iter().partition(|(_, value)| is_table(value));
        for (key, value) in plain.into_iter().chain(tables) {
            let (name, at) = (key.get_ref().to_string(), value.span());
            match (NAMES.iter().find(|(known, _)| *known == name), value.into_inner(), &place) {
                (Some((_, what)), value, _) => {
                    let everywhere = limits.of(*what, "", "");
                    if let Some(limit) = self.limit(&format!("{path}.{name}"), &value, at, everywhere) {
                        limits.by_place.entry(place.clone()).or_default().insert(*what, limit);
                    }
                }
                (None, DeValue::Integer(number), (None, None)) if name == "errors" => {
                    match number.as_str().replace('_', "").parse::<usize>() {
                        Ok(errors) => limits.errors = errors.max(1),
                        Err(_) => self.problem("`limits.errors` is a number", at),
                    }
                }
                (None, DeValue::Table(table), (None, None)) => {
                    self.limits_at((Some(name.clone()), None), &format!("{path}.{name}"), table, limits);
                }
                (None, DeValue::Table(table), (Some(connector), None)) => {
                    let place = (Some(connector.clone()), Some(name.clone()));
                    self.limits_at(place, &format!("{path}.{name}"), table, limits);
                }
                (None, ..) => self.unknown_limit(path, &name, key.span()),
            }
        }
    }

    fn unknown_limit(&mut self, path: &str, name: &str, at: Range<usize>) {
        let known = || NAMES.iter().map(|(name, _)| *name).chain(["errors"]);
        self.problem(format!("`{path}`: there is no limit `{name}`"), at);
        let hint = did_you_mean(name, known());
        if let Some(problem) = self.problems.last_mut() {
            problem.hint = Some(hint.unwrap_or(format!("limits: {}", known().collect::<Vec<_>>().join(", "))));
        }
    }

    /// `500`, `"5%"`, or both in a list. What is not said stays as it is everywhere.
    fn limit(&mut self, path: &str, value: &DeValue<'_>, at: Range<usize>, before: Limit) -> Option<Limit> {
        let mut limit = before;
        let parts: Vec<&DeValue<'_>> = match value {
            DeValue::Array(parts) => parts.iter().map(Spanned::get_ref).collect(),
            other => vec![other],
        };
        for part in parts {
            let read = match part {
                DeValue::Integer(number) => number.as_str().replace('_', "").parse().ok().map(|count| (true, count)),
                DeValue::String(text) => {
                    let share = text.trim().strip_suffix('%').and_then(|number| number.trim().parse().ok());
                    share.filter(|percent| *percent <= 100).map(|percent| (false, percent))
                }
                _ => None,
            };
            match read {
                Some((true, count)) => limit.count = Some(count),
                Some((false, percent)) => limit.percent = Some(percent),
                None => {
                    self.problem(format!("`{path}` is a number, a percentage such as \"5%\", or both in a list"), at);
                    return None;
                }
            }
        }
        Some(limit)
    }

    /// Limits for connectors that are not there would hold nothing back.
    pub(super) fn unknown_places(&mut self, limits: &Limits, connectors: &[String], range: &Range<usize>) {
        let named = limits.by_place.keys().filter_map(|(connector, _)| connector.as_ref());
        let unknown: Vec<&String> = named.filter(|name| !connectors.contains(name)).collect();
        for name in unknown {
            self.problem(format!("`limits.{name}`: there is no connector `{name}`"), range.clone());
            let known = connectors.iter().map(String::as_str).chain(NAMES.iter().map(|(name, _)| *name));
            let hint = did_you_mean(name, known);
            if let Some(problem) = self.problems.last_mut() {
                problem.hint = hint.or(Some(format!("connectors: {}", connectors.join(", "))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::diagnostic::SourceText;

    const HEAD: &str = "[connector.entra]\nkind = \"entra\"\nemulator = true\n[limits]\n";

    fn parse(limits: &str) -> Result<Limits, Vec<String>> {
        let source = SourceText { path: "syncline.toml".into(), text: format!("{HEAD}{limits}") };
        let problems = |problems: Vec<crate::diagnostic::Diagnostic>| {
            let told = |problem: crate::diagnostic::Diagnostic| match problem.hint {
                Some(hint) => format!("{} ({hint})", problem.message),
                None => problem.message,
            };
            problems.into_iter().map(told).collect()
        };
        Config::parse(source).map(|config| config.limits).map_err(problems)
    }

    #[test]
    fn the_most_particular_limit_holds() {
        let text = "deletes = 10\nupdates = \"20%\"\n[limits.entra]\ndeletes = [7, \"1%\"]\n[limits.entra.group]\ndeletes = 3\nmembers = 1_000";
        let limits = parse(text).unwrap();
        let of = |what, connector: &str, object_type: &str| limits.of(what, connector, object_type).of(1_000);
        assert_eq!(of(Limited::Deletes, "ad", "user"), Some(10));
        assert_eq!(of(Limited::Deletes, "entra", "user"), Some(7));
        assert_eq!(limits.of(Limited::Deletes, "entra", "user").of(200), Some(2));
        assert_eq!(of(Limited::Deletes, "entra", "group"), Some(3));
        assert_eq!(of(Limited::Updates, "entra", "group"), Some(200));
        assert_eq!(of(Limited::Members, "entra", "group"), Some(1_000));
        assert_eq!(of(Limited::Members, "entra", "user"), None);
        assert_eq!(of(Limited::Creates, "entra", "user"), None);
        let limits = parse("updates = 100\n[limits.entra]\nupdates = \"50%\"").unwrap();
        assert_eq!(limits.of(Limited::Updates, "entra", "user").of(1_000), Some(100));
    }

    #[test]
    fn of_nobody_there_is_no_share_and_one_is_always_allowed() {
        let limit = Limit { count: None, percent: Some(5) };
        assert_eq!([0, 1, 19, 40].map(|population| limit.of(population)), [None, Some(1), Some(1), Some(2)]);
        assert_eq!(Limit { count: Some(0), ..limit }.of(40), Some(0));
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        let check = |text: &str, expected: &str| assert_eq!(parse(text).unwrap_err(), [expected], "{text}");
        check("delets = 5", "`limits`: there is no limit `delets` (did you mean `deletes`?)");
        check("deletes = \"5\"", "`limits.deletes` is a number, a percentage such as \"5%\", or both in a list");
        check("creates = -1", "`limits.creates` is a number, a percentage such as \"5%\", or both in a list");
        check("[limits.entar]\ndeletes = 1", "`limits.entar`: there is no connector `entar` (did you mean `entra`?)");
        check(
            "[limits.entra.user]\nerrors = 1",
            "`limits.entra.user`: there is no limit `errors` (did you mean `errors`?)",
        );
    }
}
