//! Objects of tests: what a rule's scope asks for, then what a way through an expression asks for.

use std::collections::BTreeMap;

use super::solve::{ANCHORS, Want, Wants};
use crate::entra_connect::export::{AttributeSchema, Clause, Rule};
use crate::entra_connect::written::{key, quoted};
use crate::value::Kind;

/// What every object has, so that it comes in at all.
const ALWAYS: &[(&str, &str)] = &[
    ("cn", "\"Ada Lovelace\""),
    ("objectGUID", "\"base64:EREAAKqqIiK7uzMzzMxERA==\""),
    ("objectSid", "\"base64:AQUAAAAAAAUVAAAAAQAAAAIAAAADAAAAUQQAAA==\""),
    ("sAMAccountName", "\"ada\""),
];

/// Values of attributes that must be there, and whose value must fit.
const SAMPLES: &[(&str, &str)] = &[
    ("userAccountControl", "512"),
    ("groupType", "-2147483646"),
    ("userPrincipalName", "\"ada@contoso.com\""),
    ("mail", "\"ada@contoso.com\""),
    ("mailNickname", "\"ada\""),
    ("displayName", "\"Ada L.\""),
    ("proxyAddresses", "[\"SMTP:ada@contoso.com\", \"smtp:al@contoso.com\"]"),
    ("pwdLastSet", "130543784930000000"),
];

/// An object that a directory shows.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// `ad/user`.
    pub(super) place: String,
    /// `dn = …` or `anchor = …`.
    pub(super) named: (&'static str, String),
    /// Attributes as the test writes them, by their names in small letters.
    pub(super) attributes: BTreeMap<String, (String, String)>,
    pub(super) count: BTreeMap<String, usize>,
}

impl Shown {
    /// The object as a test writes it; `section` is `object` or `before`.
    pub(super) fn text(&self, section: &str) -> String {
        let listed = self.attributes.values().map(|(name, value)| format!("{} = {value}", key(name)));
        let listed = listed.collect::<Vec<_>>().join(", ");
        let (place, (what, name)) = (quoted(&self.place), &self.named);
        let mut text =
            format!("[[test.{section}]]\nin = {place}\n{what} = {}\nattributes = {{ {listed} }}\n", quoted(name));
        if !self.count.is_empty() {
            let counts = self.count.iter().map(|(name, count)| format!("{} = {count}", key(name)));
            text += &format!("count = {{ {} }}\n", counts.collect::<Vec<_>>().join(", "));
        }
        text
    }
}

/// The object of a test; nothing where no object in the rule's scope is like that.
pub(super) fn object(
    (rule, connector): (&Rule, &str),
    wants: &Wants,
    asked: &[String],
    schema: &dyn Fn(&str) -> AttributeSchema,
) -> Option<Shown> {
    let mut attributes = always(rule);
    for (name, value) in in_scope(rule, wants)? {
        let value = value.unwrap_or_else(|| sample(&name, schema(&name)));
        attributes.insert(name.to_ascii_lowercase(), (name, value));
    }
    let reference = |name: &str| schema(name).kind == Kind::Reference;
    for name in asked.iter().filter(|name| !reference(name) && !name.eq_ignore_ascii_case("dn")) {
        let key = name.to_ascii_lowercase();
        if !wants.contains_key(&key) {
            attributes.entry(key).or_insert_with(|| (name.clone(), sample(name, schema(name))));
        }
    }
    let mut dn = "CN=Ada,OU=People,DC=contoso,DC=com".to_owned();
    let mut count = BTreeMap::new();
    for (key, (name, want)) in wants {
        match want {
            Want::Text(text) if key == "dn" => dn.clone_from(text),
            _ if key == "dn" => {}
            Want::Absent => {
                attributes.remove(key);
            }
            Want::Count(number) => {
                attributes.remove(key);
                count.insert(name.clone(), *number);
            }
            want => {
                attributes.insert(key.clone(), (name.clone(), wished(name, want, schema(name))?));
            }
        }
    }
    let place = format!("{connector}/{}", rule.directory_type);
    Some(Shown { place, named: ("dn", dn), attributes, count })
}

