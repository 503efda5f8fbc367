//! What to ask for one object type, and how an answer becomes an object. Sends nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::render::{escaped, set_of, spelled};
use super::schema::schema;
use crate::connector::{Anchor, ConnectorError, ConnectorErrorKind, ImportRequest, ImportedObject, Target};
use crate::value::{AttributeName, Attributes, Kind, Schema, Value, Values};

/// Read whether or not a rule wants it: rules of safety do.
fn always(object_type: &str) -> &'static [&'static str] {
    match object_type {
        "user" => &[
            "accountEnabled",
            "displayName",
            "mail",
            "onPremisesImmutableId",
            "onPremisesSyncEnabled",
            "userPrincipalName",
            "userType",
        ],
        _ => &[
            "displayName",
            "groupTypes",
            "mailEnabled",
            "onPremisesSecurityIdentifier",
            "onPremisesSyncEnabled",
            "securityEnabled",
            "uniqueName",
        ],
    }
}

/// What to ask for one object type. Names are spelled as Graph spells them.
pub(super) struct Query {
    object_type: &'static str,
    /// `users` or `groups`.
    pub(super) set: &'static str,
    schema: Schema,
    /// Properties without references.
    names: BTreeSet<AttributeName>,
    manager: bool,
    /// References that have lists of their own: `members`, `owners`.
    pub(super) lists: Vec<&'static str>,
}

/// The queries of a request, users before groups: most members of groups are known when these come.
///
/// # Errors
/// `Settings` for a type or property that Graph does not have.
pub(super) fn queries(request: &ImportRequest) -> Result<Vec<Query>, ConnectorError> {
    request.types.iter().rev().map(|(object_type, wanted)| Query::new(object_type, wanted)).collect()
}

impl Query {
    fn new(object_type: &str, wanted: &BTreeSet<AttributeName>) -> Result<Query, ConnectorError> {
        let unknown = |what: String| ConnectorError::new(ConnectorErrorKind::Settings, what);
        let object_type = match object_type {
            "user" => "user",
            "group" => "group",
            other => return Err(unknown(format!("Graph has no objects of type `{other}`; it has `user` and `group`"))),
        };
        let schema = schema(object_type).cloned().unwrap_or_default();
        let mut query = Query {
            object_type,
            set: set_of(object_type),
            names: always(object_type).iter().map(|name| AttributeName::from(*name)).collect(),
            schema,
            manager: false,
            lists: Vec::new(),
        };
        for name in wanted {
            let known = query.schema.get(name).map(|known| known.kind);
            match (known, spelled(name, &query.schema)) {
                (None, name) => return Err(unknown(format!("`{name}` is no property of Graph's {}", query.set))),
                (Some(Kind::Reference), "manager") => query.manager = true,
                (Some(Kind::Reference), "members") => query.lists.push("members"),
                (Some(Kind::Reference), "owners") => query.lists.push("owners"),
                // Nobody can read one.
                (Some(Kind::Password), _) => {}
                (Some(_), name) => {
                    query.names.insert(AttributeName::from(name));
                }
            }
        }
        Ok(query)
    }

    /// `$select=…&$expand=…`
    pub(super) fn parameters(&self) -> String {
        let expand = if self.manager { "&$expand=manager($select=id)" } else { "" };
        format!("$select={}{expand}", self.select([]))
    }

    /// `$select=…` of a delta query, where references are selected like properties.
    pub(super) fn delta_parameters(&self) -> String {
        format!("$select={}", self.select(["manager", "members"].into_iter().filter(|name| self.refers(name))))
    }

    /// Whether a reference is wanted.
    pub(super) fn refers(&self, name: &str) -> bool {
        self.lists.contains(&name) || (self.manager && name == "manager")
    }

    fn select<'a>(&'a self, also: impl IntoIterator<Item = &'a str>) -> String {
        let mut select: BTreeSet<&str> = BTreeSet::from(["id"]);
        select.extend(self.names.iter().map(|name| name.as_str().split('.').next().unwrap_or_default()));
        select.extend(also);
        select.into_iter().collect::<Vec<_>>().join(",")
    }

    /// An object as Graph shows it, without its lists. The error says what is wrong with it.
    pub(super) fn object(&self, json: &Json) -> Result<ImportedObject, String> {
        let id = json.get("id").and_then(Json::as_str).ok_or("an object without an id")?;
        let mut attributes = Attributes::new();
        for name in &self.names {
            let found = match name.as_str().split_once('.') {
                None => json.get(name.as_str()),
                Some((outer, inner)) => json.get(outer).and_then(|outer| outer.get(inner)),
            };
            let kind = self.schema.get(name).map_or(Kind::Text, |known| known.kind);
            let values =
                found.map_or(Ok(Values::new()), |json| values(json, kind)).map_err(|why| format!("`{name}`: {why}"))?;
            if !values.is_empty() {
                attributes.insert(name.clone(), values);
            }
        }
        let mut references = BTreeMap::new();
        let manager = json.get("manager").and_then(|manager| manager.get("id")).and_then(Json::as_str);
        if let Some(manager) = manager.filter(|_| self.manager) {
            references.insert("manager".into(), vec![Target::Anchor(Anchor(manager.to_owned()))]);
        }
        let anchor = Anchor(id.to_owned());
        Ok(ImportedObject { anchor, dn: None, object_type: self.object_type.into(), attributes, references })
    }
}

fn values(json: &Json, kind: Kind) -> Result<Values, String> {
    match json {
        Json::Array(list) => list.iter().filter_map(|json| value(json, kind).transpose()).collect(),
        json => Ok(value(json, kind)?.into_iter().collect()),
    }
}

