//! Delta queries: first everything, then what the log says since.
//!
//! A token carries all that the next request needs, so nothing is remembered between requests.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::directory::{Directory, Object, Slot, What};
use super::exchange::{Call, Refusal, Reply};
use super::filter::{Filter, Operator};
use super::query::{Select, render};
use super::schema::Kind;

/// Objects a page, unless `Prefer: odata.maxpagesize` says less.
const PAGE: usize = 500;
/// Members a page; a larger group comes back on the next one.
const MEMBERS: usize = 2_000;
/// Lines of the log read for one page.
const LINES: usize = 20_000;
/// Seconds that a token is good for: 7 days.
const LIFETIME: i64 = 7 * 24 * 3600;
/// The most ids that a filter may name.
const MOST_IDS: usize = 50;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Token {
    kind: Kind,
    epoch: u64,
    /// Seconds since 1970.
    issued: i64,
    select: Option<String>,
    /// Only these objects; all when empty.
    ids: BTreeSet<Uuid>,
    stage: Stage,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Stage {
    /// Going through all objects. `end` is where the log stood at the first request.
    Everything { position: usize, members_from: Slot, end: u64 },
    /// Going through the log.
    Log { position: u64 },
}

/// Answers `GET /users/delta`.
pub(crate) fn run(call: &Call, directory: &Directory, kind: Kind) -> Result<Reply, Refusal> {
    let mut token = match call.query.get("deltatoken").or_else(|| call.query.get("skiptoken")) {
        None => {
            first(call, directory, kind, Stage::Everything { position: 0, members_from: 0, end: directory.log_end() })?
        }
        Some("latest") => {
            let token = first(call, directory, kind, Stage::Log { position: directory.log_end() })?;
            return Ok(finish(call, &token, Vec::new(), Step::Done));
        }
        Some(text) => resume(call, directory, kind, text)?,
    };
    let mut sized = call.clone();
    sized.query.0.retain(|(name, _)| !name.ends_with("select"));
    if let Some(select) = &token.select {
        sized.query.0.push(("$select".into(), select.clone()));
    }
    let select = Select::parse(&sized, Some(kind))?;
    let size = call
        .prefer
        .split(',')
        .find_map(|wish| wish.trim().strip_prefix("odata.maxpagesize=")?.parse::<usize>().ok())
        .map_or(PAGE, |size| size.clamp(1, PAGE));
    token.issued = call.now / 1000;
    let reader = Reader { directory, select, minimal: call.prefer.contains("return=minimal"), size };
    let (items, step) = match token.stage.clone() {
        Stage::Everything { position, members_from, end } => {
            let (items, next) = reader.everything(&token, position, members_from);
            match next {
                Some((position, members_from)) => {
                    token.stage = Stage::Everything { position, members_from, end };
                    (items, Step::More)
                }
                None => {
                    token.stage = Stage::Log { position: end };
                    (items, Step::Done)
                }
            }
        }
        Stage::Log { position } => {
            let (items, position) = reader.log(&token, position);
            token.stage = Stage::Log { position };
            (items, if position < directory.log_end() { Step::More } else { Step::Done })
        }
    };
    Ok(finish(call, &token, items, step))
}

enum Step {
    More,
    Done,
}

fn first(call: &Call, directory: &Directory, kind: Kind, stage: Stage) -> Result<Token, Refusal> {
    if call.query.get("expand").is_some() {
        return Err(Refusal::query("$expand is not supported in delta queries."));
    }
    let ids = match call.query.get("filter") {
        None => BTreeSet::new(),
        Some(text) => {
            let mut ids = BTreeSet::new();
            let read = id_list(text);
            let complete = read.is_some_and(|read| {
                ids = read;
                ids.len() <= MOST_IDS
            });
            if !complete {
                return Err(Refusal::query(format!("Delta queries filter by up to {MOST_IDS} ids only.")));
            }
            ids
        }
    };
    let select = call.query.get("select").map(str::to_owned);
    Ok(Token { kind, epoch: directory.epoch, issued: call.now / 1000, select, ids, stage })
}

/// `id eq '…' or id eq '…'`
fn id_list(text: &str) -> Option<BTreeSet<Uuid>> {
    let mut ids = BTreeSet::new();
    for clause in text.split(" or ") {
        match Filter::parse(clause.trim(), &|name| name == "id").ok()? {
            Filter::Compare { operator: Operator::Equal, value, .. } => ids.insert(value.as_str()?.parse().ok()?),
            _ => return None,
        };
    }
    Some(ids)
}

fn resume(call: &Call, directory: &Directory, kind: Kind, text: &str) -> Result<Token, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let token = bytes.and_then(|bytes| serde_json::from_slice::<Token>(&bytes).ok()).filter(|token| token.kind == kind);
    let Some(token) = token else {
        return Err(Refusal::bad("Badly formed token."));
    };
    let start = match token.stage {
        Stage::Everything { end, .. } => end,
        Stage::Log { position } => position,
    };
    let fresh = token.epoch == directory.epoch && token.issued + LIFETIME > call.now / 1000;
    if fresh && (directory.log_start..=directory.log_end()).contains(&start) {
        return Ok(token);
    }
    let mut refusal =
        Refusal::new(410, "syncStateNotFound", "The sync state generation is not found; full resync is required.");
    refusal.headers.push(("location", format!("{}/{}/{}/delta", call.root, call.version, kind.set())));
    Err(refusal)
}