/// What an object of a class has, whatever is asked for.
fn always(rule: &Rule) -> BTreeMap<String, (String, String)> {
    let class = rule.directory_type.to_ascii_lowercase();
    let of_class: &[(&str, &str)] = match class.as_str() {
        "user" | "inetorgperson" => &[("userAccountControl", "512"), ("userPrincipalName", "\"ada@contoso.com\"")],
        "group" => &[("groupType", "-2147483646")],
        "contact" => &[("mail", "\"ada@contoso.com\"")],
        _ => &[],
    };
    let no_account = |name: &str| class == "contact" && ["objectSid", "sAMAccountName"].contains(&name);
    let all = ALWAYS.iter().filter(|(name, _)| !no_account(name)).chain(of_class);
    all.map(|(name, value)| (name.to_ascii_lowercase(), ((*name).to_owned(), (*value).to_owned()))).collect()
}

/// An attribute that a scope asks for, and its value; any where it asks for none.
type Asked = (String, Option<String>);

/// What the first group of a scope that goes with the wishes asks for; nothing where none does, or it is unusual.
fn in_scope(rule: &Rule, wants: &Wants) -> Option<Vec<Asked>> {
    if rule.scope.is_empty() {
        return Some(Vec::new());
    }
    rule.scope.iter().find_map(|group| of_group(group, wants))
}

fn of_group(group: &[Clause], wants: &Wants) -> Option<Vec<Asked>> {
    let mut asked = Vec::new();
    for clause in group {
        let wish = wants.get(&clause.attribute.to_ascii_lowercase()).map(|(_, wish)| wish);
        match clause.operator.to_ascii_uppercase().as_str() {
            "ISNOTNULL" if wish == Some(&Want::Absent) => return None,
            "ISNOTNULL" => asked.push((clause.attribute.clone(), None)),
            "EQUAL" if !clause.value.contains('%') && wish.is_none_or(|wish| is_equal(wish, &clause.value)) => {
                asked.push((clause.attribute.clone(), Some(quoted(&clause.value))));
            }
            "NOTEQUAL" if wish.is_some_and(|wish| is_equal(wish, &clause.value)) => return None,
            "ISNULL" if wish.is_some_and(|wish| *wish != Want::Absent) => return None,
            operator if operator.contains("NOT") || operator == "ISNULL" => {}
            _ => return None,
        }
    }
    Some(asked)
}

/// Whether what is wished for is what a clause compares with.
pub(super) fn is_equal(wish: &Want, value: &str) -> bool {
    match wish {
        Want::Text(text) => text.eq_ignore_ascii_case(value),
        Want::Integer(number) => number.to_string() == value,
        Want::Boolean(truth) => truth.to_string().eq_ignore_ascii_case(value),
        Want::Absent | Want::Present | Want::Count(_) => false,
    }
}

fn sample(name: &str, schema: AttributeSchema) -> String {
    if let Some((_, value)) = SAMPLES.iter().chain(ALWAYS).find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return (*value).to_owned();
    }
    let one = match schema.kind {
        Kind::Integer => "1".to_owned(),
        Kind::Boolean => "false".to_owned(),
        Kind::Bytes => "\"base64:AQIDBA==\"".to_owned(),
        Kind::Text | Kind::Time | Kind::Password | Kind::Reference => quoted(&format!(" some {name} ")),
    };
    if schema.multi { format!("[{one}]") } else { one }
}

fn wished(name: &str, want: &Want, schema: AttributeSchema) -> Option<String> {
    let value = match (want, schema.kind) {
        (Want::Present, _) => return Some(sample(name, schema)),
        (Want::Text(text), Kind::Text | Kind::Time) => quoted(text),
        (Want::Text(text), Kind::Bytes) if ANCHORS.contains(&text.as_str()) => quoted(&format!("base64:{text}")),
        (Want::Text(text), Kind::Integer) => text.trim().parse::<i64>().ok()?.to_string(),
        (Want::Integer(number), Kind::Integer) => number.to_string(),
        (Want::Integer(number), Kind::Text) => quoted(&number.to_string()),
        (Want::Boolean(truth), Kind::Boolean) => truth.to_string(),
        _ => return None,
    };
    Some(if schema.multi { format!("[{value}]") } else { value })
}
