//! `syncline preview`: one object through every rule, on a draft that nobody commits.

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::{print, print_json, say};
use super::{Exit, Format};
use crate::config::Config;
use crate::metaverse::MetaverseId;
use crate::rules::RuleSet;
use crate::run::RunError;
use crate::run::preview::compare::compare;
use crate::run::preview::subject::{Trial, stage_file, try_on};
use crate::run::preview::{Preview, Subject, Tried, World, trace};
use crate::run::session::{Session, compile_rules};
use crate::store::Draft;
use crate::sync::ledger::View;

mod compare;
mod html;
mod text;

/// What happens to one object, rule by rule and attribute by attribute; writes nothing.
#[derive(Args, Default)]
#[command(after_help = EXAMPLES)]
pub(super) struct PreviewArguments {
    /// The connector, or `metaverse`.
    connector: String,
    /// A DN, an anchor, or any attribute value that only one object has; with `--file`, the DN of one of several.
    #[arg(required_unless_present = "file")]
    object: Option<String>,
    /// An object that is not stored: LDIF, or JSON `{"type": "user", "dn": …, "attributes": {…}, "references": {…}}`.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Tries a change of the object: `NAME=VALUE`, `NAME=` for no value, `NAME+=VALUE` and `NAME-=VALUE` for lists,
    /// `dn=…` for another place. May be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    trials: Vec<Trial>,
    /// Another rules folder: shows what differs from the rules in use.
    #[arg(long, value_name = "FOLDER", conflicts_with = "html")]
    rules: Option<PathBuf>,
    /// Unchanged attributes too.
    #[arg(long)]
    all: bool,
    /// The line of each rule that gives a value, and what losing rules say.
    #[arg(long)]
    lines: bool,
    /// Writes a page to send to a colleague; `-` for stdout.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl PreviewArguments {
    /// The preview of one object, with the lines that give its values.
    pub(super) fn of(connector: &str, object: &str) -> PreviewArguments {
        let (connector, object) = (connector.to_owned(), Some(object.to_owned()));
        PreviewArguments { connector, object, lines: true, ..PreviewArguments::default() }
    }
}

const EXAMPLES: &str = "\
Examples:
  syncline preview ad zmueller
  syncline preview ad \"CN=Zoe,OU=Sales,DC=contoso,DC=test\" --all --lines
  syncline preview ad zmueller --set department=IT --set manager=
  syncline preview ad zmueller --rules ../rules-new       what other rules would do
  syncline preview ad --file new-people.ldif \"CN=Ada,OU=Sales,DC=contoso,DC=test\"
  syncline preview entra zoe@contoso.com --html zoe.html";

pub(super) fn run(mut session: Session, arguments: &PreviewArguments, format: Format) -> Result<Exit, RunError> {
    let made = make(&mut session, arguments);
    let here = folder_name(&session.config.rules_folder);
    session.close()?;
    let (preview, other) = made?;
    match (&other, &arguments.html, &arguments.rules) {
        (Some(other), _, Some(folder)) => {
            let comparison = compare(&preview, other);
            match format {
                Format::Json => print_json(&comparison),
                Format::Text => compare::tell(&comparison, [&here, &folder_name(folder)]),
            }
            return Ok(Exit::Success);
        }
        (_, Some(file), _) => write_page(&preview, file)?,
        (_, None, _) => match format {
            Format::Json => print_json(&preview),
            Format::Text => text::tell(&preview, text::Detail { all: arguments.all, lines: arguments.lines }),
        },
    }
    Ok(if preview.errors.is_empty() { Exit::Success } else { Exit::ObjectErrors })
}

/// The preview, and the one with other rules if they are asked for.
fn make(session: &mut Session, arguments: &PreviewArguments) -> Result<(Preview, Option<Preview>), RunError> {
    let other = arguments.rules.as_ref().map(|folder| other_rules(session, folder)).transpose()?;
    if let Some(other) = &other {
        session.index_for(other)?;
    }
    let mut world = World::of(session)?;
    if arguments.file.is_some() {
        world.believe_file(session, &arguments.connector)?;
    }
    let preview = one(session, arguments, &session.rules, &world)?;
    let other = other.map(|rules| one(session, arguments, &rules, &world)).transpose()?;
    Ok((preview, other))
}

fn one(session: &Session, arguments: &PreviewArguments, rules: &RuleSet, world: &World) -> Result<Preview, RunError> {
    let stored = session.store.draft();
    let mut draft = session.store.draft();
    let (subject, tried) = subject(session, arguments, &mut draft)?;
    trace(draft, &stored, rules, world, subject, tried)
}

fn other_rules(session: &Session, folder: &Path) -> Result<RuleSet, RunError> {
    let config = Config { rules_folder: folder.to_path_buf(), rules_below: None, ..session.config.clone() };
    let (rules, _) = compile_rules(&config, &session.schemas()?)?;
    Ok(rules.active(true))
}

/// Finds, or stages, what is looked at, with what is tried on it.
fn subject(
    session: &Session,
    arguments: &PreviewArguments,
    draft: &mut Draft<'_>,
) -> Result<(Subject, Vec<Tried>), RunError> {
    let id = match (&arguments.file, &arguments.object) {
        (Some(path), name) => stage_file(session, draft, &arguments.connector, path, name.as_deref())?,
        (None, Some(name)) if arguments.connector == "metaverse" => return person(arguments, draft, name),
        (None, Some(name)) => super::show::find_one(session, &arguments.connector, name)?,
        (None, None) => return Err(RunError::Unknown("name an object".into())),
    };
    let tried = if arguments.trials.is_empty() { Vec::new() } else { try_on(session, draft, id, &arguments.trials)? };
    Ok((Subject::Object(id), tried))
}

fn person(arguments: &PreviewArguments, draft: &Draft<'_>, name: &str) -> Result<(Subject, Vec<Tried>), RunError> {
    if !arguments.trials.is_empty() {
        return Err(RunError::Unknown("`--set` changes an object of a connector, not one of the metaverse".into()));
    }
    let id = name.parse().map_err(|_| RunError::Unknown(format!("`{name}` is not an id of the metaverse")))?;
    match draft.metaverse(MetaverseId(id))? {
        Some(person) => Ok((Subject::Person(person.id), Vec::new())),
        None => Err(RunError::Unknown(format!("there is no metaverse object `{name}`"))),
    }
}

fn folder_name(folder: &Path) -> String {
    folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn write_page(preview: &Preview, file: &Path) -> Result<(), RunError> {
    let page = html::page(preview);
    if file == Path::new("-") {
        print(page.trim_end());
        return Ok(());
    }
    std::fs::write(file, page)
        .map_err(|error| RunError::Unknown(format!("cannot write `{}`: {error}", file.display())))?;
    say(&format!("written to {}", file.display()));
    Ok(())
}
