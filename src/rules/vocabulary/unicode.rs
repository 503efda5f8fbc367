//! Letters of the world: other scripts in ASCII, slugs, and the normal forms of Unicode.

use rhai::Dynamic;
use unicode_normalization::UnicodeNormalization as _;

use super::ascii::to_ascii;
use super::shape::{Outcome, each_text, text};
use super::{Function, Group};

/// Small ASCII letters and digits, with one hyphen between words.
fn slug(text: &str) -> String {
    let latin = deunicode::deunicode(&to_ascii(text)).to_lowercase().replace('\'', "");
    let words = latin.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "transliterate",
        group: Group::Text,
        signature: "transliterate(text) -> text",
        doc: "The text in ASCII, whatever its script; `ascii` leaves scripts other than Latin alone.",
        examples: &[
            (r#"transliterate("Анна Петрова")"#, r#""Anna Petrova""#),
            (r#"transliterate("Jürgen Łukasz")"#, r#""Juergen Lukasz""#),
            (r#"transliterate("北京")"#, r#""Bei Jing""#),
            ("transliterate(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("transliterate", |value: Dynamic| -> Outcome {
                each_text("transliterate", &value, |whole| {
                    Ok(text(deunicode::deunicode(&to_ascii(whole)).trim().to_owned()))
                })
            });
        },
    },
    Function {
        name: "slug",
        group: Group::Text,
        signature: "slug(text) -> text",
        doc: "Small ASCII letters and digits with hyphens between words, for names of groups and the like.",
        examples: &[
            (r#"slug("R&D, Büro München (2)")"#, r#""r-d-buero-muenchen-2""#),
            (r#"slug("Ольга")"#, r#""olga""#),
            (r#"slug("…")"#, "()"),
            ("slug(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("slug", |value: Dynamic| -> Outcome {
                each_text("slug", &value, |whole| Ok(text(slug(whole))))
            });
        },
    },
    Function {
        name: "nfc",
        group: Group::Text,
        signature: "nfc(text) -> text",
        doc: "Unicode's composed form: a letter with its mark is one character. Two directories may spell one name in two ways.",
        examples: &[("length(nfc(\"e\\u0301\"))", "1"), ("nfc(())", "()")],
        register: |engine| {
            engine.register_fn("nfc", |value: Dynamic| -> Outcome {
                each_text("nfc", &value, |whole| Ok(text(whole.nfc().collect::<String>())))
            });
        },
    },
    Function {
        name: "nfd",
        group: Group::Text,
        signature: "nfd(text) -> text",
        doc: "Unicode's decomposed form: a letter and its mark are two characters.",
        examples: &[("length(nfd(\"\\u00e9\"))", "2"), ("nfd(())", "()")],
        register: |engine| {
            engine.register_fn("nfd", |value: Dynamic| -> Outcome {
                each_text("nfd", &value, |whole| Ok(text(whole.nfd().collect::<String>())))
            });
        },
    },
    Function {
        name: "nfkc",
        group: Group::Text,
        signature: "nfkc(text) -> text",
        doc: "Unicode's composed form without wide letters, ligatures and their like.",
        examples: &[(r#"nfkc("ﬁ ＡＢ①")"#, r#""fi AB1""#), ("nfkc(())", "()")],
        register: |engine| {
            engine.register_fn("nfkc", |value: Dynamic| -> Outcome {
                each_text("nfkc", &value, |whole| Ok(text(whole.nfkc().collect::<String>())))
            });
        },
    },
];
