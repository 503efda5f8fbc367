//! Values and attributes: what every directory, rule and record is made of.
//!
//! References to other objects are not values: they are edges, kept apart (see `connector_space`). This file knows
//! neither directories nor rules.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

/// One value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value {
    /// Text, as delivered (no normalisation). Never empty: empty text is no value.
    Text(String),
    /// A signed 64-bit number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// Raw bytes, such as an `objectGUID`.
    Bytes(Vec<u8>),
    /// A moment in UTC: microseconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// A password of so many characters. Only the wish is here: the password is made when it is sent, and nobody keeps it.
    Password(u16),
}

impl Value {
    /// Text, or nothing when it is empty.
    pub fn text(text: impl Into<String>) -> Option<Value> {
        let text = text.into();
        (!text.is_empty()).then_some(Value::Text(text))
    }

    /// The kind of this value.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Text(_) => Kind::Text,
            Value::Integer(_) => Kind::Integer,
            Value::Boolean(_) => Kind::Boolean,
            Value::Bytes(_) => Kind::Bytes,
            Value::Time(_) => Kind::Time,
            Value::Password(_) => Kind::Password,
        }
    }

    /// The text of a text value.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Integer(_) | Value::Boolean(_) | Value::Bytes(_) | Value::Time(_) | Value::Password(_) => None,
        }
    }

    /// Text that is equal for values which a directory takes for equal: letter case is folded, bytes are hex.
    pub fn folded(&self) -> String {
        match self {
            Value::Text(text) => fold(text),
            Value::Bytes(bytes) => hex(bytes),
            Value::Integer(_) | Value::Boolean(_) | Value::Time(_) | Value::Password(_) => self.to_string(),
        }
    }

    /// The value as JSON: bytes become base64 text, times RFC 3339 text.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Text(text) => text.as_str().into(),
            Value::Integer(number) => (*number).into(),
            Value::Boolean(flag) => (*flag).into(),
            Value::Bytes(_) | Value::Time(_) | Value::Password(_) => self.to_string().into(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Boolean(flag) => write!(f, "{flag}"),
            Value::Bytes(bytes) => f.write_str(&BASE64.encode(bytes)),
            Value::Time(micros) => match jiff::Timestamp::from_microsecond(*micros) {
                Ok(time) => write!(f, "{time}"),
                Err(_) => write!(f, "{micros} µs"),
            },
            Value::Password(length) => write!(f, "a password of {length} characters"),
        }
    }
}

/// Folds letter case as directories compare text: character by character, whatever stands beside it. A letter whose small
/// form is two characters stays as it is, and the sigma at the end of a word is a sigma.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let folded = |c: char| {
        let mut small = c.to_lowercase();
        match (small.next(), small.next()) {
            (Some('ς'), None) => 'σ',
            (Some(small), None) => small,
            _ => c,
        }
    };
    text.chars().map(folded).collect()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The kinds of values that a schema can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// [`Value::Text`]
    Text,
    /// [`Value::Integer`]
    Integer,
    /// [`Value::Boolean`]
    Boolean,
    /// [`Value::Bytes`]
    Bytes,
    /// [`Value::Time`]
    Time,
    /// [`Value::Password`]: written when an object is made, and never read.
    Password,
    /// A link to another object of the same connector; kept as an edge.
    Reference,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Text => "text",
            Kind::Integer => "integer",
            Kind::Boolean => "boolean",
            Kind::Bytes => "bytes",
            Kind::Time => "time",
            Kind::Password => "password",
            Kind::Reference => "reference",
        })
    }
}

/// What a schema says about one attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeType {
    /// The kind of its values.
    pub kind: Kind,
    /// Whether it may hold several values; a script then sees a list.
    pub multi: bool,
    /// Whether a rule may flow to it.
    pub writable: bool,
    /// The longest text, in characters, or the largest list.
    pub max_length: Option<usize>,
}

/// The attributes of one object type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// By name.
    pub attributes: BTreeMap<AttributeName, AttributeType>,
    /// Whether a name that is not listed does not exist. A shipped table of well-known names is not closed.
    pub closed: bool,
    /// What the directory never takes, whoever asks.
    pub refusals: Vec<Refusal>,
}

/// Something that a directory never takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// A value that cannot be written to an attribute; nothing: no object of this type can be made at all.
    pub flow: Option<(AttributeName, Value)>,
    /// Unless this attribute is written, too.
    pub unless: Option<AttributeName>,
    /// Why, in a sentence.
    pub why: String,
}

impl Schema {
    /// Why no object of the type can be made.
    pub fn unwritable(&self) -> Option<&str> {
        self.refusals.iter().find(|refusal| refusal.flow.is_none()).map(|refusal| refusal.why.as_str())
    }

    /// The type of an attribute.
    pub fn get(&self, name: &AttributeName) -> Option<&AttributeType> {
        self.attributes.get(name)
    }
}

/// The name of an attribute. Names compare without regard to ASCII case and keep their spelling.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttributeName(Arc<str>);

impl AttributeName {
    /// The name as it was spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for AttributeName {
    fn from(name: &str) -> Self {
        AttributeName(name.into())
    }
}

impl From<Arc<str>> for AttributeName {
    fn from(name: Arc<str>) -> Self {
        AttributeName(name)
    }
}

