//! Distinguished names (RFC 4514): comparing them, and taking them apart. Pure; knows no directory and no schema.
//!
//! Two spellings are the same name when the directories say so: letter case, blanks around separators, runs of blanks
//! inside a value, and the way a character is escaped make no difference (RFC 4518 for directory strings).

use crate::value::{AttributeName, Value, fold, hex, same_values};

/// The name in the one spelling that is equal for equal names; for keys and comparisons, not for showing.
pub fn normalise(dn: &str) -> String {
    let mut text = String::with_capacity(dn.len());
    for (index, rdn) in split(dn, b',').enumerate() {
        if index > 0 {
            text.push(',');
        }
        let mut parts: Vec<String> = split(rdn, b'+').map(normalise_part).collect();
        parts.sort();
        text.push_str(&parts.join("+"));
    }
    text
}

/// Whether two lists of values of an attribute are the same to a directory: to the letter, but names as names.
pub fn agree(attribute: &AttributeName, left: &[Value], right: &[Value]) -> bool {
    let name = |values: &[Value]| values.first().and_then(Value::as_text).map(normalise);
    same_values(left, right) || *attribute == AttributeName::from("dn") && name(left) == name(right)
}

/// The name of the entry above, as spelled; nothing for a name of one component or none.
pub fn parent(dn: &str) -> Option<&str> {
    let comma = separators(dn, b',').next()?;
    let parent = dn.get(comma + 1..)?.trim_start();
    (!parent.is_empty()).then_some(parent)
}

/// Whether `dn` is `base` or lies below it. Everything lies below the empty name.
pub fn is_under(dn: &str, base: &str) -> bool {
    is_under_normalised(&normalise(dn), &normalise(base))
}

/// [`is_under`] for two names that are [`normalise`]d already.
pub fn is_under_normalised(dn: &str, base: &str) -> bool {
    if base.is_empty() || dn == base {
        return true;
    }
    let Some(above) = dn.strip_suffix(base) else { return false };
    let Some(rest) = above.strip_suffix(',') else { return false };
    // A comma after an odd number of backslashes belongs to a value.
    rest.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 0
}

/// The value of the first component without escapes: `Roe, Jane` of `CN=Roe\, Jane,OU=Sales`. Nothing for an empty
/// name, or a value that is not text.
pub fn rdn_value(dn: &str) -> Option<String> {
    let first = split(split(dn, b',').next()?, b'+').next()?;
    let (_, value) = first.split_once('=')?;
    let value = trim_blanks(value);
    if value.starts_with('#') {
        return None;
    }
    String::from_utf8(unescape(value)).ok()
}

/// Kind and value of each component, as spelled, with escapes; of one with several values, the first.
pub fn components(dn: &str) -> impl Iterator<Item = (&str, &str)> {
    split(dn, b',').filter_map(|rdn| {
        let (kind, value) = split(rdn, b'+').next()?.split_once('=')?;
        Some((kind.trim(), trim_blanks(value)))
    })
}

/// Makes the DNS name of a domain, `contoso.com`, its distinguished name; leaves everything else as it is.
pub fn name_domain(name: &mut String) {
    let label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    if name.contains('.') && name.split('.').all(label) {
        *name = name.split('.').map(|label| format!("DC={label}")).collect::<Vec<_>>().join(",");
    }
}

/// The DNS name that the `DC` components at the end make: `contoso.com`. Empty when there are none.
pub fn domain(dn: &str) -> String {
    let mut labels = Vec::new();
    for rdn in split(dn, b',') {
        match rdn.split_once('=') {
            Some((kind, value)) if kind.trim().eq_ignore_ascii_case("dc") => {
                labels.push(String::from_utf8_lossy(&unescape(trim_blanks(value))).into_owned());
            }
            _ => labels.clear(),
        }
    }
    labels.join(".")
}

