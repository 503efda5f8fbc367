//! Reading: `$select`, `$top`, `$expand`, paging, and an object as JSON.

use serde_json::{Map, Value as Json, json};

use super::directory::{Directory, Object, Slot};
use super::exchange::{Call, Refusal};
use super::filter::Filter;
use super::schema::{Access, Kind, Shape};

/// Which properties to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Select {
    /// What the kind shows unasked.
    Default,
    /// These.
    Names(Vec<String>),
}

impl Select {
    /// Reads `$select` for a kind; `None` for a mixed collection, where a property may belong to any.
    ///
    /// # Errors
    /// 400 for a property that no kind has.
    pub(crate) fn parse(call: &Call, kind: Option<Kind>) -> Result<Select, Refusal> {
        match call.query.get("select").filter(|text| !text.trim().is_empty()) {
            None => Ok(Select::Default),
            Some(text) => Select::names(text, kind),
        }
    }

    fn names(text: &str, kind: Option<Kind>) -> Result<Select, Refusal> {
        let mut names = Vec::new();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let kinds = kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
            let found = kinds.iter().find_map(|kind| kind.property(name));
            if found.is_some_and(|property| property.access == Access::Elsewhere) {
                let message = format!("Property '{name}' cannot be selected in this request.");
                return Err(Refusal::new(501, "NotImplemented", message));
            }
            let link = ["manager", "members", "owners", "memberOf"].contains(&name);
            if found.is_none() && !link && !name.starts_with("extension_") {
                let of = kind.map_or("directoryObject", Kind::name);
                let message = format!("Could not find a property named '{name}' on type 'microsoft.graph.{of}'.");
                return Err(Refusal::new(400, "BadRequest", message));
            }
            names.push(name.to_owned());
        }
        Ok(Select::Names(names))
    }

    /// Whether a name is asked for.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Select::Default => false,
            Select::Names(names) => names.iter().any(|known| known == name),
        }
    }
}

/// An object as JSON, with nulls for what it lacks.
pub(crate) fn render(object: &Object, select: &Select) -> Map<String, Json> {
    let mut map = Map::new();
    match select {
        Select::Default => {
            for property in object.kind.properties().iter().filter(|property| property.default) {
                map.insert(property.name.to_owned(), shown(object, property.name, property.shape));
            }
        }
        Select::Names(names) => {
            for name in names {
                match object.kind.property(name) {
                    Some(property) => {
                        map.insert(name.clone(), shown(object, property.name, property.shape));
                    }
                    None => {
                        if let Some(value) = object.properties.get(name) {
                            map.insert(name.clone(), value.clone());
                        }
                    }
                }
            }
        }
    }
    map
}

/// One value as JSON.
pub(crate) fn shown(object: &Object, name: &str, shape: Shape) -> Json {
    match name {
        "id" => return object.id.to_string().into(),
        "deletedDateTime" => return object.deleted.map_or(Json::Null, time),
        _ => {}
    }
    let value = object.properties.get(name);
    match shape {
        Shape::TextList | Shape::RecordList => value.cloned().unwrap_or_else(|| json!([])),
        Shape::Extensions => {
            let all = (1..=15).map(|number| {
                let name = format!("extensionAttribute{number}");
                let value = value.and_then(|value| value.get(&name)).cloned().unwrap_or_default();
                (name, value)
            });
            Json::Object(all.collect())
        }
        Shape::Text | Shape::Boolean | Shape::Integer | Shape::Time | Shape::Record => {
            value.cloned().unwrap_or_default()
        }
    }
}

/// Milliseconds since 1970 as RFC 3339.
pub(crate) fn time(millis: i64) -> Json {
    jiff::Timestamp::from_millisecond(millis)
        .map_or(Json::Null, |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into())
}

/// An object of a mixed collection: with its type.
pub(crate) fn render_typed(object: &Object, select: &Select) -> Json {
    let mut map = render(object, select);
    map.insert("@odata.type".into(), object.kind.odata_type().into());
    if !map.contains_key("id") {
        map.insert("id".into(), object.id.to_string().into());
    }
    Json::Object(map)
}