impl From<String> for AttributeName {
    fn from(name: String) -> Self {
        AttributeName(name.into())
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl PartialEq for AttributeName {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for AttributeName {}

impl Ord for AttributeName {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        // Names share long beginnings (`onPremisesExtensionAttributes.extensionAttribute7`), and everything is looked up
        // by them: eight letters at a time.
        let (left, _) = self.0.as_bytes().as_chunks::<8>();
        let (right, _) = other.0.as_bytes().as_chunks::<8>();
        for (a, b) in left.iter().zip(right) {
            if a != b {
                match lower(u64::from_be_bytes(*a)).cmp(&lower(u64::from_be_bytes(*b))) {
                    Ordering::Equal => {}
                    unequal => return unequal,
                }
            }
        }
        let common = left.len().min(right.len()) * 8;
        small(&self.0, common).cmp(small(&other.0, common))
    }
}

/// The bytes from a place on, with ASCII capitals made small.
fn small(text: &str, from: usize) -> impl Iterator<Item = u8> {
    text.as_bytes().get(from..).unwrap_or_default().iter().map(u8::to_ascii_lowercase)
}

/// Eight bytes with their ASCII capitals made small.
const fn lower(bytes: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let low = bytes & (EACH * 0x7f);
    let from_a = low + EACH * (0x80 - b'A' as u64);
    let after_z = low + EACH * (0x7f - b'Z' as u64);
    let capital = (from_a & !after_z) & !bytes & (EACH * 0x80);
    bytes | (capital >> 2)
}

impl PartialOrd for AttributeName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for AttributeName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

/// The values of one attribute, in the order in which they were delivered. Never empty inside [`Attributes`].
pub type Values = Vec<Value>;

/// The attributes of an object by name, without its references.
pub type Attributes = BTreeMap<AttributeName, Values>;

/// Whether two lists hold the same values, in any order, as a directory compares them (text without regard to case).
pub fn same_values_ignoring_case(left: &[Value], right: &[Value]) -> bool {
    left.len() == right.len() && {
        let sorted = |values: &[Value]| {
            let mut folded: Vec<String> = values.iter().map(Value::folded).collect();
            folded.sort();
            folded
        };
        sorted(left) == sorted(right)
    }
}

/// Whether two lists hold the same values to the letter, in any order.
pub fn same_values(left: &[Value], right: &[Value]) -> bool {
    if left == right {
        return true;
    }
    left.len() == right.len() && {
        let sorted = |values: &[Value]| {
            let mut values = values.to_vec();
            values.sort();
            values
        };
        sorted(left) == sorted(right)
    }
}

/// The values as JSON: a list when `multi`, else the first value or `null`.
pub fn values_to_json(values: &[Value], multi: bool) -> serde_json::Value {
    if multi {
        values.iter().map(Value::to_json).collect()
    } else {
        values.first().map_or(serde_json::Value::Null, Value::to_json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_case_and_keep_their_spelling() {
        let mut attributes = Attributes::new();
        attributes.insert("givenName".into(), vec![Value::Integer(1)]);
        assert_eq!(attributes.get(&AttributeName::from("GIVENNAME")), Some(&vec![Value::Integer(1)]));
        assert_eq!(attributes.keys().next().map(AttributeName::as_str), Some("givenName"));
        assert!(AttributeName::from("sn") < AttributeName::from("SNx"));
    }

    #[test]
    fn names_are_in_the_order_of_their_small_letters() {
        let parts = ["", "a", "Z", "z", "[", "@", "_", "{", "0", "ä", "Ä", "extension", "EXTENSIONattribute", "\u{7f}"];
        let mut names = Vec::new();
        for start in parts {
            for middle in ["", "attribute", "ATTRIBUTES"] {
                names.extend(parts.map(|end| format!("{start}{middle}{end}")));
            }
        }
        for (left, right) in names.iter().flat_map(|left| names.iter().map(move |right| (left, right))) {
            let expected = left.to_ascii_lowercase().as_bytes().cmp(right.to_ascii_lowercase().as_bytes());
            let (a, b) = (AttributeName::from(left.as_str()), AttributeName::from(right.as_str()));
            assert_eq!(a.cmp(&b), expected, "{left} {right}");
            assert_eq!(a == b, expected == Ordering::Equal, "{left} {right}");
        }
    }

    #[test]
    fn lists_compare_in_any_order() {
        let values = |texts: &[&str]| texts.iter().map(|text| Value::Text((*text).into())).collect::<Vec<_>>();
        assert!(same_values(&values(&["a", "b"]), &values(&["b", "a"])));
        assert!(!same_values(&values(&["a", "b"]), &values(&["b", "A"])));
        assert!(same_values_ignoring_case(&values(&["a", "Ö"]), &values(&["ö", "A"])));
        assert!(!same_values(&values(&["a", "a"]), &values(&["a", "b"])));
    }

    #[test]
    fn letters_fold_one_by_one() {
        for (left, right) in [("ΟΔΟΣ", "οδος"), ("οδοσ", "οδος"), ("STRAẞE", "straße"), ("ÄÖÜ", "äöü"), ("И", "и")]
        {
            assert_eq!(fold(left), fold(right), "{left} {right}");
        }
        assert_ne!(fold("İ"), fold("i"));
        for text in ["İstanbul", "ΣΑΣ", "ǅ", "ﬀ", "ẞ"] {
            assert_eq!(fold(&fold(text)), fold(text), "{text}");
        }
    }
}
