//! The statements of a script, one after the other: assignments and commands. Knows what no parameter of a rule means.

use super::Script;
use super::statements::Part;
use super::terms::{Command, Reader, Term, What};
use super::tokens::{Bracket, Kind, Token};
use super::values::{self, Unknown, Value, shown};

/// Words that begin statements, but are no commands.
const KEYWORDS: [&str; 27] = [
    "if", "else", "elseif", "foreach", "for", "while", "do", "until", "switch", "try", "catch", "finally", "function",
    "filter", "param", "return", "begin", "process", "end", "trap", "throw", "break", "continue", "exit", "in",
    "class", "using",
];

impl Script<'_> {
    /// Reads all parts in their order, as if each ran once.
    pub(super) fn read(&mut self, text: &str, parts: &[Part]) {
        for part in parts {
            match part {
                Part::Opens => self.variables.open_block(),
                Part::Closes => self.variables.close_block(),
                Part::Statement(tokens) => self.statement(text, tokens),
            }
        }
    }

    fn statement(&mut self, text: &str, tokens: &[Token]) {
        let tokens = uncast(tokens);
        match tokens {
            [Token { kind: Kind::Word(word), .. }, rest @ ..] if word.eq_ignore_ascii_case("param") => {
                self.defaults(text, rest);
            }
            [Token { kind: Kind::Word(word), .. }, rest @ ..] if word.eq_ignore_ascii_case("return") => {
                self.statement(text, rest);
            }
            [Token { kind: Kind::Variable(name), .. }, rest @ ..] => self.assignment(text, name, rest, tokens),
            _ => {
                self.pipeline(Reader::new(text, tokens));
            }
        }
    }

    /// Runs of commands with pipes between them. Gives the result where there is one command.
    fn pipeline(&mut self, mut reader: Reader<'_>) -> Option<Value> {
        let mut result = None;
        let mut first = true;
        loop {
            match reader.peek()? {
                Kind::Word(_) => {
                    let command = reader.command()?;
                    let value = self.command(&command, first);
                    if first {
                        result = value;
                    }
                }
                Kind::Variable(_) => {
                    reader.list();
                }
                _ => return None,
            }
            first = false;
            match reader.next() {
                None => return result,
                Some(Token { kind: Kind::Pipe, .. }) => {}
                Some(_) => return None,
            }
        }
    }

    /// `$name = ...`, `$name += ...`, `$name.Key = ...`, `$name | command`.
    fn assignment(&mut self, text: &str, name: &str, rest: &[Token], all: &[Token]) {
        match rest {
            [Token { kind: Kind::Equals, .. }, right @ ..] => {
                let value = self.right_side(text, right);
                self.variables.set(name, value);
            }
            [Token { kind: Kind::PlusEquals, .. }, right @ ..] => {
                let added = self.right_side(text, right);
                let old = self.variables.get(name).cloned().unwrap_or(Value::Null);
                let unknown = || Value::Unknown(Unknown { raw: format!("${name}"), variable: Some(name.to_owned()) });
                let sum = values::add(vec![old, added]).unwrap_or_else(|_| unknown());
                self.variables.set(name, sum);
            }
            [Token { kind: Kind::Member(key), line, .. }, Token { kind: Kind::Equals, .. }, right @ ..] => {
                let value = self.right_side(text, right);
                self.property(name, key, value, *line);
            }
            [open, key, close, Token { kind: Kind::Equals, .. }, right @ ..]
                if open.kind == Kind::Open(Bracket::Square) && close.kind == Kind::Close(Bracket::Square) =>
            {
                let value = self.right_side(text, right);
                let key = Reader::new(text, std::slice::from_ref(key)).whole();
                if let Some(key) = shown(&self.value(&key)) {
                    self.property(name, &key, value, open.line);
                }
            }
            _ => {
                self.pipeline(Reader::new(text, all));
            }
        }
    }

    fn right_side(&mut self, text: &str, tokens: &[Token]) -> Value {
        let tokens = uncast(tokens);
        let is_command = match tokens.first().map(|token| &token.kind) {
            Some(Kind::Word(word)) => !super::terms::is_number(word),
            Some(_) | None => false,
        };
        let term = Reader::new(text, tokens).whole();
        if is_command {
            let unknown = Value::Unknown(Unknown { raw: term.raw, variable: None });
            return self.pipeline(Reader::new(text, tokens)).unwrap_or(unknown);
        }
        self.value(&term)
    }

    /// A key of a table, or a property of a rule.
    fn property(&mut self, name: &str, key: &str, value: Value, line: usize) {
        let value = value.limited(&format!("${name}.{key}"));
        match self.variables.get_mut(name) {
            Some(Value::Table(entries)) => entries.push((key.to_owned(), value)),
            Some(Value::Rule) => self.rule_property(name, key, &value, line),
            Some(Value::List(items)) if matches!(items.as_slice(), [Value::Rule]) => {
                self.rule_property(name, key, &value, line)
            }
            Some(_) | None => {}
        }
    }

    /// What parameters of a script are without arguments.
    fn defaults(&mut self, text: &str, tokens: &[Token]) {
        let inner = tokens.get(1..tokens.len().saturating_sub(1)).unwrap_or_default();
        let mut depth = 0_usize;
        let pieces = inner.split(|token| {
            match token.kind {
                Kind::Open(_) => depth += 1,
                Kind::Close(_) => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.kind == Kind::Comma
        });
        for piece in pieces {
            let equals = piece.iter().position(|token| token.kind == Kind::Equals && is_after_variable(piece, token));
            let Some((left, [_, right @ ..])) = equals.and_then(|at| piece.split_at_checked(at)) else { continue };
            if let Some(Token { kind: Kind::Variable(name), line, .. }) = left.last() {
                let value = self.right_side(text, right);
                let known = shown(&value).is_some();
                self.variables.set(name, value);
                if known {
                    self.draft.remark(
                        *line,
                        format!("`${name}` is a parameter of the script; what it has without an argument is taken"),
                    );
                }
            }
        }
    }

    /// The value of a term, of commands that make conditions too.
    pub(super) fn value(&mut self, term: &Term) -> Value {
        match &term.what {
            What::Call(command) => self.call(command, &term.raw),
            What::List(items) => values::list(items, &term.raw, |item| self.value(item)),
            _ => self.variables.value(term),
        }
    }

    fn call(&mut self, command: &Command, raw: &str) -> Value {
        let unknown = || Value::Unknown(Unknown { raw: raw.to_owned(), variable: None });
        self.command(command, false).unwrap_or_else(unknown)
    }

    /// Counts a command that is not read.
    pub(super) fn other(&mut self, command: &Command) {
        let is_keyword = KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(&command.name));
        if is_keyword || !command.name.starts_with(char::is_alphabetic) {
            return;
        }
        self.others.insert(command.name.clone());
        self.other_count += 1;
        self.first_other.get_or_insert(command.line);
    }
}

/// The tokens after `[type]`, which does not change what is read.
fn uncast(tokens: &[Token]) -> &[Token] {
    let is_cast = matches!(tokens.first(), Some(Token { kind: Kind::Open(Bracket::Square), .. }));
    let end = tokens.iter().position(|token| token.kind == Kind::Close(Bracket::Square));
    let rest = end.and_then(|end| tokens.get(end + 1..)).unwrap_or_default();
    match rest.first().map(|token| &token.kind) {
        Some(Kind::Static(_)) | None => tokens,
        Some(_) if is_cast => rest,
        Some(_) => tokens,
    }
}

fn is_after_variable(tokens: &[Token], equals: &Token) -> bool {
    let before = tokens.iter().take_while(|token| token.start < equals.start).last();
    matches!(before.map(|token| &token.kind), Some(Kind::Variable(_)))
}
