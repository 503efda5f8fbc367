//! From words to a tree. Comparisons bind tighter than `&&` and `||`, which stand on one level, as `&` `+` `-` `*` `/` do:
//! the manual's "left to right", as far as the rules that the product ships allow it.

use std::ops::Range;

use super::lexer::{Lexed, Token, lex};
use super::{Expr, Node, Operator, Parsed, Problem, Word};
use crate::diagnostic::did_you_mean;
use crate::rules::vocabulary::entra;

/// Deeper expressions are refused: nobody could read them, and neither could the program.
const DEEPEST: usize = 100;

/// Names that people take from other languages, and what they mean.
const ELSEWHERE: [(&str, &str); 18] = [
    ("IF", "IIF"),
    ("ToLower", "LCase"),
    ("Lower", "LCase"),
    ("ToUpper", "UCase"),
    ("Upper", "UCase"),
    ("ToProper", "PCase"),
    ("Substring", "Mid"),
    ("Length", "Len"),
    ("Coalesce", "IIF"),
    ("StripSpaces", "Replace"),
    ("IsNotNull", "IsPresent"),
    ("IsNullorEmpty", "IsNullOrEmpty"),
    ("Concat", "&"),
    ("Concatenate", "&"),
    ("Append", "&"),
    ("Not", "= False"),
    ("And", "&&"),
    ("Or", "||"),
];

/// Reads a whole expression.
///
/// # Errors
/// The first mistake, with its place.
pub(crate) fn parse(text: &str) -> Result<Parsed, Problem> {
    let Lexed { tokens, warnings } = lex(text)?;
    let mut parser = Parser { tokens, at: 0, depth: 0, warnings };
    let node = parser.expression()?;
    match parser.token() {
        (Token::End, _) => Ok(Parsed { node, warnings: parser.warnings }),
        (Token::Sign(")"), place) => Err(Problem::new(place, "this bracket closes nothing")),
        (_, place) => Err(Problem::new(place, "the expression is at its end here, and something follows")
            .hint("is an operator or a comma missing before it?")),
    }
}

struct Parser {
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    depth: usize,
    warnings: Vec<Problem>,
}

impl Parser {
    fn token(&self) -> (Token, Range<usize>) {
        self.tokens.get(self.at).or(self.tokens.last()).cloned().unwrap_or((Token::End, 0..0))
    }

    fn take(&mut self) -> (Token, Range<usize>) {
        let token = self.token();
        self.at += 1;
        token
    }

