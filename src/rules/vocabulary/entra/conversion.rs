//! From one type to another.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rhai::Dynamic;

use super::{Call, EntraFunction, EntraGroup, dates, plain};
use crate::rules::vocabulary::shape::{Outcome, bytes_of};
use crate::rules::vocabulary::{encoding, identifiers};
use crate::value::hex;

/// A number that text says, as `CNum` reads it.
pub(super) fn number(value: &Dynamic) -> Option<i64> {
    value.as_int().ok().or_else(|| value.as_immutable_string_ref().ok()?.trim().parse().ok())
}

fn is_true(value: &Dynamic) -> bool {
    match value.as_bool() {
        Ok(flag) => flag,
        Err(_) => match number(value) {
            Some(number) => number != 0,
            None => value.as_immutable_string_ref().is_ok_and(|text| text.trim().eq_ignore_ascii_case("true")),
        },
    }
}

fn to_text(call: &Call<'_>, value: &Dynamic) -> Outcome {
    if let Ok(flag) = value.as_bool() {
        return Ok(plain(if flag { "True" } else { "False" }));
    }
    match value.as_int() {
        Ok(number) => Ok(plain(number.to_string())),
        Err(_) => super::text_of(&call.name(), value).map(plain),
    }
}

fn decode(call: &Call<'_>, text: &str) -> Outcome {
    let bytes = STANDARD.decode(text).map_err(|_| call.error(&format!("`{text}` is not Base64")))?;
    let decoded = match call.text(1)?.as_deref() {
        None | Some("Unicode") => {
            let (units, _) = bytes.as_chunks::<2>();
            String::from_utf16_lossy(&units.iter().map(|unit| u16::from_le_bytes(*unit)).collect::<Vec<u16>>())
        }
        Some("UTF8") => String::from_utf8_lossy(&bytes).into_owned(),
        Some("ASCII") => bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect(),
        Some(other) => return Err(call.error(&format!("`{other}` is not an encoding"))),
    };
    Ok(plain(decoded))
}

fn encode(call: &Call<'_>, value: &Dynamic) -> Outcome {
    if value.is_blob() {
        return Ok(plain(STANDARD.encode(bytes_of(&call.name(), value)?)));
    }
    let text = super::text_of(&call.name(), value)?;
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    Ok(plain(STANDARD.encode(bytes)))
}

fn to_bytes(call: &Call<'_>) -> Outcome {
    let (number, length) = (call.number(0)?, call.number(1)?);
    let bytes = number.to_le_bytes();
    let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len());
    let (kept, cut) = bytes.split_at(length.ok_or_else(|| call.error("a number has at most 8 bytes"))?);
    if cut.iter().any(|byte| *byte != 0) {
        return Err(call.error(&format!("{number} does not fit into {} bytes", kept.len())));
    }
    Ok(Dynamic::from_blob(kept.to_vec()))
}

