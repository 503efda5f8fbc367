//! From an entry as delivered to an object: kinds by schema, references apart, the anchor as text. Pure; used for
//! files as well as for servers.

use std::collections::{BTreeMap, BTreeSet};

use ldap3::ResultEntry;
use uuid::Uuid;

use super::operations::NAME;
use super::ranges::Range;
use super::{Flavour, object_types};
use crate::connector::schema::Schema;
use crate::connector::{Anchor, ImportRequest, ImportedObject, Target};
use crate::dn;
use crate::value::{AttributeName, Attributes, Kind, Value};

/// An entry as a server or file delivers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawEntry {
    pub(crate) dn: String,
    pub(crate) attributes: Vec<RawAttribute>,
}

/// One attribute of a [`RawEntry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawAttribute {
    /// The name with the options that make another attribute of it (`;lang-de`), without `;binary` and ranges.
    pub(crate) name: String,
    /// Which part of a large list this is.
    pub(crate) range: Option<Range>,
    /// Whether the values are to be taken as bytes whatever a table says.
    pub(crate) binary: bool,
    pub(crate) values: Vec<Vec<u8>>,
    /// Why some value is no text, where that is known: `in line 7 is not text in …`.
    pub(crate) no_text: Option<String>,
}

impl RawAttribute {
    /// From a name with options: `member;range=0-1499`, `userCertificate;binary`.
    pub(crate) fn new(description: &str, values: Vec<Vec<u8>>) -> RawAttribute {
        let mut options = description.split(';');
        let mut name = options.next().unwrap_or_default().trim().to_owned();
        let (mut range, mut binary) = (None, false);
        for option in options {
            if option.eq_ignore_ascii_case("binary") {
                binary = true;
            } else if let Some(found) = Range::parse(option) {
                range = Some(found);
            } else {
                name.push(';');
                name.push_str(option);
            }
        }
        RawAttribute { name, range, binary, values, no_text: None }
    }
}

impl RawEntry {
    /// Takes an answer of the protocol apart; nothing when it has not the shape of an entry.
    pub(crate) fn decode(answer: ResultEntry) -> Option<RawEntry> {
        let mut parts = answer.0.match_id(4)?.expect_constructed()?.into_iter();
        let dn = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
        let mut attributes = Vec::new();
        for attribute in parts.next()?.expect_constructed()? {
            let mut parts = attribute.expect_constructed()?.into_iter();
            let name = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
            let values = parts.next()?.expect_constructed()?;
            let values = values.into_iter().map(|value| value.expect_primitive()).collect::<Option<Vec<_>>>()?;
            attributes.push(RawAttribute::new(&name, values));
        }
        Some(RawEntry { dn, attributes })
    }

    /// The values of an attribute.
    pub(crate) fn values(&self, name: &str) -> &[Vec<u8>] {
        let found = self.attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name));
        found.map_or(&[], |attribute| &attribute.values)
    }

    /// The values of an attribute that are text.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.values(name).iter().filter_map(|value| String::from_utf8(value.clone()).ok()).collect()
    }

    /// The first value of an attribute as text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.texts(name).into_iter().next()
    }
}

/// What an entry turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Converted {
    Object(Box<ImportedObject>),
    /// None of the requested types.
    OtherType,
    Unreadable(String),
}

/// Text from bytes, if they are text.
pub(crate) type Decode<'a> = &'a (dyn Fn(&[u8]) -> Option<String> + Sync);

/// Makes objects of entries.
pub(crate) struct Converter<'a> {
    types: Vec<(&'a str, &'a BTreeSet<AttributeName>)>,
    names: Vec<&'a str>,
    schema: &'a Schema,
    /// Whether an entry without `objectGUID` and `entryUUID` is known by its name.
    name_is_anchor: bool,
    decode: Decode<'a>,
}

