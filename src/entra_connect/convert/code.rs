//! Rhai as a tree, and how it is laid out: on one line where it fits, else as people would break it.

/// The longest line.
const WIDTH: usize = 110;

/// So many operands stand beside each other.
const LONGEST: usize = 14;
/// So many of a longer chain stand in brackets.
const GROUP: usize = 6;

/// A piece of Rhai.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// What needs no brackets anywhere: a literal, an attribute, a variable.
    Plain(String),
    Call(String, Vec<Code>),
    Not(Box<Code>),
    /// Operands with one operator between them: `&&`, `||`, `??`, `+`, and those of numbers.
    Chain(&'static str, Vec<Code>),
    /// `==`, `!=`, `<` and their like.
    Compare(&'static str, Box<Code>, Box<Code>),
    /// Conditions with their values, and what else; without, `()`.
    If(Vec<(Code, Code)>, Option<Box<Code>>),
    /// A text, its cases, and what else.
    Switch(Box<Code>, Vec<(Code, Code)>, Box<Code>),
    /// `|name| …`
    Closure(String, Box<Code>),
    List(Vec<Code>),
}

impl Code {
    pub(super) fn plain(text: impl Into<String>) -> Code {
        Code::Plain(text.into())
    }

    pub(super) fn call(name: impl Into<String>, arguments: impl IntoIterator<Item = Code>) -> Code {
        Code::Call(name.into(), arguments.into_iter().collect())
    }

    /// `()`
    pub(super) fn nothing() -> Code {
        Code::plain("()")
    }

    pub(super) fn is_nothing(&self) -> bool {
        *self == Code::nothing()
    }

    /// A text in quotes.
    pub(super) fn text(text: &str) -> Code {
        let mut quoted = String::from("\"");
        for letter in text.chars() {
            match letter {
                '"' => quoted += "\\\"",
                '\\' => quoted += "\\\\",
                '\n' => quoted += "\\n",
                '\r' => quoted += "\\r",
                '\t' => quoted += "\\t",
                letter if letter.is_control() => quoted += &format!("\\u{:04x}", u32::from(letter)),
                letter => quoted.push(letter),
            }
        }
        Code::Plain(quoted + "\"")
    }

    /// Chains of one operator become one chain.
    pub(super) fn chain(operator: &'static str, parts: impl IntoIterator<Item = Code>) -> Code {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Code::Chain(inner, parts) if inner == operator => flat.extend(parts),
                part => flat.push(part),
            }
        }
        match <[Code; 1]>::try_from(flat) {
            Ok([one]) => one,
            Err(flat) => Code::Chain(operator, flat),
        }
    }

    pub(super) fn compare(operator: &'static str, left: Code, right: Code) -> Code {
        Code::Compare(operator, Box::new(left), Box::new(right))
    }

    /// Whether it may answer `keep()` or `absent()`, which are no values.
    pub(super) fn has_verdict(&self) -> bool {
        let any = |parts: &[Code]| parts.iter().any(Code::has_verdict);
        match self {
            Code::Plain(_) => false,
            Code::Call(name, parts) => name == "keep" || name == "absent" || any(parts),
            Code::Chain(_, parts) | Code::List(parts) => any(parts),
            Code::Not(inner) | Code::Closure(_, inner) => inner.has_verdict(),
            Code::Compare(_, left, right) => left.has_verdict() || right.has_verdict(),
            Code::If(cases, other) => {
                cases.iter().any(|(_, value)| value.has_verdict())
                    || other.as_ref().is_some_and(|other| other.has_verdict())
            }
            Code::Switch(_, cases, other) => cases.iter().any(|(_, value)| value.has_verdict()) || other.has_verdict(),
        }
    }

    /// Whether an attribute of an object is read in it. In a closure it cannot be.
    pub(super) fn reads(&self, object: &str) -> bool {
        let any = |parts: &[Code]| parts.iter().any(|part| part.reads(object));
        match self {
            Code::Plain(text) => {
                let rest = text.strip_prefix(object);
                rest.is_some_and(|rest| rest.starts_with(['.', '[']))
            }
            Code::Call(_, parts) | Code::Chain(_, parts) | Code::List(parts) => any(parts),
            Code::Not(inner) | Code::Closure(_, inner) => inner.reads(object),
            Code::Compare(_, left, right) => left.reads(object) || right.reads(object),
            Code::If(cases, other) => {
                cases.iter().any(|(condition, value)| condition.reads(object) || value.reads(object))
                    || other.as_ref().is_some_and(|other| other.reads(object))
            }
            Code::Switch(subject, cases, other) => {
                subject.reads(object) || cases.iter().any(|(_, value)| value.reads(object)) || other.reads(object)
            }
        }
    }

    /// How deep Rhai takes it to be nested; there is a limit to that.
    pub(super) fn depth(&self) -> usize {
        let deepest = |parts: &[Code]| parts.iter().map(Code::depth).max().unwrap_or(0);
        match self {
            Code::Plain(_) => 1,
            Code::Call(_, parts) | Code::List(parts) => 1 + deepest(parts),
            Code::Not(inner) | Code::Closure(_, inner) => 1 + inner.depth(),
            Code::Chain(operator, parts) => {
                let groups = grouped(operator, parts);
                if groups.len() == parts.len() { parts.len() + deepest(parts) } else { groups.len() + deepest(&groups) }
            }
            Code::Compare(_, left, right) => 1 + left.depth().max(right.depth()),
            Code::If(cases, other) => {
                let inner = cases.iter().map(|(condition, value)| condition.depth().max(value.depth())).max();
                2 + inner.unwrap_or(0).max(other.as_ref().map_or(0, |other| other.depth()))
            }
            Code::Switch(subject, cases, other) => {
                let values = cases.iter().map(|(_, value)| value.depth()).max().unwrap_or(0);
                2 + subject.depth().max(values).max(other.depth())
            }
        }
    }

    /// The opposite of a condition.
    pub(super) fn negated(self) -> Code {
        match self {
            Code::Not(inner) => *inner,
            Code::Plain(text) if text == "true" => Code::plain("false"),
            Code::Plain(text) if text == "false" => Code::plain("true"),
            code => Code::Not(Box::new(code)),
        }
    }

    /// The text of the code, whose first line begins behind `before` characters of a line that is indented by `indent`.
    pub(super) fn layout(&self, indent: usize, before: usize) -> String {
        let line = self.line();
        if indent + before + line.len() <= WIDTH && !self.wants_lines() {
            return line;
        }
        self.broken(indent)
    }

    /// Several cases read better below each other.
    fn wants_lines(&self) -> bool {
        match self {
            Code::Switch(..) => true,
            Code::If(cases, _) => cases.len() > 1,
            Code::Call(_, parts) | Code::Chain(_, parts) | Code::List(parts) => parts.iter().any(Code::wants_lines),
            Code::Plain(_) | Code::Not(_) | Code::Compare(..) | Code::Closure(..) => false,
        }
    }

    fn operand(&self, inside: &str) -> String {
        if self.needs_brackets(inside) { format!("({})", self.line()) } else { self.line() }
    }

    fn needs_brackets(&self, inside: &str) -> bool {
        match self {
            Code::Chain(operator, _) => *operator != "+" || inside != "==",
            Code::Compare(..) => inside == "==" || inside == "!" || !["&&", "||"].contains(&inside),
            Code::If(..) | Code::Switch(..) => true,
            Code::Plain(_) | Code::Call(..) | Code::Not(_) | Code::List(_) | Code::Closure(..) => false,
        }
    }

    fn line(&self) -> String {
        let list = |parts: &[Code]| parts.iter().map(Code::line).collect::<Vec<_>>().join(", ");
        match self {
            Code::Plain(text) => text.clone(),
            Code::Call(name, arguments) => format!("{name}({})", list(arguments)),
            Code::Not(inner) => format!("!{}", inner.operand("!")),
            Code::Chain(operator, parts) => {
                let parts = grouped(operator, parts);
                parts.iter().map(|part| part.operand(operator)).collect::<Vec<_>>().join(&format!(" {operator} "))
            }
            Code::Compare(operator, left, right) => {
                format!("{} {operator} {}", left.operand("=="), right.operand("=="))
            }
            Code::If(cases, other) => {
                let cases =
                    cases.iter().map(|(condition, value)| format!("if {} {{ {} }}", condition.line(), value.line()));
                let cases = cases.collect::<Vec<_>>().join(" else ");
                match other {
                    Some(other) => format!("{cases} else {{ {} }}", other.line()),
                    None => cases,
                }
            }
            Code::Switch(subject, cases, other) => {
                let cases: String =
                    cases.iter().map(|(case, value)| format!("{} => {}, ", case.line(), value.line())).collect();
                format!("switch {} {{ {cases}_ => {} }}", subject.line(), other.line())
            }
            Code::Closure(name, body) => format!("|{name}| {}", body.line()),
            Code::List(parts) => format!("[{}]", list(parts)),
        }
    }

    fn broken(&self, indent: usize) -> String {
        let (pad, deeper) = (" ".repeat(indent), " ".repeat(indent + 4));
        match self {
            Code::Plain(_) | Code::Compare(..) => self.line(),
            Code::Not(inner) if inner.needs_brackets("!") => format!("!({})", inner.layout(indent, 2)),
            Code::Not(inner) => format!("!{}", inner.layout(indent, 1)),
            Code::Call(name, parts) => lines(&format!("{name}("), parts, ")", indent),
            Code::List(parts) => lines("[", parts, "]", indent),
            Code::Chain(operator, parts) => {
                let part = |part: &Code| {
                    if part.needs_brackets(operator) {
                        format!("({})", part.layout(indent + 4, operator.len() + 2))
                    } else {
                        part.layout(indent + 4, operator.len() + 1)
                    }
                };
                let parts = grouped(operator, parts);
                parts.iter().map(part).collect::<Vec<_>>().join(&format!("\n{deeper}{operator} "))
            }
            Code::If(cases, other) => {
                let mut text = String::new();
                for (at, (condition, value)) in cases.iter().enumerate() {
                    text += if at == 0 { "if " } else { " else if " };
                    let condition = condition.layout(indent, 9);
                    text += &format!("{condition} {{\n{deeper}{}\n{pad}}}", value.layout(indent + 4, 0));
                }
                match other {
                    Some(other) => {
                        text + format!(" else {{\n{deeper}{}\n{pad}}}", other.layout(indent + 4, 0)).as_str()
                    }
                    None => text,
                }
            }
            Code::Switch(subject, cases, other) => {
                let mut text = format!("switch {} {{\n", subject.layout(indent, 8));
                for (case, value) in cases {
                    text += &format!("{deeper}{} => {},\n", case.line(), value.layout(indent + 4, 12));
                }
                text + format!("{deeper}_ => {},\n{pad}}}", other.layout(indent + 4, 5)).as_str()
            }
            Code::Closure(name, body) => format!("|{name}| {}", body.layout(indent, name.len() + 3)),
        }
    }
}

/// Rhai counts each operator of a chain as a step deeper: long chains get brackets in between.
fn grouped(operator: &'static str, parts: &[Code]) -> Vec<Code> {
    let associative = ["&&", "||", "??", "+"].contains(&operator);
    if parts.len() <= LONGEST || !associative {
        return parts.to_vec();
    }
    let group = |part: &[Code]| match part {
        [one] => one.clone(),
        part => Code::Chain(operator, part.to_vec()),
    };
    let groups: Vec<Code> = parts.chunks(GROUP).map(group).collect();
    grouped(operator, &groups)
}

fn lines(open: &str, parts: &[Code], close: &str, indent: usize) -> String {
    let (pad, deeper) = (" ".repeat(indent), " ".repeat(indent + 4));
    let parts: Vec<String> = parts.iter().map(|part| format!("{deeper}{}", part.layout(indent + 4, 1))).collect();
    format!("{open}\n{}\n{pad}{close}", parts.join(",\n"))
}
