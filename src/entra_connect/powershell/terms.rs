//! The tokens of a statement to commands, arguments and values, as far as they are simple. What is not simple is kept as it
//! is written. Knows neither the value of a variable nor what a command does.

use super::texts::Piece;
use super::tokens::{Bracket, Kind, Token};

mod brackets;

/// How much of a source is shown to people.
const MAX_RAW: usize = 80;

/// A value as it is written.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) what: What,
    /// Its source, on one line.
    pub(super) raw: String,
    /// Where its text begins.
    pub(super) line: usize,
}

/// What a value is written as.
#[derive(Clone, Debug)]
pub(super) enum What {
    Text(Vec<Piece>),
    Variable(String),
    /// `$name[0]`.
    Item(String, usize),
    /// `a, b` or `@(a, b)`.
    List(Vec<Term>),
    /// `a + b`.
    Sum(Vec<Term>),
    /// `@{ a = b }`.
    Table(Vec<(String, Term)>),
    /// `(New-Object ...)`.
    Call(Command),
    /// What only running it would tell.
    Other,
}

/// A command with its arguments.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
    pub(super) line: usize,
}

/// An argument.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    /// `-Name value`; a switch has no value.
    Named(String, Option<Term>),
    Positional(Term),
    /// `@table`.
    Splat(String, usize),
}

/// Reads the tokens of one statement.
pub(super) struct Reader<'t> {
    text: &'t str,
    tokens: &'t [Token],
    /// The end of the token that was taken last.
    taken: usize,
}

impl<'t> Reader<'t> {
    /// A reader of tokens, and of the text that they are from.
    pub(super) fn new(text: &'t str, tokens: &'t [Token]) -> Self {
        Reader { text, tokens, taken: 0 }
    }

    /// What comes next.
    pub(super) fn peek(&self) -> Option<&'t Kind> {
        self.tokens.first().map(|token| &token.kind)
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Option<&'t Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        self.taken = first.end;
        Some(first)
    }

    fn skip_lines(&mut self) {
        while matches!(self.peek(), Some(Kind::End(_))) {
            self.next();
        }
    }

    /// What lies between a bracket that was just taken and its end.
    fn inside(&mut self) -> Reader<'t> {
        let mut depth = 1_usize;
        let end = self.tokens.iter().position(|token| {
            match token.kind {
                Kind::Open(_) => depth += 1,
                Kind::Close(_) => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let (inner, rest) = self.tokens.split_at(end.unwrap_or(self.tokens.len()));
        self.tokens = rest;
        self.next();
        Reader::new(self.text, inner)
    }

    /// The source from a token to what was taken last, on one line.
    fn raw(&self, from: &Token) -> String {
        let source = self.text.get(from.start..self.taken).unwrap_or_default();
        let line = source.replace('`', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        if line.chars().count() <= MAX_RAW { line } else { line.chars().take(MAX_RAW).chain(['\u{2026}']).collect() }
    }

    /// A command up to a pipe or the end. The reader stands at its name.
    pub(super) fn command(&mut self) -> Option<Command> {
        let first = self.next()?;
        let Kind::Word(name) = &first.kind else { return None };
        let mut arguments = Vec::new();
        loop {
            match self.peek() {
                None | Some(Kind::Pipe) => break,
                Some(Kind::End(_)) => {
                    let next = self.tokens.iter().find(|token| !matches!(token.kind, Kind::End(_)));
                    if !matches!(next.map(|token| &token.kind), Some(Kind::Parameter(_))) {
                        break;
                    }
                    self.skip_lines();
                }
                Some(Kind::Parameter(parameter)) => {
                    self.next();
                    let last = matches!(
                        self.peek(),
                        None | Some(Kind::Pipe | Kind::Parameter(_) | Kind::Splat(_) | Kind::End(_))
                    );
                    arguments.push(Argument::Named(parameter.clone(), if last { None } else { Some(self.list()) }));
                }
                Some(Kind::Splat(table)) => {
                    let line = self.next().map_or(first.line, |token| token.line);
                    arguments.push(Argument::Splat(table.clone(), line));
                }
                Some(_) => arguments.push(Argument::Positional(self.list())),
            }
        }
        Some(Command { name: name.clone(), arguments, line: first.line })
    }

    /// A value, or several with commas between them.
    pub(super) fn list(&mut self) -> Term {
        let start = self.tokens.first();
        let first = self.term();
        if self.peek() != Some(&Kind::Comma) {
            return first;
        }
        let line = first.line;
        let mut items = vec![first];
        while self.peek() == Some(&Kind::Comma) {
            self.next();
            self.skip_lines();
            items.push(self.term());
        }
        Term { what: What::List(items), raw: start.map(|start| self.raw(start)).unwrap_or_default(), line }
    }

    /// A value of which all must be understood: the right side of an assignment, or what stands in brackets.
    pub(super) fn whole(mut self) -> Term {
        self.skip_lines();
        let start = self.tokens.first();
        let line = start.map_or(1, |token| token.line);
        let is_command = matches!(self.peek(), Some(Kind::Word(word)) if !is_number(word));
        let what = if is_command { self.command().map_or(What::Other, What::Call) } else { self.sum() };
        self.skip_lines();
        let complete = self.tokens.is_empty();
        while self.next().is_some() {}
        let line = match &what {
            What::List(items) | What::Sum(items) => items.first().map_or(line, |item| item.line),
            _ => line,
        };
        let raw = start.map(|start| self.raw(start)).unwrap_or_default();
        match what {
            What::Sum(mut one) if one.len() == 1 && complete => {
                one.pop().unwrap_or(Term { what: What::Other, raw, line })
            }
            what => Term { what: if complete { what } else { What::Other }, raw, line },
        }
    }

    /// Values with `+` or line ends between them. Lines are items of a list.
    fn sum(&mut self) -> What {
        let mut items = Vec::new();
        let mut summed = false;
        while !self.tokens.is_empty() {
            items.push(self.list());
            match self.peek() {
                Some(Kind::Plus) => {
                    summed = true;
                    self.next();
                    self.skip_lines();
                }
                Some(Kind::End(_)) if !summed => self.skip_lines(),
                _ => break,
            }
        }
        if summed || items.len() == 1 { What::Sum(items) } else { What::List(items) }
    }

    /// One value. Takes at least one token.
    fn term(&mut self) -> Term {
        let Some(first) = self.next() else { return Term { what: What::Other, raw: String::new(), line: 1 } };
        let mut line = first.line;
        let what = match &first.kind {
            Kind::Text(pieces, begins) => {
                line = *begins;
                What::Text(pieces.clone())
            }
            Kind::Word(word) => What::Text(vec![Piece::Plain(word.clone())]),
            Kind::Variable(name) => self.indexed(name),
            Kind::Open(Bracket::Round) => self.round(first, &mut line),
            Kind::Open(Bracket::Table) => self.inside().table(),
            Kind::Open(Bracket::Square) => return self.cast(first),
            Kind::Open(Bracket::Curly) => {
                self.inside();
                What::Other
            }
            _ => What::Other,
        };
        // A bracket right after a word begins an argument of its own.
        let selects = !matches!(first.kind, Kind::Word(_)) && self.selects();
        Term { what: if selects { What::Other } else { what }, raw: self.raw(first), line }
    }
}

/// Whether a bare word is a number.
pub(super) fn is_number(word: &str) -> bool {
    word.parse::<f64>().is_ok()
}
