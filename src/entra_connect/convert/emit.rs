//! From an expression of Entra Connect to Rhai: values. `conditions`, `choices`, `functions` and `lists` have the rest.
//!
//! Every shorter form that is chosen here means the same as the long one for every object; tests with random objects ask
//! an evaluator of the original expressions.

use std::collections::BTreeSet;

use super::code::Code;
use super::value::{Use, Value};
use crate::entra_connect::export::{AttributeSchema, Direction};
use crate::entra_connect::expression::{Expr, Node, Operator, Problem, Word};
use crate::value::Kind;

/// What an expression may name, and what it is in Rhai.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) direction: Direction,
    /// The parameter of the function that it stands in: `user`, `person`.
    pub(super) object: &'a str,
    pub(super) schema: &'a dyn Fn(&str) -> AttributeSchema,
    /// The code of an attribute, where it is not `object.name`; an error where it cannot be had.
    pub(super) attribute: &'a dyn Fn(&str) -> Result<Option<Code>, String>,
    /// The code of a parameter.
    pub(super) parameter: &'a dyn Fn(&str) -> Result<Code, String>,
}

/// Writes one expression.
pub(super) struct Emitter<'a> {
    pub(super) scene: &'a Scene<'a>,
    /// Attributes, in small letters, that are known to be there: conditions around ask for them.
    pub(super) present: Vec<String>,
    /// Loop variables, and what they are here.
    pub(super) variables: Vec<(String, Value)>,
    /// The attribute whose values are taken one by one, and the name of the value.
    pub(super) element: Option<(String, String)>,
    pub(super) warnings: Vec<Problem>,
}

/// Why something needs a hand.
pub(super) type Outcome<T = Value> = Result<T, Problem>;

pub(super) fn by_hand<T>(node: &Node, message: impl Into<String>) -> Outcome<T> {
    Err(Problem { span: node.span.clone(), message: message.into(), hint: None })
}

