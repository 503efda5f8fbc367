//! `syncline explain`: why a value is what it is, why something is not there, since when.

use clap::Args;
use jiff::tz::TimeZone;

use super::output::{print, print_json, say};
use super::{Exit, Format, explain_code, show};
use crate::change::Stamp;
use crate::connector_space::{ConnectorObject, ObjectId};
use crate::metaverse::MetaverseId;
use crate::run::RunError;
use crate::run::explain::{Explainer, Loser, ObjectStory, Past, Reason, RuleStory, Story, TargetStory};
use crate::run::session::Session;
use crate::sync::ledger::View;
use crate::value::AttributeName;

/// Why a value is what it is: rule, line, source, losers, history. Why something is not there: what said no.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline explain entra zoe.mueller@contoso.com usageLocation\n  syncline explain ad zmueller                 its rules, its targets, what happened to it\n  syncline explain metaverse 41d2a7c0-… mail\n  syncline explain E210                        what a finding means"
)]
pub(super) struct ExplainArguments {
    /// A connector, `metaverse`, or the code of a finding: `E210`.
    pub(super) connector: String,
    /// A DN, an anchor, an id, or any attribute value that only one object has.
    #[arg(default_value = "", hide_default_value = true)]
    object: String,
    /// One of its attributes; without, the object as a whole.
    attribute: Option<String>,
}

impl ExplainArguments {
    /// Whether the question is what a code means.
    pub(super) fn asks_for_code(&self) -> bool {
        self.object.is_empty() && explain_code::is_code(&self.connector)
    }
}

/// How many moments of a value are shown.
const MOMENTS: usize = 10;

pub(super) fn run(session: Session, arguments: &ExplainArguments, format: Format) -> Result<Exit, RunError> {
    let exit = explain(&session, arguments, format);
    session.close()?;
    exit
}

fn explain(session: &Session, arguments: &ExplainArguments, format: Format) -> Result<Exit, RunError> {
    let (sources, targets) = (session.sources()?, session.targets()?);
    let explainer = Explainer::new(session, &sources, &targets);
    if arguments.connector == "metaverse" {
        return metaverse(&explainer, arguments, format);
    }
    let object = find(session, &explainer, &arguments.connector, &arguments.object)?;
    match &arguments.attribute {
        Some(attribute) => {
            let story = explainer.attribute(&object, &AttributeName::from(attribute.as_str()))?;
            tell(&story, format);
            Ok(if story.values.is_empty() { Exit::ObjectErrors } else { Exit::Success })
        }
        None => {
            let story = explainer.object(&object)?;
            match format {
                Format::Json => print_json(&story),
                Format::Text => tell_object(&story),
            }
            Ok(Exit::Success)
        }
    }
}

fn metaverse(explainer: &Explainer<'_>, arguments: &ExplainArguments, format: Format) -> Result<Exit, RunError> {
    let unknown = || RunError::Unknown(format!("there is no metaverse object `{}`", arguments.object));
    let id: uuid::Uuid = arguments.object.parse().map_err(|_| unknown())?;
    let person = explainer.draft.metaverse(MetaverseId(id))?.ok_or_else(unknown)?;
    let names: Vec<AttributeName> = match &arguments.attribute {
        Some(attribute) => vec![attribute.as_str().into()],
        None => person.contributions.keys().cloned().collect(),
    };
    for name in names {
        tell(&explainer.metaverse(&person, &name)?, format);
    }
    Ok(Exit::Success)
}

/// The object; if it is not in that connector but in another, the one there, for it knows why.
pub(super) fn find(
    session: &Session,
    explainer: &Explainer<'_>,
    connector: &str,
    object: &str,
) -> Result<ConnectorObject, RunError> {
    let missing = match show::find_one(session, connector, object) {
        Ok(id) => return read(explainer, id),
        Err(error) => error,
    };
    for other in session.directories.keys().filter(|name| *name != connector) {
        if let [id] = show::find(session, other, object)?.as_slice() {
            say(&format!("`{connector}` has no such object; this is the one of `{other}`"));
            return read(explainer, *id);
        }
    }
    Err(missing)
}

fn read(explainer: &Explainer<'_>, id: ObjectId) -> Result<ConnectorObject, RunError> {
    explainer.draft.object(id)?.ok_or_else(|| RunError::Unknown(format!("there is no object {id}")))
}

fn tell(story: &Story, format: Format) {
    if format == Format::Json {
        return print_json(story);
    }
    print(&format!(
        "{}   {} {} `{}`",
        value(&story.attribute, &story.values),
        story.connector,
        story.object_type,
        bare(&story.object)
    ));
    tell_inside(story, 1);
    match story.history.as_slice() {
        [] => {}
        [latest, ..] => print(&format!("since {}", moment(&latest.stamp))),
    }
    if story.history.len() > 1 {
        print("history");
        for past in story.history.iter().take(MOMENTS) {
            print(&format!("  {}   {}", moment(&past.stamp), event(past)));
        }
    }
}