fn value(json: &Json, kind: Kind) -> Result<Option<Value>, String> {
    match (kind, json) {
        (_, Json::Null) => Ok(None),
        // A licence is its id here.
        (Kind::Text, Json::Object(map)) if map.contains_key("skuId") => {
            Ok(map.get("skuId").and_then(Json::as_str).and_then(Value::text))
        }
        (Kind::Text, Json::String(text)) => Ok(Value::text(text.as_str())),
        (Kind::Boolean, Json::Bool(flag)) => Ok(Some(Value::Boolean(*flag))),
        (Kind::Integer, Json::Number(number)) => {
            Ok(Some(Value::Integer(number.as_i64().ok_or_else(|| format!("{number} is not a whole number"))?)))
        }
        (Kind::Time, Json::String(text)) => {
            let time: jiff::Timestamp = text.parse().map_err(|_| format!("`{text}` is not a time"))?;
            Ok(Some(Value::Time(time.as_microsecond())))
        }
        (kind, other) => Err(format!("{other} where {kind} was expected")),
    }
}

/// The path that finds objects by the value of a property.
pub(super) fn finding(object_type: &str, attribute: &AttributeName, value: &Value) -> String {
    let nothing = Schema::default();
    let schema = schema(object_type).unwrap_or(&nothing);
    let (set, name) = (set_of(object_type), spelled(attribute, schema));
    let literal = match value {
        Value::Text(text) => format!("'{}'", escaped(&text.replace('\'', "''"))),
        Value::Bytes(_) => format!("'{}'", escaped(&value.to_string())),
        Value::Integer(_) | Value::Boolean(_) | Value::Time(_) | Value::Password(_) => escaped(&value.to_string()),
    };
    // Keys are looked up where they are written; a filter goes to an index that lags.
    match name {
        "uniqueName" | "userPrincipalName" => format!("/{set}({name}={literal})?$select=id"),
        _ => format!("/{set}?$filter={}%20eq%20{literal}&$select=id", name.replace('.', "/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    fn query(object_type: &str, wanted: &[&str]) -> Result<Query, ConnectorError> {
        Query::new(object_type, &wanted.iter().map(|name| AttributeName::from(*name)).collect())
    }

    #[test]
    fn properties_are_asked_for_as_graph_spells_them() {
        let wanted = ["GIVENNAME", "onpremisesextensionattributes.EXTENSIONATTRIBUTE1", "manager"];
        let query = query("user", &wanted).unwrap_or_else(|error| panic!("{error}"));
        expect!["$select=accountEnabled,displayName,givenName,id,mail,onPremisesExtensionAttributes,onPremisesImmutableId,onPremisesSyncEnabled,userPrincipalName,userType&$expand=manager($select=id)"]
            .assert_eq(&query.parameters());
        let object = query.object(&json!({
            "id": "1", "givenName": "Zoë", "mail": "", "userType": null, "accountEnabled": true,
            "onPremisesExtensionAttributes": {"extensionAttribute1": "x", "extensionAttribute2": "not asked for"},
            "manager": {"@odata.type": "#microsoft.graph.user", "id": "2"},
        }));
        let object = object.unwrap_or_else(|error| panic!("{error}"));
        let attributes: Vec<String> =
            object.attributes.iter().map(|(name, values)| format!("{name}={}", values[0])).collect();
        let expected = ["accountEnabled=true", "givenName=Zoë", "onPremisesExtensionAttributes.extensionAttribute1=x"];
        assert_eq!(attributes, expected);
        assert_eq!(object.references[&"manager".into()], [Target::Anchor(Anchor("2".into()))]);
    }

    #[test]
    fn what_graph_does_not_have_is_refused_beforehand() {
        let message = |object_type: &str, wanted: &[&str]| query(object_type, wanted).err().map(|error| error.message);
        assert_eq!(message("user", &["shoeSize"]).as_deref(), Some("`shoeSize` is no property of Graph's users"));
        assert!(message("printer", &[]).is_some());
    }

    #[test]
    fn another_kind_of_value_is_unreadable_not_absent() {
        let query = query("user", &["employeeHireDate"]).unwrap_or_else(|error| panic!("{error}"));
        for (name, value, wrong) in [
            ("accountEnabled", json!("yes"), "`accountEnabled`: \"yes\" where boolean was expected"),
            ("employeeHireDate", json!("soon"), "`employeeHireDate`: `soon` is not a time"),
        ] {
            assert_eq!(query.object(&json!({"id": "1", name: value})).err().as_deref(), Some(wrong));
        }
        let object = query.object(&json!({"id": "1", "employeeHireDate": "2024-02-29T00:00:00Z"}));
        let object = object.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(object.attributes[&"employeeHireDate".into()], [Value::Time(1_709_164_800_000_000)]);
    }

    #[test]
    fn what_is_looked_for_is_quoted() {
        let path =
            |object_type: &str, name: &str, text: &str| finding(object_type, &name.into(), &Value::Text(text.into()));
        let expected = "/users?$filter=onPremisesImmutableId%20eq%20'a%2Bb%2F%3D%3D'&$select=id";
        assert_eq!(path("user", "ONPREMISESIMMUTABLEID", "a+b/=="), expected);
        assert_eq!(
            path("group", "uniqueName", "it's & é"),
            "/groups(uniqueName='it%27%27s%20%26%20%C3%A9')?$select=id"
        );
    }
}
