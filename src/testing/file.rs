//! What stands in a test file. Mistakes have their place; names are checked against rules and schemas.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use toml::Spanned;

use crate::diagnostic::{Diagnostic, SourceText, did_you_mean};
use crate::rules::{RuleSet, Schemas};
use crate::value::{Value, Values};

/// A whole file.
pub(super) struct TestFile {
    pub(super) path: PathBuf,
    pub(super) targets: BTreeMap<String, TargetFacts>,
    pub(super) tests: Vec<Test>,
}

/// What a target says of itself in these tests.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TargetFacts {
    pub(super) initial_domain: String,
    pub(super) verified_domains: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    target: BTreeMap<String, TargetFacts>,
    #[serde(default)]
    test: Vec<Test>,
}

/// One test.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    pub(super) name: String,
    /// The day of the run; the first of 2001 without it.
    pub(super) today: Option<Spanned<toml::value::Datetime>>,
    /// What directories showed in an earlier run: it is synchronised first.
    #[serde(default)]
    pub(super) before: Vec<TestObject>,
    /// What directories show, in this order.
    pub(super) object: Vec<TestObject>,
    /// About the first object unless it says otherwise.
    #[serde(default)]
    pub(super) expect: Vec<Expectation>,
}

impl Test {
    /// The beginning of its day in UTC, in seconds since 1970.
    pub(super) fn day(&self) -> Option<i64> {
        let date = self.today.as_ref()?.get_ref().date?;
        let date = jiff::civil::date(
            i16::try_from(date.year).ok()?,
            i8::try_from(date.month).ok()?,
            i8::try_from(date.day).ok()?,
        );
        Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
    }
}

/// An object that a directory shows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestObject {
    /// `ad/user`.
    #[serde(rename = "in")]
    pub(super) place: Spanned<String>,
    pub(super) dn: Option<String>,
    pub(super) anchor: Option<String>,
    #[serde(default)]
    pub(super) attributes: BTreeMap<Spanned<String>, toml::Value>,
    #[serde(default)]
    pub(super) references: BTreeMap<String, Vec<String>>,
    /// So many values of an attribute, made up: nobody lists 50,001 members.
    #[serde(default)]
    pub(super) count: BTreeMap<Spanned<String>, usize>,
}

/// What shall come of an object.
#[derive(Deserialize)]
pub(super) struct Expectation {
    /// The DN or anchor of the object; the first one without.
    pub(super) of: Option<String>,
    /// By rule: whether it is in scope.
    #[serde(default)]
    pub(super) scope: BTreeMap<Spanned<String>, bool>,
    /// Metaverse attributes, or `false`: there is none.
    pub(super) person: Option<Wanted>,
    /// A part of the error that the object must have.
    pub(super) error: Option<String>,
    /// By target: attributes, or `false`: it is not there.
    #[serde(flatten)]
    pub(super) targets: BTreeMap<String, Wanted>,
}

/// What an object shall hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Wanted {
    /// Whether it is there at all.
    There(bool),
    /// These values; `false` for an attribute that has none, unless it is a flag.
    Holds(BTreeMap<String, toml::Value>),
}

impl TestFile {
    pub(super) fn read(path: &Path, rules: &RuleSet, schemas: &Schemas) -> Result<TestFile, Vec<Diagnostic>> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| vec![Diagnostic::error("E005", format!("cannot read `{}`: {error}", path.display()))])?;
        let source = Arc::new(SourceText { path: path.to_path_buf(), text });
        let raw: Raw = toml::from_str(&source.text).map_err(|error| {
            let range = error.span().unwrap_or(0..0);
            vec![Diagnostic::error("E006", error.message().to_owned()).at(&source, range)]
        })?;
        let mut problems = Vec::new();
        for test in &raw.test {
            check(test, rules, schemas, &source, &mut problems);
        }
        if problems.is_empty() {
            Ok(TestFile { path: path.to_path_buf(), targets: raw.target, tests: raw.test })
        } else {
            Err(problems)
        }
    }
}

fn check(test: &Test, rules: &RuleSet, schemas: &Schemas, source: &Arc<SourceText>, problems: &mut Vec<Diagnostic>) {
    let mut say = |message: String, range: std::ops::Range<usize>, hint: Option<String>| {
        let problem = Diagnostic::error("E006", message).at(source, range);
        problems.push(match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    };
    if let (Some(today), None) = (&test.today, test.day()) {
        say("`today` is a date: `2026-01-31`".into(), today.span(), None);
    }
    for object in test.before.iter().chain(&test.object) {
        let (connector, object_type) = object.place.get_ref().split_once('/').unwrap_or((object.place.get_ref(), ""));
        let Some(schema) = schemas.get(connector).and_then(|types| types.get(object_type)) else {
            let known = schemas.iter().flat_map(|(name, types)| types.keys().map(move |of| format!("{name}/{of}")));
            let known: Vec<String> = known.collect();
            let hint = format!("there is {}", known.join(", "));
            say(format!("there is no `{}`", object.place.get_ref()), object.place.span(), Some(hint));
            continue;
        };
        for name in object.attributes.keys().chain(object.count.keys()) {
            let attribute = name.get_ref().as_str().into();
            if schema.get(&attribute).is_none() {
                let hint = did_you_mean(name.get_ref(), schema.attributes.keys().map(|known| known.as_str()));
                say(format!("`{}` has no attribute `{}`", object.place.get_ref(), name.get_ref()), name.span(), hint);
            }
        }
    }
    for name in test.expect.iter().flat_map(|expectation| expectation.scope.keys()) {
        if rules.rule(name.get_ref()).is_none() {
            let hint = did_you_mean(name.get_ref(), rules.rules().iter().map(|rule| rule.name.as_str()));
            say(format!("there is no rule `{}`", name.get_ref()), name.span(), hint);
        }
    }
}

/// Values as a directory shows them: a text, a number, a flag, or a list; `base64:…` is bytes.
pub(super) fn values(value: &toml::Value) -> Values {
    match value {
        toml::Value::String(text) => match text.strip_prefix("base64:").map(|text| STANDARD.decode(text)) {
            Some(Ok(bytes)) => vec![Value::Bytes(bytes)],
            Some(Err(_)) | None => Value::text(text.clone()).into_iter().collect(),
        },
        toml::Value::Integer(number) => vec![Value::Integer(*number)],
        toml::Value::Boolean(flag) => vec![Value::Boolean(*flag)],
        toml::Value::Array(list) => list.iter().flat_map(values).collect(),
        toml::Value::Datetime(time) => vec![Value::Text(time.to_string())],
        toml::Value::Float(_) | toml::Value::Table(_) => Values::new(),
    }
}