impl<'a> Emitter<'a> {
    pub(super) fn new(scene: &'a Scene<'a>) -> Emitter<'a> {
        Emitter { scene, present: Vec::new(), variables: Vec::new(), element: None, warnings: Vec::new() }
    }

    pub(super) fn warn(&mut self, node: &Node, message: impl Into<String>) {
        self.warnings.push(Problem { span: node.span.clone(), message: message.into(), hint: None });
    }

    /// The value of an expression.
    pub(super) fn value(&mut self, node: &Node, used: Use) -> Outcome {
        match &node.expr {
            Expr::Text(text) => Ok(Value::certain(Code::text(text), Kind::Text).may_be_empty(text.is_empty())),
            Expr::Integer(number) => Ok(Value::certain(Code::plain(number.to_string()), Kind::Integer)),
            Expr::Decimal(number) => by_hand(node, format!("`{number}` is no whole number, and rules know only those")),
            Expr::Word(word) => self.word(node, word, used),
            Expr::Attribute(name) => self.attribute(node, name),
            Expr::Parameter(name) => match (self.scene.parameter)(name) {
                Ok(code) => Ok(Value::certain(code, Kind::Text)),
                Err(why) => by_hand(node, why),
            },
            Expr::Variable(name) => match self.variables.iter().rev().find(|(known, _)| known == name) {
                Some((_, ours)) => Ok(ours.clone()),
                None => by_hand(node, format!("`${name}` is bound by no `With`, `Where` or `Select` around it")),
            },
            Expr::Negative(inner) => match node.integer() {
                Some(number) => Ok(Value::certain(Code::plain(number.to_string()), Kind::Integer)),
                None => {
                    let value = self.value(inner, Use::Strict)?;
                    Ok(Value::certain(Code::Chain("-", vec![Code::plain("0"), value.code]), Kind::Integer))
                }
            },
            Expr::Binary(operator, left, right) => self.binary(node, *operator, (left, right)),
            Expr::Call(name, arguments) => match name.as_str() {
                "IIF" | "Switch" => self.choice(node, used),
                _ => self.function(node, name, arguments, used),
            },
        }
    }

    fn word(&mut self, node: &Node, word: &Word, used: Use) -> Outcome {
        let only_as_answer = |name: &str| by_hand(node, format!("`{name}` is no value that one can calculate with"));
        match word {
            Word::Null => Ok(Value::nothing()),
            Word::True => Ok(Value::certain(Code::plain("true"), Kind::Boolean)),
            Word::False => Ok(Value::certain(Code::plain("false"), Kind::Boolean)),
            Word::Crlf => Ok(Value::certain(Code::text("\r\n"), Kind::Text)),
            Word::Choice(choice) => Ok(Value::certain(Code::plain(format!("entra::{choice}")), Kind::Text)),
            Word::AuthoritativeNull if used != Use::Answer => only_as_answer("AuthoritativeNull"),
            Word::IgnoreThisFlow if used != Use::Answer => only_as_answer("IgnoreThisFlow"),
            Word::AuthoritativeNull => Ok(Value::perhaps(Code::call("absent", []), Kind::Text)),
            Word::IgnoreThisFlow if self.scene.direction == Direction::Outbound => {
                Ok(Value::perhaps(Code::call("keep", []), Kind::Text))
            }
            Word::IgnoreThisFlow => {
                self.warn(
                    node,
                    "`IgnoreThisFlow` into the metaverse contributes nothing here: a value from before goes",
                );
                Ok(Value::nothing())
            }
        }
    }

    fn attribute(&mut self, node: &Node, name: &str) -> Outcome {
        let key = name.to_ascii_lowercase();
        if let Some((_, value)) = self.element.as_ref().filter(|(attribute, _)| *attribute == key) {
            return Ok(Value::certain(Code::plain(value), (self.scene.schema)(name).kind));
        }
        self.whole_attribute(node, name)
    }

    /// An attribute with all its values, even where they are taken one by one.
    pub(super) fn whole_attribute(&mut self, node: &Node, name: &str) -> Outcome {
        let AttributeSchema { kind, multi } = (self.scene.schema)(name);
        let code = match (self.scene.attribute)(name) {
            Ok(code) => code.unwrap_or_else(|| attribute(self.scene.object, name)),
            Err(why) => return by_hand(node, why),
        };
        let key = name.to_ascii_lowercase();
        let there = key == "dn" || self.present.contains(&key);
        let needs = BTreeSet::from([key]);
        Ok(Value { code, kind, multi, may_be_nothing: !there, may_be_empty: false, needs })
    }

    fn binary(&mut self, node: &Node, operator: Operator, (left, right): (&Node, &Node)) -> Outcome {
        match operator {
            Operator::Join => self.join(node),
            Operator::Plus => self.plus(node, left, right),
            Operator::Minus => self.arithmetic("-", left, right),
            Operator::Times => self.arithmetic("*", left, right),
            Operator::Divide => self.arithmetic("/", left, right),
            Operator::Or
            | Operator::And
            | Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => Ok(Value::certain(self.condition(node)?, Kind::Boolean)),
        }
    }

    /// Numbers are added, texts put together.
    fn plus(&mut self, node: &Node, left: &Node, right: &Node) -> Outcome {
        if self.is_number(left) && self.is_number(right) { self.arithmetic("+", left, right) } else { self.join(node) }
    }

    /// The texts that are put together; a sum of numbers is one of them.
    fn flatten<'n>(&mut self, node: &'n Node, operands: &mut Vec<&'n Node>) {
        match &node.expr {
            Expr::Binary(Operator::Join, left, right) => {
                self.flatten(left, operands);
                self.flatten(right, operands);
            }
            Expr::Binary(Operator::Plus, left, right) if !(self.is_number(left) && self.is_number(right)) => {
                self.flatten(left, operands);
                self.flatten(right, operands);
            }
            _ => operands.push(node),
        }
    }

    fn is_number(&mut self, node: &Node) -> bool {
        let mut trial = Emitter { warnings: Vec::new(), ..self.copy() };
        trial.value(node, Use::Strict).is_ok_and(|value| value.kind == Kind::Integer)
    }

    fn copy(&self) -> Emitter<'a> {
        Emitter {
            scene: self.scene,
            present: self.present.clone(),
            variables: self.variables.clone(),
            element: self.element.clone(),
            warnings: Vec::new(),
        }
    }

    fn arithmetic(&mut self, operator: &'static str, left: &Node, right: &Node) -> Outcome {
        let (left, right) = (self.value(left, Use::Strict)?, self.value(right, Use::Strict)?);
        // What stands to the right keeps its brackets: it is calculated first.
        let code = Code::Chain(operator, vec![left.code, right.code]);
        Ok(Value::certain(code, Kind::Integer))
    }

    /// `&`: nothing is empty text there, and takes everything with it here.
    fn join(&mut self, node: &Node) -> Outcome {
        let mut operands = Vec::new();
        self.flatten(node, &mut operands);
        let mut parts = Vec::new();
        for operand in &operands {
            let value = self.value(operand, Use::Loose)?;
            if value.kind == Kind::Bytes {
                return by_hand(operand, "bytes are put together here, and rules cannot do that");
            }
            if value.multi {
                return by_hand(operand, "a list is put together with text here");
            }
            parts.push(value);
        }
        let text = |value: &Value| matches!(value.kind, Kind::Text | Kind::Time);
        let mixes = parts.iter().take(2).any(text);
        let empty = parts.iter().all(|part| part.may_be_empty || part.may_be_nothing);
        let pieces = parts.into_iter().enumerate().map(|(at, part)| match part.kind {
            Kind::Boolean => or_empty(Code::call("entra::CStr", [part.code]), part.may_be_nothing),
            Kind::Integer if !mixes && at == 0 => or_empty(Code::call("to_text", [part.code]), part.may_be_nothing),
            Kind::Integer | Kind::Text | Kind::Time | Kind::Bytes | Kind::Password | Kind::Reference => {
                part.code_or_empty()
            }
        });
        Ok(Value::certain(Code::chain("+", pieces), Kind::Text).may_be_empty(empty))
    }
}

