//! Entra Connect's expression language: text in, a tree with places out, or what is wrong and where.
//!
//! Knows nothing of rules and nothing of Rhai.

use std::ops::Range;

mod lexer;
mod parser;

pub(crate) use parser::parse;

/// An expression, and where it stands in its text (bytes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) expr: Expr,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expr {
    Text(String),
    Integer(i64),
    /// `3.5`, as it stands there: neither side has such numbers.
    Decimal(String),
    Word(Word),
    /// `[name]`
    Attribute(String),
    /// `%Name%`
    Parameter(String),
    /// `$name`, without the sign.
    Variable(String),
    /// The name in the spelling of the reference, where there is one.
    Call(String, Vec<Node>),
    Negative(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
}

/// Words that are values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Null,
    AuthoritativeNull,
    IgnoreThisFlow,
    True,
    False,
    Crlf,
    /// `CaseInsensitive`, `UTF8`: a choice that a function is given.
    Choice(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `&`
    Join,
    Plus,
    Minus,
    Times,
    Divide,
}

/// Something about an expression that people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where, in bytes of the expression.
    pub(crate) span: Range<usize>,
    /// A sentence, lower case, no full stop.
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Problem {
    fn new(span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem { span, message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }
}

/// An expression that was read, and what is odd about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) node: Node,
    pub(crate) warnings: Vec<Problem>,
}

impl Node {
    pub(crate) fn is_null(&self) -> bool {
        self.expr == Expr::Word(Word::Null)
    }

    /// The arguments, if it is a call of that function.
    pub(crate) fn call(&self, name: &str) -> Option<&[Node]> {
        match &self.expr {
            Expr::Call(called, arguments) if called == name => Some(arguments),
            _ => None,
        }
    }

    /// The name, if it is an attribute.
    pub(crate) fn attribute(&self) -> Option<&str> {
        match &self.expr {
            Expr::Attribute(name) => Some(name),
            _ => None,
        }
    }

    /// The number, with its sign.
    pub(crate) fn integer(&self) -> Option<i64> {
        match &self.expr {
            Expr::Integer(number) => Some(*number),
            Expr::Negative(inner) => inner.integer().and_then(i64::checked_neg),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.expr {
            Expr::Text(text) => Some(text),
            _ => None,
        }
    }

    /// True or false, if it says so.
    pub(crate) fn truth(&self) -> Option<bool> {
        match &self.expr {
            Expr::Word(Word::True) => Some(true),
            Expr::Word(Word::False) => Some(false),
            _ => None,
        }
    }

    /// Whether two say the same, wherever they stand.
    pub(crate) fn same(&self, other: &Node) -> bool {
        match (&self.expr, &other.expr) {
            (Expr::Call(name, left), Expr::Call(other_name, right)) => {
                name == other_name && left.len() == right.len() && left.iter().zip(right).all(|(a, b)| a.same(b))
            }
            (Expr::Binary(operator, a, b), Expr::Binary(other_operator, c, d)) => {
                operator == other_operator && a.same(c) && b.same(d)
            }
            (Expr::Negative(a), Expr::Negative(b)) => a.same(b),
            (Expr::Attribute(a), Expr::Attribute(b)) => a.eq_ignore_ascii_case(b),
            (left, right) => left == right,
        }
    }

    /// Everything in it, itself first.
    pub(crate) fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Node)) {
        visit(self);
        match &self.expr {
            Expr::Call(_, arguments) => arguments.iter().for_each(|argument| argument.walk(visit)),
            Expr::Binary(_, left, right) => {
                left.walk(visit);
                right.walk(visit);
            }
            Expr::Negative(inner) => inner.walk(visit),
            Expr::Text(_)
            | Expr::Integer(_)
            | Expr::Decimal(_)
            | Expr::Word(_)
            | Expr::Attribute(_)
            | Expr::Parameter(_)
            | Expr::Variable(_) => {}
        }
    }
}
