//! Items as Graph requests. Previews show what this gives, and exports send it.

use serde_json::{Map, Value as Json, json};

use super::schema::schema;
use crate::connector::{Anchor, ExportAction, ExportItem, RenderedRequest};
use crate::value::{AttributeName, Kind, Schema, Value, Values, values_to_json};

/// The length of the password of a new account, unless a rule says otherwise.
const PASSWORD: u16 = 40;

/// How many references a request adds. Only members can be added several at a time.
const REFERENCES: usize = 20;

/// Stands for the password in what is shown.
pub(super) const MADE_WHEN_SENT: &str = "(made when sent)";

/// Where references point to in what is shown.
const ROOT: &str = "https://graph.microsoft.com";

/// The requests that an item comes to; none for an item that changes nothing.
pub fn render(item: &ExportItem) -> Vec<RenderedRequest> {
    requests(item, ROOT)
}

/// The same, with references below another root: a national cloud, an emulator.
pub(super) fn requests(item: &ExportItem, root: &str) -> Vec<RenderedRequest> {
    let set = set_of(&item.object_type);
    let nothing = Schema::default();
    let schema = schema(&item.object_type).unwrap_or(&nothing);
    match &item.action {
        ExportAction::Create { attributes, references, .. } => {
            let is_password = |values: &Values| values.iter().any(|value| value.kind() == Kind::Password);
            let mut body = properties(attributes.iter().filter(|(_, values)| !is_password(values)), schema);
            let mut password = None;
            if item.object_type == "group" {
                body.entry("securityEnabled").or_insert(true.into());
                body.entry("mailEnabled").or_insert(false.into());
                body.entry("groupTypes").or_insert_with(|| json!([]));
            } else {
                let profile = json!({ "password": MADE_WHEN_SENT, "forceChangePasswordNextSignIn": true });
                body.insert("passwordProfile".into(), profile);
                let asked = attributes.values().flatten().find_map(|value| match value {
                    Value::Password(length) => Some(*length),
                    _ => None,
                });
                password = Some(asked.unwrap_or(PASSWORD));
            }
            for (attribute, targets) in references.iter().filter(|(_, targets)| !targets.is_empty()) {
                body.insert(format!("{}@odata.bind", spelled(attribute, schema)), links(targets, root));
            }
            let targets = references.values().flatten().cloned().collect();
            vec![RenderedRequest { targets, password, ..request("POST", format!("/{set}"), Some(Json::Object(body))) }]
        }
        ExportAction::Restore { anchor } => {
            let path = format!("/directory/deletedItems/{}/restore", segment(anchor));
            vec![request("POST", path, Some(json!({})))]
        }
        ExportAction::Update { attributes, .. } if attributes.is_empty() => Vec::new(),
        ExportAction::Update { anchor, attributes } => {
            let body = properties(attributes.iter(), schema);
            vec![request("PATCH", object(set, anchor), Some(Json::Object(body)))]
        }
        ExportAction::Delete { anchor } => vec![request("DELETE", object(set, anchor), None)],
        ExportAction::AddReferences { anchor, attribute, targets } => {
            add(&object(set, anchor), attribute, targets, schema, root)
        }
        ExportAction::RemoveReferences { anchor, attribute, targets } => {
            remove(&object(set, anchor), attribute, targets, schema)
        }
    }
}

/// Why an item cannot be sent at all. A creation takes twenty references along, and not the single-valued ones.
pub(super) fn unfit(item: &ExportItem) -> Option<String> {
    let schema = schema(&item.object_type)?;
    let fits =
        |anchor: &Anchor| !anchor.0.is_empty() && anchor.0.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let strange = |anchor: &&Anchor| !fits(anchor);
    let stranger = match &item.action {
        ExportAction::Create { references, .. } => {
            let count: usize = references.values().map(Vec::len).sum();
            if count > REFERENCES {
                return Some(format!("a creation takes {REFERENCES} references along, not {count}"));
            }
            if let Some(single) = references.keys().find(|name| is_single(name, schema)) {
                return Some(format!("`{single}` cannot be set in the request that creates the object"));
            }
            references.values().flatten().find(strange)
        }
        ExportAction::Restore { anchor } | ExportAction::Update { anchor, .. } | ExportAction::Delete { anchor } => {
            Some(anchor).filter(strange)
        }
        ExportAction::AddReferences { anchor, targets, .. }
        | ExportAction::RemoveReferences { anchor, targets, .. } => {
            std::iter::once(anchor).chain(targets).find(strange)
        }
    };
    stranger.map(|anchor| format!("`{anchor}` is no id of Graph's"))
}

fn request(method: &'static str, path: String, body: Option<Json>) -> RenderedRequest {
    RenderedRequest { method, path, body, targets: Vec::new(), password: None }
}

/// The collection of a type.
pub(super) fn set_of(object_type: &str) -> &'static str {
    if object_type == "group" { "groups" } else { "users" }
}

fn object(set: &str, anchor: &Anchor) -> String {
    format!("/{set}/{}", segment(anchor))
}