impl Value {
    /// The code, with empty text for nothing.
    fn code_or_empty(self) -> Code {
        or_empty(self.code, self.may_be_nothing)
    }
}

fn or_empty(code: Code, may_be_nothing: bool) -> Code {
    if may_be_nothing { Code::chain("??", [code, Code::text("")]) } else { code }
}

/// Words of Rhai that cannot follow a dot.
const RESERVED: [&str; 40] = [
    "as",
    "async",
    "await",
    "break",
    "case",
    "catch",
    "const",
    "continue",
    "curry",
    "debug",
    "default",
    "do",
    "else",
    "eval",
    "export",
    "false",
    "fn",
    "for",
    "global",
    "go",
    "if",
    "import",
    "in",
    "is_def_fn",
    "let",
    "loop",
    "match",
    "module",
    "new",
    "nil",
    "null",
    "print",
    "private",
    "return",
    "shared",
    "super",
    "switch",
    "this",
    "true",
    "type",
];

/// `user.name`, or `user["msDS-name"]` where the name is no word.
pub(super) fn attribute(object: &str, name: &str) -> Code {
    Code::plain(if is_word(name) { format!("{object}.{name}") } else { format!("{object}[{}]", quoted(name)) })
}

/// Whether a name can stand without quotes.
pub(super) fn is_word(name: &str) -> bool {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    name.starts_with(|letter: char| letter.is_ascii_alphabetic()) && name.chars().all(word) && !RESERVED.contains(&name)
}

pub(super) fn quoted(text: &str) -> String {
    match Code::text(text) {
        Code::Plain(text) => text,
        code => code.layout(0, 0),
    }
}
