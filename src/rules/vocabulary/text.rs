//! Text out of text, and tests on text. Positions count characters from 0.

use rhai::{Array, Dynamic, Engine};

use super::ascii::to_ascii;
use super::shape::{
    Outcome, count_of, each_text, fail, list, number_of, text, text_of, text_test, text_to_text, values_of,
};
use super::{Function, Group};

/// What padding may make at most. Longer attributes do not exist, and a rule must not fill the memory.
pub(super) const LONGEST_PADDING: usize = 4096;

/// How many names `numbered` proposes at most.
const MOST_NUMBERED: usize = 1000;

/// A capital at the start of each word, a word being what the separators end; words in capitals stay.
pub(super) fn proper_case(value: &str, separators: &[char]) -> String {
    let mut result = String::with_capacity(value.len());
    for word in value.split_inclusive(separators) {
        let capitals = word.chars().filter(|c| c.is_alphabetic()).all(char::is_uppercase);
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if !capitals => {
                result.extend(first.to_uppercase());
                result.push_str(&letters.as_str().to_lowercase());
            }
            _ => result.push_str(word),
        }
    }
    result
}

pub(super) fn left(value: &str, count: usize) -> &str {
    value.char_indices().nth(count).map_or(value, |(end, _)| value.get(..end).unwrap_or(value))
}

pub(super) fn right(value: &str, count: usize) -> &str {
    skip(value, value.chars().count().saturating_sub(count))
}

pub(super) fn skip(value: &str, count: usize) -> &str {
    value.char_indices().nth(count).map_or("", |(start, _)| value.get(start..).unwrap_or(""))
}

/// Registers a function from text and a number of characters to text.
fn cut(engine: &mut Engine, name: &'static str, f: fn(&str, usize) -> &str) {
    engine.register_fn(name, move |value: Dynamic, count: Dynamic| -> Outcome {
        let count = count_of(name, &count)?;
        each_text(name, &value, |value| Ok(text(f(value, count))))
    });
}

/// Registers a function from text and another text to text. Without the other text the value stays as it is.
fn with_text(engine: &mut Engine, name: &'static str, f: fn(&str, &str) -> String) {
    engine.register_fn(name, move |value: Dynamic, other: Dynamic| -> Outcome {
        if other.is_unit() {
            return Ok(value);
        }
        let other = text_of(name, &other)?;
        each_text(name, &value, |value| Ok(text(f(value, &other))))
    });
}

/// Registers a function that makes text longer. The filling goes before or behind it.
fn pad(engine: &mut Engine, name: &'static str, join: fn(&str, String) -> String) {
    engine.register_fn(name, move |value: Dynamic, length: Dynamic, filling: &str| -> Outcome {
        let length = count_of(name, &length)?;
        if length > LONGEST_PADDING {
            return Err(fail(format!("`{name}` makes at most {LONGEST_PADDING} characters, not {length}")));
        }
        if filling.is_empty() {
            return Err(fail(format!("`{name}` needs something to fill up with")));
        }
        each_text(name, &value, |value| {
            let missing = length.saturating_sub(value.chars().count());
            Ok(text(join(value, filling.chars().cycle().take(missing).collect())))
        })
    });
}

fn replace(value: Dynamic, old: &str, new: Dynamic) -> Outcome {
    if old.is_empty() {
        return Err(fail("`replace` needs a text to look for"));
    }
    let new = if new.is_unit() { "".into() } else { text_of("replace", &new)? };
    each_text("replace", &value, |value| replaced(value, old, &new).map(text))
}

/// Every `old` as `new`, unless that would grow too long.
pub(super) fn replaced(value: &str, old: &str, new: &str) -> Outcome<String> {
    let hits = value.matches(old).count();
    check_size(value.len().saturating_add(hits.saturating_mul(new.len())))?;
    Ok(value.replace(old, new))
}

/// Refuses what the engine would refuse, before the memory is taken.
fn check_size(bytes: usize) -> Outcome<()> {
    if bytes > super::sandbox::TEXT_SIZE { Err(fail("Length of string too large")) } else { Ok(()) }
}

fn join(name: &str, values: Dynamic, separator: &str) -> Outcome {
    let mut joined = String::new();
    for value in values_of(values) {
        let part = if value.is_unit() { "".into() } else { text_of(name, &value)? };
        let part = if name == "words" { part.trim() } else { &part };
        if part.is_empty() {
            continue;
        }
        check_size(joined.len() + separator.len() + part.len())?;
        if !joined.is_empty() {
            joined.push_str(separator);
        }
        joined.push_str(part);
    }
    Ok(text(joined))
}

