//! Text. Positions count characters from 1.

use rhai::{Blob, Dynamic};

use super::{Call, EntraFunction, EntraGroup, count, plain};
use crate::rules::vocabulary::shape::Outcome;
use crate::rules::vocabulary::text::{LONGEST_PADDING, left, proper_case, replaced, right, skip};
use crate::value::fold;

/// Left, Right and Mid keep the text for a negative count, and give empty text for nothing.
fn edge(call: &Call<'_>, from_end: bool) -> Outcome {
    let number = call.number(1)?;
    call.each_text(plain(""), |value| {
        let Ok(wanted) = usize::try_from(number) else { return Ok(plain(value)) };
        Ok(plain(if from_end { right(value, wanted) } else { left(value, wanted) }))
    })
}

fn mid(call: &Call<'_>) -> Outcome {
    let start = call.number(1)?;
    let length = if call.values.len() > 2 { call.number(2)? } else { i64::MAX };
    call.each(plain(""), |value| {
        let whole = || Ok(value.clone());
        if length == 0 {
            return Ok(if value.is_blob() { Dynamic::from_blob(Blob::new()) } else { plain("") });
        }
        let (Ok(first), Ok(length)) = (usize::try_from(start - 1), usize::try_from(length)) else { return whole() };
        if let Ok(bytes) = value.as_blob_ref() {
            let part = bytes.iter().skip(first).take(length).copied().collect::<Blob>();
            return if first >= bytes.len() { whole() } else { Ok(Dynamic::from_blob(part)) };
        }
        let text = super::text_of(&call.name(), value)?;
        if first >= text.chars().count() { whole() } else { Ok(plain(left(skip(&text, first), length))) }
    })
}

fn len(call: &Call<'_>) -> Outcome {
    call.each(Dynamic::from_int(0), |value| match value.as_blob_ref() {
        Ok(bytes) => Ok(count(bytes.len())),
        Err(_) => Ok(count(super::text_of(&call.name(), value)?.chars().count())),
    })
}

/// Where a text is found, in characters from 1; 0 when it is not.
fn found(call: &Call<'_>, last: bool) -> Outcome {
    let Some(whole) = call.text(0)? else { return Ok(Dynamic::from_int(0)) };
    let part = call.needed_text(1)?;
    let ignore_case = match call.text(3)?.as_deref() {
        None | Some("vbBinaryCompare") => false,
        Some("vbTextCompare") => true,
        Some(other) => return Err(call.error(&format!("`{other}` is not a way to compare"))),
    };
    let letters = |text: &str| -> Vec<String> {
        text.chars().map(|c| if ignore_case { fold(c.encode_utf8(&mut [0; 4])) } else { c.to_string() }).collect()
    };
    let (whole, part) = (letters(&whole), letters(&part));
    let bound = if call.is_null(2) { None } else { Some(call.number(2)?) };
    let bound = bound.filter(|bound| *bound > 0).and_then(|bound| usize::try_from(bound - 1).ok());
    let hit = |at: &usize| whole.get(*at..).is_some_and(|rest| rest.starts_with(&part));
    let position = if last {
        (0..=bound.unwrap_or(whole.len()).min(whole.len())).rev().find(hit)
    } else {
        (bound.unwrap_or(0)..=whole.len()).find(hit)
    };
    Ok(position.filter(|_| !part.is_empty()).map_or(Dynamic::from_int(0), |at| count(at + 1)))
}

fn pad(call: &Call<'_>, left: bool) -> Outcome {
    let length = usize::try_from(call.number(1)?).unwrap_or(0);
    let filling = call.needed_text(2)?;
    if filling.chars().count() != 1 {
        return Err(call.error(&format!("the third argument is one character, not `{filling}`")));
    }
    if length > LONGEST_PADDING {
        return Err(call.error(&format!("at most {LONGEST_PADDING} characters, not {length}")));
    }
    call.each_text(plain(""), |value| {
        let missing = length.saturating_sub(value.chars().count());
        let filling = filling.repeat(missing);
        Ok(plain(if left { format!("{filling}{value}") } else { format!("{value}{filling}") }))
    })
}

/// `\n`, `\r` and `\t` of two characters are one.
fn unescape(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t")
}

fn replace(call: &Call<'_>) -> Outcome {
    let old = unescape(&call.needed_text(1)?);
    let new = unescape(&call.text(2)?.unwrap_or_default());
    if old.is_empty() {
        return Err(call.error("there is nothing to look for"));
    }
    call.each_text(Dynamic::UNIT, |value| {
        replaced(value, &old, &new).map(plain).map_err(|_| call.error("the text grows too long"))
    })
}

