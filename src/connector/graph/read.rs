//! Reading a tenant: lists page by page, members twenty groups at a time, look-ups by id. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use reqwest::Method;
use serde_json::Value as Json;
use tokio::task::JoinSet;

use super::batch::{self, Part};
use super::http::{ATTEMPTS, Broken, Client, Reply, is_long, is_passing, refusal};
use super::query::{Query, finding, queries};
use crate::connector::{
    Anchor, ConnectorError, ConnectorErrorKind, ImportEnd, ImportEvent, ImportRequest, ImportSink, ImportedObject,
    Presence, Target, TenantFacts,
};
use crate::value::{AttributeName, Value};

/// Reads all objects of a request. The first answer tells whether the tenant can be used at all.
pub(super) async fn import(
    client: &Arc<Client>,
    request: &ImportRequest,
    sink: ImportSink,
) -> Result<ImportEnd, ConnectorError> {
    let mut delivered = false;
    let mut reasons = Vec::new();
    for query in queries(request)? {
        match list(client, &query, &sink, &mut delivered).await {
            Ok(()) => {}
            Err(error) if !delivered => return Err(error),
            Err(error) => reasons.push(format!("the list of {} broke off: {error}", query.set)),
        }
    }
    Ok(if reasons.is_empty() { ImportEnd::Complete } else { ImportEnd::Incomplete(reasons) })
}

async fn list(
    client: &Arc<Client>,
    query: &Query,
    sink: &ImportSink,
    delivered: &mut bool,
) -> Result<(), ConnectorError> {
    let mut next = Some(format!("/{}?{}&$top=999", query.set, query.parameters()));
    while let Some(path) = next {
        let page = client.get(&path).await?;
        let mut objects = Vec::new();
        for item in items(&page, &path)? {
            match query.object(item) {
                Ok(object) => objects.push(object),
                Err(reason) => {
                    let who = item.get("id").and_then(Json::as_str).unwrap_or("?").to_owned();
                    deliver(sink, ImportEvent::Unreadable { who, reason }).await?;
                    *delivered = true;
                }
            }
        }
        *delivered |= !objects.is_empty();
        complete(client, query, objects, sink).await?;
        next = next_page(&page);
    }
    *delivered = true;
    Ok(())
}

pub(super) fn items<'a>(page: &'a Json, path: &str) -> Result<&'a [Json], ConnectorError> {
    let path = path.split('?').next().unwrap_or(path);
    let message = || format!("`{path}` answered something that is no list");
    let list = page.get("value").and_then(Json::as_array);
    list.map(Vec::as_slice).ok_or_else(|| ConnectorError::new(ConnectorErrorKind::Protocol, message()))
}

pub(super) fn next_page(page: &Json) -> Option<String> {
    page.get("@odata.nextLink").and_then(Json::as_str).map(str::to_owned)
}

async fn deliver(sink: &ImportSink, event: ImportEvent) -> Result<(), ConnectorError> {
    let gone = |_| ConnectorError::new(ConnectorErrorKind::Protocol, "the import was stopped");
    sink.send(event).await.map_err(gone)
}

/// Delivers the objects of a page, those with lists as soon as these are complete, several batches at a time.
async fn complete(
    client: &Arc<Client>,
    query: &Query,
    objects: Vec<ImportedObject>,
    sink: &ImportSink,
) -> Result<(), ConnectorError> {
    if query.lists.is_empty() {
        for object in objects {
            deliver(sink, ImportEvent::Object(Box::new(object))).await?;
        }
        return Ok(());
    }
    let mut running = JoinSet::new();
    let mut chunks = objects.chunks(batch::SIZE).map(<[ImportedObject]>::to_vec);
    loop {
        while running.len() < client.settings.concurrency.max(1) {
            let Some(chunk) = chunks.next() else { break };
            let (client, set, lists) = (Arc::clone(client), query.set, query.lists.clone());
            running.spawn(async move { add_lists(&client, set, &lists, chunk).await });
        }
        match running.join_next().await {
            Some(Ok(chunk)) => {
                for event in chunk? {
                    deliver(sink, event).await?;
                }
            }
            Some(Err(error)) => {
                let message = format!("reading the members of groups broke off: {error}");
                return Err(ConnectorError::new(ConnectorErrorKind::Protocol, message));
            }
            None => return Ok(()),
        }
    }
}

