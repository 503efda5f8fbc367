//! `syncline preview`: one object through every rule, on a draft that nobody commits.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::output::{print, print_json};
use super::{Exit, Format};
use crate::connector::graph;
use crate::connector::{ImportedObject, Target as Refers};
use crate::connector_space::{ConnectorObject, ObjectId};
use crate::metaverse::{FlowValue, MetaverseObject};
use crate::rules::{Flow, JoinGroup};
use crate::run::export::{item_of, refusals};
use crate::run::plan::{PlannedChange, planned_changes};
use crate::run::session::Session;
use crate::run::{RunError, import};
use crate::store::Draft;
use crate::sync::ledger::{Ledger, View};
use crate::sync::{Synchronisation, precedence, stage};
use crate::value::{Attributes, Value};

/// What happens to one object, rule by rule and attribute by attribute; writes nothing.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline preview ad zmueller\n  syncline preview ad \"CN=Zoe,OU=Sales,DC=contoso,DC=test\" --all\n  syncline preview ad --file zoe.json"
)]
pub(super) struct PreviewArguments {
    /// The connector.
    connector: String,
    /// A DN, an anchor, or any attribute value that only one object has.
    #[arg(required_unless_present = "file")]
    object: Option<String>,
    /// An object that is not stored: JSON `{"type": "user", "dn": …, "attributes": {…}, "references": {…}}`.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Unchanged attributes too.
    #[arg(long)]
    all: bool,
}

/// One inbound rule.
#[derive(Serialize)]
struct RuleTrace {
    rule: String,
    precedence: i64,
    in_scope: Option<bool>,
    error: Option<String>,
    joins: Vec<JoinTrace>,
}

/// One join group and what it finds.
#[derive(Serialize)]
struct JoinTrace {
    group: String,
    finds: usize,
}

/// One metaverse attribute.
#[derive(Serialize)]
struct AttributeTrace {
    attribute: String,
    now: String,
    after: String,
    from: String,
    losers: Vec<String>,
}

/// One target.
#[derive(Serialize)]
struct TargetTrace {
    connector: String,
    name: String,
    object_type: String,
    operation: Option<String>,
    changes: Vec<PlannedChange>,
    references: Vec<String>,
    requests: Vec<graph::RenderedRequest>,
    refused: Vec<String>,
    held: Vec<String>,
}

/// The whole preview.
#[derive(Serialize)]
struct Preview {
    connector: String,
    object: String,
    object_type: String,
    linked_to: Option<String>,
    inbound: Vec<RuleTrace>,
    attributes: Vec<AttributeTrace>,
    outbound_out_of_scope: Vec<String>,
    targets: Vec<TargetTrace>,
    errors: Vec<String>,
}

pub(super) fn run(session: Session, arguments: &PreviewArguments, format: Format) -> Result<Exit, RunError> {
    let preview = make(&session, arguments);
    session.close()?;
    let preview = preview?;
    match format {
        Format::Json => print_json(&preview),
        Format::Text => tell(&preview, arguments.all),
    }
    Ok(if preview.errors.is_empty() { Exit::Success } else { Exit::ObjectErrors })
}

