//! Which object a preview is about, where it is not simply stored: one from a file, and changes that are tried on it.
//!
//! Whatever is tried is staged on the draft as if an import had shown it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Tried;
use super::shown::{both_references, seen, texts};
use crate::connector::{Anchor, ImportedObject, Target, ldif};
use crate::connector_space::{ConnectorObject, ObjectId};
use crate::diagnostic::did_you_mean;
use crate::dn;
use crate::run::RunError;
use crate::run::session::Session;
use crate::run::wanted::Wanted;
use crate::store::Draft;
use crate::sync::ledger::View;
use crate::sync::stage::{self, Readers};
use crate::value::{AttributeName, Attributes, Kind, Schema, Value, Values};

/// What happens to an attribute that is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `NAME=VALUE`: this value and no other; none for an empty one.
    Set,
    /// `NAME+=VALUE`: one more.
    Add,
    /// `NAME-=VALUE`: one less.
    Remove,
}

/// One change to try, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The attribute, or `dn`.
    pub name: AttributeName,
    /// What happens to it.
    pub how: How,
    /// The value; empty for none.
    pub value: String,
}

impl std::str::FromStr for Trial {
    type Err = String;

    fn from_str(text: &str) -> Result<Trial, String> {
        let wrong = || "write `NAME=VALUE`, `NAME=`, `NAME+=VALUE` or `NAME-=VALUE`".to_owned();
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        let (name, how) = match (name.strip_suffix('+'), name.strip_suffix('-')) {
            (Some(name), _) => (name, How::Add),
            (None, Some(name)) => (name, How::Remove),
            (None, None) => (name, How::Set),
        };
        if name.trim().is_empty() || (how != How::Set && value.is_empty()) {
            return Err(wrong());
        }
        Ok(Trial { name: name.trim().into(), how, value: value.to_owned() })
    }
}

/// Tries changes on an object of the draft.
///
/// # Errors
/// When an attribute does not exist, or a value does not fit it.
pub fn try_on(
    session: &Session,
    draft: &mut Draft<'_>,
    id: ObjectId,
    trials: &[Trial],
) -> Result<Vec<Tried>, RunError> {
    let gone = || RunError::Unknown("the object is gone".into());
    let object = draft.object(id)?.ok_or_else(gone)?;
    let schema = schema_of(session, &object.connector, &object.object_type)?;
    let reads = session.rules.reads(&object.connector, &object.object_type);
    let mut imported = ImportedObject {
        anchor: object.anchor.clone().ok_or_else(|| {
            RunError::Unknown(format!(
                "`{}` is not in `{}` yet: nothing can change there",
                object.title(),
                object.connector
            ))
        })?,
        dn: object.dn.clone(),
        object_type: object.object_type.clone(),
        attributes: object.image.clone(),
        references: Default::default(),
    };
    let mut tried = Vec::new();
    let mut edges = Vec::new();
    for trial in trials {
        if trial.name == AttributeName::from("dn") {
            tried.push(try_name(&mut imported, trial)?);
            continue;
        }
        let name = known_name(&object, &schema, &reads, &trial.name)?;
        if schema.get(&name).is_some_and(|known| known.kind == Kind::Reference) {
            edges.push((name, trial));
            continue;
        }
        let before = imported.attributes.get(&name).cloned().unwrap_or_default();
        let after = changed(&schema, &name, &before, trial)?;
        tried.push(Tried {
            attribute: name.to_string(),
            before: texts(&name, &before),
            after: texts(&name, &after),
            read: reads.contains(&name),
        });
        if after.is_empty() {
            imported.attributes.remove(&name);
        } else {
            imported.attributes.insert(name, after);
        }
    }
    stage::stage(draft, &object.connector, &imported, &BTreeSet::new())?;
    let object = draft.object(id)?.ok_or_else(gone)?;
    for (name, trial) in edges {
        let there = seen(draft, id, &name)?;
        try_references(draft, &object, &name, trial)?;
        let (before, after) = both_references((draft, &there), (draft, &seen(draft, id, &name)?))?;
        tried.push(Tried { attribute: name.to_string(), before, after, read: reads.contains(&name) });
    }
    Ok(tried)
}