/// `å:a,ß:ss,’:`: one character each, and what stands in its place.
fn replace_chars(call: &Call<'_>) -> Outcome {
    let pattern = call.needed_text(1)?;
    let mut pairs: Vec<(char, String)> = Vec::new();
    for pair in pattern.split(',') {
        let pair: String = pair.chars().filter(|c| !c.is_whitespace()).collect();
        let mut from = pair.split_once(':').map(|(from, to)| (from.chars(), to));
        match from.as_mut().map(|(from, to)| (from.next(), from.next(), to)) {
            Some((Some(from), None, to)) => pairs.push((from, (*to).to_owned())),
            _ => return Err(call.error(&format!("`{pair}` is not one character, a colon and a text"))),
        }
    }
    call.map_text(|value| {
        let replaced = value.chars().map(|c| match pairs.iter().find(|(from, _)| *from == c) {
            Some((_, to)) => to.clone(),
            None => c.to_string(),
        });
        replaced.collect()
    })
}

fn word(call: &Call<'_>) -> Outcome {
    let index = call.number(1)?;
    let delimiters = call.needed_text(2)?;
    call.each_text(plain(""), |value| {
        let mut words = value.split(|c| delimiters.contains(c)).filter(|word| !word.is_empty());
        let word = usize::try_from(index - 1).ok().and_then(|index| words.nth(index));
        Ok(plain(word.unwrap_or_default()))
    })
}

