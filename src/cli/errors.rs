//! `syncline errors`: objects that are not as they should be, and what becomes of them.

use clap::Args;
use serde::Serialize;

use super::output::{plural, print, print_json, say};
use super::{Exit, Format};
use crate::connector_space::{ConnectorObject, ExportState};
use crate::metaverse::MetaverseObject;
use crate::run::RunError;
use crate::run::session::Session;
use crate::sync::ledger::View;

/// Objects with errors: what could not be synchronised, what a target refused, what imports no longer show.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline errors\n  syncline errors --connector entra\n  syncline errors --format json"
)]
pub(super) struct ErrorsArguments {
    /// Only those of a connector.
    #[arg(long)]
    connector: Option<String>,
}

/// One object that waits in an error.
#[derive(Serialize)]
struct Waiting {
    connector: String,
    object_type: String,
    name: String,
    /// `sync`, `refused`, `unknown`, `missing`, `reference`.
    kind: &'static str,
    /// Our own word, or the target's code.
    code: String,
    message: String,
}

impl Waiting {
    fn of_person(person: &MetaverseObject) -> Option<Waiting> {
        let error = person.error.as_ref()?;
        Some(Waiting {
            connector: "metaverse".to_owned(),
            object_type: person.object_type.clone(),
            name: crate::sync::name(person),
            kind: "sync",
            code: error.code.clone(),
            message: error.message.clone(),
        })
    }

    fn of(object: &ConnectorObject, kind: &'static str, code: &str, message: &str) -> Waiting {
        Waiting {
            connector: object.connector.clone(),
            object_type: object.object_type.clone(),
            name: object.title(),
            kind,
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }
}

/// What becomes of each kind.
const KINDS: [(&str, &str); 5] = [
    ("sync", "could not be evaluated, and stay as they were; every run tries again"),
    ("refused", "refused by the target; sent again once something changes, a day later, or with `run --retry`"),
    ("unknown", "sent, and nobody knows what became of it; the next run looks before it sends again"),
    ("reference", "references that the target refused; sent again as above"),
    ("missing", "not shown by imports, and nothing proves that they are gone; `syncline gone` says so"),
];

pub(super) fn run(session: Session, arguments: &ErrorsArguments, format: Format) -> Result<Exit, RunError> {
    let found = find(&session, arguments.connector.as_deref());
    session.close()?;
    let found = found?;
    let exit = if found.is_empty() { Exit::Success } else { Exit::ObjectErrors };
    if format == Format::Json {
        print_json(&found);
        return Ok(exit);
    }
    for (kind, what) in KINDS {
        let some: Vec<&Waiting> = found.iter().filter(|waiting| waiting.kind == kind).collect();
        if some.is_empty() {
            continue;
        }
        print(&format!("{} {what}", some.len()));
        for waiting in some {
            let code = if waiting.code.is_empty() { String::new() } else { format!("   ({})", waiting.code) };
            print(&format!("  {} {} `{}`", waiting.connector, waiting.object_type, waiting.name));
            print(&format!("    {}{code}", waiting.message));
        }
    }
    say(&format!("{} with errors", plural(found.len(), "object")));
    Ok(exit)
}

fn find(session: &Session, only: Option<&str>) -> Result<Vec<Waiting>, RunError> {
    let mut found = Vec::new();
    if let Some(name) = only {
        session.directory(name)?;
    }
    let draft = session.store.draft();
    let names = session.config.connectors.iter().map(|(name, _)| name);
    for name in names.filter(|name| only.is_none_or(|only| *name == only)) {
        for object_type in session.directory(name)?.object_types() {
            draft.each_object(name, &object_type, |object| found.extend(of(&object)))?;
        }
    }
    if only.is_none() {
        draft.each_metaverse(|person| found.extend(Waiting::of_person(&person)))?;
    }
    let mut after = None;
    loop {
        let keys = draft.edge_exports(after.as_ref(), 5_000)?;
        for (from, attribute, to) in &keys {
            if !draft.edge(*from, attribute, *to)?.refused {
                continue;
            }
            let Some(object) = draft.object(*from)? else { continue };
            if only.is_none_or(|only| object.connector == only) {
                let member = draft.object(*to)?.map_or_else(|| to.to_string(), |object| object.title());
                found.push(Waiting::of(&object, "reference", "", &format!("{attribute}: {member}")));
            }
        }
        match keys.last() {
            Some(last) => after = Some(last.clone()),
            None => return Ok(found),
        }
    }
}

fn of(object: &ConnectorObject) -> Vec<Waiting> {
    let mut found = Vec::new();
    if let Some(error) = &object.error {
        found.push(Waiting::of(object, "sync", &error.code, &error.message));
    }
    match object.export.as_ref().map(|export| &export.state) {
        Some(ExportState::Failed { code, message }) => found.push(Waiting::of(object, "refused", code, message)),
        Some(ExportState::InFlight) => found.push(Waiting::of(object, "unknown", "", "it was being sent")),
        Some(ExportState::Pending | ExportState::Exported) | None => {}
    }
    if object.missing {
        found.push(Waiting::of(object, "missing", "", "an import that was complete did not show it"));
    }
    found
}
