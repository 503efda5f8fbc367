//! Comparison as directories compare: letter case makes no difference, unless a rule asks for the letter.
//!
//! Also the few words about whether there is a value at all.

use std::cmp::Ordering;

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString};

use super::shape::{Outcome, each, fail, is_present, missing, text_of};
use super::{Function, Group};
use crate::value::fold;

/// Text that compares to the letter: what `exact(text)` gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exact(pub(crate) ImmutableString);

impl Exact {
    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Whether two texts are the same to a directory.
fn same_text(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() {
        return left.eq_ignore_ascii_case(right);
    }
    left == right || fold(left) == fold(right)
}

fn order_of_texts(left: &str, right: &str) -> Ordering {
    fold(left).cmp(&fold(right))
}

/// Whether two values are the same: text without regard to case, lists in any order, different kinds never.
pub(super) fn same(left: &Dynamic, right: &Dynamic) -> bool {
    if left.is_array() && right.is_array() {
        return match (left.as_array_ref(), right.as_array_ref()) {
            (Ok(left), Ok(right)) => same_lists(&left, &right),
            _ => false,
        };
    }
    if left.is_blob() && right.is_blob() {
        return matches!((left.as_blob_ref(), right.as_blob_ref()), (Ok(left), Ok(right)) if *left == *right);
    }
    if let (Ok(left), Ok(right)) = (left.as_int(), right.as_int()) {
        return left == right;
    }
    if let (Ok(left), Ok(right)) = (left.as_bool(), right.as_bool()) {
        return left == right;
    }
    if left.is_unit() || right.is_unit() {
        return left.is_unit() && right.is_unit();
    }
    let to_the_letter = left.is::<Exact>() || right.is::<Exact>();
    match (text_of("==", left), text_of("==", right)) {
        (Ok(left), Ok(right)) if to_the_letter => left == right,
        (Ok(left), Ok(right)) => same_text(&left, &right),
        _ => false,
    }
}

/// Whether two lists hold the same values. Directories do not keep values in order, so order does not count.
fn same_lists(left: &Array, right: &Array) -> bool {
    left.len() == right.len()
        && left.iter().all(|value| right.iter().any(|other| same(value, other)))
        && right.iter().all(|value| left.iter().any(|other| same(value, other)))
}

pub(super) fn register_operators(engine: &mut Engine) {
    engine
        .register_fn("==", |left: &str, right: &str| same_text(left, right))
        .register_fn("!=", |left: &str, right: &str| !same_text(left, right))
        .register_fn("<", |left: &str, right: &str| order_of_texts(left, right).is_lt())
        .register_fn("<=", |left: &str, right: &str| order_of_texts(left, right).is_le())
        .register_fn(">", |left: &str, right: &str| order_of_texts(left, right).is_gt())
        .register_fn(">=", |left: &str, right: &str| order_of_texts(left, right).is_ge())
        .register_fn("==", |left: &str, right: char| same_text(left, right.encode_utf8(&mut [0; 4])))
        .register_fn("!=", |left: &str, right: char| !same_text(left, right.encode_utf8(&mut [0; 4])))
        .register_fn("==", |left: char, right: &str| same_text(left.encode_utf8(&mut [0; 4]), right))
        .register_fn("!=", |left: char, right: &str| !same_text(left.encode_utf8(&mut [0; 4]), right))
        .register_fn("==", |left: Exact, right: Exact| left == right)
        .register_fn("!=", |left: Exact, right: Exact| left != right)
        .register_fn("==", |left: Exact, right: &str| left.text() == right)
        .register_fn("!=", |left: Exact, right: &str| left.text() != right)
        .register_fn("==", |left: &str, right: Exact| left == right.text())
        .register_fn("!=", |left: &str, right: Exact| left != right.text())
        .register_fn("==", |left: Array, right: Array| same_lists(&left, &right))
        .register_fn("!=", |left: Array, right: Array| !same_lists(&left, &right));
    // Without fast operators and packages, Rhai has no unary ones.
    engine
        .register_fn("!", |flag: bool| !flag)
        .register_fn("!", |(): ()| -> Outcome { Err(fail("`!` needs true or false, but there is no value")) })
        .register_fn("-", |number: i64| -> Outcome<i64> {
            number.checked_neg().ok_or_else(|| fail("the number is too large"))
        });
    register_sums(engine);
    register_absent_numbers(engine);
}

/// Text with something that is not there is nothing: half a user name would be worse than none.
fn register_sums(engine: &mut Engine) {
    engine
        .register_fn("+", |_: &str, (): ()| ())
        .register_fn("+", |(): (), _: &str| ())
        .register_fn("+", |(): (), (): ()| ())
        .register_fn("+", |left: &str, right: i64| format!("{left}{right}"))
        .register_fn("+", |left: i64, right: &str| format!("{left}{right}"))
        .register_fn("+", |mut left: Array, right: Array| {
            left.extend(right);
            left
        })
        .register_fn("+=", |_: &mut ImmutableString, (): ()| -> Outcome<()> {
            Err(fail("`+=` needs text, but there is no value: use `??` or `words([..])`"))
        });
}

/// Rhai takes `() < 5` for `false`; here a number that was not delivered is an error.
fn register_absent_numbers(engine: &mut Engine) {
    for name in ["<", "<=", ">", ">=", "+", "-", "*", "/", "%", "**", "&", "|", "^", "<<", ">>"] {
        engine
            .register_fn(name, move |(): (), _: i64| -> Outcome { Err(missing(name)) })
            .register_fn(name, move |_: i64, (): ()| -> Outcome { Err(missing(name)) });
    }
}

fn exact(value: Dynamic) -> Outcome {
    each(&value, &|value| Ok(Dynamic::from(Exact(text_of("exact", value)?))))
}

fn is_text(value: Dynamic) -> bool {
    value.is_string() || value.is_char() || value.is::<Exact>()
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "is_present",
        group: Group::Language,
        signature: "is_present(value) -> true or false",
        doc: "Whether there is a value: not `()`, not empty text, not a list without values.",
        examples: &[
            (r#"is_present("a")"#, "true"),
            ("is_present(false)", "true"),
            ("is_present(())", "false"),
            (r#"is_present("")"#, "false"),
            ("is_present([])", "false"),
        ],
        register: |engine| {
            engine.register_fn("is_present", |value: Dynamic| is_present(&value));
        },
    },
    Function {
        name: "is_text",
        group: Group::Language,
        signature: "is_text(value) -> true or false",
        doc: "Whether the value is text.",
        examples: &[(r#"is_text("a")"#, "true"), ("is_text(1)", "false"), ("is_text(())", "false")],
        register: |engine| {
            engine.register_fn("is_text", is_text);
        },
    },
    Function {
        name: "exact",
        group: Group::Language,
        signature: "exact(text) -> text that compares to the letter",
        doc: "Makes a comparison or a join key heed letter case, as anchors in Base64 need it.",
        examples: &[
            (r#""aBc=" == "AbC=""#, "true"),
            (r#"exact("aBc=") == "AbC=""#, "false"),
            (r#"exact("aBc=") == "aBc=""#, "true"),
            ("exact(())", "()"),
        ],
        register: |engine| {
            engine.register_type_with_name::<Exact>("exact text").register_fn("exact", exact);
        },
    },
    Function {
        name: "error",
        group: Group::Language,
        signature: "error(message)",
        doc: "Fails the object with this message: it keeps its state, is listed, and is tried again.",
        examples: &[
            (r#"() ?? error("no mail address")"#, r#"error("no mail address")"#),
            (r#""a" ?? error("no mail address")"#, r#""a""#),
        ],
        register: |engine| {
            engine.register_fn("error", |message: &str| -> Result<Dynamic, Box<EvalAltResult>> { Err(fail(message)) });
        },
    },
];