/// Whether the text has the shape of a distinguished name: every component `type=value`, with a proper type.
pub fn is_dn(text: &str) -> bool {
    !text.is_empty()
        && split(text, b',').all(|rdn| !rdn.is_empty())
        && split(text, b',').flat_map(|rdn| split(rdn, b'+')).all(|part| {
            part.split_once('=').is_some_and(|(kind, _)| {
                let kind = kind.trim();
                !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._ ".contains(&byte))
            })
        })
}

/// A value with the escapes that a name needs: `Roe, Jane` becomes `Roe\, Jane`.
pub fn escape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (index, c) in value.chars().enumerate() {
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => text.extend(['\\', c]),
            '#' if index == 0 => text.push_str("\\#"),
            ' ' if index == 0 || index == last => text.push_str("\\ "),
            c if c.is_control() => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    text.push('\\');
                    text.push_str(&hex(&[byte]));
                }
            }
            c => text.push(c),
        }
    }
    text
}

fn normalise_part(part: &str) -> String {
    let Some((kind, value)) = part.split_once('=') else { return fold(part.trim()) };
    let kind = kind.trim().to_ascii_lowercase();
    let kind = kind.strip_prefix("oid.").unwrap_or(&kind);
    let value = trim_blanks(value);
    if value.starts_with('#') {
        return format!("{kind}={}", value.to_ascii_lowercase());
    }
    match String::from_utf8(unescape(value)) {
        Ok(text) => {
            let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
            format!("{kind}={}", escape(&fold(&words.join(" "))))
        }
        Err(raw) => format!("{kind}=#{}", hex(raw.as_bytes())),
    }
}

/// Takes blanks off both ends, but not one that is escaped.
fn trim_blanks(value: &str) -> &str {
    let value = value.trim_start_matches(' ');
    let trimmed = value.trim_end_matches(' ');
    let backslashes = trimmed.bytes().rev().take_while(|byte| *byte == b'\\').count();
    if backslashes % 2 == 1 { value.get(..trimmed.len() + 1).unwrap_or(trimmed) } else { trimmed }
}

fn unescape(value: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        if let [high, low, after_pair @ ..] = rest
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            bytes.push(high << 4 | low);
            rest = after_pair;
        } else if let Some((&escaped, after)) = rest.split_first() {
            bytes.push(escaped);
            rest = after;
        }
    }
    bytes
}

fn hex_digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The positions of the separators that are not escaped.
fn separators(text: &str, separator: u8) -> impl Iterator<Item = usize> + '_ {
    let mut escaped = false;
    text.bytes().enumerate().filter_map(move |(at, byte)| {
        let counts = !escaped && byte == separator;
        escaped = !escaped && byte == b'\\';
        counts.then_some(at)
    })
}

