//! `syncline show` and `search`: what is stored.

use clap::Args;

use super::explain::time;
use super::output::{print, print_json, say};
use super::{Exit, Format};
use crate::connector::Anchor;
use crate::connector_space::{ConnectorObject, ObjectId};
use crate::metaverse::{MetaverseId, MetaverseObject};
use crate::run::RunError;
use crate::run::session::Session;
use crate::store::Draft;
use crate::sync::ledger::View;
use crate::sync::precedence;
use crate::value::{AttributeName, fold, values_to_json};

/// Shows stored objects.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline show                           what there is\n  syncline show ad zmueller\n  syncline show metaverse 41d2a7c0-…\n  syncline show rules                     the rules in use, and what waits\n  syncline show runs                      the last runs\n  syncline show run 12                    what it did, change by change"
)]
pub(super) struct ShowArguments {
    /// A connector, `metaverse`, `rules`, `runs` or `run`; an overview without.
    connector: Option<String>,
    /// A DN, an anchor, an id, or any attribute value that only one object has.
    object: Option<String>,
}

impl ShowArguments {
    /// Whether the question is about rules, which needs no store.
    pub(super) fn asks_for_rules(&self) -> bool {
        self.connector.as_deref() == Some("rules") && self.object.is_none()
    }
}

/// Finds stored objects by a value.
#[derive(Args)]
#[command(after_help = "Examples:\n  syncline search entra mueller\n  syncline search ad mail=zoe@contoso.com")]
pub(super) struct SearchArguments {
    /// The connector.
    connector: String,
    /// Part of a value, or `attribute=value`.
    text: String,
}

pub(super) fn show(session: Session, arguments: &ShowArguments, format: Format) -> Result<Exit, RunError> {
    match (arguments.connector.as_deref(), &arguments.object) {
        (Some("runs"), None) => super::runs::list(&session, format)?,
        (Some("run"), Some(number)) => super::runs::one(&session, number, format)?,
        (Some("metaverse"), Some(object)) => {
            let id: uuid::Uuid =
                object.parse().map_err(|_| RunError::Unknown(format!("`{object}` is not an id of the metaverse")))?;
            let draft = session.store.draft();
            let person = draft
                .metaverse(MetaverseId(id))?
                .ok_or_else(|| RunError::Unknown(format!("there is no metaverse object `{object}`")))?;
            show_person(&draft, &person, format)?;
        }
        (Some(connector), Some(object)) => {
            let id = find_one(&session, connector, object)?;
            let draft = session.store.draft();
            if let Some(object) = draft.object(id)? {
                show_object(&draft, &object, format)?;
            }
        }
        (connector, None) => overview(&session, connector, format)?,
        (None, Some(_)) => {}
    }
    session.close()?;
    Ok(Exit::Success)
}

fn overview(session: &Session, only: Option<&str>, format: Format) -> Result<(), RunError> {
    let draft = session.store.draft();
    let mut rows = Vec::new();
    for (name, directory) in session.directories.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        for object_type in directory.object_types() {
            let (mut count, mut linked, mut errors, mut missing, mut waiting) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
            draft.each_object(name, &object_type, |object| {
                count += 1;
                linked += u64::from(object.link.is_some());
                errors += u64::from(object.error.is_some());
                missing += u64::from(object.missing);
                waiting += u64::from(object.export.is_some());
            })?;
            if count > 0 {
                rows.push(serde_json::json!({
                    "connector": name, "type": object_type, "objects": count, "linked": linked,
                    "errors": errors, "missing": missing, "waiting": waiting,
                }));
            }
        }
    }
    if format == Format::Json {
        print_json(&serde_json::json!({ "rows": rows, "store_bytes": session.store.size() }));
        return Ok(());
    }
    print(&format!(
        "{:<10} {:<14} {:>9} {:>9} {:>7} {:>8} {:>8}",
        "connector", "type", "objects", "linked", "errors", "missing", "waiting"
    ));
    for row in rows {
        let text =
            |key: &str| row.get(key).map(|value| value.to_string().trim_matches('"').to_owned()).unwrap_or_default();
        print(&format!(
            "{:<10} {:<14} {:>9} {:>9} {:>7} {:>8} {:>8}",
            text("connector"),
            text("type"),
            text("objects"),
            text("linked"),
            text("errors"),
            text("missing"),
            text("waiting")
        ));
    }
    Ok(())
}

