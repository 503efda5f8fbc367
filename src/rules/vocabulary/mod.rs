//! The words that rules are written with: pure functions, their documentation and their examples, in one table.
//!
//! Knows Rhai and plain values; knows neither objects nor directories. What a rule is handed (`user`, `source`,
//! `target`) and the words that need it (`keep()`, `count(..)`, `imported(..)`) are the host's.
//!
//! One law for a value that is not there, `()`: a function that makes a value gives `()`, a test gives `false`, and
//! anything about numbers or flags is an error, because an attribute that could not be read must not enable an account.
//! A function that takes text takes a list of texts too and works on each; what becomes empty falls out of the list.
//! Empty text, and a list without values, become `()`.
//!
//! Two things of Rhai's that no registration changes: `switch` compares to the letter, so lower a text before; and
//! `` `${value}` `` writes nothing for `()`, where `"…" + value` is `()`.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use rhai::{Dynamic, Engine, EvalAltResult, FnCallExpr};

mod accounts;
mod ascii;
mod compare;
mod conversion;
mod dates;
mod encoding;
pub mod entra;
mod flags;
mod identifiers;
mod lists;
pub mod moment;
mod names;
mod patterns;
mod sandbox;
mod shape;
mod telephone;
mod text;
mod unicode;

pub use compare::Exact;
pub use sandbox::engine;

/// One word of the vocabulary.
#[derive(Debug)]
pub struct Function {
    /// As rules call it.
    pub name: &'static str,
    /// Where the documentation lists it.
    pub group: Group,
    /// Its parameters and result: `left(text, count) -> text`.
    pub signature: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// Expressions, and for each another one that gives the same. Every example is a test.
    pub examples: &'static [(&'static str, &'static str)],
    register: fn(&mut Engine),
}

/// The parts of the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Making text out of text, and tests on it.
    Text,
    /// Regular expressions.
    Patterns,
    /// Attributes with many values.
    Lists,
    /// Numbers whose bits mean something.
    Flags,
    /// Base64 and hexadecimal.
    Encoding,
    /// GUIDs and security identifiers.
    Identifiers,
    /// Distinguished names.
    Names,
    /// From one kind of value to another.
    Conversion,
    /// Calculating with times.
    Times,
    /// What Entra ID accepts.
    Accounts,
    /// Presence, comparison to the letter, errors.
    Language,
}

impl Group {
    /// All groups, in the order of the documentation.
    pub const ALL: [Group; 11] = [
        Group::Text,
        Group::Patterns,
        Group::Lists,
        Group::Flags,
        Group::Encoding,
        Group::Identifiers,
        Group::Names,
        Group::Conversion,
        Group::Times,
        Group::Accounts,
        Group::Language,
    ];
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Group::Text => "text",
            Group::Patterns => "patterns",
            Group::Lists => "lists",
            Group::Flags => "flags",
            Group::Encoding => "encoding",
            Group::Identifiers => "identifiers",
            Group::Names => "names",
            Group::Conversion => "conversion",
            Group::Times => "times",
            Group::Accounts => "accounts",
            Group::Language => "language",
        })
    }
}

/// All functions, in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Function> {
    [
        text::FUNCTIONS,
        unicode::FUNCTIONS,
        patterns::FUNCTIONS,
        lists::FUNCTIONS,
        flags::FUNCTIONS,
        encoding::FUNCTIONS,
        identifiers::FUNCTIONS,
        names::FUNCTIONS,
        conversion::FUNCTIONS,
        telephone::FUNCTIONS,
        dates::FUNCTIONS,
        accounts::FUNCTIONS,
        compare::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

/// The names of all functions.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|function| function.name)
}

/// The function of this name.
pub fn find(name: &str) -> Option<&'static Function> {
    static BY_NAME: LazyLock<HashMap<&str, &Function>> =
        LazyLock::new(|| all().map(|function| (function.name, function)).collect());
    BY_NAME.get(name).copied()
}

/// Whether what is called works on the bits of numbers, and fails for a text.
pub(super) fn works_on_bits(call: &FnCallExpr) -> bool {
    let name = call.name.as_str();
    if call.namespace.is_empty() {
        return find(name).is_some_and(|function| function.group == Group::Flags);
    }
    call.namespace.root() == "entra" && ["BitAnd", "BitOr", "IsBitSet"].contains(&name)
}

/// Gives an engine the vocabulary, and comparisons that ignore letter case.
///
/// The engine must not use fast operators ([`engine`] sees to that), or the comparisons are Rhai's own.
pub fn register(engine: &mut Engine) {
    compare::register_operators(engine);
    for function in all() {
        (function.register)(engine);
    }
    entra::register(engine);
}

/// Applies `f` to a text or number, or to each of a list; `()` stays `()`.
pub(super) fn each_key(
    name: &'static str,
    value: &Dynamic,
    f: impl Fn(&str) -> Result<Dynamic, Box<EvalAltResult>>,
) -> Result<Dynamic, Box<EvalAltResult>> {
    shape::each(value, &|value| match value.as_int() {
        Ok(number) => f(&number.to_string()),
        Err(_) => f(&shape::text_of(name, value)?),
    })
}

#[cfg(test)]
mod tests;