impl<'a> Converter<'a> {
    /// For the entries of a server.
    pub(crate) fn new(request: &'a ImportRequest, schema: &'a Schema) -> Converter<'a> {
        let types: Vec<_> = request.types.iter().map(|(name, wanted)| (name.as_str(), wanted)).collect();
        let names = types.iter().map(|(name, _)| *name).collect();
        Converter { types, names, schema, name_is_anchor: false, decode: &utf_8 }
    }

    /// For the entries of a file: without `objectGUID` and `entryUUID`, the normalised name is the anchor. `decode` makes
    /// text of what may not be UTF-8.
    pub(crate) fn for_files(request: &'a ImportRequest, schema: &'a Schema, decode: Decode<'a>) -> Converter<'a> {
        Converter { name_is_anchor: true, decode, ..Converter::new(request, schema) }
    }

    pub(crate) fn convert(&self, entry: &RawEntry) -> Converted {
        let classes = entry.texts("objectClass");
        if classes.is_empty() {
            return Converted::Unreadable("its `objectClass` is not readable".into());
        }
        let Some(object_type) = object_types::type_of(&classes, &self.names) else { return Converted::OtherType };
        let anchor = match anchor_of(entry) {
            Ok(Some(anchor)) => anchor,
            Ok(None) if self.name_is_anchor => Anchor(dn::normalise(&entry.dn)),
            Ok(None) => return Converted::Unreadable("it has no readable `objectGUID` or `entryUUID`".into()),
            Err(reason) => return Converted::Unreadable(reason),
        };
        let mut object = ImportedObject {
            anchor,
            dn: Some(entry.dn.clone()),
            object_type: object_type.to_owned(),
            attributes: Attributes::new(),
            references: BTreeMap::new(),
        };
        let Some((_, wanted)) = self.types.iter().find(|(name, _)| *name == object_type) else {
            return Converted::OtherType;
        };
        if let Some(name) = wanted.get(&AttributeName::from(NAME)) {
            object.attributes.insert(name.clone(), Value::text(entry.dn.as_str()).into_iter().collect());
        }
        for attribute in &entry.attributes {
            let Some(name) = wanted.get(&AttributeName::from(attribute.name.as_str())) else { continue };
            if let Err(reason) = self.place(&mut object, name, attribute) {
                return Converted::Unreadable(reason);
            }
        }
        Converted::Object(Box::new(object))
    }

    fn place(&self, object: &mut ImportedObject, name: &AttributeName, raw: &RawAttribute) -> Result<(), String> {
        if raw.range.is_some_and(|range| range.first > 0 || range.last.is_some()) {
            return Err(format!("only a part of `{name}` is there"));
        }
        let kind = if raw.binary { Kind::Bytes } else { kind_of(self.schema, &raw.name) };
        if let Some(why) = raw.no_text.as_ref().filter(|_| kind != Kind::Bytes) {
            return Err(format!("`{name}` {why}"));
        }
        if kind == Kind::Reference {
            let targets = object.references.entry(name.clone()).or_default();
            let mut seen: BTreeSet<String> = BTreeSet::new();
            for value in raw.values.iter().filter(|value| !value.is_empty()) {
                let text = self.text(name, value)?;
                let target = name_part(&text);
                if !dn::is_dn(target) {
                    return Err(format!("`{name}` holds `{}`, which is not a distinguished name", shortened(&text)));
                }
                if raw.values.len() == 1 || seen.insert(dn::normalise(target)) {
                    targets.push(Target::Dn(target.to_owned()));
                }
            }
            if targets.is_empty() {
                object.references.remove(name);
            }
            return Ok(());
        }
        let mut values: Vec<Value> = Vec::with_capacity(raw.values.len());
        for bytes in raw.values.iter().filter(|value| !value.is_empty()) {
            let value = self.value(kind, name, bytes)?;
            if !values.contains(&value) {
                values.push(value);
            }
        }
        if !values.is_empty() {
            object.attributes.insert(name.clone(), values);
        }
        Ok(())
    }

    fn value(&self, kind: Kind, name: &AttributeName, bytes: &[u8]) -> Result<Value, String> {
        Ok(match kind {
            Kind::Bytes => Value::Bytes(bytes.to_vec()),
            Kind::Text | Kind::Time | Kind::Reference | Kind::Password => Value::Text(self.text(name, bytes)?),
            Kind::Integer => {
                let text = self.text(name, bytes)?;
                let number = text.trim().parse();
                Value::Integer(number.map_err(|_| format!("`{name}` holds `{}`, not an integer", shortened(&text)))?)
            }
            Kind::Boolean => {
                let text = self.text(name, bytes)?;
                match text.trim() {
                    flag if flag.eq_ignore_ascii_case("true") => Value::Boolean(true),
                    flag if flag.eq_ignore_ascii_case("false") => Value::Boolean(false),
                    _ => return Err(format!("`{name}` holds `{}`, not `TRUE` or `FALSE`", shortened(&text))),
                }
            }
        })
    }

    fn text(&self, name: &AttributeName, bytes: &[u8]) -> Result<String, String> {
        (self.decode)(bytes).ok_or_else(|| format!("`{name}` is not text in UTF-8"))
    }
}