fn split(value: Dynamic, separator: &str) -> Outcome {
    if separator.is_empty() {
        return Err(fail("`split` needs a separator"));
    }
    let mut pieces = Array::new();
    for value in values_of(value) {
        pieces.extend(text_of("split", &value)?.split(separator).map(|piece| text(piece.trim())));
    }
    Ok(list(pieces))
}

fn word(value: Dynamic, index: Dynamic, separator: &str) -> Outcome {
    let index = number_of("word", &index)?;
    if separator.is_empty() {
        return Err(fail("`word` needs a separator"));
    }
    each_text("word", &value, |value| {
        let pieces: Vec<&str> = value.split(separator).map(str::trim).filter(|piece| !piece.is_empty()).collect();
        let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
        let position = if index < 0 { pieces.len().checked_sub(distance) } else { Some(distance) };
        Ok(text(position.and_then(|position| pieces.get(position).copied()).unwrap_or_default()))
    })
}

fn slice_text(value: Dynamic, start: Dynamic, length: Dynamic) -> Outcome {
    let (start, length) = (count_of("slice_text", &start)?, count_of("slice_text", &length)?);
    each_text("slice_text", &value, |value| Ok(text(left(skip(value, start), length))))
}

/// The name, and the name with each number from 2 on.
fn numbered(value: Dynamic, last: Dynamic) -> Outcome {
    let last = count_of("numbered", &last)?;
    if last > MOST_NUMBERED {
        return Err(fail(format!("`numbered` goes up to {MOST_NUMBERED}, not to {last}")));
    }
    if value.is_unit() {
        return Ok(value);
    }
    let name = text_of("numbered", &value)?;
    let others = (2..=last).map(|number| text(format!("{name}{number}")));
    Ok(list(std::iter::once(text(name.clone())).chain(others)))
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "numbered",
        group: Group::Text,
        signature: "numbered(text, last) -> list",
        doc: "The text, and the text with each number from 2 to the last: proposals for `unique`.",
        examples: &[
            (r#"numbered("jroe", 3)"#, r#"["jroe", "jroe2", "jroe3"]"#),
            (r#"numbered("jroe", 5000)"#, r#"error("`numbered` goes up to 1000, not to 5000")"#),
            ("numbered((), 3)", "()"),
        ],
        register: |engine| {
            engine.register_fn("numbered", numbered);
        },
    },
    Function {
        name: "lower",
        group: Group::Text,
        signature: "lower(text) -> text",
        doc: "Small letters.",
        examples: &[
            (r#"lower("Jane.ROE")"#, r#""jane.roe""#),
            (r#"lower(["A", "b"])"#, r#"["a", "b"]"#),
            ("lower(())", "()"),
            ("lower(5)", r#"error("`lower` needs text, not a number")"#),
        ],
        register: |engine| text_to_text(engine, "lower", str::to_lowercase),
    },
    Function {
        name: "upper",
        group: Group::Text,
        signature: "upper(text) -> text",
        doc: "Capital letters.",
        examples: &[(r#"upper("de")"#, r#""DE""#), ("upper(())", "()")],
        register: |engine| text_to_text(engine, "upper", str::to_uppercase),
    },
    Function {
        name: "proper_case",
        group: Group::Text,
        signature: "proper_case(text) -> text",
        doc: "A capital at the start of each word; words in capitals stay, `lower` them first to change them.",
        examples: &[
            (r#"proper_case("mARY ann-lee")"#, r#""Mary Ann-Lee""#),
            (r#"proper_case("head of IT")"#, r#""Head Of IT""#),
            (r#"proper_case(lower("ROE"))"#, r#""Roe""#),
            ("proper_case(())", "()"),
        ],
        register: |engine| text_to_text(engine, "proper_case", |value| proper_case(value, &[' ', '-'])),
    },
    Function {
        name: "trim",
        group: Group::Text,
        signature: "trim(text) -> text",
        doc: "Without white space at both ends; text of nothing else becomes `()`.",
        examples: &[
            (r#"trim("  Roe ")"#, r#""Roe""#),
            (r#"trim("   ")"#, "()"),
            (r#"trim([" a", " ", "b "])"#, r#"["a", "b"]"#),
            (r#""  Roe ".trim()"#, r#""Roe""#),
            ("trim(())", "()"),
        ],
        register: |engine| text_to_text(engine, "trim", |value| value.trim().to_owned()),
    },
    Function {
        name: "squeeze",
        group: Group::Text,
        signature: "squeeze(text) -> text",
        doc: "Trimmed, and each run of white space one blank.",
        examples: &[(r#"squeeze(" Jane \t Roe ")"#, r#""Jane Roe""#), ("squeeze(())", "()")],
        register: |engine| {
            text_to_text(engine, "squeeze", |value| value.split_whitespace().collect::<Vec<_>>().join(" "));
        },
    },
    Function {
        name: "digits",
        group: Group::Text,
        signature: "digits(text) -> text",
        doc: "Only the digits 0 to 9.",
        examples: &[
            (r#"digits("+49 (30) 1234-5")"#, r#""493012345""#),
            (r#"digits("none")"#, "()"),
            ("digits(())", "()"),
        ],
        register: |engine| {
            text_to_text(engine, "digits", |value| value.chars().filter(char::is_ascii_digit).collect());
        },
    },
    Function {
        name: "ascii",
        group: Group::Text,
        signature: "ascii(text) -> text",
        doc: "Latin letters spelled in ASCII; letters of other scripts stay.",
        examples: &[
            (r#"ascii("Jörg Müßig")"#, r#""Joerg Muessig""#),
            (r#"ascii("ÄRGER Äpfel")"#, r#""AERGER Aepfel""#),
            (r#"ascii("Łucja Ñandú Åse")"#, r#""Lucja Nandu Aase""#),
            ("ascii(())", "()"),
        ],
        register: |engine| text_to_text(engine, "ascii", to_ascii),
    },
    Function {
        name: "only_chars",
        group: Group::Text,
        signature: "only_chars(text, allowed) -> text",
        doc: "Only the characters that `allowed` has, to the letter.",
        examples: &[(r#"only_chars("a-b_c", "abc-")"#, r#""a-bc""#), (r#"only_chars((), "abc")"#, "()")],
        register: |engine| {
            with_text(engine, "only_chars", |value, allowed| value.chars().filter(|c| allowed.contains(*c)).collect());
        },
    },
    Function {
        name: "replace",
        group: Group::Text,
        signature: "replace(text, old, new) -> text",
        doc: "Every `old`, to the letter, becomes `new`.",
        examples: &[
            (r#"replace("a-b-c", "-", ".")"#, r#""a.b.c""#),
            (r#"replace("a-b", "-", "")"#, r#""ab""#),
            (r#"replace((), "a", "b")"#, "()"),
        ],
        register: |engine| {
            engine.register_fn("replace", replace);
        },
    },
    Function {
        name: "left",
        group: Group::Text,
        signature: "left(text, count) -> text",
        doc: "The first characters.",
        examples: &[
            (r#"left("abcdef", 2)"#, r#""ab""#),
            (r#"left("ä", 5)"#, r#""ä""#),
            (r#"left("a", 0)"#, "()"),
            ("left((), 2)", "()"),
        ],
        register: |engine| cut(engine, "left", left),
    },
    Function {
        name: "right",
        group: Group::Text,
        signature: "right(text, count) -> text",
        doc: "The last characters.",
        examples: &[(r#"right("abcdef", 2)"#, r#""ef""#), (r#"right("ä", 5)"#, r#""ä""#), ("right((), 2)", "()")],
        register: |engine| cut(engine, "right", right),
    },
    Function {
        name: "truncate",
        group: Group::Text,
        signature: "truncate(text, count) -> text",
        doc: "At most so many characters, and no white space where it was cut.",
        examples: &[
            (r#"truncate("Jane Roe", 5)"#, r#""Jane""#),
            (r#"truncate("Jane", 448)"#, r#""Jane""#),
            ("truncate((), 5)", "()"),
        ],
        register: |engine| cut(engine, "truncate", |value, count| left(value, count).trim_end()),
    },
    Function {
        name: "slice_text",
        group: Group::Text,
        signature: "slice_text(text, start, count) -> text",
        doc: "Characters from a position on, counted from 0.",
        examples: &[
            (r#"slice_text("abcdef", 1, 3)"#, r#""bcd""#),
            (r#"slice_text("abc", 2, 9)"#, r#""c""#),
            (r#"slice_text("abc", 9, 1)"#, "()"),
            (r#"slice_text("abc", -1, 1)"#, r#"error("`slice_text` needs a number that is not negative, not -1")"#),
            ("slice_text((), 0, 1)", "()"),
        ],
        register: |engine| {
            engine.register_fn("slice_text", slice_text);
        },
    },
    Function {
        name: "before",
        group: Group::Text,
        signature: "before(text, separator) -> text",
        doc: "What stands before the first separator; all of it where there is none.",
        examples: &[
            (r#"before("jane.roe@contoso.com", "@")"#, r#""jane.roe""#),
            (r#"before("jane", "@")"#, r#""jane""#),
            (r#"before((), "@")"#, "()"),
        ],
        register: |engine| {
            with_text(engine, "before", |value, separator| {
                value.split_once(separator).map_or(value, |(before, _)| before).to_owned()
            });
        },
    },
    Function {
        name: "after",
        group: Group::Text,
        signature: "after(text, separator) -> text",
        doc: "What stands behind the first separator; `()` where there is none.",
        examples: &[
            (r#"after("jane.roe@contoso.com", "@")"#, r#""contoso.com""#),
            (r#"after("jane", "@")"#, "()"),
            (r#"after((), "@")"#, "()"),
        ],
        register: |engine| {
            with_text(engine, "after", |value, separator| {
                value.split_once(separator).map_or_else(String::new, |(_, after)| after.to_owned())
            });
        },
    },
    Function {
        name: "word",
        group: Group::Text,
        signature: "word(text, index, separator) -> text",
        doc: "One piece of the text, counted from 0, or from the end with -1; empty pieces do not count.",
        examples: &[
            (r#"word("Roe, Jane, Dr.", 1, ",")"#, r#""Jane""#),
            (r#"word("a/b/c", -1, "/")"#, r#""c""#),
            (r#"word("a", 3, "/")"#, "()"),
            (r#"word((), 0, "/")"#, "()"),
        ],
        register: |engine| {
            engine.register_fn("word", word);
        },
    },
    Function {
        name: "split",
        group: Group::Text,
        signature: "split(text, separator) -> list",
        doc: "The pieces between separators, trimmed; empty ones fall.",
        examples: &[
            (r#"split("a; b;;c", ";")"#, r#"["a", "b", "c"]"#),
            (r#"split(["a,b", "c"], ",")"#, r#"["a", "b", "c"]"#),
            (r#"split((), ";")"#, "()"),
        ],
        register: |engine| {
            engine.register_fn("split", split);
        },
    },
    Function {
        name: "join",
        group: Group::Text,
        signature: "join(list, separator) -> text",
        doc: "The texts that are there, with a separator between them.",
        examples: &[
            (r#"join(["a", (), "b"], "; ")"#, r#""a; b""#),
            (r#"join([], "; ")"#, "()"),
            (r#"join((), "; ")"#, "()"),
        ],
        register: |engine| {
            engine.register_fn("join", |values: Dynamic, separator: &str| join("join", values, separator));
        },
    },
    Function {
        name: "words",
        group: Group::Text,
        signature: "words(list) -> text",
        doc: "The texts that are there, trimmed, with a blank between them.",
        examples: &[
            (r#"words(["Jane ", (), "", "Roe"])"#, r#""Jane Roe""#),
            ("words([(), ()])", "()"),
            ("words(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("words", |values: Dynamic| join("words", values, " "));
        },
    },
    Function {
        name: "pad_left",
        group: Group::Text,
        signature: "pad_left(text, length, filling) -> text",
        doc: "Filled up on the left to a length.",
        examples: &[
            (r#"pad_left("7", 3, "0")"#, r#""007""#),
            (r#"pad_left("1234", 3, "0")"#, r#""1234""#),
            (r#"pad_left((), 3, "0")"#, "()"),
        ],
        register: |engine| pad(engine, "pad_left", |value, filling| filling + value),
    },
    Function {
        name: "pad_right",
        group: Group::Text,
        signature: "pad_right(text, length, filling) -> text",
        doc: "Filled up on the right to a length.",
        examples: &[(r#"pad_right("ab", 4, ".")"#, r#""ab..""#), (r#"pad_right((), 4, ".")"#, "()")],
        register: |engine| pad(engine, "pad_right", |value, filling| format!("{value}{filling}")),
    },
    Function {
        name: "starts_with",
        group: Group::Text,
        signature: "starts_with(text, part) -> true or false",
        doc: "Whether the text starts so; letter case counts only with `exact`. Of a list: whether any text does.",
        examples: &[
            (r#"starts_with("MSOL_1f", "msol_")"#, "true"),
            (r#"starts_with("smtp:a@b.c", exact("SMTP:"))"#, "false"),
            (r#"starts_with(["x", "yz"], "y")"#, "true"),
            (r#"starts_with((), "a")"#, "false"),
            (r#"starts_with("a", ())"#, "false"),
        ],
        register: |engine| text_test(engine, "starts_with", |value, part| value.starts_with(part)),
    },
    Function {
        name: "ends_with",
        group: Group::Text,
        signature: "ends_with(text, part) -> true or false",
        doc: "Whether the text ends so; letter case counts only with `exact`. Of a list: whether any text does.",
        examples: &[
            (r#"ends_with("jane@Contoso.com", "@contoso.com")"#, "true"),
            (r#"ends_with("A", exact("a"))"#, "false"),
            (r#"ends_with((), "a")"#, "false"),
        ],
        register: |engine| text_test(engine, "ends_with", |value, part| value.ends_with(part)),
    },
];