fn try_name(imported: &mut ImportedObject, trial: &Trial) -> Result<Tried, RunError> {
    if trial.how != How::Set || !dn::is_dn(&trial.value) {
        return Err(RunError::Unknown(format!("`{}` is not a distinguished name to set", trial.value)));
    }
    let before = imported.dn.replace(trial.value.clone());
    Ok(Tried {
        attribute: "dn".into(),
        before: before.into_iter().collect(),
        after: vec![trial.value.clone()],
        read: true,
    })
}

/// A trial on a group concerns whoever is in it.
const READERS: Readers = Readers { rules: true, memberships: true };

fn try_references(
    draft: &mut Draft<'_>,
    object: &ConnectorObject,
    name: &AttributeName,
    trial: &Trial,
) -> Result<(), RunError> {
    if trial.how == How::Set {
        for (to, _) in draft.edges(object.id, name)? {
            stage::stage_edge(draft, object, name, to, false, READERS)?;
        }
    }
    if trial.value.is_empty() {
        return Ok(());
    }
    let by_anchor = Target::Anchor(Anchor(trial.value.clone()));
    let target = if dn::is_dn(&trial.value) { Target::Dn(trial.value.clone()) } else { by_anchor };
    stage::stage_reference(draft, object, name, &target, trial.how != How::Remove, READERS)?;
    Ok(())
}

fn schema_of(session: &Session, connector: &str, object_type: &str) -> Result<Schema, RunError> {
    let mut schemas = session.schemas()?.remove(connector).unwrap_or_default();
    let found = schemas.keys().find(|name| name.eq_ignore_ascii_case(object_type)).cloned();
    Ok(found.and_then(|name| schemas.remove(&name)).unwrap_or_default())
}

/// The attribute in the spelling of the schema, if there is such a one.
fn known_name(
    object: &ConnectorObject,
    schema: &Schema,
    reads: &BTreeSet<AttributeName>,
    name: &AttributeName,
) -> Result<AttributeName, RunError> {
    let mut known = schema.attributes.keys().chain(object.image.keys()).chain(reads);
    if let Some(known) = known.clone().find(|known| *known == name) {
        return Ok(known.clone());
    }
    let hint = did_you_mean(name.as_str(), known.by_ref().map(AttributeName::as_str));
    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    let of = format!("`{}/{}`", object.connector, object.object_type);
    Err(RunError::Unknown(format!("there is no attribute `{name}` in {of}{hint}")))
}

fn changed(schema: &Schema, name: &AttributeName, before: &[Value], trial: &Trial) -> Result<Values, RunError> {
    let value = value(schema, name, &trial.value)?;
    let single = schema.get(name).is_some_and(|known| !known.multi);
    if trial.how == How::Add && single && !before.is_empty() {
        return Err(RunError::Unknown(format!("`{name}` holds one value: write `{name}={}`", trial.value)));
    }
    let mut values = if trial.how == How::Set { Values::new() } else { before.to_vec() };
    match (trial.how, value) {
        (How::Remove, Some(value)) => values.retain(|known| known.folded() != value.folded()),
        (How::Set | How::Add, Some(value)) if !values.contains(&value) => values.push(value),
        (How::Set | How::Add | How::Remove, _) => {}
    }
    Ok(values)
}

/// A value as the schema types it; nothing for empty text.
fn value(schema: &Schema, name: &AttributeName, text: &str) -> Result<Option<Value>, RunError> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |what: &str| RunError::Unknown(format!("`{name}` holds {what}, and `{text}` is none"));
    let bytes = text.strip_prefix("base64:");
    let Some(known) = schema.get(name) else {
        let decoded = bytes.and_then(|text| BASE64.decode(text).ok());
        return Ok(decoded.map_or_else(|| Value::text(text), |bytes| Some(Value::Bytes(bytes))));
    };
    let value = match known.kind {
        Kind::Text | Kind::Reference => Value::Text(text.to_owned()),
        Kind::Password => return Err(RunError::Unknown(format!("`{name}` is never read, so it cannot be tried"))),
        Kind::Integer => Value::Integer(text.trim().parse().map_err(|_| wrong("a whole number"))?),
        Kind::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" => Value::Boolean(true),
            "false" => Value::Boolean(false),
            _ => return Err(wrong("true or false")),
        },
        Kind::Bytes => {
            let decoded = bytes.and_then(|text| BASE64.decode(text).ok());
            Value::Bytes(decoded.ok_or_else(|| wrong("bytes, written as `base64:…`"))?)
        }
        Kind::Time => {
            let time = text.parse::<jiff::Timestamp>();
            Value::Time(time.map_err(|_| wrong("a time such as 2026-01-31T00:00:00Z"))?.as_microsecond())
        }
    };
    Ok(Some(value))
}