    fn operator(&self, known: &[(&'static str, Operator)]) -> Option<Operator> {
        let (Token::Sign(sign), _) = self.token() else { return None };
        known.iter().find(|(name, _)| *name == sign).map(|(_, operator)| *operator)
    }

    /// One level of operators, from left to right.
    fn level(
        &mut self,
        known: &[(&'static str, Operator)],
        operand: fn(&mut Parser) -> Result<Node, Problem>,
    ) -> Result<Node, Problem> {
        let mut left = operand(self)?;
        let mut before: Option<Operator> = None;
        while let Some(operator) = self.operator(known) {
            let (_, place) = self.take();
            if let Some(before) = before.filter(|before| *before != operator) {
                self.mixed(before, operator, place);
            }
            before = Some(operator);
            let right = operand(self)?;
            let span = left.span.start..right.span.end;
            left = Node { span, expr: Expr::Binary(operator, Box::new(left), Box::new(right)) };
        }
        Ok(left)
    }

    fn mixed(&mut self, before: Operator, operator: Operator, place: Range<usize>) {
        let harmless = [Operator::Plus, Operator::Minus];
        if harmless.contains(&before) && harmless.contains(&operator) {
            return;
        }
        let message = "two different operators without brackets are taken from left to right, as the manual says";
        self.warnings.push(Problem::new(place, message).hint("put brackets where you mean them"));
    }

    fn expression(&mut self) -> Result<Node, Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let message = format!("brackets and calls are nested more than {DEEPEST} deep");
            return Err(Problem::new(self.token().1, message));
        }
        let node = self.level(&[("||", Operator::Or), ("&&", Operator::And)], Parser::comparison)?;
        self.depth -= 1;
        Ok(node)
    }

    fn comparison(&mut self) -> Result<Node, Problem> {
        let known = [
            ("=", Operator::Equal),
            ("<>", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        self.level(&known, Parser::sum)
    }

    fn sum(&mut self) -> Result<Node, Problem> {
        let known = [
            ("&", Operator::Join),
            ("+", Operator::Plus),
            ("-", Operator::Minus),
            ("*", Operator::Times),
            ("/", Operator::Divide),
        ];
        self.level(&known, Parser::unary)
    }

    fn unary(&mut self) -> Result<Node, Problem> {
        let (Token::Sign("-"), place) = self.token() else { return self.primary() };
        self.take();
        let inner = self.primary()?;
        Ok(Node { span: place.start..inner.span.end, expr: Expr::Negative(Box::new(inner)) })
    }

    fn primary(&mut self) -> Result<Node, Problem> {
        let (token, span) = self.take();
        let expr = match token {
            Token::Text(text) => Expr::Text(text),
            Token::Integer(number) => Expr::Integer(number),
            Token::Decimal(number) => Expr::Decimal(number),
            Token::Attribute(name) => Expr::Attribute(name),
            Token::Parameter(name) => Expr::Parameter(name),
            Token::Variable(name) => Expr::Variable(name),
            Token::Name(name) => return self.named(name, span),
            Token::Sign("(") => return self.bracket(span),
            Token::Sign(sign) => {
                let problem = Problem::new(span, format!("a value is missing before `{sign}`"));
                return Err(if sign == "," || sign == ")" {
                    problem.hint("an argument cannot be empty; `NULL` is no value")
                } else {
                    problem
                });
            }
            Token::End => return Err(Problem::new(span, "the expression breaks off: a value is missing")),
        };
        Ok(Node { span, expr })
    }

    fn bracket(&mut self, open: Range<usize>) -> Result<Node, Problem> {
        let inner = self.expression()?;
        let (token, close) = self.take();
        if token != Token::Sign(")") {
            return Err(Parser::unclosed(open, None, (token, close)));
        }
        Ok(Node { span: open.start..close.end, ..inner })
    }

    /// What follows is neither a comma nor the bracket that closes: the text is at its end, or something is missing.
    fn unclosed(open: Range<usize>, function: Option<&str>, (token, here): (Token, Range<usize>)) -> Problem {
        match (token, function) {
            (Token::End, Some(name)) => {
                Problem::new(open, format!("the bracket of `{name}` is never closed")).hint("add `)` at the end")
            }
            (Token::End, None) => Problem::new(open, "this bracket is never closed").hint("add `)` at the end"),
            (Token::Sign(","), None) => Problem::new(open, "this bracket is not closed before the comma")
                .hint("add `)`; commas separate arguments of a function alone"),
            (_, Some(name)) => Problem::new(here, "a comma or an operator is missing before this")
                .hint(format!("commas separate the arguments of `{name}`; `&` joins texts")),
            (_, None) => Problem::new(here, "an operator is missing before this").hint("`&` joins texts"),
        }
    }

    fn named(&mut self, name: String, span: Range<usize>) -> Result<Node, Problem> {
        if self.token().0 == Token::Sign("(") {
            return self.call(&name, span);
        }
        let word = match name.to_ascii_lowercase().as_str() {
            "null" => Word::Null,
            "authoritativenull" => Word::AuthoritativeNull,
            "ignorethisflow" => Word::IgnoreThisFlow,
            "true" => Word::True,
            "false" => Word::False,
            "crlf" => Word::Crlf,
            lower => match entra::CONSTANTS.iter().find(|known| known.eq_ignore_ascii_case(lower)) {
                Some(known) => Word::Choice((*known).to_owned()),
                None => return Err(unknown_word(&name, span)),
            },
        };
        let spelled = match &word {
            Word::Null => "NULL",
            Word::AuthoritativeNull => "AuthoritativeNull",
            Word::IgnoreThisFlow => "IgnoreThisFlow",
            Word::True => "True",
            Word::False => "False",
            Word::Crlf => "CRLF",
            Word::Choice(known) => known,
        };
        self.spelling(&name, spelled, span.clone());
        Ok(Node { span, expr: Expr::Word(word) })
    }

    /// Entra Connect heeds letter case; what is meant is clear all the same.
    fn spelling(&mut self, written: &str, right: &str, span: Range<usize>) {
        if written != right {
            let message = format!("`{written}` is spelled `{right}`");
            self.warnings.push(Problem::new(span, message).hint("Entra Connect heeds letter case"));
        }
    }

    fn call(&mut self, name: &str, span: Range<usize>) -> Result<Node, Problem> {
        let known = function(name, span.clone())?;
        self.spelling(name, known.name, span.clone());
        let (_, open) = self.take();
        let mut arguments = Vec::new();
        if self.token().0 == Token::Sign(")") {
            self.take();
        } else {
            loop {
                arguments.push(self.expression()?);
                let (token, place) = self.take();
                match token {
                    Token::Sign(",") => {}
                    Token::Sign(")") => break,
                    token => return Err(Parser::unclosed(open, Some(name), (token, place))),
                }
            }
        }
        let end = self.tokens.get(self.at.saturating_sub(1)).map_or(span.end, |(_, place)| place.end);
        known.check(arguments.len(), span.start..end)?;
        Ok(Node { span: span.start..end, expr: Expr::Call(known.name.to_owned(), arguments) })
    }
}

/// A function, and how many arguments it takes.
struct Known {
    name: &'static str,
    least: usize,
    most: usize,
}

impl Known {
    fn check(&self, count: usize, span: Range<usize>) -> Result<(), Problem> {
        let name = self.name;
        if name == "Switch" && (count < 2 || !count.is_multiple_of(2)) {
            let message = format!("`Switch` takes pairs of a condition and a value; it is given {count} arguments");
            return Err(Problem::new(span, message).hint("for everything else, the last pair is `True, value`"));
        }
        if (self.least..=self.most).contains(&count) {
            return Ok(());
        }
        let wanted = match (self.least, self.most) {
            (least, most) if least == most => format!("{least}"),
            (least, most) => format!("{least} to {most}"),
        };
        let plural = if self.most == 1 { "" } else { "s" };
        let problem = Problem::new(span, format!("`{name}` takes {wanted} argument{plural}, and is given {count}"));
        Err(if count > self.most {
            problem.hint(format!("is the bracket of `{name}` closed too late?"))
        } else {
            problem
        })
    }
}

/// Functions whose form is not that of the module: `With`, `Where` and `Select` bind a variable.
const SPECIAL: [Known; 6] = [
    Known { name: "ImportedValue", least: 1, most: 1 },
    Known { name: "ValueCount", least: 1, most: 1 },
    Known { name: "With", least: 3, most: 3 },
    Known { name: "Where", least: 3, most: 3 },
    Known { name: "Select", least: 3, most: 3 },
    Known { name: "Switch", least: 2, most: 1_000 },
];

fn function(name: &str, span: Range<usize>) -> Result<Known, Problem> {
    let documented =
        entra::all().map(|function| Known { name: function.name, least: function.arity.0, most: function.arity.1 });
    let all: Vec<Known> = SPECIAL.into_iter().chain(documented).collect();
    let found = |exact: bool| {
        all.iter().position(|known| if exact { known.name == name } else { known.name.eq_ignore_ascii_case(name) })
    };
    if let Some(at) = found(true).or_else(|| found(false)) {
        let Known { name, least, most } = all[at];
        return Ok(Known { name, least, most });
    }
    let problem = Problem::new(span, format!("there is no function `{name}`"));
    if let Some((_, meant)) = ELSEWHERE.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
        return Err(problem.hint(format!("Entra Connect writes `{meant}`")));
    }
    Err(match did_you_mean(name, all.iter().map(|known| known.name)) {
        Some(meant) => problem.hint(meant),
        None => problem,
    })
}

fn unknown_word(name: &str, span: Range<usize>) -> Problem {
    let problem = Problem::new(span, format!("`{name}` is neither a value nor a function"));
    problem.hint(format!("an attribute is written `[{name}]`, a text `\"{name}\"`"))
}
