//! Items as LDAP operations. Previews show what this gives, and exports send it. Pure.

use serde_json::{Map, Value as Json, json};

use super::Flavour;
use crate::connector::{Anchor, ExportAction, ExportItem, RenderedRequest};
use crate::dn;
use crate::value::{AttributeName, Attributes, Value, Values};

/// The attribute by which rules give the name of an entry.
pub(crate) const NAME: &str = "dn";

/// One attribute with its values, as they are sent.
pub(super) type Raw = (String, Vec<Vec<u8>>);

/// What is to be done with one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Make it. `password` is where a password goes, and how long it is.
    Add { name: String, attributes: Vec<Raw>, password: Option<(String, u16)> },
    /// Give it another name, in another place if `above` is given.
    Rename { rdn: String, above: Option<String>, name: String },
    /// Change values.
    Modify(Vec<Part>),
    /// Take it away.
    Delete,
}

/// The change of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// These values instead of all others; none clears.
    Replace(Raw),
    /// Value by value, so that what others added meanwhile stays; and the whole, should that not work.
    Delta { name: String, remove: Vec<Vec<u8>>, add: Vec<Vec<u8>>, whole: Vec<Vec<u8>> },
}

/// The operations of an item, in order. References are names by now; those without a name are left out.
pub(super) fn operations(flavour: Flavour, item: &ExportItem) -> Vec<Operation> {
    let names = |targets: &[Anchor]| -> Vec<Vec<u8>> {
        targets.iter().filter_map(|target| item.known.names.get(target)).map(|name| name.clone().into_bytes()).collect()
    };
    match &item.action {
        ExportAction::Create { attributes, .. } => vec![add(flavour, &item.object_type, attributes)],
        ExportAction::Update { anchor, attributes } => {
            update(item.known.names.get(anchor).map(String::as_str), attributes, &item.known.before)
        }
        ExportAction::Delete { .. } => vec![Operation::Delete],
        ExportAction::AddReferences { attribute, targets, .. } => reference(attribute, names(targets), true),
        ExportAction::RemoveReferences { attribute, targets, .. } => reference(attribute, names(targets), false),
        // Only Entra ID has a recycle bin that anybody may take things out of.
        ExportAction::Restore { .. } => Vec::new(),
    }
}

fn reference(attribute: &AttributeName, values: Vec<Vec<u8>>, add: bool) -> Vec<Operation> {
    if values.is_empty() {
        return Vec::new();
    }
    let name = attribute.to_string();
    let (add, remove) = if add { (values, Vec::new()) } else { (Vec::new(), values) };
    vec![Operation::Modify(vec![Part::Delta { name, remove, add, whole: Vec::new() }])]
}

fn add(flavour: Flavour, object_type: &str, wish: &Attributes) -> Operation {
    let name = wish.get(&AttributeName::from(NAME)).and_then(|values| values.first()).map(Value::to_string);
    let name = name.unwrap_or_default();
    let (mut attributes, mut password) = (Vec::new(), None);
    for (attribute, values) in wish.iter().filter(|(attribute, _)| **attribute != AttributeName::from(NAME)) {
        match values.first() {
            Some(Value::Password(length)) => password = Some((attribute.to_string(), *length)),
            Some(_) => attributes.push((attribute.to_string(), bytes(values))),
            None => {}
        }
    }
    let has = |attributes: &[Raw], name: &str| attributes.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    if !has(&attributes, "objectClass") {
        let classes = classes(flavour, object_type).into_iter().map(|class| class.as_bytes().to_vec());
        attributes.insert(0, ("objectClass".to_owned(), classes.collect()));
    }
    // The value in the name must be among the attributes.
    if let (Some((kind, _)), Some(value)) = (dn::components(&name).next(), dn::rdn_value(&name))
        && !has(&attributes, kind)
    {
        attributes.push((kind.to_owned(), vec![value.into_bytes()]));
    }
    // These classes want a member, and a group may have none: the empty name stands for nobody.
    for (class, member) in [("groupOfNames", "member"), ("groupOfUniqueNames", "uniqueMember")] {
        if object_type.eq_ignore_ascii_case(class) {
            attributes.push((member.to_owned(), vec![Vec::new()]));
        }
    }
    Operation::Add { name, attributes, password }
}