fn make(session: &Session, arguments: &PreviewArguments) -> Result<Preview, RunError> {
    let (sources, targets) = (session.sources()?, session.targets()?);
    let mut draft = session.store.draft();
    let id = match (&arguments.file, &arguments.object) {
        (Some(path), _) => stage_file(session, &mut draft, &arguments.connector, path)?,
        (None, Some(name)) => super::show::find_one(session, &arguments.connector, name)?,
        (None, None) => return Err(RunError::Unknown("name an object".into())),
    };
    let object = draft.object(id)?.ok_or_else(|| RunError::Unknown("the object is gone".into()))?;
    let before = person_of(&draft, &object)?;
    let mut synchronisation = Synchronisation::new(&session.rules, &sources, &targets, &session.orders, 1);
    let inbound = trace_inbound(session, &synchronisation, &draft, &object)?;
    // Only this object shall move: whatever else waits is taken out of the draft's queues.
    empty_queues(&mut draft)?;
    draft.mark_object(id)?;
    if let Some(person) = &before {
        draft.mark_metaverse(person.id)?;
    }
    let mut errors = Vec::new();
    while let Some(step) = synchronisation.step(&mut draft, 500)? {
        errors.extend(step.errors.into_iter().map(|(who, why)| format!("{who}: {why}")));
    }
    let object = draft.object(id)?.unwrap_or(object);
    let after = person_of(&draft, &object)?;
    let mut preview = Preview {
        connector: arguments.connector.clone(),
        object: object.title(),
        object_type: object.object_type.clone(),
        linked_to: object.link.as_ref().map(|link| format!("{} ({:?} by {})", link.metaverse, link.kind, link.rule)),
        inbound,
        attributes: attributes(before.as_ref(), after.as_ref()),
        outbound_out_of_scope: Vec::new(),
        targets: Vec::new(),
        errors,
    };
    if let (Some(person), Some(host)) = (&after, synchronisation.host())
        && let Ok(evaluations) = synchronisation.evaluate_outbound(host, person)
    {
        preview.outbound_out_of_scope =
            evaluations.into_iter().flat_map(|evaluation| evaluation.out_of_scope).collect();
    }
    let links = [before, after].into_iter().flatten().flat_map(|person| person.links);
    let linked: std::collections::BTreeSet<(ObjectId, String)> =
        links.filter(|(_, of)| targets.contains_key(of)).collect();
    for (target, connector) in linked {
        if let Some(object) = draft.object(target)? {
            preview.targets.push(trace_target(session, &draft, &connector, &object)?);
        }
    }
    Ok(preview)
}

fn empty_queues(draft: &mut Draft<'_>) -> Result<(), RunError> {
    for id in draft.object_queue(None, usize::MAX)? {
        draft.unmark_object(id)?;
    }
    for id in draft.metaverse_queue(None, usize::MAX)? {
        draft.unmark_metaverse(id)?;
    }
    for (from, attribute, to) in draft.edge_queue(usize::MAX)? {
        draft.unmark_edge(from, &attribute, to)?;
    }
    Ok(())
}

fn person_of(draft: &Draft<'_>, object: &ConnectorObject) -> Result<Option<MetaverseObject>, RunError> {
    match &object.link {
        Some(link) => Ok(draft.metaverse(link.metaverse)?),
        None => Ok(None),
    }
}