/// Options of a listing.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) select: Select,
    pub(crate) filter: Option<Filter>,
    /// Objects a page.
    pub(crate) top: usize,
    /// Where to go on: a position that the collection understands.
    pub(crate) from: u64,
    /// The total is wanted.
    pub(crate) count: bool,
    pub(crate) expand: Vec<Expand>,
}

/// A link shown inside an object.
#[derive(Clone, Debug)]
pub(crate) struct Expand {
    pub(crate) link: String,
    pub(crate) select: Select,
}

impl Listing {
    /// Reads the options.
    ///
    /// # Errors
    /// 400 for anything Graph refuses.
    pub(crate) fn parse(call: &Call, kind: Option<Kind>) -> Result<Listing, Refusal> {
        for option in ["search", "orderby", "skip", "apply"] {
            if call.query.get(option).is_some() {
                return Err(Refusal::query(format!("The query option '${option}' is not supported.")));
            }
        }
        let top = match call.query.get("top") {
            None => 100,
            Some(text) => match text.parse::<usize>() {
                Ok(top) if (1..=999).contains(&top) => top,
                _ => {
                    return Err(Refusal::bad(format!(
                        "Invalid page size specified: '{text}'. Must be between 1 and 999 inclusive."
                    )));
                }
            },
        };
        let from = match call.query.get("skiptoken") {
            None => 0,
            Some(token) => token.parse().map_err(|_| {
                Refusal::new(400, "Directory_ExpiredPageToken", "The specified page token value has expired.")
            })?,
        };
        let count = call.eventual && call.query.get("count").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let known = |name: &str| match kind {
            Some(kind) => kind.property(name).is_some() || name.starts_with("extension_"),
            None => Kind::ALL.iter().any(|kind| kind.property(name).is_some()),
        };
        let filter = call.query.get("filter").map(|text| Filter::parse(text, &known)).transpose()?;
        if filter.as_ref().is_some_and(Filter::advanced) && !count {
            return Err(Refusal::query(
                "Unsupported or invalid query filter clause: it needs the header ConsistencyLevel: eventual and \
                 $count=true.",
            ));
        }
        Ok(Listing { select: Select::parse(call, kind)?, filter, top, from, count, expand: expand(call)? })
    }
}