/// An anchor as one piece of a path, whatever is in it.
fn segment(anchor: &Anchor) -> String {
    escaped(&anchor.0)
}

/// Percent-encodes everything that has a meaning in a URL.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// An attribute as Graph spells it.
pub(super) fn spelled<'a>(attribute: &'a AttributeName, schema: &'a Schema) -> &'a str {
    schema.attributes.get_key_value(attribute).map_or(attribute.as_str(), |(name, _)| name.as_str())
}

fn is_single(attribute: &AttributeName, schema: &Schema) -> bool {
    schema.get(attribute).is_some_and(|known| !known.multi)
}

fn link(target: &Anchor, root: &str) -> String {
    format!("{root}/v1.0/directoryObjects/{}", segment(target))
}

fn links(targets: &[Anchor], root: &str) -> Json {
    targets.iter().map(|target| Json::from(link(target, root))).collect()
}

fn add(
    object: &str,
    attribute: &AttributeName,
    targets: &[Anchor],
    schema: &Schema,
    root: &str,
) -> Vec<RenderedRequest> {
    let name = spelled(attribute, schema);
    if is_single(attribute, schema) {
        let Some(target) = targets.last() else { return Vec::new() };
        let request = request("PUT", format!("{object}/{name}/$ref"), Some(json!({ "@odata.id": link(target, root) })));
        return vec![RenderedRequest { targets: targets.to_vec(), ..request }];
    }
    if name != "members" {
        let one = |target: &Anchor| RenderedRequest {
            targets: vec![target.clone()],
            ..request("POST", format!("{object}/{name}/$ref"), Some(json!({ "@odata.id": link(target, root) })))
        };
        return targets.iter().map(one).collect();
    }
    let some = |part: &[Anchor]| {
        let body = json!({ (format!("{name}@odata.bind")): links(part, root) });
        RenderedRequest { targets: part.to_vec(), ..request("PATCH", object.to_owned(), Some(body)) }
    };
    targets.chunks(REFERENCES).map(some).collect()
}

fn remove(object: &str, attribute: &AttributeName, targets: &[Anchor], schema: &Schema) -> Vec<RenderedRequest> {
    // INVARIANT: every path ends in `/$ref`; without it Graph deletes the object that is referred to.
    let name = spelled(attribute, schema);
    if targets.is_empty() {
        return Vec::new();
    }
    if is_single(attribute, schema) {
        let request = request("DELETE", format!("{object}/{name}/$ref"), None);
        return vec![RenderedRequest { targets: targets.to_vec(), ..request }];
    }
    let one = |target: &Anchor| RenderedRequest {
        targets: vec![target.clone()],
        ..request("DELETE", format!("{object}/{name}/{}/$ref", segment(target)), None)
    };
    targets.iter().map(one).collect()
}