pub(super) fn search(session: Session, arguments: &SearchArguments, format: Format) -> Result<Exit, RunError> {
    const SHOWN: usize = 50;
    let directory = session.directory(&arguments.connector)?;
    let (attribute, text) = match arguments.text.split_once('=') {
        Some((name, text)) if !name.contains(',') && !name.to_lowercase().starts_with("cn") => {
            (Some(AttributeName::from(name)), text)
        }
        _ => (None, arguments.text.as_str()),
    };
    let wanted = fold(text);
    let draft = session.store.draft();
    let mut found = Vec::new();
    let mut count = 0_usize;
    for object_type in directory.object_types() {
        draft.each_object(&arguments.connector, &object_type, |object| {
            let values =
                object.image.iter().filter(|(name, _)| attribute.as_ref().is_none_or(|wanted| wanted == *name));
            let hit = values.flat_map(|(_, values)| values).any(|value| value.folded().contains(&wanted));
            let by_name = attribute.is_none() && object.dn.as_deref().is_some_and(|dn| fold(dn).contains(&wanted));
            if hit || by_name {
                count += 1;
                if found.len() < SHOWN || format == Format::Json {
                    found.push((object.object_type.clone(), object.title(), object.anchor.clone()));
                }
            }
        })?;
    }
    match format {
        Format::Json => print_json(&found),
        Format::Text => {
            for (object_type, title, anchor) in &found {
                print(&format!("{object_type:<8} {title}   {}", anchor.as_ref().map_or("", |anchor| &anchor.0)));
            }
            say(&format!(
                "{count} found{}",
                if count > found.len() { format!(", {SHOWN} shown") } else { String::new() }
            ));
        }
    }
    session.close()?;
    Ok(if count == 0 { Exit::ObjectErrors } else { Exit::Success })
}

/// Objects that a name fits: DN, anchor, id, else any attribute value, to the whole.
pub(super) fn find(session: &Session, connector: &str, name: &str) -> Result<Vec<ObjectId>, RunError> {
    let directory = session.directory(connector)?;
    let draft = session.store.draft();
    if let Ok(id) = name.parse::<uuid::Uuid>()
        && draft.object(ObjectId(id))?.is_some()
    {
        return Ok(vec![ObjectId(id)]);
    }
    let by_anchor = draft.id_of_anchor(connector, &Anchor(name.to_owned()))?;
    if draft.object(by_anchor)?.is_some() {
        return Ok(vec![by_anchor]);
    }
    if let Some(id) = draft.id_of_dn(connector, &crate::dn::normalise(name))? {
        return Ok(vec![id]);
    }
    let wanted = fold(name);
    let mut found = Vec::new();
    for object_type in directory.object_types() {
        draft.each_object(connector, &object_type, |object| {
            let rdn = object.dn.as_deref().and_then(crate::dn::rdn_value);
            let hit = object.image.values().flatten().any(|value| value.folded() == wanted);
            if hit || rdn.is_some_and(|rdn| fold(&rdn) == wanted) {
                found.push(object.id);
            }
        })?;
    }
    Ok(found)
}

/// The one object that a name fits.
pub(super) fn find_one(session: &Session, connector: &str, name: &str) -> Result<ObjectId, RunError> {
    let found = find(session, connector, name)?;
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(RunError::Unknown(format!(
            "`{connector}` has no object `{name}`; `syncline search {connector} …` finds by part of a value"
        ))),
        several => {
            let draft = session.store.draft();
            let mut names = Vec::new();
            for id in several.iter().take(5) {
                names.extend(draft.object(*id)?.map(|object| object.title()));
            }
            Err(RunError::Unknown(format!(
                "`{name}` fits {} objects of `{connector}`: {} …",
                several.len(),
                names.join("; ")
            )))
        }
    }
}