/// The pieces between separators that are not escaped; none for blank text.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> + '_ {
    let text = text.trim_start();
    let ends = separators(text, separator).chain((!text.is_empty()).then_some(text.len()));
    ends.scan(0, move |start, end| {
        let piece = text.get(*start..end);
        *start = end + 1;
        piece
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_have_one_spelling() {
        for (name, normal) in [
            ("", ""),
            ("CN=Jane Roe,OU=Sales,DC=contoso,DC=com", "cn=jane roe,ou=sales,dc=contoso,dc=com"),
            (" cn = Jane   Roe , OU=Sales", "cn=jane roe,ou=sales"),
            (r"CN=Roe\, Jane,OU=x", r"cn=roe\, jane,ou=x"),
            (r"CN=Roe\2C Jane,OU=x", r"cn=roe\, jane,ou=x"),
            (r"CN=\C3\84rger,OU=x", "cn=ärger,ou=x"),
            ("CN=Ärger,OU=x", "cn=ärger,ou=x"),
            (r"CN=a\ ,OU=x", "cn=a,ou=x"),
            (r"CN=a\\,OU=x", r"cn=a\\,ou=x"),
            ("UID=jane+CN=Roe,O=x", "cn=roe+uid=jane,o=x"),
            (r"CN=a\+b,O=x", r"cn=a\+b,o=x"),
            ("OID.2.5.4.3=#04024869,O=x", "2.5.4.3=#04024869,o=x"),
            (r"CN=gone\0ADEL:1f,CN=Deleted Objects", r"cn=gone\0adel:1f,cn=deleted objects"),
            (r"CN=\FF,O=x", "cn=#ff,o=x"),
            (r"CN=\#1,O=x", r"cn=\#1,o=x"),
        ] {
            assert_eq!(normalise(name), normal, "{name}");
            assert_eq!(normalise(normal), normal, "again {name}");
        }
    }

    #[test]
    fn the_parent_starts_behind_the_first_separator() {
        assert_eq!(parent(r"CN=Roe\, Jane, OU=x,DC=y"), Some("OU=x,DC=y"));
        assert_eq!(parent(r"CN=a\\,OU=x"), Some("OU=x"));
        assert_eq!(parent("DC=y"), None);
        assert_eq!(parent(""), None);
    }

    #[test]
    fn under_means_at_or_below() {
        assert!(is_under("CN=a,OU=X,DC=y", "ou=x, dc=y"));
        assert!(is_under("OU=X,DC=y", "ou=x,dc=y"));
        assert!(is_under("OU=X,DC=y", ""));
        assert!(!is_under("OU=AX,DC=y", "x,dc=y"));
        assert!(!is_under("OU=X,DC=y", "CN=a,OU=X,DC=y"));
        assert!(!is_under(r"CN=a\,OU=x,DC=y", "OU=x,DC=y"), "the comma belongs to the value");
        assert!(is_under(r"CN=a\\,OU=x,DC=y", "OU=x,DC=y"));
    }

    #[test]
    fn the_first_value_and_the_domain() {
        assert_eq!(rdn_value(r"CN=Roe\, Jane\20,OU=x").as_deref(), Some("Roe, Jane "));
        assert_eq!(rdn_value("CN=a+UID=b,OU=x").as_deref(), Some("a"));
        assert_eq!(rdn_value(""), None);
        assert_eq!(rdn_value("CN=#0402,O=x"), None);
        assert_eq!(domain("CN=a,DC=not,OU=x,dc=contoso,DC=com"), "contoso.com");
        assert_eq!(domain("O=x"), "");
    }

    #[test]
    fn escapes_come_back() {
        for value in ["Roe, Jane", " a ", "#1", "a+b\"c\\<>;", "line\nbreak", "Ä", " "] {
            assert_eq!(rdn_value(&format!("CN={},O=x", escape(value))).as_deref(), Some(value));
        }
    }

    #[test]
    fn a_name_has_typed_components() {
        assert!(is_dn("CN=a,O=b"));
        assert!(is_dn("2.5.4.3=a+UID=b"));
        for text in ["", "jane", "CN=a,", "=a", "CN=a,b", "<GUID=1>"] {
            assert!(!is_dn(text), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_values_make_a_name_that_keeps_its_meaning(values in proptest::collection::vec(".{1,12}", 1..4)) {
            let name = values.iter().map(|value| format!("OU={}", escape(value))).collect::<Vec<_>>().join(",");
            let normal = normalise(&name);
            assert_eq!(normalise(&normal), normal);
            assert_eq!(rdn_value(&name).as_deref(), values.first().map(String::as_str));
            assert!(is_dn(&name));
            assert!(is_under(&name, parent(&name).unwrap_or_default()));
            assert_eq!(parent(&name).is_some(), values.len() > 1);
        }

        #[test]
        fn any_text_is_taken_apart_without_panic(name in r#"[a-c=,+\\#"; ]{0,20}"#) {
            let _ = (normalise(&name), rdn_value(&name), domain(&name), is_dn(&name));
            assert!(is_under(&name, ""));
            assert!(is_under(&name, &name));
        }
    }
}
