//! GUIDs and security identifiers, as Active Directory keeps them and as people write them.

use rhai::Dynamic;
use uuid::Uuid;

use super::shape::{Outcome, bytes_of, each, each_text, fail, text, text_of};
use super::{Function, Group};

/// Active Directory writes the first three fields of a GUID with the low byte first.
pub(super) fn guid(value: &Dynamic) -> Outcome {
    if !value.is_blob() {
        return text_of("guid", value).and_then(|written| Ok(text(parse_guid(&written)?.to_string())));
    }
    let bytes = bytes_of("guid", value)?;
    let guid = Uuid::from_slice_le(&bytes).map_err(|_| fail(format!("a GUID has 16 bytes, not {}", bytes.len())))?;
    Ok(text(guid.to_string()))
}

pub(super) fn parse_guid(written: &str) -> Outcome<Uuid> {
    Uuid::try_parse(written.trim()).map_err(|_| fail(format!("`{written}` is not a GUID")))
}

pub(super) fn sid(value: &Dynamic) -> Outcome {
    if !value.is_blob() {
        let written = text_of("sid", value)?;
        sid_parts(&written)?;
        return Ok(text(written.to_uppercase()));
    }
    let bytes = bytes_of("sid", value)?;
    parse_sid(&bytes).map(text).ok_or_else(|| fail("these bytes are not a security identifier"))
}

/// Revision, number of parts, an authority with the high byte first, and the parts with the low byte first.
fn parse_sid(bytes: &[u8]) -> Option<String> {
    let (header, parts) = bytes.split_first_chunk::<8>()?;
    let [revision, count, authority @ ..] = header;
    let (parts, rest) = parts.as_chunks::<4>();
    if *revision != 1 || usize::from(*count) != parts.len() || !rest.is_empty() {
        return None;
    }
    let authority = authority.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let parts: Vec<String> = parts.iter().map(|part| format!("-{}", u32::from_le_bytes(*part))).collect();
    Some(format!("S-1-{authority}{}", parts.concat()))
}

/// What stands before the last part of a SID, and the last part.
fn sid_parts(sid: &str) -> Outcome<(&str, &str)> {
    let numbers = sid.get(..2).filter(|start| start.eq_ignore_ascii_case("S-")).and(sid.get(2..));
    numbers
        .filter(|numbers| numbers.split('-').count() > 2 && numbers.split('-').all(|part| part.parse::<u64>().is_ok()))
        .and_then(|_| sid.rsplit_once('-'))
        .ok_or_else(|| fail(format!("`{sid}` is not a security identifier")))
}

fn sid_domain(value: &Dynamic) -> Outcome {
    let sid = text_of("sid_domain", &sid(value)?)?;
    let (domain, _) = sid_parts(&sid)?;
    Ok(if domain.starts_with("S-1-5-21-") { text(domain) } else { Dynamic::UNIT })
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "guid",
        group: Group::Identifiers,
        signature: "guid(bytes or text) -> text",
        doc: "A GUID as people write it, from the 16 bytes of Active Directory or from any spelling.",
        examples: &[
            (r#"guid(from_hex("11110000AAAA2222BBBB3333CCCC4444"))"#, r#""00001111-aaaa-2222-bbbb-3333cccc4444""#),
            (r#"guid("{00001111-AAAA-2222-BBBB-3333CCCC4444}")"#, r#""00001111-aaaa-2222-bbbb-3333cccc4444""#),
            (r#"guid("jane")"#, r#"error("`jane` is not a GUID")"#),
            (r#"guid(from_hex("11"))"#, r#"error("a GUID has 16 bytes, not 1")"#),
            ("guid(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("guid", |value: Dynamic| each(&value, &guid));
        },
    },
    Function {
        name: "guid_bytes",
        group: Group::Identifiers,
        signature: "guid_bytes(text) -> bytes",
        doc: "The 16 bytes of a GUID as Active Directory keeps them.",
        examples: &[
            (r#"hex(guid_bytes("00001111-aaaa-2222-bbbb-3333cccc4444"))"#, r#""11110000aaaa2222bbbb3333cccc4444""#),
            ("guid_bytes(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("guid_bytes", |value: Dynamic| {
                each_text("guid_bytes", &value, |written| {
                    Ok(Dynamic::from_blob(parse_guid(written)?.to_bytes_le().to_vec()))
                })
            });
        },
    },
    Function {
        name: "sid",
        group: Group::Identifiers,
        signature: "sid(bytes) -> text",
        doc: "A security identifier as people write it.",
        examples: &[
            (r#"sid(from_base64("AQIAAAAAAAUgAAAAIAIAAA=="))"#, r#""S-1-5-32-544""#),
            (r#"sid("s-1-5-32-544")"#, r#""S-1-5-32-544""#),
            (r#"sid(from_hex("01"))"#, r#"error("these bytes are not a security identifier")"#),
            ("sid(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("sid", |value: Dynamic| each(&value, &sid));
        },
    },
    Function {
        name: "sid_domain",
        group: Group::Identifiers,
        signature: "sid_domain(bytes or text) -> text",
        doc: "The domain that gave a security identifier; `()` of built-in ones.",
        examples: &[
            (r#"sid_domain("S-1-5-21-1-2-3-1104")"#, r#""S-1-5-21-1-2-3""#),
            (r#"sid_domain("S-1-5-32-544")"#, "()"),
            ("sid_domain(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("sid_domain", |value: Dynamic| each(&value, &sid_domain));
        },
    },
];