fn finish(call: &Call, token: &Token, value: Vec<Json>, step: Step) -> Reply {
    let text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(token).unwrap_or_default());
    let (name, option) = match step {
        Step::More => ("@odata.nextLink", "$skiptoken"),
        Step::Done => ("@odata.deltaLink", "$deltatoken"),
    };
    let mut body = Map::new();
    body.insert("@odata.context".into(), call.context(token.kind.set()));
    body.insert(name.into(), call.link(&format!("{option}={text}")));
    body.insert("value".into(), Json::Array(value));
    Reply::json(200, Json::Object(body))
}

struct Reader<'a> {
    directory: &'a Directory,
    select: Select,
    /// Only what changed.
    minimal: bool,
    size: usize,
}

/// What the log says about one object.
#[derive(Default)]
struct Seen {
    /// Names of changed properties.
    names: BTreeSet<Cow<'static, str>>,
    everything: bool,
    deleted: bool,
    manager: bool,
    /// The manager before the first change.
    former_manager: Option<Slot>,
    /// True: added.
    members: BTreeMap<Slot, bool>,
}

impl Reader<'_> {
    fn shows_members(&self, kind: Kind) -> bool {
        kind == Kind::Group && (self.select == Select::Default || self.select.has("members"))
    }

    /// A page of all objects, and where the next one starts.
    fn everything(&self, token: &Token, from: usize, mut members_from: Slot) -> (Vec<Json>, Option<(usize, Slot)>) {
        let mut items = Vec::new();
        let mut budget = MEMBERS;
        for (position, slot) in self.directory.slots(token.kind).iter().enumerate().skip(from) {
            let Some(object) = self.directory.get(*slot).filter(|object| object.deleted.is_none()) else { continue };
            if !token.ids.is_empty() && !token.ids.contains(&object.id) {
                continue;
            }
            if items.len() >= self.size || budget == 0 {
                return (items, Some((position, 0)));
            }
            let mut item = self.item(object, None);
            if self.shows_members(token.kind) {
                let mut rest = object.members.range(members_from..).filter(|slot| self.directory.alive(**slot));
                let page: Vec<Slot> = rest.by_ref().take(budget).copied().collect();
                let next = rest.next().copied();
                budget -= page.len();
                if !page.is_empty() {
                    item.insert("members@delta".into(), page.iter().map(|slot| self.reference(*slot, true)).collect());
                }
                if let Some(next) = next {
                    items.push(Json::Object(item));
                    return (items, Some((position, next)));
                }
            }
            members_from = 0;
            if let (true, Some(manager)) = (self.select.has("manager"), self.manager_of(object)) {
                item.insert("manager@delta".into(), json!([self.reference(manager, true)]));
            }
            items.push(Json::Object(item));
        }
        (items, None)
    }

    /// What changed from a line of the log on, and the line after the last that was read.
    fn log(&self, token: &Token, from: u64) -> (Vec<Json>, u64) {
        let mut seen: BTreeMap<Slot, Seen> = BTreeMap::new();
        let mut position = from;
        let skip = usize::try_from(from.saturating_sub(self.directory.log_start)).unwrap_or(usize::MAX);
        for change in self.directory.log.iter().skip(skip).take(LINES) {
            let wanted = self.directory.get(change.slot).is_some_and(|object| {
                object.kind == token.kind && (token.ids.is_empty() || token.ids.contains(&object.id))
            });
            if wanted {
                if !seen.contains_key(&change.slot) && seen.len() >= self.size {
                    break;
                }
                seen.entry(change.slot).or_default().take(&change.what);
            }
            position += 1;
        }
        let items = seen.iter().filter_map(|(slot, seen)| self.changed(*slot, seen)).collect();
        (items, position)
    }

    fn changed(&self, slot: Slot, seen: &Seen) -> Option<Json> {
        let object = self.directory.get(slot)?;
        if object.deleted.is_some() {
            return seen.deleted.then(|| json!({"id": object.id, "@removed": {"reason": "changed"}}));
        }
        let shows_members = self.shows_members(object.kind);
        let members = shows_members && (seen.everything || !seen.members.is_empty());
        let manager = self.select.has("manager") && (seen.manager || seen.everything);
        let properties = seen.everything
            || seen.names.iter().any(|name| match &self.select {
                Select::Default => object.kind.property(name).is_some_and(|property| property.default),
                Select::Names(names) => names.iter().any(|known| known == name),
            });
        if !members && !manager && !properties {
            return None;
        }
        let names = (self.minimal && !seen.everything).then_some(&seen.names);
        let mut item = self.item(object, names);
        if shows_members && !seen.members.is_empty() {
            let members = seen.members.iter().map(|(slot, added)| self.reference(*slot, *added)).collect();
            item.insert("members@delta".into(), members);
        }
        if manager {
            let current = self.manager_of(object).map(|manager| self.reference(manager, true));
            let link = current.or_else(|| seen.former_manager.map(|former| self.reference(former, false)));
            if let Some(link) = link {
                item.insert("manager@delta".into(), json!([link]));
            }
        }
        Some(Json::Object(item))
    }

    fn manager_of(&self, object: &Object) -> Option<Slot> {
        object.manager.filter(|manager| self.directory.alive(*manager))
    }

    /// The selected properties that were ever set, or only those named.
    fn item(&self, object: &Object, only: Option<&BTreeSet<Cow<'static, str>>>) -> Map<String, Json> {
        let mut map = render(object, &self.select);
        map.retain(|name, _| {
            let stored = object.properties.0.iter().any(|(key, _)| key == name);
            stored && only.is_none_or(|only| only.contains(name.as_str()))
        });
        map.insert("id".into(), object.id.to_string().into());
        map
    }

    fn reference(&self, slot: Slot, there: bool) -> Json {
        let Some(object) = self.directory.get(slot) else { return Json::Null };
        let mut map = Map::new();
        map.insert("@odata.type".into(), object.kind.odata_type().into());
        map.insert("id".into(), object.id.to_string().into());
        if !there {
            map.insert("@removed".into(), json!({"reason": "deleted"}));
        }
        Json::Object(map)
    }
}

impl Seen {
    fn take(&mut self, what: &What) {
        match what {
            What::Properties(names) if names.is_empty() => self.everything = true,
            What::Properties(names) => self.names.extend(names.iter().cloned()),
            What::Deleted => self.deleted = true,
            What::MemberAdded(slot) => {
                self.members.insert(*slot, true);
            }
            What::MemberRemoved(slot) => {
                self.members.insert(*slot, false);
            }
            What::Manager(former) => {
                self.manager = true;
                self.former_manager = self.former_manager.or(*former);
            }
        }
    }
}