/// Stages an object from a file, JSON or LDIF, as an import would. `wanted` names one of several by its DN.
///
/// # Errors
/// When the file cannot be read, or it is not clear which object is meant.
pub fn stage_file(
    session: &Session,
    draft: &mut Draft<'_>,
    connector: &str,
    path: &std::path::Path,
    wanted: Option<&str>,
) -> Result<ObjectId, RunError> {
    let wrong = |what: String| RunError::Unknown(format!("`{}`: {what}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let is_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte == b'{');
    session.directory(connector)?;
    let mut object = if is_json {
        from_json(session, connector, &bytes).map_err(wrong)?
    } else {
        choose(from_ldif(session, connector, &bytes).map_err(wrong)?, wanted).map_err(wrong)?
    };
    take_anchor(draft, connector, &mut object)?;
    let references = Wanted::of(session, connector)?.references.remove(&object.object_type).unwrap_or_default();
    let (id, _) = stage::stage(draft, connector, &object, &references)?;
    Ok(id)
}

/// Without an anchor of its own, an object is the one that is stored under its name.
fn take_anchor(draft: &Draft<'_>, connector: &str, object: &mut ImportedObject) -> Result<(), RunError> {
    let Some(name) = object.dn.as_deref().map(dn::normalise) else { return Ok(()) };
    if name != dn::normalise(&object.anchor.0) {
        return Ok(());
    }
    let stored = draft.id_of_dn(connector, &name)?.map(|id| draft.object(id)).transpose()?.flatten();
    let Some(stored) = stored else { return Ok(()) };
    object.anchor = stored.anchor.unwrap_or_else(|| object.anchor.clone());
    for name in ["objectGUID", "entryUUID"].map(AttributeName::from) {
        if let (Some(values), false) = (stored.image.get(&name), object.attributes.contains_key(&name)) {
            object.attributes.insert(name, values.clone());
        }
    }
    Ok(())
}

fn from_ldif(session: &Session, connector: &str, bytes: &[u8]) -> Result<Vec<ImportedObject>, String> {
    let told = |error: RunError| error.to_string();
    let request = Wanted::of(session, connector).map_err(told)?.request;
    let schemas = session.schemas().map_err(told)?.remove(connector).unwrap_or_default();
    let mut merged = Schema::default();
    for schema in schemas.into_values() {
        merged.attributes.extend(schema.attributes);
    }
    ldif::objects_in(bytes, &request, &merged).map_err(|error| error.to_string())
}

/// The only object, or the one with a DN.
fn choose(mut objects: Vec<ImportedObject>, wanted: Option<&str>) -> Result<ImportedObject, String> {
    let name = |object: &ImportedObject| object.dn.clone().unwrap_or_else(|| object.anchor.to_string());
    let names = |objects: &[ImportedObject]| {
        let shown: Vec<String> = objects.iter().take(10).map(|object| format!("  {}", name(object))).collect();
        let more = objects.len().saturating_sub(10);
        let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
        format!("{}{more}", shown.join("\n"))
    };
    let all = objects.len();
    if let Some(wanted) = wanted {
        let listed = names(&objects);
        objects.retain(|object| dn::normalise(&name(object)) == dn::normalise(wanted));
        return match (objects.pop(), objects.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(_), false) => Err(format!("it holds `{wanted}` twice")),
            (None, _) => Err(format!("it does not hold `{wanted}`, but\n{listed}")),
        };
    }
    match (objects.pop(), objects.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => Err("it holds no object of a type that rules read".into()),
        (Some(last), false) => {
            objects.push(last);
            Err(format!("it holds {all} objects; name one by its DN:\n{}", names(&objects)))
        }
    }
}

fn from_json(session: &Session, connector: &str, bytes: &[u8]) -> Result<ImportedObject, String> {
    let json: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let text = |name: &str| json.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    let dn = text("dn");
    let anchor = text("anchor").or_else(|| dn.clone()).ok_or_else(|| "it needs an `anchor` or a `dn`".to_owned())?;
    let mut object = ImportedObject {
        anchor: Anchor(anchor),
        dn,
        object_type: text("type").unwrap_or_else(|| "user".into()),
        attributes: Attributes::new(),
        references: Default::default(),
    };
    let schema = schema_of(session, connector, &object.object_type).map_err(|error| error.to_string())?;
    let entries = |name: &str| json.get(name).and_then(serde_json::Value::as_object).cloned().unwrap_or_default();
    for (name, value) in entries("attributes") {
        let name = AttributeName::from(name);
        let mut values = Values::new();
        for value in list(value) {
            values.extend(json_value(&schema, &name, value)?);
        }
        if !values.is_empty() {
            object.attributes.insert(name, values);
        }
    }
    for (name, value) in entries("references") {
        let targets = list(value).into_iter().filter_map(|value| Some(Target::Dn(value.as_str()?.to_owned())));
        object.references.insert(name.into(), targets.collect());
    }
    Ok(object)
}

fn list(value: serde_json::Value) -> Vec<serde_json::Value> {
    match value {
        serde_json::Value::Array(list) => list,
        other => vec![other],
    }
}

fn json_value(schema: &Schema, name: &AttributeName, value: serde_json::Value) -> Result<Option<Value>, String> {
    let bytes = schema.get(name).is_some_and(|known| known.kind == Kind::Bytes);
    match value {
        serde_json::Value::String(text) if bytes => match BASE64.decode(&text) {
            Ok(bytes) => Ok(Some(Value::Bytes(bytes))),
            Err(_) => Err(format!("`{name}` holds bytes, and `{text}` is not base64")),
        },
        serde_json::Value::String(text) => Ok(Value::text(text)),
        serde_json::Value::Bool(flag) => Ok(Some(Value::Boolean(flag))),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Ok(Some(Value::Integer(number))),
            None => Err(format!("`{name}`: {number} is not a whole number")),
        },
        serde_json::Value::Null => Ok(None),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
            Err(format!("`{name}` holds neither text, number nor flag"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::AttributeType;

    fn schema() -> Schema {
        let kinds = [
            ("title", Kind::Text, false),
            ("flags", Kind::Integer, false),
            ("mails", Kind::Text, true),
            ("guid", Kind::Bytes, false),
            ("on", Kind::Boolean, false),
        ];
        let known = |(name, kind, multi): (&str, Kind, bool)| {
            (name.into(), AttributeType { kind, multi, writable: true, max_length: None })
        };
        Schema { attributes: kinds.map(known).into(), closed: true, ..Schema::default() }
    }

    /// What comes of a value, or the message.
    fn tried(before: &[Value], trial: &str) -> Result<Values, String> {
        let trial: Trial = trial.parse()?;
        changed(&schema(), &trial.name, before, &trial).map_err(|error| error.to_string())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn values_are_typed_by_the_schema() {
        assert_eq!(tried(&[], "title=a=b"), Ok(vec![text("a=b")]));
        assert_eq!(tried(&[text("x")], "title="), Ok(vec![]));
        assert_eq!(tried(&[], "flags=-514"), Ok(vec![Value::Integer(-514)]));
        assert_eq!(tried(&[], "on=TRUE"), Ok(vec![Value::Boolean(true)]));
        assert_eq!(tried(&[], "guid=base64:AAE="), Ok(vec![Value::Bytes(vec![0, 1])]));
        assert_eq!(tried(&[], "flags=many").unwrap_err(), "`flags` holds a whole number, and `many` is none");
        assert_eq!(
            tried(&[], "guid=AAE=").unwrap_err(),
            "`guid` holds bytes, written as `base64:…`, and `AAE=` is none"
        );
    }

    #[test]
    fn lists_get_more_and_less() {
        let two = [text("a@x"), text("b@x")];
        assert_eq!(tried(&two, "mails+=c@x").map(|values| values.len()), Ok(3));
        assert_eq!(tried(&two, "mails-=A@X"), Ok(vec![text("b@x")]));
        assert_eq!(tried(&two, "mails=c@x"), Ok(vec![text("c@x")]));
        assert_eq!(tried(&[text("a")], "title+=b").unwrap_err(), "`title` holds one value: write `title=b`");
        for wrong in ["title", "=x", "mails+=", "mails-="] {
            assert!(wrong.parse::<Trial>().is_err(), "{wrong}");
        }
    }
}