/// Values as a JSON object: collections whole, `null` for none, dotted names nested.
fn properties<'a>(
    attributes: impl Iterator<Item = (&'a AttributeName, &'a Values)>,
    schema: &Schema,
) -> Map<String, Json> {
    let mut body = Map::new();
    for (name, values) in attributes {
        let multi = schema.get(name).is_some_and(|known| known.multi);
        let value = values_to_json(values, multi);
        let name = spelled(name, schema);
        match name.split_once('.') {
            None => {
                body.insert(name.to_owned(), value);
            }
            Some((outer, inner)) => {
                let nested = body.entry(outer).or_insert_with(|| Json::Object(Map::new()));
                if let Json::Object(nested) = nested {
                    nested.insert(inner.to_owned(), value);
                }
            }
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use crate::value::Attributes;
    use expect_test::{Expect, expect};
    use uuid::Uuid;

    fn check(object_type: &str, action: ExportAction, expected: Expect) {
        let item = ExportItem::new(Uuid::nil(), object_type, action);
        let lines: Vec<String> = render(&item)
            .into_iter()
            .map(|request| {
                format!(
                    "{} {} {}",
                    request.method,
                    request.path,
                    request.body.map_or(String::new(), |body| body.to_string())
                )
            })
            .collect();
        expected.assert_eq(&lines.join("\n"));
    }

    fn anchor(name: &str) -> Anchor {
        Anchor(name.into())
    }

    #[test]
    fn updates_nest_and_clear() {
        let text = |text: &str| vec![Value::Text(text.into())];
        let attributes = [
            ("businessPhones".into(), text("1")),
            ("onPremisesExtensionAttributes.extensionAttribute1".into(), text("x")),
            ("onPremisesExtensionAttributes.extensionAttribute2".into(), vec![]),
            ("jobTitle".into(), vec![]),
        ];
        check(
            "user",
            ExportAction::Update { anchor: anchor("u"), attributes: attributes.into() },
            expect![[
                r#"PATCH /users/u {"businessPhones":["1"],"jobTitle":null,"onPremisesExtensionAttributes":{"extensionAttribute1":"x","extensionAttribute2":null}}"#
            ]],
        );
    }

    #[test]
    fn members_are_removed_by_reference_never_by_object() {
        check(
            "group",
            ExportAction::RemoveReferences {
                anchor: anchor("g"),
                attribute: "members".into(),
                targets: vec![anchor("a"), anchor("b")],
            },
            expect![[r#"
                DELETE /groups/g/members/a/$ref 
                DELETE /groups/g/members/b/$ref "#]],
        );
        check(
            "user",
            ExportAction::AddReferences {
                anchor: anchor("u"),
                attribute: "manager".into(),
                targets: vec![anchor("m")],
            },
            expect![[
                r#"PUT /users/u/manager/$ref {"@odata.id":"https://graph.microsoft.com/v1.0/directoryObjects/m"}"#
            ]],
        );
    }

    #[test]
    fn twenty_members_a_request() {
        let targets = (0..45).map(|number| anchor(&number.to_string())).collect();
        let action = ExportAction::AddReferences { anchor: anchor("g"), attribute: "members".into(), targets };
        let item = ExportItem::new(Uuid::nil(), "group", action);
        let sizes: Vec<usize> = render(&item).iter().map(|request| request.targets.len()).collect();
        assert_eq!(sizes, [20, 20, 5]);
    }

    #[test]
    fn creations_take_references_along() {
        let text = |text: &str| vec![Value::Text(text.into())];
        let create = |references: usize| ExportAction::Create {
            attributes: [("DISPLAYNAME".into(), text("Sales")), ("mailNickname".into(), text("sales"))].into(),
            references: [("Members".into(), (0..references).map(|number| anchor(&number.to_string())).collect())]
                .into(),
            match_key: None,
        };
        check(
            "group",
            create(1),
            expect![[
                r#"POST /groups {"displayName":"Sales","groupTypes":[],"mailEnabled":false,"mailNickname":"sales","members@odata.bind":["https://graph.microsoft.com/v1.0/directoryObjects/0"],"securityEnabled":true}"#
            ]],
        );
        let item = |object_type: &str, action| ExportItem::new(Uuid::nil(), object_type, action);
        assert_eq!(unfit(&item("group", create(20))), None);
        let many = Some("a creation takes 20 references along, not 21".to_owned());
        assert_eq!(unfit(&item("group", create(21))), many);
        let manager = ExportAction::Create {
            attributes: Attributes::new(),
            references: [("manager".into(), vec![anchor("m")])].into(),
            match_key: None,
        };
        assert!(unfit(&item("user", manager)).is_some());
    }

    #[test]
    fn a_password_is_asked_for_and_not_shown() {
        let action =
            ExportAction::Create { attributes: Attributes::new(), references: BTreeMap::new(), match_key: None };
        check(
            "user",
            action,
            expect![[
                r#"POST /users {"passwordProfile":{"forceChangePasswordNextSignIn":true,"password":"(made when sent)"}}"#
            ]],
        );
    }

    #[test]
    fn rules_say_how_long_a_password_is() {
        let attributes = [("passwordProfile.password".into(), vec![Value::Password(24)])].into();
        let action = ExportAction::Create { attributes, references: BTreeMap::new(), match_key: None };
        let item = ExportItem::new(Uuid::nil(), "user", action);
        let requests = render(&item);
        assert_eq!(requests.iter().map(|request| request.password).collect::<Vec<_>>(), [Some(24)]);
        let bodies: Vec<String> =
            requests.iter().filter_map(|request| Some(request.body.as_ref()?.to_string())).collect();
        assert_eq!(
            bodies,
            [r#"{"passwordProfile":{"forceChangePasswordNextSignIn":true,"password":"(made when sent)"}}"#]
        );
    }

    #[test]
    fn an_anchor_cannot_lead_elsewhere() {
        let item = |target: &str| {
            let targets = vec![anchor(target)];
            let action = ExportAction::RemoveReferences { anchor: anchor("g"), attribute: "members".into(), targets };
            ExportItem::new(Uuid::nil(), "group", action)
        };
        for target in ["", "..", "../../users/x", "a?b", "a/$ref#"] {
            assert!(unfit(&item(target)).is_some(), "{target}");
            let paths = render(&item(target));
            assert!(paths.iter().all(|request| request.path.ends_with("/$ref")), "{paths:?}");
            assert!(paths.iter().all(|request| request.path.matches('/').count() == 5), "{paths:?}");
        }
        assert_eq!(unfit(&item("5b0c1ab2-0000-4000-8000-000000000001")), None);
    }

    #[test]
    fn what_changes_nothing_sends_nothing() {
        let none = |action| render(&ExportItem::new(Uuid::nil(), "group", action)).is_empty();
        let (anchor, attribute) = (anchor("g"), AttributeName::from("members"));
        assert!(none(ExportAction::Update { anchor: anchor.clone(), attributes: BTreeMap::new() }));
        let targets = Vec::new();
        assert!(none(ExportAction::AddReferences { anchor: anchor.clone(), attribute: attribute.clone(), targets }));
        assert!(none(ExportAction::RemoveReferences { anchor, attribute, targets: Vec::new() }));
    }
}
