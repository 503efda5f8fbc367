//! Attributes with many values. Positions count from 1.

use rhai::{Array, Dynamic};

use super::{Call, EntraFunction, EntraGroup, count, plain};
use crate::rules::vocabulary::shape::Outcome;
use crate::value::fold;

/// The place of the first value that has the text in it.
fn contains(call: &Call<'_>) -> Outcome {
    let part = call.needed_text(1)?;
    let ignore_case = match call.text(2)?.as_deref() {
        None | Some("CaseSensitive") => false,
        Some("CaseInsensitive") => true,
        Some(other) => return Err(call.error(&format!("`{other}` is not a way to compare"))),
    };
    for (index, value) in call.values(0).iter().enumerate() {
        let value = super::text_of(&call.name(), value)?;
        if if ignore_case { fold(&value).contains(&fold(&part)) } else { value.contains(part.as_str()) } {
            return Ok(count(index + 1));
        }
    }
    Ok(Dynamic::from_int(0))
}

fn item(call: &Call<'_>) -> Outcome<Option<Dynamic>> {
    let index = call.number(1)?;
    Ok(usize::try_from(index - 1).ok().and_then(|index| call.values(0).get(index).cloned()))
}

fn join(call: &Call<'_>) -> Outcome {
    if call.is_null(0) {
        return Ok(Dynamic::UNIT);
    }
    let separator = if call.values.len() > 1 { call.text(1)?.unwrap_or_default() } else { " ".into() };
    let name = call.name();
    let values = call.values(0);
    let texts = values.iter().map(|value| super::text_of(&name, value).map(|text| text.to_string()));
    Ok(plain(texts.collect::<Outcome<Vec<String>>>()?.join(&separator)))
}

fn distinct(call: &Call<'_>) -> Outcome {
    if call.is_null(0) {
        return Ok(Dynamic::UNIT);
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut kept = call.values(0);
    kept.retain(|value| seen.insert(format!("{value:?}")));
    Ok(kept.into())
}

fn split(call: &Call<'_>) -> Outcome {
    let delimiter = call.needed_text(1)?;
    if delimiter.chars().count() != 1 {
        return Err(call.error(&format!("the delimiter is one character, not `{delimiter}`")));
    }
    let limit = if call.is_null(2) { None } else { usize::try_from(call.number(2)?).ok().filter(|limit| *limit > 0) };
    let Some(text) = call.text(0)? else { return Ok(Dynamic::UNIT) };
    let pieces: Array = text.splitn(limit.unwrap_or(usize::MAX), delimiter.as_str()).map(plain).collect();
    Ok(pieces.into())
}

pub(super) static FUNCTIONS: &[EntraFunction] = &[
    EntraFunction {
        name: "Contains",
        group: EntraGroup::MultiValued,
        signature: "Contains(list, text [, case]) -> number",
        doc: "The place of the first value that has the text in it; 0 where none has. Letter case counts unless `CaseInsensitive`.",
        documented: &[],
        examples: &[
            (r#"entra::Contains(["smtp:a@x", "SMTP:b@x"], "SMTP:")"#, "2"),
            (r#"entra::Contains(["smtp:a@x", "SMTP:b@x"], "SMTP:", entra::CaseInsensitive)"#, "1"),
            (r#"entra::Contains("SMTP:b@x", "x500:")"#, "0"),
            (r#"entra::Contains((), "a")"#, "0"),
        ],
        differs: "Not documented: nothing gives 0.",
        arity: (2, 3),
        call: contains,
    },
    EntraFunction {
        name: "Count",
        group: EntraGroup::MultiValued,
        signature: "Count(list) -> number",
        doc: "How many values; 0 of nothing. Members of a group are counted by `count(group.member)`.",
        documented: &[],
        examples: &[(r#"entra::Count(["a", "b"])"#, "2"), (r#"entra::Count("a")"#, "1"), ("entra::Count(())", "0")],
        differs: "Not documented: nothing gives 0.",
        arity: (1, 1),
        call: |call| Ok(count(call.values(0).len())),
    },
    EntraFunction {
        name: "Item",
        group: EntraGroup::MultiValued,
        signature: "Item(list, number) -> value",
        doc: "One of the values; an error where there is none.",
        documented: &[],
        examples: &[
            (r#"entra::Item(["a", "b"], 2)"#, r#""b""#),
            (r#"entra::Item(["a"], 0)"#, r#"error("`entra::Item`: there is no value 0")"#),
            ("entra::Item((), 1)", r#"error("`entra::Item`: there is no value 1")"#),
        ],
        differs: "",
        arity: (2, 2),
        call: |call| {
            let index = call.number(1)?;
            item(call)?.ok_or_else(|| call.error(&format!("there is no value {index}")))
        },
    },
    EntraFunction {
        name: "ItemOrNull",
        group: EntraGroup::MultiValued,
        signature: "ItemOrNull(list, number) -> value",
        doc: "One of the values; nothing where there is none.",
        documented: &[],
        examples: &[
            (r#"entra::ItemOrNull(["a"], 1)"#, r#""a""#),
            (r#"entra::ItemOrNull(["a"], 3)"#, "()"),
            ("entra::ItemOrNull((), 1)", "()"),
        ],
        differs: "",
        arity: (2, 2),
        call: |call| Ok(item(call)?.unwrap_or_default()),
    },
    EntraFunction {
        name: "Join",
        group: EntraGroup::MultiValued,
        signature: "Join(list [, separator]) -> text",
        doc: "The values as one text, with a blank or the separator between them.",
        documented: &[(
            r#"entra::Join(["SMTP:john.doe@contoso.com", "smtp:jd@contoso.com"], ",")"#,
            r#""SMTP:john.doe@contoso.com,smtp:jd@contoso.com""#,
        )],
        examples: &[
            (r#"entra::Join(["a", "b"])"#, r#""a b""#),
            (r#"entra::Join(["a", "b"], "")"#, r#""ab""#),
            ("entra::Join(())", "()"),
        ],
        differs: "Not documented: nothing gives nothing.",
        arity: (1, 2),
        call: join,
    },
    EntraFunction {
        name: "RemoveDuplicates",
        group: EntraGroup::MultiValued,
        signature: "RemoveDuplicates(list) -> list",
        doc: "Each value once.",
        documented: &[],
        examples: &[
            (r#"entra::RemoveDuplicates(["a", "A", "a"])"#, r#"["a", "A"]"#),
            ("entra::RemoveDuplicates(())", "()"),
        ],
        differs: "Not documented: letter case counts.",
        arity: (1, 1),
        call: distinct,
    },
    EntraFunction {
        name: "Split",
        group: EntraGroup::MultiValued,
        signature: "Split(text, delimiter [, limit]) -> list",
        doc: "The pieces of a text between single characters; at most so many, the last with all the rest.",
        documented: &[(
            r#"entra::Split("SMTP:john.doe@contoso.com,smtp:jd@contoso.com", ",")"#,
            r#"["SMTP:john.doe@contoso.com", "smtp:jd@contoso.com"]"#,
        )],
        examples: &[
            (r#"entra::Split("a,b,c", ",", 2)"#, r#"["a", "b,c"]"#),
            (r#"entra::Split("a", "::")"#, r#"error("`entra::Split`: the delimiter is one character, not `::`")"#),
            (r#"entra::Split((), ",")"#, "()"),
        ],
        differs: "Not documented: the last value has the rest.",
        arity: (2, 3),
        call: split,
    },
];
