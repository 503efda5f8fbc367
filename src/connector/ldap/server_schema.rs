//! What a server says about its attributes: RFC 4512 attribute type descriptions, as Active Directory and OpenLDAP
//! write them. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::connector::schema::Schema;
use crate::value::{AttributeName, AttributeType, Kind};

/// Names in the directory's own tree that rules want as text: the name of the object itself, and pointers into the schema.
const KEPT_AS_TEXT: &[&str] = &["distinguishedName", "entryDN", "objectCategory", "subschemaSubentry"];

/// The schema that these `attributeTypes` values make. Descriptions that cannot be read are left out.
pub(crate) fn parse<'a>(descriptions: impl IntoIterator<Item = &'a str>) -> Schema {
    let types: Vec<Description> = descriptions.into_iter().filter_map(Description::parse).collect();
    let by_name: HashMap<String, &Description> =
        types.iter().flat_map(|one| one.names.iter().map(move |name| (name.to_ascii_lowercase(), one))).collect();
    let mut attributes = BTreeMap::new();
    for one in &types {
        let Some(name) = one.names.first() else { continue };
        let kept_as_text = KEPT_AS_TEXT.iter().any(|text| text.eq_ignore_ascii_case(name));
        let kind = if kept_as_text { Kind::Text } else { kind(one, &by_name) };
        let entry = AttributeType { kind, multi: !one.single, writable: !one.read_only, max_length: None };
        attributes.insert(AttributeName::from(name.as_str()), entry);
    }
    Schema { attributes, closed: true, ..Schema::default() }
}

fn kind(one: &Description, by_name: &HashMap<String, &Description>) -> Kind {
    let mut seen = BTreeSet::new();
    let mut current = one;
    loop {
        if let Some(syntax) = &current.syntax {
            return kind_of_syntax(syntax);
        }
        let above = current.above.as_ref().map(|above| above.to_ascii_lowercase());
        match above.filter(|above| seen.insert(above.clone())).and_then(|above| by_name.get(&above)) {
            Some(next) => current = next,
            None => return Kind::Text,
        }
    }
}

/// The kind of values that a syntax has. Times are text, as delivered.
fn kind_of_syntax(oid: &str) -> Kind {
    match oid {
        // Distinguished name; name and optional UID.
        "1.3.6.1.4.1.1466.115.121.1.12" | "1.3.6.1.4.1.1466.115.121.1.34" => Kind::Reference,
        // Integer; Active Directory's 64-bit integer.
        "1.3.6.1.4.1.1466.115.121.1.27" | "1.2.840.113556.1.4.906" => Kind::Integer,
        "1.3.6.1.4.1.1466.115.121.1.7" => Kind::Boolean,
        // Octet string, binary, JPEG, audio, certificate, certificate list and pair, algorithm, security descriptor.
        "1.3.6.1.4.1.1466.115.121.1.40"
        | "1.3.6.1.4.1.1466.115.121.1.5"
        | "1.3.6.1.4.1.1466.115.121.1.28"
        | "1.3.6.1.4.1.1466.115.121.1.4"
        | "1.3.6.1.4.1.1466.115.121.1.8"
        | "1.3.6.1.4.1.1466.115.121.1.9"
        | "1.3.6.1.4.1.1466.115.121.1.10"
        | "1.3.6.1.4.1.1466.115.121.1.49"
        | "1.2.840.113556.1.4.907" => Kind::Bytes,
        _ => Kind::Text,
    }
}

#[derive(Debug, Default)]
struct Description {
    names: Vec<String>,
    above: Option<String>,
    syntax: Option<String>,
    single: bool,
    read_only: bool,
}

impl Description {
    fn parse(text: &str) -> Option<Description> {
        let mut tokens = tokens(text).into_iter();
        if tokens.next()? != "(" {
            return None;
        }
        tokens.next()?;
        let mut found = Description::default();
        while let Some(token) = tokens.next() {
            match token {
                "NAME" => match tokens.next()? {
                    "(" => found.names.extend(tokens.by_ref().take_while(|name| *name != ")").map(str::to_owned)),
                    name => found.names.push(name.to_owned()),
                },
                "SUP" => found.above = Some(tokens.next()?.to_owned()),
                // A length may follow: `1.3.6.1.4.1.1466.115.121.1.15{256}`.
                "SYNTAX" => found.syntax = tokens.next()?.split('{').next().map(str::to_owned),
                "SINGLE-VALUE" => found.single = true,
                "NO-USER-MODIFICATION" => found.read_only = true,
                "DESC" | "EQUALITY" | "ORDERING" | "SUBSTR" | "USAGE" => {
                    tokens.next()?;
                }
                _ => {}
            }
        }
        (!found.names.is_empty()).then_some(found)
    }
}

/// Words, brackets, and what stands between single quotes.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '(' | ')' => rest.split_at(1),
            '\'' => {
                let inner = rest.get(1..).unwrap_or_default();
                inner.split_once('\'').unwrap_or((inner, ""))
            }
            _ => rest.split_at(rest.find([' ', '(', ')', '\'']).unwrap_or(rest.len())),
        };
        found.push(token);
        rest = after.trim_start();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_of_both_kinds_of_server() {
        let schema = parse([
            "( 2.5.4.41 NAME 'name' DESC 'RFC4519: common supertype (of names)' EQUALITY caseIgnoreMatch SUBSTR \
             caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{32768} )",
            "( 2.5.4.4 NAME ( 'sn' 'surname' ) DESC 'it''s' SUP name )",
            "( 2.5.4.49 NAME 'distinguishedName' EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )",
            "( 2.5.4.31 NAME 'member' SUP distinguishedName )",
            "( 1.3.6.1.1.1.1.0 NAME 'uidNumber' SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )",
            "( 1.2.840.113556.1.4.159 NAME 'accountExpires' SYNTAX '1.2.840.113556.1.4.906' SINGLE-VALUE )",
            "( 1.2.840.113556.1.4.2 NAME 'objectGUID' SYNTAX '1.3.6.1.4.1.1466.115.121.1.40' SINGLE-VALUE NO-USER-MODIFICATION )",
            "( 1.1 NAME 'loop' SUP loop )",
            "not a description",
            "( 1.2 )",
        ]);
        let shown: Vec<String> = schema
            .attributes
            .iter()
            .map(|(name, one)| format!("{name} {} {} {}", one.kind, one.multi, one.writable))
            .collect();
        assert_eq!(
            shown,
            [
                "accountExpires integer false true",
                "distinguishedName text true true",
                "loop text true true",
                "member reference true true",
                "name text true true",
                "objectGUID bytes false false",
                "sn text true true",
                "uidNumber integer false true",
            ]
        );
    }
}