pub(super) static FUNCTIONS: &[EntraFunction] = &[
    EntraFunction {
        name: "CBool",
        group: EntraGroup::Conversion,
        signature: "CBool(value) -> true or false",
        doc: "True for true, for `true`, and for numbers other than 0; false for everything else and for nothing.",
        documented: &[],
        examples: &[
            ("entra::CBool(3)", "true"),
            (r#"entra::CBool("0")"#, "false"),
            (r#"entra::CBool("a" == "A")"#, "true"),
            ("entra::CBool(())", "false"),
        ],
        differs: "Not documented: nothing gives false.",
        arity: (1, 1),
        call: |call| Ok(is_true(&call.value(0)).into()),
    },
    EntraFunction {
        name: "CDate",
        group: EntraGroup::Conversion,
        signature: "CDate(text) -> time",
        doc: "A time in UTC, from a date and time as people write them, months first, with an offset if need be; an error for other text.",
        documented: &[(r#"entra::CDate("2013-01-10 4:00 PM -8")"#, r#""2013-01-11T00:00:00Z""#)],
        examples: &[
            (r#"entra::CDate("2026-03-01 09:30 +2")"#, r#""2026-03-01T07:30:00Z""#),
            (r#"entra::CDate("12/25/2007")"#, r#""2007-12-25T00:00:00Z""#),
            (r#"entra::CDate("5 Jan 2026 12:01 AM")"#, r#""2026-01-05T00:01:00Z""#),
            (r#"entra::CDate("2026-01-05T09:30:00.5+01:00")"#, r#""2026-01-05T08:30:00.5Z""#),
            (r#"entra::CDate("soon")"#, r#"error("`entra::CDate`: `soon` is not a date")"#),
            ("entra::CDate(())", "()"),
        ],
        differs: "Entra Connect reads dates as its server's culture writes them; here months come first, as in the United States.",
        arity: (1, 1),
        call: |call| {
            call.each_text(Dynamic::UNIT, |text| {
                let moment = dates::parse(text).ok_or_else(|| call.error(&format!("`{text}` is not a date")))?;
                Ok(dates::written(moment))
            })
        },
    },
    EntraFunction {
        name: "CGuid",
        group: EntraGroup::Conversion,
        signature: "CGuid(text) -> bytes",
        doc: "The 16 bytes of a GUID as Active Directory keeps them; an error for other text.",
        documented: &[],
        examples: &[
            (
                r#"entra::CGuid("{00001111-aaaa-2222-bbbb-3333cccc4444}")"#,
                r#"from_hex("11110000AAAA2222BBBB3333CCCC4444")"#,
            ),
            (r#"entra::CGuid("jane")"#, r#"error("`jane` is not a GUID")"#),
            ("entra::CGuid(())", "()"),
        ],
        differs: "",
        arity: (1, 1),
        call: |call| {
            call.each_text(Dynamic::UNIT, |text| {
                Ok(Dynamic::from_blob(identifiers::parse_guid(text)?.to_bytes_le().to_vec()))
            })
        },
    },
    EntraFunction {
        name: "ConvertFromBase64",
        group: EntraGroup::Conversion,
        signature: "ConvertFromBase64(text [, encoding]) -> text",
        doc: "The text that Base64 stands for: `Unicode` (UTF-16, without another word), `UTF8` or `ASCII`.",
        documented: &[
            (r#"entra::ConvertFromBase64("SABlAGwAbABvACAAdwBvAHIAbABkACEA")"#, r#""Hello world!""#),
            (r#"entra::ConvertFromBase64("SGVsbG8gd29ybGQh", entra::UTF8)"#, r#""Hello world!""#),
        ],
        examples: &[
            (r#"entra::ConvertFromBase64("?")"#, r#"error("`entra::ConvertFromBase64`: `?` is not Base64")"#),
            ("entra::ConvertFromBase64(())", "()"),
        ],
        differs: "Not documented: other text is an error, nothing gives nothing.",
        arity: (1, 2),
        call: |call| call.each_text(Dynamic::UNIT, |text| decode(call, text)),
    },
    EntraFunction {
        name: "ConvertToBase64",
        group: EntraGroup::Conversion,
        signature: "ConvertToBase64(text or bytes) -> text",
        doc: "Base64 of bytes, or of a text's UTF-16.",
        documented: &[(r#"entra::ConvertToBase64("Hello world!")"#, r#""SABlAGwAbABvACAAdwBvAHIAbABkACEA""#)],
        examples: &[(r#"entra::ConvertToBase64(from_hex("0102"))"#, r#""AQI=""#), ("entra::ConvertToBase64(())", "()")],
        differs: "Not documented: nothing gives nothing.",
        arity: (1, 1),
        call: |call| call.each(Dynamic::UNIT, |value| encode(call, value)),
    },
    EntraFunction {
        name: "ConvertFromUTF8Hex",
        group: EntraGroup::Conversion,
        signature: "ConvertFromUTF8Hex(text) -> text",
        doc: "The text whose UTF-8 the hexadecimal digits are.",
        documented: &[(r#"entra::ConvertFromUTF8Hex("48656C6C6F20776F726C6421")"#, r#""Hello world!""#)],
        examples: &[
            (
                r#"entra::ConvertFromUTF8Hex("4")"#,
                r#"error("`entra::ConvertFromUTF8Hex`: `4` is not UTF-8 in hexadecimal")"#,
            ),
            ("entra::ConvertFromUTF8Hex(())", "()"),
        ],
        differs: "Not documented: other text is an error, nothing gives nothing.",
        arity: (1, 1),
        call: |call| {
            call.each_text(Dynamic::UNIT, |text| {
                let decoded = encoding::from_hex(text).and_then(|bytes| String::from_utf8(bytes).ok());
                decoded.map(plain).ok_or_else(|| call.error(&format!("`{text}` is not UTF-8 in hexadecimal")))
            })
        },
    },
    EntraFunction {
        name: "ConvertToUTF8Hex",
        group: EntraGroup::Conversion,
        signature: "ConvertToUTF8Hex(text) -> text",
        doc: "The text's UTF-8 in hexadecimal, in capitals.",
        documented: &[(r#"entra::ConvertToUTF8Hex("Hello world!")"#, r#""48656C6C6F20776F726C6421""#)],
        examples: &[("entra::ConvertToUTF8Hex(())", "()")],
        differs: "Not documented: nothing gives nothing.",
        arity: (1, 1),
        call: |call| call.map_text(|text| hex(text.as_bytes()).to_uppercase()),
    },
    EntraFunction {
        name: "CNum",
        group: EntraGroup::Conversion,
        signature: "CNum(text) -> number",
        doc: "The number that a text says; an error for other text.",
        documented: &[],
        examples: &[
            (r#"entra::CNum("42")"#, "42"),
            (r#"entra::CNum("4x")"#, r#"error("`entra::CNum`: `4x` is not a number")"#),
            ("entra::CNum(())", "()"),
        ],
        differs: "Not documented: nothing gives nothing.",
        arity: (1, 1),
        call: |call| {
            call.each(Dynamic::UNIT, |value| {
                number(value).map(Dynamic::from_int).ok_or_else(|| call.error(&format!("`{value}` is not a number")))
            })
        },
    },
    EntraFunction {
        name: "CRef",
        group: EntraGroup::Conversion,
        signature: "CRef(text) -> text",
        doc: "A distinguished name. It stays text here: references are not made in rules, a reference attribute is handed on.",
        documented: &[],
        examples: &[
            (r#"entra::CRef("CN=Ann,OU=IT,DC=x")"#, r#""CN=Ann,OU=IT,DC=x""#),
            (r#"entra::CRef("Ann")"#, r#"error("`entra::CRef`: `Ann` is not a distinguished name")"#),
            ("entra::CRef(())", "()"),
        ],
        differs: "There it makes a reference; here the name stays text.",
        arity: (1, 1),
        call: |call| {
            call.each_text(Dynamic::UNIT, |text| match crate::dn::is_dn(text) {
                true => Ok(plain(text)),
                false => Err(call.error(&format!("`{text}` is not a distinguished name"))),
            })
        },
    },
    EntraFunction {
        name: "CStr",
        group: EntraGroup::Conversion,
        signature: "CStr(value) -> text",
        doc: "A number, a truth value or a name as text; an error for bytes.",
        documented: &[(r#"entra::CStr("cn=Joe,dc=contoso,dc=com")"#, r#""cn=Joe,dc=contoso,dc=com""#)],
        examples: &[
            ("entra::CStr(42)", r#""42""#),
            ("entra::CStr(true)", r#""True""#),
            (r#"entra::CStr(from_hex("01"))"#, r#"error("`entra::CStr` needs text, not bytes")"#),
            ("entra::CStr(())", "()"),
        ],
        differs: "Not documented: nothing gives nothing.",
        arity: (1, 1),
        call: |call| call.each(Dynamic::UNIT, |value| to_text(call, value)),
    },
    EntraFunction {
        name: "StringFromGuid",
        group: EntraGroup::Conversion,
        signature: "StringFromGuid(bytes) -> text",
        doc: "A GUID as people write it, from the 16 bytes of Active Directory.",
        documented: &[],
        examples: &[
            (
                r#"entra::StringFromGuid(from_hex("11110000AAAA2222BBBB3333CCCC4444"))"#,
                r#""00001111-aaaa-2222-bbbb-3333cccc4444""#,
            ),
            (r#"entra::StringFromGuid(from_hex("11"))"#, r#"error("a GUID has 16 bytes, not 1")"#),
            ("entra::StringFromGuid(())", "()"),
        ],
        differs: "Not documented: small letters without braces.",
        arity: (1, 1),
        call: |call| call.each(Dynamic::UNIT, identifiers::guid),
    },
    EntraFunction {
        name: "StringFromSid",
        group: EntraGroup::Conversion,
        signature: "StringFromSid(bytes) -> text",
        doc: "A security identifier as people write it.",
        documented: &[],
        examples: &[
            (r#"entra::StringFromSid(from_base64("AQIAAAAAAAUgAAAAIAIAAA=="))"#, r#""S-1-5-32-544""#),
            (r#"entra::StringFromSid(from_hex("01"))"#, r#"error("these bytes are not a security identifier")"#),
            ("entra::StringFromSid(())", "()"),
        ],
        differs: "",
        arity: (1, 1),
        call: |call| call.each(Dynamic::UNIT, identifiers::sid),
    },
    EntraFunction {
        name: "CBin",
        group: EntraGroup::Unlisted,
        signature: "CBin(number, length) -> bytes",
        doc: "A number as so many bytes, the low byte first; an error where it does not fit.",
        documented: &[],
        examples: &[
            ("entra::CBin(258, 2)", r#"from_hex("0201")"#),
            ("entra::CBin(256, 1)", r#"error("`entra::CBin`: 256 does not fit into 1 bytes")"#),
            ("entra::CBin((), 1)", r#"error("`entra::CBin` needs a number, not nothing")"#),
        ],
        differs: "Seen in one rule that Entra Connect ships, described nowhere: the order of bytes is that of .NET.",
        arity: (2, 2),
        call: to_bytes,
    },
];
