//! Schemas in the Directory Services Markup Language: attributes, and what their values are.
//!
//! Classes are left out: a rule names attributes of an object, whatever its class.

use std::collections::BTreeMap;

use super::tree::{Element, Space};
use super::{Reading, flag};
use crate::entra_connect::export::AttributeSchema;
use crate::value::Kind;

/// The attributes in the `<schema>` of a connector or of the metaverse.
pub(super) fn read(reading: &mut Reading, owner: &Element) -> BTreeMap<String, AttributeSchema> {
    let mut attributes = BTreeMap::new();
    let Some(schema) = owner.below(["schema", "dsml", "directory-schema"]) else { return attributes };
    for element in schema.all("attribute-type").filter(|element| element.space == Space::Dsml) {
        // In a schema of Active Directory the ids are made up; where there is no name, the id is one.
        let name = match element.text_of("name") {
            "" => element.attribute("id").unwrap_or_default().trim(),
            name => name,
        };
        if name.is_empty() {
            reading.odd(element.line, "an attribute of the schema has no name, and is left out".to_owned());
            continue;
        }
        let syntax = element.text_of("syntax");
        let kind = kind(syntax).unwrap_or_else(|| {
            reading.odd(element.line, format!("the syntax `{syntax}` in the schema is not known, and taken for text"));
            Kind::Text
        });
        let multi = element.attribute("single-value").and_then(flag) != Some(true);
        attributes.insert(name.to_owned(), AttributeSchema { kind, multi });
    }
    attributes
}

/// What the values of a syntax are, by its object identifier: those of LDAP, then those of Active Directory.
fn kind(syntax: &str) -> Option<Kind> {
    if let Some(number) = syntax.strip_prefix("1.3.6.1.4.1.1466.115.121.1.") {
        return match number {
            "27" => Some(Kind::Integer),
            "7" => Some(Kind::Boolean),
            "5" | "40" => Some(Kind::Bytes),
            "12" => Some(Kind::Reference),
            "24" | "53" => Some(Kind::Time),
            "15" | "26" | "36" | "38" | "43" | "44" => Some(Kind::Text),
            _ => None,
        };
    }
    match syntax.strip_prefix("1.2.840.113556.1.4.")? {
        "906" => Some(Kind::Integer),
        "907" => Some(Kind::Bytes),
        // A distinguished name with bytes, with text, and one of X.400 or X.500 as in `authOrig`: the name is what counts.
        "903" | "904" | "1221" => Some(Kind::Reference),
        "905" | "1362" => Some(Kind::Text),
        _ => None,
    }
}