/// The kind of an attribute's values; text when nothing is known about it.
pub(crate) fn kind_of(schema: &Schema, name: &str) -> Kind {
    let base = name.split(';').next().unwrap_or(name);
    schema.get(&AttributeName::from(base)).map_or(Kind::Text, |known| known.kind)
}

/// The attributes to ask a server for: anchor, classes and what is wanted for any type.
pub(crate) fn attributes_to_ask(request: &ImportRequest, flavour: Flavour) -> Vec<String> {
    let wanted: BTreeSet<&AttributeName> = request.types.values().flatten().collect();
    let anchor = AttributeName::from(anchor_attribute(flavour));
    let class = AttributeName::from("objectClass");
    let own = [anchor.clone(), class.clone(), AttributeName::from(NAME)];
    let rest = wanted.into_iter().filter(|name| !own.contains(name));
    [&anchor, &class].into_iter().chain(rest).map(|name| name.as_str().to_owned()).collect()
}

/// The attribute that holds the anchor.
pub(crate) fn anchor_attribute(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::ActiveDirectory => "objectGUID",
        Flavour::OpenLdap => "entryUUID",
    }
}

/// The anchor of an entry: a GUID in lower case with hyphens.
pub(crate) fn anchor_of(entry: &RawEntry) -> Result<Option<Anchor>, String> {
    if let Some(bytes) = entry.values("objectGUID").first() {
        let Ok(bytes) = <[u8; 16]>::try_from(bytes.as_slice()) else {
            // Files written by hand may hold the GUID as text.
            let text = std::str::from_utf8(bytes).ok().and_then(|text| Uuid::try_parse(text.trim()).ok());
            return text.map(|guid| Some(guid_anchor(guid))).ok_or_else(|| "its `objectGUID` is not a GUID".to_owned());
        };
        // Active Directory stores the first three fields of a GUID with the low byte first.
        return Ok(Some(guid_anchor(Uuid::from_bytes_le(bytes))));
    }
    match entry.text("entryUUID") {
        Some(text) => match Uuid::try_parse(text.trim()) {
            Ok(guid) => Ok(Some(guid_anchor(guid))),
            Err(_) => Err("its `entryUUID` is not a UUID".into()),
        },
        None => Ok(None),
    }
}

fn guid_anchor(guid: Uuid) -> Anchor {
    Anchor(guid.hyphenated().to_string())
}