/// Reads the lists of twenty objects, every page of each. An object that was deleted since it was listed is left out; one
/// whose list cannot be read is reported.
async fn add_lists(
    client: &Client,
    set: &str,
    lists: &[&'static str],
    objects: Vec<ImportedObject>,
) -> Result<Vec<ImportEvent>, ConnectorError> {
    let mut open: Vec<Result<ImportedObject, ImportEvent>> = objects.into_iter().map(Ok).collect();
    for name in lists {
        let readable: Vec<ImportedObject> = open.iter().filter_map(|object| object.as_ref().ok().cloned()).collect();
        open.retain(Result::is_err);
        let ask = |object: &ImportedObject| Part::get(format!("/{set}/{}/{name}?$select=id&$top=999", object.anchor));
        let parts: Vec<Part> = readable.iter().map(ask).collect();
        let replies = if parts.is_empty() { Vec::new() } else { read_batch(client, &parts).await? };
        for (mut object, reply) in readable.into_iter().zip(replies) {
            match reply.status {
                200 => {
                    let targets = every_page(client, reply.body, name).await?;
                    if !targets.is_empty() {
                        object.references.insert((*name).into(), targets);
                    }
                    open.push(Ok(object));
                }
                404 => {}
                status => {
                    let reason = refusal(&format!("/{set}/…/{name}"), status, &reply.body).message;
                    open.push(Err(ImportEvent::Unreadable { who: object.anchor.0, reason }));
                }
            }
        }
    }
    let event = |one: Result<ImportedObject, ImportEvent>| match one {
        Ok(object) => ImportEvent::Object(Box::new(object)),
        Err(event) => event,
    };
    Ok(open.into_iter().map(event).collect())
}

async fn every_page(client: &Client, first: Json, name: &str) -> Result<Vec<Target>, ConnectorError> {
    let mut targets = Vec::new();
    let mut page = first;
    loop {
        let ids = items(&page, name)?.iter().filter_map(|item| item.get("id").and_then(Json::as_str));
        targets.extend(ids.map(|id| Target::Anchor(Anchor(id.to_owned()))));
        match next_page(&page) {
            Some(next) => page = client.get(&next).await?,
            None => return Ok(targets),
        }
    }
}

/// Reads a batch, repeating what passes. Parts that were not answered in the end make an error.
async fn read_batch(client: &Client, parts: &[Part]) -> Result<Vec<Reply>, ConnectorError> {
    let mut replies: Vec<Option<Reply>> = parts.iter().map(|_| None).collect();
    for attempt in 1..=ATTEMPTS {
        let open: Vec<usize> = (0..parts.len()).filter(|at| replies.get(*at).is_some_and(Option::is_none)).collect();
        let asked: Vec<Part> = open.iter().filter_map(|at| parts.get(*at).cloned()).collect();
        if asked.is_empty() {
            break;
        }
        let last = attempt == ATTEMPTS;
        let mut pause = None;
        match batch::send(client, &asked).await {
            Ok(answers) => {
                for (at, reply) in open.into_iter().zip(answers) {
                    if reply.status == 401 {
                        client.forget_token().await;
                    }
                    let passes = matches!(reply.status, 0 | 401) || is_passing(reply.status);
                    if !last && passes && !is_long(reply.retry_after) {
                        pause = pause.max(Some(reply.retry_after.unwrap_or_else(|| client.backoff(attempt))));
                    } else if let Some(place) = replies.get_mut(at).filter(|_| reply.status != 0) {
                        *place = Some(reply);
                    }
                }
            }
            Err(Broken::Before(error)) if error.kind != ConnectorErrorKind::Unreachable => return Err(error),
            Err(broken) if last => return Err(broken.into_error()),
            Err(Broken::Before(_) | Broken::After(_)) => pause = Some(client.backoff(attempt)),
        }
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
    let unanswered = || ConnectorError::new(ConnectorErrorKind::Unreachable, "Graph did not answer a part of a batch");
    replies.into_iter().map(|reply| reply.ok_or_else(unanswered)).collect()
}

/// Looks objects up by id: among the types of the request, then in the recycle bin, then among everything else.
pub(super) async fn look_up(
    client: &Arc<Client>,
    request: &ImportRequest,
    anchors: &[Anchor],
) -> Result<Vec<(Anchor, Presence)>, ConnectorError> {
    let queries = queries(request)?;
    let mut found = Vec::with_capacity(anchors.len());
    for chunk in anchors.chunks(batch::SIZE) {
        let mut open: Vec<Anchor> = chunk.to_vec();
        for query in &queries {
            open = look_up_type(client, query, open, &mut found).await?;
        }
        let (deleted, open) = ask(client, "/directory/deletedItems", open).await?;
        found.extend(deleted.into_iter().map(|(anchor, _)| (anchor, Presence::Deleted)));
        let (others, open) = ask(client, ANYTHING, open).await?;
        for (anchor, body) in others {
            let kind = body.get("@odata.type").and_then(Json::as_str).unwrap_or("object");
            let kind = kind.trim_start_matches("#microsoft.graph.");
            // Servers of Graph's that disagree prove nothing.
            let disagree = request.types.contains_key(kind);
            let elsewhere = || Presence::OutOfScope(format!("objects of type `{kind}`"));
            found.push((anchor, if disagree { Presence::NotFound } else { elsewhere() }));
        }
        found.extend(open.into_iter().map(|anchor| (anchor, Presence::NotFound)));
    }
    Ok(found)
}

/// Looks for objects of one type; gives back which are none.
async fn look_up_type(
    client: &Arc<Client>,
    query: &Query,
    open: Vec<Anchor>,
    found: &mut Vec<(Anchor, Presence)>,
) -> Result<Vec<Anchor>, ConnectorError> {
    if open.is_empty() {
        return Ok(open);
    }
    let part = |anchor: &Anchor| Part::get(format!("/{}/{anchor}?{}", query.set, query.parameters()));
    let parts: Vec<Part> = open.iter().map(part).collect();
    let (mut absent, mut objects) = (Vec::new(), Vec::new());
    for (anchor, reply) in open.into_iter().zip(read_batch(client, &parts).await?) {
        match reply.status {
            200 => match query.object(&reply.body) {
                Ok(object) => objects.push(object),
                // What cannot be read proves nothing.
                Err(_) => found.push((anchor, Presence::NotFound)),
            },
            404 => absent.push(anchor),
            status => return Err(refusal(&format!("/{}/{anchor}", query.set), status, &reply.body)),
        }
    }
    for event in add_lists(client, query.set, &query.lists, objects.clone()).await? {
        match event {
            ImportEvent::Object(object) => found.push((object.anchor.clone(), Presence::Present(object))),
            ImportEvent::Unreadable { who, .. } => found.push((Anchor(who), Presence::NotFound)),
            ImportEvent::Expected(_) => {}
        }
    }
    // Deleted between the two questions.
    let told = |anchor: &Anchor| found.iter().any(|(known, _)| known == anchor);
    absent.extend(objects.into_iter().map(|object| object.anchor).filter(|anchor| !told(anchor)));
    Ok(absent)
}

/// Objects of every kind.
const ANYTHING: &str = "/directoryObjects";

type Found = (Vec<(Anchor, Json)>, Vec<Anchor>);

/// Asks for ids below a path; gives what is there, and which are not (or are of a kind that we may not read).
async fn ask(client: &Client, path: &str, anchors: Vec<Anchor>) -> Result<Found, ConnectorError> {
    if anchors.is_empty() {
        return Ok((Vec::new(), anchors));
    }
    let parts: Vec<Part> = anchors.iter().map(|anchor| Part::get(format!("{path}/{anchor}?$select=id"))).collect();
    let (mut there, mut absent) = (Vec::new(), Vec::new());
    for (anchor, reply) in anchors.into_iter().zip(read_batch(client, &parts).await?) {
        match reply.status {
            200 => there.push((anchor, reply.body)),
            404 => absent.push(anchor),
            403 if path == ANYTHING => absent.push(anchor),
            status => return Err(refusal(path, status, &reply.body)),
        }
    }
    Ok((there, absent))
}

/// Finds objects by the value of a property.
pub(super) async fn find(
    client: &Client,
    object_type: &str,
    attribute: &AttributeName,
    value: &Value,
) -> Result<Vec<Anchor>, ConnectorError> {
    let path = finding(object_type, attribute, value);
    let reply = client.send_safely(Method::GET, &path).await?;
    let id = |item: &Json| item.get("id").and_then(Json::as_str).map(|id| Anchor(id.to_owned()));
    match reply.status {
        200 if reply.body.get("value").is_some() => Ok(items(&reply.body, &path)?.iter().filter_map(id).collect()),
        200 => Ok(id(&reply.body).into_iter().collect()),
        404 => Ok(Vec::new()),
        status => Err(refusal(&path, status, &reply.body)),
    }
}

/// The users in the recycle bin by immutable id. Of several with the same id the one that was deleted last.
pub(super) async fn deleted_users(client: &Client) -> Result<BTreeMap<Value, Anchor>, ConnectorError> {
    let select = "$select=id,onPremisesImmutableId,deletedDateTime";
    let mut next = Some(format!("/directory/deletedItems/microsoft.graph.user?{select}&$top=999"));
    let mut deleted: BTreeMap<Value, (String, Anchor)> = BTreeMap::new();
    while let Some(path) = next {
        let page = client.get(&path).await?;
        for item in items(&page, &path)? {
            let text = |name: &str| item.get(name).and_then(Json::as_str).map(str::to_owned);
            let (Some(id), Some(immutable)) = (text("id"), text("onPremisesImmutableId")) else { continue };
            // RFC 3339 in UTC sorts as text.
            let one = (text("deletedDateTime").unwrap_or_default(), Anchor(id));
            let last = deleted.entry(Value::Text(immutable)).or_insert_with(|| one.clone());
            if one.0 > last.0 {
                *last = one;
            }
        }
        next = next_page(&page);
    }
    Ok(deleted.into_iter().map(|(immutable, (_, anchor))| (immutable, anchor)).collect())
}

/// What the tenant says about itself, and who holds a role in it.
pub(super) async fn facts(client: &Client) -> Result<TenantFacts, ConnectorError> {
    Ok(TenantFacts { privileged: privileged(client).await?, ..organization(client).await? })
}

/// Accounts with a role in the directory, by themselves or in a group; nothing where the app may not know. Roles that are
/// only eligible, and not active, do not count.
async fn privileged(client: &Client) -> Result<Option<Vec<String>>, ConnectorError> {
    let path = "/roleManagement/directory/roleAssignments?$select=principalId&$expand=principal($select=id)";
    let assignments = match pages(client, path).await {
        Ok(assignments) => assignments,
        Err(refused) if refused.kind == ConnectorErrorKind::Rights => return Ok(None),
        Err(error) => return Err(error),
    };
    let id = |object: &Json| object.get("id").and_then(Json::as_str).map(str::to_owned);
    let mut ids = BTreeSet::new();
    for principal in assignments.iter().filter_map(|assignment| assignment.get("principal")) {
        let Some(principal_id) = id(principal) else { continue };
        if principal.get("@odata.type").and_then(Json::as_str) == Some("#microsoft.graph.group") {
            let members = pages(client, &format!("/groups/{principal_id}/members?$select=id")).await?;
            ids.extend(members.iter().filter_map(id));
        }
        ids.insert(principal_id);
    }
    Ok(Some(ids.into_iter().collect()))
}

/// Everything that a list holds, page by page.
pub(super) async fn pages(client: &Client, path: &str) -> Result<Vec<Json>, ConnectorError> {
    let (mut all, mut path) = (Vec::new(), path.to_owned());
    loop {
        let page = client.get(&path).await?;
        all.extend(items(&page, &path)?.iter().cloned());
        match next_page(&page) {
            Some(next) => path = next,
            None => return Ok(all),
        }
    }
}

/// An app that may not read the organisation may still read its domains.
async fn organization(client: &Client) -> Result<TenantFacts, ConnectorError> {
    let path = "/organization?$select=id,displayName,verifiedDomains,onPremisesSyncEnabled";
    match client.get(path).await {
        Ok(page) => {
            let organization = items(&page, path)?.first().cloned().unwrap_or_default();
            let domains = organization.get("verifiedDomains").and_then(Json::as_array).cloned().unwrap_or_default();
            let mut facts = facts_of(&domains, "name");
            facts.name = organization.get("displayName").and_then(Json::as_str).unwrap_or_default().to_owned();
            facts.synced_by_microsoft = organization.get("onPremisesSyncEnabled") == Some(&Json::Bool(true));
            Ok(facts)
        }
        Err(refused) if refused.kind == ConnectorErrorKind::Rights => {
            // What was refused first is what the administrator should grant.
            let page = client.get("/domains").await.map_err(|_| refused)?;
            let domains = items(&page, "/domains")?;
            let verified = |domain: &&Json| domain.get("isVerified") != Some(&Json::Bool(false));
            let domains: Vec<Json> = domains.iter().filter(verified).cloned().collect();
            let facts = facts_of(&domains, "id");
            Ok(TenantFacts { name: facts.initial_domain.clone(), ..facts })
        }
        Err(error) => Err(error),
    }
}

fn facts_of(domains: &[Json], name: &str) -> TenantFacts {
    let mut facts = TenantFacts::default();
    for domain in domains {
        let Some(text) = domain.get(name).and_then(Json::as_str) else { continue };
        facts.verified_domains.push(text.to_owned());
        if domain.get("isInitial") == Some(&Json::Bool(true)) {
            facts.initial_domain = text.to_owned();
        }
        // The organisation calls it `type`, the list of domains `authenticationType`.
        if ["type", "authenticationType"].iter().any(|name| domain.get(*name) == Some(&"Federated".into())) {
            facts.federated_domains.push(text.to_owned());
        }
    }
    facts.verified_domains.sort();
    facts
}
