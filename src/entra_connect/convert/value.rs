//! What is known of a piece of code: its kind, and whether it may be nothing.

use std::collections::BTreeSet;

use super::code::Code;
use crate::value::Kind;

/// A piece of code that gives a value.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) code: Code,
    pub(super) kind: Kind,
    /// Whether it is a list, even of one value.
    pub(super) multi: bool,
    /// Whether it may be `()`.
    pub(super) may_be_nothing: bool,
    /// Whether it may be empty text, which is a value inside an expression and none at its end.
    pub(super) may_be_empty: bool,
    /// Attributes, in small letters, each of which it is `()` without.
    pub(super) needs: BTreeSet<String>,
}

impl Value {
    /// A value that is there.
    pub(super) fn certain(code: Code, kind: Kind) -> Value {
        Value { code, kind, multi: false, may_be_nothing: false, may_be_empty: false, needs: BTreeSet::new() }
    }

    /// A value that may be missing.
    pub(super) fn perhaps(code: Code, kind: Kind) -> Value {
        Value { may_be_nothing: true, ..Value::certain(code, kind) }
    }

    /// `()`
    pub(super) fn nothing() -> Value {
        Value::perhaps(Code::nothing(), Kind::Text)
    }

    /// The same about other code that is nothing where this one is.
    pub(super) fn with(self, code: Code, kind: Kind) -> Value {
        Value { code, kind, ..self }
    }

    pub(super) fn may_be_empty(self, may_be_empty: bool) -> Value {
        Value { may_be_empty, ..self }
    }
}

/// What becomes of a value: how exactly it must be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It is the answer of the flow: empty text is no value, and it may say that it is none, or an error.
    Answer,
    /// Empty text and `()` mean the same to what it is given to.
    Loose,
    /// Empty text is not `()`.
    Strict,
}

impl Use {
    pub(super) fn is_loose(self) -> bool {
        self != Use::Strict
    }
}