fn tell_inside(story: &Story, depth: usize) {
    let indent = "  ".repeat(depth);
    if let Some(from) = &story.from {
        print(&format!("{indent}{}.rhai:{}   {}", from.rule, from.line, from.text));
    }
    if let Some(waits) = &story.waits {
        print(&format!("{indent}! {waits}"));
    }
    for Loser { rule, line, value, precedence } in &story.losers {
        print(&format!("{indent}  beats {value}   {rule}.rhai:{line} (precedence {precedence})"));
    }
    for reason in &story.why_not {
        tell_reason(reason, &indent);
    }
    for part in &story.parts {
        let whose = if part.connector == "metaverse" { part.object_type.as_str() } else { part.connector.as_str() };
        let since = part.history.first().filter(|past| past.what == "changed");
        let was = since.map(|past| format!("   {} {}", event(past), moment(&past.stamp))).unwrap_or_default();
        print(&format!("{indent}← {whose}.{}{was}", value(&part.attribute, &part.values)));
        tell_inside(part, depth + 2);
    }
}

fn tell_reason(reason: &Reason, indent: &str) {
    let place = match (&reason.rule, reason.line) {
        (Some(rule), Some(line)) => format!("{rule}.rhai:{line}   "),
        (Some(rule), None) => format!("{rule}   "),
        (None, _) => String::new(),
    };
    print(&format!("{indent}✗ {place}{}", reason.text));
    for (name, values) in &reason.reads {
        print(&format!("{indent}    {}", value(name, values)));
    }
}

fn tell_object(story: &ObjectStory) {
    print(&format!("{}  {}        {}", story.connector, story.object, story.object_type));
    match (&story.link, &story.person) {
        (Some(link), Some(person)) => {
            let how = format!("{:?}", link.kind).to_lowercase();
            print(&format!("  {how} by {}: {person} ({})", link.rule, link.metaverse));
        }
        _ => print("  not linked"),
    }
    if let Some(error) = &story.error {
        print(&format!("  error: {error}"));
    }
    if story.missing {
        print("  the last import did not show it, and nothing proves that it is gone");
    }
    for (connector, title) in &story.others {
        print(&format!("  with {connector}  {title}"));
    }
    if !story.rules.is_empty() {
        print("\nrules");
        story.rules.iter().for_each(tell_rule);
    }
    for TargetStory { connector, object_type, object, link, waits, rules } in &story.targets {
        let there = object.as_deref().map_or_else(|| "is not there".to_owned(), |name| format!("`{name}`"));
        let how = link.as_ref().map(|link| format!(", {} by {}", format!("{:?}", link.kind).to_lowercase(), link.rule));
        print(&format!("\n→ {connector} {object_type}  {there}{}", how.unwrap_or_default()));
        if let Some(waits) = waits {
            print(&format!("  ! {waits}"));
        }
        rules.iter().for_each(tell_rule);
    }
    if !story.history.is_empty() {
        print("\nhistory");
        for past in &story.history {
            print(&format!("  {}   {}", moment(&past.stamp), event(past)));
        }
    }
}

fn tell_rule(story: &RuleStory) {
    match &story.why_not {
        None => print(&format!("  ✓ {:<32} {:>6}", story.rule, story.precedence)),
        Some(reason) => {
            let line = reason.line.map(|line| format!("line {line}  ")).unwrap_or_default();
            print(&format!("  ✗ {:<32} {:>6}   {line}{}", story.rule, story.precedence, reason.text));
            for (name, values) in &reason.reads {
                print(&format!("      {}", value(name, values)));
            }
        }
    }
}

pub(super) fn value(name: &str, values: &[String]) -> String {
    match values {
        [] => format!("{name} is empty"),
        [one] => format!("{name} = \"{one}\""),
        several => format!("{name} = [\"{}\"]", several.join("\", \"")),
    }
}

fn event(past: &Past) -> String {
    match past.before.as_slice() {
        [] if past.what == "changed" => "was empty".into(),
        [] => past.what.clone(),
        values => format!("{}, was \"{}\"", past.what, values.join("\", \"")),
    }
}

/// `2026-11-20 08:14, run 12, rules 5f3a91cabc12`.
pub(super) fn moment(stamp: &Stamp) -> String {
    if stamp.run == 0 {
        return "outside of a run".into();
    }
    format!("{}, run {}, rules {}", time(stamp.at), stamp.run, stamp.rules)
}

/// Seconds since 1970 as a time of this place.
pub(super) fn time(at: i64) -> String {
    let time = jiff::Timestamp::from_second(at).unwrap_or_default().to_zoned(TimeZone::system());
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// A title without the type that stands before it in the metaverse.
fn bare(title: &str) -> &str {
    title.split_once('`').map_or(title, |(_, name)| name.trim_end_matches('`'))
}
