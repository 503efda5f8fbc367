//! Bytes as text: Base64 and hexadecimal. Text becomes bytes as UTF-8.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rhai::{Blob, Dynamic};

use super::shape::{Outcome, bytes_of, each, each_text, fail, text, text_of, wrong_kind};
use super::{Function, Group};
use crate::value;

fn to_bytes(name: &str, value: &Dynamic) -> Outcome<Blob> {
    if value.is_blob() {
        return bytes_of(name, value);
    }
    text_of(name, value).map(|text| text.as_bytes().to_vec()).map_err(|_| wrong_kind(name, "bytes or text", value))
}

pub(super) fn from_hex(digits: &str) -> Option<Blob> {
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let pairs = (0..digits.len()).step_by(2).map(|at| digits.get(at..at + 2));
    pairs.map(|pair| u8::from_str_radix(pair.filter(|pair| !pair.starts_with('+'))?, 16).ok()).collect()
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "base64",
        group: Group::Encoding,
        signature: "base64(bytes or text) -> text",
        doc: "Base64 with padding, as `onPremisesImmutableId` is written.",
        examples: &[
            (r#"base64(guid_bytes("00001111-aaaa-2222-bbbb-3333cccc4444"))"#, r#""EREAAKqqIiK7uzMzzMxERA==""#),
            (r#"base64("Olá")"#, r#""T2zDoQ==""#),
            ("base64(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("base64", |value: Dynamic| -> Outcome {
                each(&value, &|value| Ok(text(STANDARD.encode(to_bytes("base64", value)?))))
            });
        },
    },
    Function {
        name: "from_base64",
        group: Group::Encoding,
        signature: "from_base64(text) -> bytes",
        doc: "The bytes that Base64 stands for; an error for other text.",
        examples: &[
            (r#"to_text(from_base64("T2zDoQ=="))"#, r#""Olá""#),
            (r#"from_base64("?")"#, r#"error("`?` is not Base64")"#),
            ("from_base64(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("from_base64", |value: Dynamic| -> Outcome {
                each_text("from_base64", &value, |text| {
                    let bytes = STANDARD.decode(text).map_err(|_| fail(format!("`{text}` is not Base64")))?;
                    Ok(Dynamic::from_blob(bytes))
                })
            });
        },
    },
    Function {
        name: "hex",
        group: Group::Encoding,
        signature: "hex(bytes or text) -> text",
        doc: "Hexadecimal in small letters.",
        examples: &[(r#"hex("Az")"#, r#""417a""#), ("hex(())", "()")],
        register: |engine| {
            engine.register_fn("hex", |value: Dynamic| -> Outcome {
                each(&value, &|value| Ok(text(value::hex(&to_bytes("hex", value)?))))
            });
        },
    },
    Function {
        name: "from_hex",
        group: Group::Encoding,
        signature: "from_hex(text) -> bytes",
        doc: "The bytes that hexadecimal text stands for; an error for other text.",
        examples: &[
            (r#"to_text(from_hex("417A"))"#, r#""Az""#),
            (r#"from_hex("4")"#, r#"error("`4` is not hexadecimal")"#),
            ("from_hex(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("from_hex", |value: Dynamic| -> Outcome {
                each_text("from_hex", &value, |text| {
                    from_hex(text).map(Dynamic::from_blob).ok_or_else(|| fail(format!("`{text}` is not hexadecimal")))
                })
            });
        },
    },
];