/// Stages an object from a JSON file, as an import would.
fn stage_file(
    session: &Session,
    draft: &mut Draft<'_>,
    connector: &str,
    path: &std::path::Path,
) -> Result<ObjectId, RunError> {
    let wrong = |what: String| RunError::Unknown(format!("`{}`: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let text = |name: &str| json.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    let dn = text("dn");
    let anchor = text("anchor").or_else(|| dn.clone()).ok_or_else(|| wrong("needs an `anchor` or a `dn`".into()))?;
    let mut object = ImportedObject {
        anchor: crate::connector::Anchor(anchor),
        dn,
        object_type: text("type").unwrap_or_else(|| "user".into()),
        attributes: Attributes::new(),
        references: Default::default(),
    };
    let entries = |name: &str| json.get(name).and_then(serde_json::Value::as_object).cloned().unwrap_or_default();
    let list = |value: serde_json::Value| match value {
        serde_json::Value::Array(list) => list,
        other => vec![other],
    };
    let schema =
        session.schemas()?.get(connector).and_then(|types| types.get(&object.object_type).cloned()).unwrap_or_default();
    for (name, value) in entries("attributes") {
        let name = crate::value::AttributeName::from(name);
        let bytes = schema.get(&name).is_some_and(|known| known.kind == crate::value::Kind::Bytes);
        let values: Vec<Value> = list(value)
            .into_iter()
            .filter_map(|value| match value {
                serde_json::Value::String(text) if bytes => {
                    use base64::Engine as _;
                    base64::engine::general_purpose::STANDARD.decode(text).ok().map(Value::Bytes)
                }
                serde_json::Value::String(text) => Value::text(text),
                serde_json::Value::Bool(flag) => Some(Value::Boolean(flag)),
                serde_json::Value::Number(number) => number.as_i64().map(Value::Integer),
                _ => None,
            })
            .collect();
        if !values.is_empty() {
            object.attributes.insert(name, values);
        }
    }
    for (name, value) in entries("references") {
        let targets =
            list(value).into_iter().filter_map(|value| Some(Refers::Dn(value.as_str()?.to_owned()))).collect();
        object.references.insert(name.into(), targets);
    }
    let references = import::wanted(session, connector)?.references.remove(&object.object_type).unwrap_or_default();
    let (id, _) = stage::stage(draft, connector, &object, &references)?;
    Ok(id)
}

fn trace_inbound(
    session: &Session,
    synchronisation: &Synchronisation<'_>,
    draft: &Draft<'_>,
    object: &ConnectorObject,
) -> Result<Vec<RuleTrace>, RunError> {
    let Some(host) = synchronisation.host() else { return Ok(Vec::new()) };
    let input = synchronisation.input(draft, object)?;
    let mut traces = Vec::new();
    for rule in session.rules.inbound(&object.connector, &object.object_type) {
        let mut trace = RuleTrace {
            rule: rule.name.clone(),
            precedence: rule.header.precedence,
            in_scope: None,
            error: None,
            joins: Vec::new(),
        };
        match host.scope(rule, &input) {
            Ok(answer) => trace.in_scope = Some(answer),
            Err(error) => trace.error = Some(error.to_string()),
        }
        if trace.in_scope == Some(true) {
            match host.join(rule, &input) {
                Ok(groups) => {
                    for group in groups {
                        trace.joins.push(trace_join(draft, &group)?);
                    }
                }
                Err(error) => trace.error = Some(error.to_string()),
            }
            if let Err(error) = host.flow(rule, &input).map(|flows: Vec<Flow>| flows) {
                trace.error = Some(error.to_string());
            }
        }
        traces.push(trace);
    }
    traces.sort_by_key(|trace| trace.precedence);
    Ok(traces)
}

fn trace_join(draft: &Draft<'_>, group: &JoinGroup) -> Result<JoinTrace, RunError> {
    let keys: Vec<String> = group.iter().map(|key| format!("{} = {}", key.attribute, key.value)).collect();
    let finds = match group.first() {
        Some(key) => draft.find_metaverse(&key.attribute, &key.value.folded(), 10)?.len(),
        None => 0,
    };
    Ok(JoinTrace { group: keys.join(", "), finds })
}

fn attributes(before: Option<&MetaverseObject>, after: Option<&MetaverseObject>) -> Vec<AttributeTrace> {
    let outcome = |person: Option<&MetaverseObject>, name| {
        let list = person.and_then(|person| person.contributions.get(name));
        let values: Vec<String> =
            list.map(|list| precedence::values(list)).unwrap_or_default().iter().map(Value::to_string).collect();
        match list.and_then(|list| precedence::reference_source(list)) {
            Some((_, attribute)) => format!("references of {attribute}"),
            None => values.join(" | "),
        }
    };
    let names: std::collections::BTreeSet<_> =
        [before, after].into_iter().flatten().flat_map(|person| person.contributions.keys()).collect();
    names
        .into_iter()
        .map(|name| {
            let list = after.and_then(|person| person.contributions.get(name)).map_or(&[][..], Vec::as_slice);
            let said =
                |contribution: &crate::metaverse::Contribution| format!("{}:{}", contribution.rule, contribution.line);
            AttributeTrace {
                attribute: name.to_string(),
                now: outcome(before, name),
                after: outcome(after, name),
                from: list.first().map(said).unwrap_or_default(),
                losers: list
                    .iter()
                    .skip(1)
                    .filter(|contribution| !matches!(contribution.value, FlowValue::Merge(_)))
                    .map(|contribution| format!("{} ({})", said(contribution), contribution.value))
                    .collect(),
            }
        })
        .collect()
}

fn trace_target(
    session: &Session,
    draft: &Draft<'_>,
    connector: &str,
    object: &ConnectorObject,
) -> Result<TargetTrace, RunError> {
    let mut references = Vec::new();
    for name in draft.reference_attributes(object.id)? {
        for (to, edge) in draft.edges(object.id, &name)?.into_iter().filter(|(_, edge)| edge.is_due()) {
            let title = draft.object(to)?.map_or_else(|| to.to_string(), |object| object.title());
            let sign = if edge.pending == Some(crate::connector_space::EdgeChange::Add) { '+' } else { '-' };
            references.push(format!("{name} {sign} {title}"));
        }
    }
    Ok(TargetTrace {
        connector: connector.to_owned(),
        name: object.title(),
        object_type: object.object_type.clone(),
        operation: object
            .export
            .as_ref()
            .filter(|export| export.is_due())
            .map(|export| format!("{:?}", export.operation).to_lowercase()),
        changes: planned_changes(object),
        references,
        requests: item_of(object).map(|item| graph::render(&item)).unwrap_or_default(),
        refused: if item_of(object).is_some() { refusals(object, &session.tenant(connector)?) } else { Vec::new() },
        held: object.outbound.held.iter().map(|(name, why)| format!("{name}: {why}")).collect(),
    })
}

fn tell(preview: &Preview, all: bool) {
    print(&format!("{}  {}        {}", preview.connector, preview.object, preview.object_type));
    print(&format!(
        "  {}",
        preview.linked_to.as_deref().map_or("not linked".into(), |link| format!("linked to {link}"))
    ));
    print("");
    print("inbound");
    for trace in &preview.inbound {
        let (mark, text) = match (&trace.error, trace.in_scope) {
            (Some(error), _) => ('!', error.clone()),
            (None, Some(true)) => ('✓', "in scope".to_owned()),
            (None, _) => ('✗', "not in scope".to_owned()),
        };
        print(&format!("  {mark} {:<28} {:>5}   {text}", trace.rule, trace.precedence));
        for join in &trace.joins {
            print(&format!("      join {} → {} found", join.group, join.finds));
        }
    }
    print("");
    print("metaverse");
    let mut unchanged = 0;
    for trace in &preview.attributes {
        let changed = trace.now != trace.after;
        if !changed && !all {
            unchanged += 1;
            continue;
        }
        let mark = match (changed, trace.now.is_empty(), trace.after.is_empty()) {
            (false, ..) => ' ',
            (true, true, _) => '+',
            (true, false, true) => '-',
            (true, false, false) => '~',
        };
        let now = if changed && mark == '~' { format!("{} → ", trace.now) } else { String::new() };
        let value = if mark == '-' {
            format!("{} cleared: nobody contributes", trace.now)
        } else {
            format!("{now}{}", trace.after)
        };
        print(&format!("  {mark} {:<28} {value}   {}", trace.attribute, trace.from));
        for loser in &trace.losers {
            print(&format!("      beats {loser}"));
        }
    }
    if unchanged > 0 {
        print(&format!("  … {unchanged} unchanged   --all"));
    }
    for target in &preview.targets {
        print("");
        print(&format!("outbound → {}  {} {}", target.connector, target.object_type, target.name));
        for change in &target.changes {
            print(&format!("  {:<28} {} → {}   {}", change.attribute, change.before, change.after, change.from));
        }
        for reference in &target.references {
            print(&format!("  {reference}"));
        }
        for held in &target.held {
            print(&format!("  held: {held}"));
        }
        for refused in &target.refused {
            print(&format!("  would be refused: {refused}"));
        }
        for request in &target.requests {
            let body = request.body.as_ref().map(ToString::to_string).unwrap_or_default();
            print(&format!("  {} {} {body}     not sent: this is a preview", request.method, request.path));
        }
        if target.operation.is_none() && target.references.is_empty() {
            print("  nothing to write");
        }
    }
    for rule in &preview.outbound_out_of_scope {
        print(&format!("  ✗ {rule}   not in scope"));
    }
    for error in &preview.errors {
        print(&format!("error: {error}"));
    }
}