/// The classes of an entry when no rule flows them.
fn classes(flavour: Flavour, object_type: &str) -> Vec<&str> {
    let above: &[&str] = match (flavour, object_type.to_ascii_lowercase().as_str()) {
        (Flavour::ActiveDirectory, "user" | "contact") => &["top", "person", "organizationalPerson"],
        (Flavour::ActiveDirectory, "computer") => &["top", "person", "organizationalPerson", "user"],
        (Flavour::ActiveDirectory, "inetorgperson") => &["top", "person", "organizationalPerson", "user"],
        (Flavour::OpenLdap, "inetorgperson") => &["top", "person", "organizationalPerson"],
        (Flavour::ActiveDirectory | Flavour::OpenLdap, _) => &["top"],
    };
    above.iter().copied().chain([object_type]).collect()
}

fn update(name: Option<&str>, wish: &Attributes, before: &Attributes) -> Vec<Operation> {
    let mut operations = Vec::new();
    let wanted = wish.get(&AttributeName::from(NAME)).and_then(|values| values.first()).map(Value::to_string);
    let mut rdn_kind = None;
    if let Some(wanted) = wanted.or_else(|| name.map(str::to_owned)) {
        rdn_kind = dn::components(&wanted).next().map(|(kind, _)| AttributeName::from(kind));
        if name.is_none_or(|name| dn::normalise(name) != dn::normalise(&wanted)) {
            let above = dn::parent(&wanted).unwrap_or_default();
            let moves = name.and_then(dn::parent).is_none_or(|old| dn::normalise(old) != dn::normalise(above));
            let rdn = wanted.get(..wanted.len() - above.len()).unwrap_or(&wanted).trim_end().trim_end_matches(',');
            let above = moves.then(|| above.to_owned());
            operations.push(Operation::Rename { rdn: rdn.to_owned(), above, name: wanted });
        }
    }
    let skipped = |attribute: &AttributeName| {
        // The value in the name changes with the name alone.
        *attribute == AttributeName::from(NAME) || rdn_kind.as_ref() == Some(attribute)
    };
    let parts: Vec<Part> = wish
        .iter()
        .filter(|(attribute, _)| !skipped(attribute))
        .map(|(attribute, values)| part(attribute, values, before.get(attribute).map_or(&[], Vec::as_slice)))
        .collect();
    if !parts.is_empty() {
        operations.push(Operation::Modify(parts));
    }
    operations
}

fn part(attribute: &AttributeName, values: &Values, before: &[Value]) -> Part {
    let (name, new, old) = (attribute.to_string(), bytes(values), bytes(before));
    if new.is_empty() || old.is_empty() || (new.len() == 1 && old.len() == 1) {
        return Part::Replace((name, new));
    }
    let without = |from: &[Vec<u8>], these: &[Vec<u8>]| -> Vec<Vec<u8>> {
        from.iter().filter(|value| !these.contains(value)).cloned().collect()
    };
    Part::Delta { name, remove: without(&old, &new), add: without(&new, &old), whole: new }
}

fn bytes(values: &[Value]) -> Vec<Vec<u8>> {
    let one = |value: &Value| match value {
        Value::Text(text) => text.clone().into_bytes(),
        Value::Bytes(bytes) => bytes.clone(),
        Value::Boolean(flag) => {
            if *flag {
                b"TRUE".to_vec()
            } else {
                b"FALSE".to_vec()
            }
        }
        Value::Integer(_) | Value::Time(_) | Value::Password(_) => value.to_string().into_bytes(),
    };
    values.iter().map(one).collect()
}