fn show_object(draft: &Draft<'_>, object: &ConnectorObject, format: Format) -> Result<(), RunError> {
    let mut references = Vec::new();
    for name in draft.reference_attributes(object.id)? {
        let edges = draft.edges(object.id, &name)?;
        let seen = edges.iter().filter(|(_, edge)| edge.seen).count();
        let waiting = edges.iter().filter(|(_, edge)| edge.pending.is_some()).count();
        let drifted = edges.iter().filter(|(_, edge)| edge.drifted).count();
        references.push((name, seen, waiting, drifted));
    }
    if format == Format::Json {
        let attributes: serde_json::Map<_, _> = object
            .image
            .iter()
            .map(|(name, values)| (name.to_string(), values_to_json(values, values.len() > 1)))
            .collect();
        print_json(&serde_json::json!({
            "id": object.id, "connector": object.connector, "type": object.object_type, "anchor": object.anchor,
            "dn": object.dn, "attributes": attributes, "link": object.link, "export": object.export,
            "outbound": object.outbound, "missing": object.missing, "error": object.error, "pin": object.pin,
            "references": references.iter().map(|(name, seen, waiting, drifted)| serde_json::json!({"attribute": name, "seen": seen, "waiting": waiting, "drifted": drifted})).collect::<Vec<_>>(),
        }));
        return Ok(());
    }
    print(&format!(
        "{}  {}        {} · {}",
        object.connector,
        object.title(),
        object.object_type,
        object.anchor.as_ref().map_or("not yet created", |anchor| &anchor.0)
    ));
    match &object.link {
        Some(link) => print(&format!("  linked to {} by {} ({:?})", link.metaverse, link.rule, link.kind)),
        None => print("  not linked"),
    }
    if object.missing {
        print("  the last import did not show it, and nothing proves that it is gone");
    }
    if let Some(error) = &object.error {
        print(&format!("  error: {} ({})", error.message, error.code));
    }
    if let Some(pin) = &object.pin {
        let what = if pin.joined { "joined by hand" } else { "kept apart by hand" };
        print(&format!("  {what}: {}", pin.reason));
    }
    if let Some(grace) = object.outbound.grace {
        let since = grace.since.map_or("not switched off yet".to_owned(), |since| format!("off since {}", time(since)));
        print(&format!("  is deleted after {} days: {since}", grace.days));
    }
    if let Some(proposal) = object.outbound.proposed.as_ref().filter(|_| object.link.is_none()) {
        print(&format!(
            "  may be {}, says {}: `syncline adopt {}`",
            proposal.metaverse, proposal.rule, object.connector
        ));
    }
    for (name, values) in &object.image {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        print(&format!("  {:<32} {}", name.to_string(), values.join(" | ")));
    }
    for (name, seen, waiting, drifted) in references {
        let changed = if drifted > 0 { format!(", {drifted} changed by others") } else { String::new() };
        print(&format!("  {:<32} {seen} references, {waiting} waiting{changed}", name.to_string()));
    }
    if let Some(export) = &object.export {
        print(&format!("  waits: {:?} ({:?}) {}", export.operation, export.state, export.reason));
        for change in crate::run::plan::planned_changes(object) {
            print(&format!("    {}: {} → {}   {}", change.attribute, change.before, change.after, change.from));
        }
    }
    for (name, why) in &object.outbound.held {
        print(&format!("  held: {name}: {why}"));
    }
    Ok(())
}

fn show_person(draft: &Draft<'_>, person: &MetaverseObject, format: Format) -> Result<(), RunError> {
    if format == Format::Json {
        print_json(person);
        return Ok(());
    }
    print(&format!("metaverse  {}        {}", crate::sync::title(person), person.id));
    if let Some(error) = &person.error {
        print(&format!("  error: {} ({})", error.message, error.code));
    }
    for (id, connector) in &person.links {
        if let Some(object) = draft.object(*id)? {
            print(&format!("  {connector:<10} {}", object.title()));
        }
    }
    for (name, list) in &person.contributions {
        let values: Vec<String> = precedence::values(list).iter().map(ToString::to_string).collect();
        for (at, contribution) in list.iter().enumerate() {
            let value = if at == 0 && !values.is_empty() { values.join(" | ") } else { contribution.value.to_string() };
            let mark = if at == 0 { ' ' } else { '·' };
            print(&format!(
                "  {mark} {:<30} {value}   {}:{}",
                if at == 0 { name.as_str() } else { "" },
                contribution.rule,
                contribution.line
            ));
        }
    }
    Ok(())
}