fn utf_8(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// The name in a value of syntax "name and optional UID" (`uniqueMember`): without `#'0101'B`.
fn name_part(text: &str) -> &str {
    match text.rsplit_once('#') {
        Some((name, uid)) if uid.starts_with('\'') && uid.ends_with("'B") => name,
        _ => text,
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::well_known;
    use super::*;

    fn entry(attributes: &[(&str, &[&[u8]])]) -> RawEntry {
        let attributes = attributes
            .iter()
            .map(|(name, values)| RawAttribute::new(name, values.iter().map(|value| value.to_vec()).collect()))
            .collect();
        RawEntry { dn: "CN=Jane Roe,OU=Sales,DC=contoso,DC=com".into(), attributes }
    }

    fn convert(wanted: &[&str], attributes: &[(&str, &[&[u8]])]) -> Converted {
        let wanted = wanted.iter().map(|name| AttributeName::from(*name)).collect();
        let request = ImportRequest { types: BTreeMap::from([("user".to_owned(), wanted)]) };
        let mut all: Vec<(&str, &[&[u8]])> =
            vec![("objectClass", &[b"top", b"user"]), ("objectGUID", &[b"\x01\x02\x03\x04\x05\x06\x07\x08abcdefgh"])];
        all.extend_from_slice(attributes);
        Converter::new(&request, &well_known::schema(Flavour::ActiveDirectory)).convert(&entry(&all))
    }

    fn object(wanted: &[&str], attributes: &[(&str, &[&[u8]])]) -> ImportedObject {
        match convert(wanted, attributes) {
            Converted::Object(object) => *object,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_anchor_is_a_guid_in_its_usual_form() {
        assert_eq!(object(&[], &[]).anchor, Anchor("04030201-0605-0807-6162-636465666768".into()));
        let by_uuid = entry(&[("entryUUID", &[b"0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0"])]);
        assert_eq!(anchor_of(&by_uuid), Ok(Some(Anchor("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0".into()))));
        assert!(anchor_of(&entry(&[("objectGUID", &[b"short"])])).is_err());
        assert_eq!(anchor_of(&entry(&[])), Ok(None));
    }

    #[test]
    fn kinds_follow_the_schema() {
        let object = object(
            &["givenname", "userAccountControl", "isDeleted", "thumbnailPhoto", "manager", "userCertificate", "sn"],
            &[
                ("givenName", &["Jäne".as_bytes()]),
                ("userAccountControl", &[b"512"]),
                ("isDeleted", &[b"FALSE"]),
                ("thumbnailPhoto", &[b"\xff\xd8"]),
                ("manager", &[b"CN=Boss,DC=x"]),
                ("userCertificate;binary", &[b"\x30\x82"]),
                ("sn", &[b""]),
                ("title", &[b"not asked for"]),
                ("givenName;lang-de", &[b"another attribute"]),
            ],
        );
        let shown: Vec<String> =
            object.attributes.iter().map(|(name, values)| format!("{name}={:?}", values)).collect();
        assert_eq!(
            shown,
            [
                r#"givenname=[Text("Jäne")]"#,
                "isDeleted=[Boolean(false)]",
                "thumbnailPhoto=[Bytes([255, 216])]",
                "userAccountControl=[Integer(512)]",
                "userCertificate=[Bytes([48, 130])]",
            ]
        );
        assert_eq!(object.references, BTreeMap::from([("manager".into(), vec![Target::Dn("CN=Boss,DC=x".into())])]));
    }

    #[test]
    fn duplicates_fall() {
        let object = object(
            &["member", "description"],
            &[("member", &[b"CN=A,O=x", b"cn=a, o=x", b"CN=B,O=x"]), ("description", &[b"a", b"a", b"A"])],
        );
        assert_eq!(object.references.values().map(Vec::len).collect::<Vec<_>>(), [2]);
        assert_eq!(object.attributes.values().map(Vec::len).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn what_does_not_fit_makes_the_object_unreadable() {
        for (name, value, reason) in [
            ("userAccountControl", b"many".as_slice(), "`userAccountControl` holds `many`, not an integer"),
            ("isDeleted", b"maybe", "`isDeleted` holds `maybe`, not `TRUE` or `FALSE`"),
            ("givenName", b"\xff", "`givenName` is not text in UTF-8"),
            ("member;range=0-0", b"CN=A,O=x", "only a part of `member` is there"),
            ("manager", b"boss", "`manager` holds `boss`, which is not a distinguished name"),
            ("accountExpires", b"9223372036854775808", "`accountExpires` holds `9223372036854775808`, not an integer"),
        ] {
            let wanted = name.split(';').next().unwrap();
            assert_eq!(convert(&[wanted], &[(name, &[value])]), Converted::Unreadable(reason.into()));
        }
        let request = ImportRequest { types: BTreeMap::from([("user".to_owned(), BTreeSet::new())]) };
        let schema = well_known::schema(Flavour::ActiveDirectory);
        let converter = Converter::new(&request, &schema);
        assert!(matches!(converter.convert(&entry(&[])), Converted::Unreadable(_)));
        assert!(matches!(converter.convert(&entry(&[("objectClass", &[b"user"])])), Converted::Unreadable(_)));
        assert_eq!(converter.convert(&entry(&[("objectClass", &[b"group"])])), Converted::OtherType);
    }

    #[test]
    fn a_name_may_carry_a_uid() {
        assert_eq!(name_part("CN=a,O=x#'0101'B"), "CN=a,O=x");
        assert_eq!(name_part("CN=a#b,O=x"), "CN=a#b,O=x");
    }
}