/// The requests that an item comes to, as people see them.
pub fn render(flavour: Flavour, item: &ExportItem) -> Vec<RenderedRequest> {
    let mut path =
        item.action.owner().map(|anchor| item.known.names.get(anchor).unwrap_or(&anchor.0).clone()).unwrap_or_default();
    let mut requests = Vec::new();
    for operation in operations(flavour, item) {
        let (method, body) = match operation {
            Operation::Add { name, attributes, password } => {
                path = name;
                let mut body: Map<String, Json> =
                    attributes.iter().map(|(name, values)| (name.clone(), shown(values))).collect();
                if let Some((name, _)) = password {
                    body.insert(name, "(made when sent)".into());
                }
                ("add", Some(Json::Object(body)))
            }
            Operation::Rename { rdn, above, name } => {
                let was = std::mem::replace(&mut path, name);
                requests.push(request("modrdn", was, Some(json!({ "rdn": rdn, "above": above }))));
                continue;
            }
            Operation::Modify(parts) => ("modify", Some(Json::Object(parts.iter().map(shown_part).collect()))),
            Operation::Delete => ("delete", None),
        };
        requests.push(request(method, path.clone(), body));
    }
    requests
}

fn request(method: &'static str, path: String, body: Option<Json>) -> RenderedRequest {
    RenderedRequest { method, path, body, targets: Vec::new(), password: None }
}

fn shown_part(part: &Part) -> (String, Json) {
    match part {
        Part::Replace((name, values)) => (name.clone(), shown(values)),
        Part::Delta { name, remove, add, .. } => {
            let mut delta = Map::new();
            for (key, values) in [("remove", remove), ("add", add)] {
                if !values.is_empty() {
                    delta.insert(key.to_owned(), shown(values));
                }
            }
            (name.clone(), Json::Object(delta))
        }
    }
}