pub(super) static FUNCTIONS: &[EntraFunction] = &[
    EntraFunction {
        name: "InStr",
        group: EntraGroup::Text,
        signature: "InStr(text, part [, start [, compare]]) -> number",
        doc: "Where the part first stands, at or after `start`; 0 where it does not, and for nothing.",
        documented: &[
            (r#"entra::InStr("The quick brown fox", "quick")"#, "5"),
            (r#"entra::InStr("repEated", "e", 3, entra::vbBinaryCompare)"#, "7"),
        ],
        examples: &[
            (r#"entra::InStr("repEated", "e", 3, entra::vbTextCompare)"#, "4"),
            (r#"entra::InStr("banana", "x")"#, "0"),
            (r#"entra::InStr((), "x")"#, "0"),
        ],
        differs: "Not documented: without `compare` letter case counts; nothing gives 0.",
        arity: (2, 4),
        call: |call| found(call, false),
    },
    EntraFunction {
        name: "InStrRev",
        group: EntraGroup::Text,
        signature: "InStrRev(text, part [, start [, compare]]) -> number",
        doc: "Where the part last stands, counted from the left, at or before `start`; 0 where it does not.",
        documented: &[(r#"entra::InStrRev("abbcdbbbef", "bb")"#, "7")],
        examples: &[
            (r#"entra::InStrRev("abbcdbbbef", "bb", 5)"#, "2"),
            (r#"entra::InStrRev("ABBA", "b", 9, entra::vbTextCompare)"#, "3"),
            (r#"entra::InStrRev((), "x")"#, "0"),
        ],
        differs: "Not documented: nothing gives 0.",
        arity: (2, 4),
        call: |call| found(call, true),
    },
    EntraFunction {
        name: "LCase",
        group: EntraGroup::Text,
        signature: "LCase(text) -> text",
        doc: "Small letters.",
        documented: &[(r#"entra::LCase("TeSt")"#, r#""test""#)],
        examples: &[(r#"entra::LCase(["A", "b"])"#, r#"["a", "b"]"#), ("entra::LCase(())", "()")],
        differs: "Not documented: nothing gives nothing.",
        arity: (1, 1),
        call: |call| call.map_text(str::to_lowercase),
    },
    EntraFunction {
        name: "Left",
        group: EntraGroup::Text,
        signature: "Left(text, number) -> text",
        doc: "The first characters; the whole text for a number below 0; empty text of nothing.",
        documented: &[(r#"entra::Left("John Doe", 3)"#, r#""Joh""#)],
        examples: &[
            (r#"entra::Left("ab", 5)"#, r#""ab""#),
            (r#"entra::Left("ab", 0)"#, r#""""#),
            (r#"entra::Left("ab", -1)"#, r#""ab""#),
            ("entra::Left((), 1)", r#""""#),
        ],
        differs: "",
        arity: (2, 2),
        call: |call| edge(call, false),
    },
    EntraFunction {
        name: "Len",
        group: EntraGroup::Text,
        signature: "Len(text or bytes) -> number",
        doc: "How many characters or bytes; 0 of nothing.",
        documented: &[(r#"entra::Len("John Doe")"#, "8")],
        examples: &[(r#"entra::Len("😀")"#, "1"), (r#"entra::Len(from_hex("0102"))"#, "2"), ("entra::Len(())", "0")],
        differs: "Not documented: nothing gives 0.",
        arity: (1, 1),
        call: len,
    },
    EntraFunction {
        name: "LTrim",
        group: EntraGroup::Text,
        signature: "LTrim(text) -> text",
        doc: "Without white space at the beginning.",
        documented: &[(r#"entra::LTrim(" Test ")"#, r#""Test ""#)],
        examples: &[("entra::LTrim(())", "()")],
        differs: "Not documented: nothing gives nothing.",
        arity: (1, 1),
        call: |call| call.map_text(|value| value.trim_start().to_owned()),
    },
    EntraFunction {
        name: "Mid",
        group: EntraGroup::Text,
        signature: "Mid(text or bytes, start [, number]) -> text or bytes",
        doc: "Characters from a position on. The whole text where the position is below 1 or behind the end, or the number below 0; empty text of nothing.",
        documented: &[
            (r#"entra::Mid("John Doe", 3, 5)"#, r#""hn Do""#),
            (r#"entra::Mid("John Doe", 6, 999)"#, r#""Doe""#),
        ],
        examples: &[
            (r#"entra::Mid("SMTP:a@b.c", 6)"#, r#""a@b.c""#),
            (r#"entra::Mid("ab", 3, 1)"#, r#""ab""#),
            (r#"entra::Mid("ab", 0, 1)"#, r#""ab""#),
            (r#"entra::Mid("ab", 1, 0)"#, r#""""#),
            (r#"entra::Mid(from_hex("010203"), 2, 1)"#, r#"from_hex("02")"#),
            ("entra::Mid((), 1, 1)", r#""""#),
        ],
        differs: "",
        arity: (2, 3),
        call: mid,
    },
    EntraFunction {
        name: "PadLeft",
        group: EntraGroup::Text,
        signature: "PadLeft(text, length, character) -> text",
        doc: "Filled up at the beginning; empty text of nothing.",
        documented: &[(r#"entra::PadLeft("User", 10, "0")"#, r#""000000User""#)],
        examples: &[
            (r#"entra::PadLeft("7", 0, "0")"#, r#""7""#),
            (
                r#"entra::PadLeft("7", 3, "ab")"#,
                r#"error("`entra::PadLeft`: the third argument is one character, not `ab`")"#,
            ),
            (r#"entra::PadLeft((), 3, "0")"#, r#""""#),
        ],
        differs: "At most 4,096 characters.",
        arity: (3, 3),
        call: |call| pad(call, true),
    },
    EntraFunction {
        name: "PadRight",
        group: EntraGroup::Text,
        signature: "PadRight(text, length, character) -> text",
        doc: "Filled up at the end; empty text of nothing.",
        documented: &[(r#"entra::PadRight("User", 10, "0")"#, r#""User000000""#)],
        examples: &[(r#"entra::PadRight("ab", 4, ".")"#, r#""ab..""#), (r#"entra::PadRight((), 3, "0")"#, r#""""#)],
        differs: "At most 4,096 characters.",
        arity: (3, 3),
        call: |call| pad(call, false),
    },
    EntraFunction {
        name: "PCase",
        group: EntraGroup::Text,
        signature: "PCase(text) -> text",
        doc: "A capital at the start of each word, words being what blanks separate; a word in capitals stays.",
        documented: &[(r#"entra::PCase("TEsT")"#, r#""Test""#), (r#"entra::PCase(entra::LCase("TEST"))"#, r#""Test""#)],
        examples: &[(r#"entra::PCase("mARY ann-lee ROE")"#, r#""Mary Ann-lee ROE""#), ("entra::PCase(())", "()")],
        differs: "Not documented: nothing gives nothing.",
        arity: (1, 1),
        call: |call| call.map_text(|value| proper_case(value, &[' '])),
    },
    EntraFunction {
        name: "Replace",
        group: EntraGroup::Text,
        signature: "Replace(text, old, new) -> text",
        doc: "Every `old` as `new`; `\\n`, `\\r` and `\\t` mean line feed, carriage return and tabulator.",
        documented: &[(
            r#"entra::Replace("One Microsoft Way\r\nRedmond", "\\r\\n", ", ")"#,
            r#""One Microsoft Way, Redmond""#,
        )],
        examples: &[
            (r#"entra::Replace(["5-1", "5-2"], "-", "")"#, r#"["51", "52"]"#),
            (r#"entra::Replace((), "-", "")"#, "()"),
        ],
        differs: "Not documented: nothing gives nothing.",
        arity: (3, 3),
        call: replace,
    },
    EntraFunction {
        name: "ReplaceChars",
        group: EntraGroup::Text,
        signature: "ReplaceChars(text, pairs) -> text",
        doc: "Single characters by texts, as `å:a,ß:ss,’:` says; letter case counts, white space in the pairs does not.",
        documented: &[
            (r#"entra::ReplaceChars("Räksmörgås", "’:,Å:A,Ä:A,Ö:O,å:a,ä:a,ö:o")"#, r#""Raksmorgas""#),
            (r#"entra::ReplaceChars("O’Neil", "’:,Å:A,Ä:A,Ö:O,å:a,ä:a,ö:o")"#, r#""ONeil""#),
        ],
        examples: &[
            (
                r#"entra::ReplaceChars("x", "ab:c")"#,
                r#"error("`entra::ReplaceChars`: `ab:c` is not one character, a colon and a text")"#,
            ),
            (r#"entra::ReplaceChars((), "a:b")"#, "()"),
        ],
        differs: "",
        arity: (2, 2),
        call: replace_chars,
    },
    EntraFunction {
        name: "Right",
        group: EntraGroup::Text,
        signature: "Right(text, number) -> text",
        doc: "The last characters; the whole text for a number below 0; empty text of nothing.",
        documented: &[(r#"entra::Right("John Doe", 3)"#, r#""Doe""#)],
        examples: &[
            (r#"entra::Right("ab", 5)"#, r#""ab""#),
            (r#"entra::Right("ab", -1)"#, r#""ab""#),
            ("entra::Right((), 1)", r#""""#),
        ],
        differs: "",
        arity: (2, 2),
        call: |call| edge(call, true),
    },
    EntraFunction {
        name: "RTrim",
        group: EntraGroup::Text,
        signature: "RTrim(text) -> text",
        doc: "Without white space at the end.",
        documented: &[(r#"entra::RTrim(" Test ")"#, r#"" Test""#)],
        examples: &[("entra::RTrim(())", "()")],
        differs: "Not documented: nothing gives nothing.",
        arity: (1, 1),
        call: |call| call.map_text(|value| value.trim_end().to_owned()),
    },
    EntraFunction {
        name: "Trim",
        group: EntraGroup::Text,
        signature: "Trim(text) -> text",
        doc: "Without white space at both ends.",
        documented: &[(r#"entra::Trim(" Test ")"#, r#""Test""#), (r#"entra::Trim([" a ", "b "])"#, r#"["a", "b"]"#)],
        examples: &[(r#"entra::Trim("  ")"#, r#""""#), ("entra::Trim(())", "()")],
        differs: "Not documented: nothing gives nothing.",
        arity: (1, 1),
        call: |call| call.map_text(|value| value.trim().to_owned()),
    },
    EntraFunction {
        name: "UCase",
        group: EntraGroup::Text,
        signature: "UCase(text) -> text",
        doc: "Capital letters.",
        documented: &[(r#"entra::UCase("TeSt")"#, r#""TEST""#)],
        examples: &[("entra::UCase(())", "()")],
        differs: "Not documented: nothing gives nothing.",
        arity: (1, 1),
        call: |call| call.map_text(str::to_uppercase),
    },
    EntraFunction {
        name: "Word",
        group: EntraGroup::Text,
        signature: "Word(text, number, delimiters) -> text",
        doc: "One of the words that any of the delimiters separates; empty text where there is none, and of nothing.",
        documented: &[
            (r#"entra::Word("The quick brown fox", 3, " ")"#, r#""brown""#),
            (r#"entra::Word("This,string!has&many separators", 3, ",!&#")"#, r#""has""#),
        ],
        examples: &[
            (r#"entra::Word("a,,b", 2, ",")"#, r#""b""#),
            (r#"entra::Word("a", 2, ",")"#, r#""""#),
            (r#"entra::Word("a", 0, ",")"#, r#""""#),
            (r#"entra::Word((), 1, ",")"#, r#""""#),
        ],
        differs: "Not documented: two delimiters in a row have no empty word between them.",
        arity: (3, 3),
        call: word,
    },
];
