//! Items as Graph requests. Previews show what this gives, and exports send it.

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::schema::schema;
use crate::connector::{Anchor, ExportAction, ExportItem};
use crate::value::{AttributeName, Schema, Values, values_to_json};

/// One request. `body` is what is shown; a password is put in when it is sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RenderedRequest {
    /// `POST`, `PATCH`, `PUT`, `DELETE`.
    pub method: &'static str,
    /// Below `/v1.0`.
    pub path: String,
    /// JSON.
    pub body: Option<Json>,
    /// The references that it is about.
    #[serde(skip)]
    pub targets: Vec<Anchor>,
}

/// How many members a request adds.
const MEMBERS: usize = 20;

/// Stands for the password in what is shown.
pub(super) const MADE_WHEN_SENT: &str = "(made when sent)";

fn request(method: &'static str, path: String, body: Option<Json>) -> RenderedRequest {
    RenderedRequest { method, path, body, targets: Vec::new() }
}

/// The requests that an item comes to.
pub fn render(item: &ExportItem) -> Vec<RenderedRequest> {
    let set = if item.object_type == "group" { "groups" } else { "users" };
    let schema = schema(&item.object_type).unwrap_or_default();
    match &item.action {
        ExportAction::Create { attributes, .. } => {
            let mut body = properties(attributes.iter(), &schema);
            if item.object_type == "group" {
                body.entry("securityEnabled").or_insert(true.into());
                body.entry("mailEnabled").or_insert(false.into());
                body.entry("groupTypes").or_insert_with(|| json!([]));
            } else {
                let profile = json!({ "password": MADE_WHEN_SENT, "forceChangePasswordNextSignIn": true });
                body.insert("passwordProfile".into(), profile);
            }
            vec![request("POST", format!("/{set}"), Some(Json::Object(body)))]
        }
        ExportAction::Restore { anchor } => {
            vec![request("POST", format!("/directory/deletedItems/{anchor}/restore"), Some(json!({})))]
        }
        ExportAction::Update { anchor, attributes } => {
            let body = properties(attributes.iter(), &schema);
            vec![request("PATCH", format!("/{set}/{anchor}"), Some(Json::Object(body)))]
        }
        ExportAction::Delete { anchor } => vec![request("DELETE", format!("/{set}/{anchor}"), None)],
        ExportAction::AddReferences { anchor, attribute, targets } => add(set, anchor, attribute, targets, &schema),
        ExportAction::RemoveReferences { anchor, attribute, targets } => {
            remove(set, anchor, attribute, targets, &schema)
        }
    }
}

fn is_single(attribute: &AttributeName, schema: &Schema) -> bool {
    schema.get(attribute).is_some_and(|known| !known.multi)
}

fn add(
    set: &str,
    anchor: &Anchor,
    attribute: &AttributeName,
    targets: &[Anchor],
    schema: &Schema,
) -> Vec<RenderedRequest> {
    let reference = |target: &Anchor| format!("https://graph.microsoft.com/v1.0/directoryObjects/{target}");
    if is_single(attribute, schema) {
        let Some(target) = targets.last() else { return Vec::new() };
        let body = json!({ "@odata.id": reference(target) });
        let request = request("PUT", format!("/{set}/{anchor}/{attribute}/$ref"), Some(body));
        return vec![RenderedRequest { targets: targets.to_vec(), ..request }];
    }
    targets
        .chunks(MEMBERS)
        .map(|part| {
            let list: Vec<String> = part.iter().map(reference).collect();
            let body = json!({ (format!("{attribute}@odata.bind")): list });
            RenderedRequest { targets: part.to_vec(), ..request("PATCH", format!("/{set}/{anchor}"), Some(body)) }
        })
        .collect()
}

fn remove(
    set: &str,
    anchor: &Anchor,
    attribute: &AttributeName,
    targets: &[Anchor],
    schema: &Schema,
) -> Vec<RenderedRequest> {
    // Without `/$ref` the object itself would be deleted.
    if is_single(attribute, schema) {
        let request = request("DELETE", format!("/{set}/{anchor}/{attribute}/$ref"), None);
        return vec![RenderedRequest { targets: targets.to_vec(), ..request }];
    }
    let one = |target: &Anchor| RenderedRequest {
        targets: vec![target.clone()],
        ..request("DELETE", format!("/{set}/{anchor}/{attribute}/{target}/$ref"), None)
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
        match name.as_str().split_once('.') {
            None => {
                body.insert(name.to_string(), value);
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
    use crate::value::Value;
    use expect_test::{Expect, expect};
    use uuid::Uuid;

    fn check(object_type: &str, action: ExportAction, expected: Expect) {
        let item = ExportItem { id: Uuid::nil(), object_type: object_type.into(), action };
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
        let item = ExportItem { id: Uuid::nil(), object_type: "group".into(), action };
        let sizes: Vec<usize> = render(&item).iter().map(|request| request.targets.len()).collect();
        assert_eq!(sizes, [20, 20, 5]);
    }
}