/// Reads `$expand=manager($select=id),members`.
pub(crate) fn expand(call: &Call) -> Result<Vec<Expand>, Refusal> {
    let Some(text) = call.query.get("expand") else { return Ok(Vec::new()) };
    let mut expands = Vec::new();
    let mut depth = 0_usize;
    let pieces = text.split(|letter: char| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    for piece in pieces {
        let (link, options) = piece.split_once('(').unwrap_or((piece, ""));
        let link = link.trim().to_owned();
        if !["manager", "members", "owners", "memberOf", "directReports"].contains(&link.as_str()) {
            return Err(Refusal::query(format!("The link '{link}' cannot be expanded.")));
        }
        let select =
            match options.trim_end_matches(')').split(';').find_map(|option| option.trim().strip_prefix("$select=")) {
                Some(names) => Select::names(names, None)?,
                None => Select::Default,
            };
        expands.push(Expand { link, select });
    }
    Ok(expands)
}

/// The most linked objects that `$expand` shows.
const MOST_EXPANDED: usize = 20;

/// Adds expanded links to an object.
pub(crate) fn show_links(directory: &Directory, slot: Slot, expands: &[Expand], map: &mut Map<String, Json>) {
    let Some(object) = directory.get(slot) else { return };
    for expand in expands {
        let visible = |slot: &Slot| {
            directory
                .get(*slot)
                .filter(|linked| linked.deleted.is_none())
                .map(|linked| render_typed(linked, &expand.select))
        };
        let set = match expand.link.as_str() {
            "manager" => {
                if let Some(manager) = object.manager.as_ref().and_then(visible) {
                    map.insert("manager".into(), manager);
                }
                continue;
            }
            "members" => &object.members,
            "owners" => &object.owners,
            "directReports" => &object.reports,
            _ => &object.member_of,
        };
        let shown: Vec<Json> = set.iter().filter_map(visible).take(MOST_EXPANDED).collect();
        map.insert(expand.link.clone(), Json::Array(shown));
    }
}

/// Whether replicas show a slot already.
pub(crate) fn visible(directory: &Directory, slot: Slot, now: i64) -> bool {
    directory.get(slot).is_some_and(|object| object.deleted.is_none() && object.visible_from <= now)
}

/// A page of a collection. `slots` starts at `listing.from`, each with the position after it.
pub(crate) fn page(
    call: &Call,
    listing: &Listing,
    context: &str,
    slots: impl Iterator<Item = (u64, Slot)>,
    mut wanted: impl FnMut(Slot) -> bool,
    mut show: impl FnMut(Slot) -> Json,
) -> Json {
    let mut value = Vec::new();
    let mut last = None;
    let mut more = false;
    for (next, slot) in slots {
        if !wanted(slot) {
            continue;
        }
        if value.len() == listing.top {
            more = true;
            break;
        }
        value.push(show(slot));
        last = Some(next);
    }
    let mut body = Map::new();
    body.insert("@odata.context".into(), call.context(context));
    if let (true, Some(last)) = (more, last) {
        let kept = call.query.without("skiptoken");
        let joint = if kept.is_empty() { "" } else { "&" };
        body.insert("@odata.nextLink".into(), call.link(&format!("{kept}{joint}$skiptoken={last}")));
    }
    body.insert("value".into(), Json::Array(value));
    Json::Object(body)
}

/// A page of all objects of a kind.
pub(crate) fn page_of_kind(call: &Call, directory: &Directory, kind: Kind) -> Result<Json, Refusal> {
    let listing = Listing::parse(call, Some(kind))?;
    let found = listing.filter.as_ref().and_then(|filter| filter.candidates(directory));
    let slots = found.as_deref().unwrap_or_else(|| directory.slots(kind));
    let wanted = |slot: Slot| {
        visible(directory, slot, call.now)
            && directory.get(slot).is_some_and(|object| {
                object.kind == kind && listing.filter.as_ref().is_none_or(|filter| filter.matches(object))
            })
    };
    let from = slots.iter().enumerate().skip(listing.from as usize).map(|(at, slot)| (at as u64 + 1, *slot));
    let show = |slot: Slot| {
        let Some(object) = directory.get(slot) else { return Json::Null };
        let mut map = render(object, &listing.select);
        show_links(directory, slot, &listing.expand, &mut map);
        Json::Object(map)
    };
    let mut body = page(call, &listing, kind.set(), from, wanted, show);
    if let (true, Some(map)) = (listing.count, body.as_object_mut()) {
        let total = match listing.filter {
            None => directory.count(kind),
            Some(_) => slots.iter().filter(|slot| wanted(**slot)).count(),
        };
        map.insert("@odata.count".into(), total.into());
    }
    Ok(body)
}

/// A page of linked objects: members, reports. The position is the slot to go on from.
pub(crate) fn page_of_links(
    call: &Call,
    directory: &Directory,
    set: &std::collections::BTreeSet<Slot>,
    cast: Option<Kind>,
) -> Result<Json, Refusal> {
    let listing = Listing::parse(call, cast)?;
    let from = Slot::try_from(listing.from).unwrap_or(Slot::MAX);
    let wanted = |slot: Slot| {
        directory.get(slot).is_some_and(|object| {
            object.deleted.is_none()
                && cast.is_none_or(|cast| object.kind == cast)
                && listing.filter.as_ref().is_none_or(|filter| filter.matches(object))
        })
    };
    let show = |slot: Slot| match (directory.get(slot), cast) {
        (Some(object), None) => render_typed(object, &listing.select),
        (Some(object), Some(_)) => Json::Object(render(object, &listing.select)),
        (None, _) => Json::Null,
    };
    let slots = set.range(from..).map(|slot| (u64::from(*slot) + 1, *slot));
    let mut body = page(call, &listing, cast.map_or("directoryObjects", Kind::set), slots, wanted, show);
    if let (true, Some(map)) = (listing.count, body.as_object_mut()) {
        map.insert("@odata.count".into(), set.iter().filter(|slot| wanted(**slot)).count().into());
    }
    Ok(body)
}
