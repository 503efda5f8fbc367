//! `syncline bisect`.

use clap::Args;

use super::explain::{self, moment};
use super::output::{print, print_json};
use super::{Exit, Format};
use crate::run::RunError;
use crate::run::bisect::{self, Beginning};
use crate::run::explain::Explainer;
use crate::run::session::Session;
use crate::value::AttributeName;

/// Which run, rules and line first gave the value that an object has now.
#[derive(Args)]
#[command(after_help = "Examples:\n  syncline bisect entra zoe.mueller@contoso.com displayName")]
pub(super) struct BisectArguments {
    /// A connector.
    connector: String,
    /// A DN, an anchor, an id, or any attribute value that only one object has.
    object: String,
    /// One of its attributes.
    attribute: String,
}

pub(super) fn run(session: Session, arguments: &BisectArguments, format: Format) -> Result<Exit, RunError> {
    let found = find(&session, arguments);
    session.close()?;
    let beginning = found?;
    match format {
        Format::Json => print_json(&beginning),
        Format::Text => tell(&beginning),
    }
    Ok(if beginning.given.is_some() { Exit::Success } else { Exit::ObjectErrors })
}

fn find(session: &Session, arguments: &BisectArguments) -> Result<Beginning, RunError> {
    let (sources, targets) = (session.sources()?, session.targets()?);
    let explainer = Explainer::new(session, &sources, &targets);
    let object = explain::find(session, &explainer, &arguments.connector, &arguments.object)?;
    bisect::beginning(&explainer, &object, &AttributeName::from(arguments.attribute.as_str()))
}

fn tell(beginning: &Beginning) {
    print(&format!(
        "{}   {} `{}`",
        explain::value(&beginning.attribute, &beginning.values),
        beginning.connector,
        beginning.object
    ));
    let Some(given) = &beginning.given else {
        print("  the journal does not say since when");
        return;
    };
    print(&format!("  first    {}", moment(given)));
    if let (Some(rule), Some(line)) = (&beginning.rule, beginning.line) {
        print(&format!("  by       {rule}.rhai:{line}"));
    }
    let before = match beginning.before.as_slice() {
        [] => "nothing".to_owned(),
        values => format!("\"{}\"", values.join("\", \"")),
    };
    print(&format!("  before   {before}"));
    if let Some(rules) = &beginning.rules_before {
        print(&format!("  because  the rules changed: the run before had {rules}"));
    }
    for cause in &beginning.causes {
        let was = if cause.before.is_empty() {
            "was empty".into()
        } else {
            format!("was \"{}\"", cause.before.join("\", \""))
        };
        print(&format!("  because  {}.{} changed in that run, {was}", cause.whose, cause.attribute));
    }
}