fn shown(values: &[Vec<u8>]) -> Json {
    let text = |value: &Vec<u8>| match std::str::from_utf8(value) {
        Ok(text) => Json::from(text),
        Err(_) => Json::from(Value::Bytes(value.clone()).to_string()),
    };
    match values {
        [] => Json::Null,
        [one] => text(one),
        several => several.iter().map(text).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use uuid::Uuid;

    fn check(flavour: Flavour, object_type: &str, action: ExportAction, before: &[(&str, &[&str])], expected: Expect) {
        let mut item = ExportItem::new(Uuid::nil(), object_type, action);
        item.known.before = attributes(before);
        let names = [("z", "CN=Zoe,OU=Sales,DC=x"), ("a", "CN=Ada,OU=Sales,DC=x")];
        item.known.names = names.map(|(anchor, name)| (Anchor(anchor.into()), name.to_owned())).into();
        let lines = render(flavour, &item).into_iter().map(|request| {
            let body = request.body.map_or(String::new(), |body| body.to_string());
            format!("{} {} {body}", request.method, request.path).trim_end().to_owned()
        });
        expected.assert_eq(&lines.collect::<Vec<_>>().join("\n"));
    }

    fn attributes(list: &[(&str, &[&str])]) -> Attributes {
        let values = |values: &[&str]| values.iter().map(|text| Value::Text((*text).into())).collect::<Values>();
        list.iter().map(|(name, list)| (AttributeName::from(*name), values(list))).collect()
    }

    fn create(list: &[(&str, &[&str])]) -> ExportAction {
        ExportAction::Create { attributes: attributes(list), references: Default::default(), match_key: None }
    }

    fn update(list: &[(&str, &[&str])]) -> ExportAction {
        ExportAction::Update { anchor: Anchor("z".into()), attributes: attributes(list) }
    }

    #[test]
    fn a_new_entry_has_its_classes_and_the_value_of_its_name() {
        let wish: &[(&str, &[&str])] = &[("dn", &["CN=Roe\\, Jane,OU=Sales,DC=x"]), ("sAMAccountName", &["jroe"])];
        check(
            Flavour::ActiveDirectory,
            "user",
            create(wish),
            &[],
            expect![[
                r#"add CN=Roe\, Jane,OU=Sales,DC=x {"CN":"Roe, Jane","objectClass":["top","person","organizationalPerson","user"],"sAMAccountName":"jroe"}"#
            ]],
        );
        check(
            Flavour::OpenLdap,
            "groupOfNames",
            create(&[("dn", &["cn=all,dc=x"]), ("cn", &["all"])]),
            &[],
            expect![[r#"add cn=all,dc=x {"cn":"all","member":"","objectClass":["top","groupOfNames"]}"#]],
        );
    }

    #[test]
    fn a_password_is_asked_for_and_not_shown() {
        let mut wish = attributes(&[("dn", &["CN=Ada,DC=x"])]);
        wish.insert("unicodePwd".into(), vec![Value::Password(24)]);
        let action = ExportAction::Create { attributes: wish, references: Default::default(), match_key: None };
        let made = operations(Flavour::ActiveDirectory, &ExportItem::new(Uuid::nil(), "group", action.clone()));
        assert!(matches!(&made[..], [Operation::Add { password: Some((name, 24)), .. }] if name == "unicodePwd"));
        check(
            Flavour::ActiveDirectory,
            "group",
            action,
            &[],
            expect![[r#"add CN=Ada,DC=x {"CN":"Ada","objectClass":["top","group"],"unicodePwd":"(made when sent)"}"#]],
        );
    }

    #[test]
    fn lists_change_value_by_value_and_single_values_whole() {
        check(
            Flavour::ActiveDirectory,
            "user",
            update(&[("proxyAddresses", &["SMTP:b", "smtp:c"]), ("title", &["Boss"]), ("info", &[])]),
            &[("proxyAddresses", &["smtp:a", "smtp:c"]), ("title", &["Clerk"]), ("info", &["x"])],
            expect![[
                r#"modify CN=Zoe,OU=Sales,DC=x {"info":null,"proxyAddresses":{"add":"SMTP:b","remove":"smtp:a"},"title":"Boss"}"#
            ]],
        );
    }

    #[test]
    fn a_new_name_renames_and_a_new_place_moves() {
        let renamed = update(&[("dn", &["CN=Zoe M,OU=sales,DC=x"]), ("cn", &["Zoe M"]), ("sn", &["M"])]);
        check(
            Flavour::ActiveDirectory,
            "user",
            renamed,
            &[],
            expect![[r#"
                modrdn CN=Zoe,OU=Sales,DC=x {"above":null,"rdn":"CN=Zoe M"}
                modify CN=Zoe M,OU=sales,DC=x {"sn":"M"}"#]],
        );
        check(
            Flavour::OpenLdap,
            "inetOrgPerson",
            update(&[("dn", &["CN=Zoe,OU=Left,DC=x"])]),
            &[],
            expect![[r#"modrdn CN=Zoe,OU=Sales,DC=x {"above":"OU=Left,DC=x","rdn":"CN=Zoe"}"#]],
        );
        check(Flavour::OpenLdap, "inetOrgPerson", update(&[("dn", &["cn=zoe, ou=sales, dc=X"])]), &[], expect![""]);
    }

    #[test]
    fn references_are_names() {
        let targets = vec![Anchor("a".into()), Anchor("unknown".into())];
        let (anchor, attribute) = (Anchor("z".into()), AttributeName::from("member"));
        check(
            Flavour::ActiveDirectory,
            "group",
            ExportAction::AddReferences { anchor: anchor.clone(), attribute: attribute.clone(), targets },
            &[],
            expect![[r#"modify CN=Zoe,OU=Sales,DC=x {"member":{"add":"CN=Ada,OU=Sales,DC=x"}}"#]],
        );
        let targets = vec![Anchor("unknown".into())];
        check(
            Flavour::ActiveDirectory,
            "group",
            ExportAction::RemoveReferences { anchor, attribute, targets },
            &[],
            expect![""],
        );
    }
}
