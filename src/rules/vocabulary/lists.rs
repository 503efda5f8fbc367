//! Attributes with many values. A single value counts as a list of one, `()` as a list of none.

use rhai::{Array, Dynamic, FnPtr, NativeCallContext};

use super::compare::same;
use super::shape::{Outcome, fail, list, number_of, text_of, values_of};
use super::{Exact, Function, Group};
use crate::value::fold;

/// Comparing every value with every other takes long; groups are edges and never come here.
const LARGEST_SET: usize = 5_000;

/// `contains(text, part)` looks inside a text; `contains(list, value)` for a value, as `in` does.
fn contains(whole: Dynamic, part: Dynamic) -> Outcome<bool> {
    if whole.is_array() {
        return Ok(!part.is_unit() && values_of(whole).iter().any(|value| same(value, &part)));
    }
    if whole.is_unit() || part.is_unit() {
        return Ok(false);
    }
    let whole = text_of("contains", &whole)?;
    let to_the_letter = part.is::<Exact>();
    let part = text_of("contains", &part)?;
    Ok(if to_the_letter { whole.contains(part.as_str()) } else { fold(&whole).contains(&fold(&part)) })
}

fn length(value: Dynamic) -> i64 {
    let length = match (value.as_immutable_string_ref(), value.as_blob_ref()) {
        (Ok(text), _) => text.chars().count(),
        (_, Ok(bytes)) => bytes.len(),
        _ => return i64::try_from(values_of(value.clone()).len()).unwrap_or(i64::MAX),
    };
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn item(values: Dynamic, index: Dynamic) -> Outcome {
    let index = number_of("item", &index)?;
    let mut values = values_of(values);
    let from_end = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
    let position = if index < 0 { values.len().checked_sub(from_end) } else { Some(from_end) };
    Ok(position.filter(|position| *position < values.len()).map_or(Dynamic::UNIT, |at| values.swap_remove(at)))
}

fn first(values: Dynamic) -> Dynamic {
    values_of(values).into_iter().next().unwrap_or_default()
}

fn last(values: Dynamic) -> Dynamic {
    values_of(values).pop().unwrap_or_default()
}

/// The values, each once, the first spelling stays.
fn set(name: &str, values: impl IntoIterator<Item = Dynamic>) -> Outcome<Array> {
    let mut set = Array::new();
    for value in values {
        if set.len() >= LARGEST_SET {
            return Err(fail(format!("`{name}` takes at most {LARGEST_SET} values")));
        }
        if !set.iter().any(|other| same(other, &value)) {
            set.push(value);
        }
    }
    Ok(set)
}

fn distinct(values: Dynamic) -> Outcome {
    Ok(list(set("distinct", values_of(values))?))
}

fn union(left: Dynamic, right: Dynamic) -> Outcome {
    Ok(list(set("union", values_of(left).into_iter().chain(values_of(right)))?))
}

fn without(values: Dynamic, unwanted: Dynamic) -> Outcome {
    let unwanted = set("without", values_of(unwanted))?;
    Ok(list(values_of(values).into_iter().filter(|value| !unwanted.iter().any(|other| same(other, value)))))
}

/// Numbers before texts, texts as directories order them.
fn sort(values: Dynamic) -> Outcome {
    let mut keyed = Vec::new();
    for value in values_of(values) {
        let key = match value.as_int() {
            Ok(number) => (0, number, String::new()),
            Err(_) => (1, 0, fold(&text_of("sort", &value)?)),
        };
        keyed.push((key, value));
    }
    keyed.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(list(keyed.into_iter().map(|(_, value)| value)))
}

fn holds(context: &NativeCallContext, name: &str, test: &FnPtr, value: &Dynamic) -> Outcome<bool> {
    let answer: Dynamic = test.call_within_context(context, (value.clone(),))?;
    answer.as_bool().map_err(|_| fail(format!("the test of `{name}` gives neither true nor false")))
}

fn filter(context: NativeCallContext, values: Dynamic, test: FnPtr) -> Outcome {
    let mut kept = Array::new();
    for value in values_of(values) {
        if holds(&context, "filter", &test, &value)? {
            kept.push(value);
        }
    }
    Ok(list(kept))
}

fn map(context: NativeCallContext, values: Dynamic, change: FnPtr) -> Outcome {
    let changed = values_of(values).into_iter().map(|value| change.call_within_context(&context, (value,)));
    Ok(list(changed.collect::<Outcome<Array>>()?))
}

fn any(context: NativeCallContext, values: Dynamic, test: FnPtr) -> Outcome<bool> {
    for value in values_of(values) {
        if holds(&context, "any", &test, &value)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn every(context: NativeCallContext, values: Dynamic, test: FnPtr) -> Outcome<bool> {
    let values = values_of(values);
    for value in &values {
        if !holds(&context, "every", &test, value)? {
            return Ok(false);
        }
    }
    Ok(!values.is_empty())
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "contains",
        group: Group::Lists,
        signature: "contains(text or list, part) -> true or false",
        doc: "Whether the part is somewhere in the text, or is one of the values of the list; `part in whole` is the same.",
        examples: &[
            (r#"contains("CN=a\\0ACNF:1f", "cnf:")"#, "true"),
            (r#"contains("abc", exact("B"))"#, "false"),
            (r#"contains(["top", "user"], "User")"#, "true"),
            (r#"contains(["top", "user"], "use")"#, "false"),
            (r#""use" in ["top", "user"]"#, "false"),
            (r#"contains((), "a")"#, "false"),
            (r#"contains("a", ())"#, "false"),
        ],
        register: |engine| {
            engine.register_fn("contains", contains);
        },
    },
    Function {
        name: "length",
        group: Group::Lists,
        signature: "length(text, bytes or list) -> number",
        doc: "How many characters, bytes or values; 0 of `()`.",
        examples: &[
            (r#"length("Köln")"#, "4"),
            ("length([1, 2])", "2"),
            (r#"length(from_hex("0102"))"#, "2"),
            ("length(())", "0"),
        ],
        register: |engine| {
            engine.register_fn("length", length);
        },
    },
    Function {
        name: "first",
        group: Group::Lists,
        signature: "first(list) -> value",
        doc: "The first value. Directories keep no order; of several values this is any one.",
        examples: &[(r#"first(["a", "b"])"#, r#""a""#), (r#"first("a")"#, r#""a""#), ("first(())", "()")],
        register: |engine| {
            engine.register_fn("first", first);
        },
    },
    Function {
        name: "last",
        group: Group::Lists,
        signature: "last(list) -> value",
        doc: "The last value.",
        examples: &[(r#"last(["a", "b"])"#, r#""b""#), ("last(())", "()")],
        register: |engine| {
            engine.register_fn("last", last);
        },
    },
    Function {
        name: "item",
        group: Group::Lists,
        signature: "item(list, index) -> value",
        doc: "One value, counted from 0, or from the end with -1; `()` where there is none.",
        examples: &[
            (r#"item(["a", "b"], 1)"#, r#""b""#),
            (r#"item(["a", "b"], -2)"#, r#""a""#),
            (r#"item(["a"], 3)"#, "()"),
            ("item((), 0)", "()"),
        ],
        register: |engine| {
            engine.register_fn("item", item);
        },
    },
    Function {
        name: "distinct",
        group: Group::Lists,
        signature: "distinct(list) -> list",
        doc: "Each value once; the first spelling stays.",
        examples: &[(r#"distinct(["a", "A", "b"])"#, r#"["a", "b"]"#), ("distinct(())", "()")],
        register: |engine| {
            engine.register_fn("distinct", distinct);
        },
    },
    Function {
        name: "union",
        group: Group::Lists,
        signature: "union(list, list) -> list",
        doc: "The values of both, each once.",
        examples: &[
            (r#"union(["a"], ["A", "b"])"#, r#"["a", "b"]"#),
            (r#"union("a", ())"#, r#"["a"]"#),
            ("union((), ())", "()"),
        ],
        register: |engine| {
            engine.register_fn("union", union);
        },
    },
    Function {
        name: "without",
        group: Group::Lists,
        signature: "without(list, list) -> list",
        doc: "The values of the first that the second does not have.",
        examples: &[
            (r#"without(["a", "b"], "A")"#, r#"["b"]"#),
            (r#"without(["a"], ["a"])"#, "()"),
            (r#"without(["a"], ())"#, r#"["a"]"#),
        ],
        register: |engine| {
            engine.register_fn("without", without);
        },
    },
    Function {
        name: "sort",
        group: Group::Lists,
        signature: "sort(list) -> list",
        doc: "In order: numbers before texts, texts without regard to case.",
        examples: &[(r#"sort(["b", "A", 10, 9])"#, r#"[9, 10, "A", "b"]"#), ("sort(())", "()")],
        register: |engine| {
            engine.register_fn("sort", sort);
        },
    },
    Function {
        name: "filter",
        group: Group::Lists,
        signature: "filter(list, |value| test) -> list",
        doc: "The values that pass the test.",
        examples: &[
            (r#"filter(["sip:a", "smtp:b"], |a| starts_with(a, "smtp:"))"#, r#"["smtp:b"]"#),
            ("filter((), |a| true)", "()"),
        ],
        register: |engine| {
            engine.register_fn("filter", filter);
        },
    },
    Function {
        name: "map",
        group: Group::Lists,
        signature: "map(list, |value| change) -> list",
        doc: "What each value becomes; `()` falls.",
        examples: &[(r#"map(["smtp:a", "x"], |a| after(a, ":"))"#, r#"["a"]"#), ("map((), |a| a)", "()")],
        register: |engine| {
            engine.register_fn("map", map);
        },
    },
    Function {
        name: "any",
        group: Group::Lists,
        signature: "any(list, |value| test) -> true or false",
        doc: "Whether a value passes the test; `false` without values.",
        examples: &[("any([1, 2], |n| n > 1)", "true"), ("any((), |n| true)", "false")],
        register: |engine| {
            engine.register_fn("any", any);
        },
    },
    Function {
        name: "every",
        group: Group::Lists,
        signature: "every(list, |value| test) -> true or false",
        doc: "Whether there are values and all pass the test.",
        examples: &[
            ("every([1, 2], |n| n > 1)", "false"),
            ("every([2], |n| n > 1)", "true"),
            ("every((), |n| true)", "false"),
        ],
        register: |engine| {
            engine.register_fn("every", every);
        },
    },
];
