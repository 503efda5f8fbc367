//! Values in brackets, and what may follow a value: lists, tables, types, indexes and members. Knows no command.

use super::super::texts::Piece;
use super::super::tokens::{Bracket, Kind, Token};
use super::{Argument, Command, Reader, Term, What};

impl<'t> Reader<'t> {
    /// What stands in `( )`, `@( )` or `$( )`.
    pub(super) fn round(&mut self, open: &Token, line: &mut usize) -> What {
        let inner = self.inside();
        // `@( )` makes a list even of one.
        let is_list = self.text.get(open.start..).is_some_and(|source| source.starts_with('@'));
        if is_list && inner.tokens.iter().all(|token| matches!(token.kind, Kind::End(_))) {
            return What::List(Vec::new());
        }
        let term = inner.whole();
        *line = term.line;
        match term.what {
            What::List(items) => What::List(items),
            what if is_list => What::List(vec![Term { what, raw: term.raw, line: term.line }]),
            what => what,
        }
    }

    /// A variable, or an item of it.
    pub(super) fn indexed(&mut self, name: &str) -> What {
        let index = match self.tokens {
            [open, Token { kind: Kind::Word(number), .. }, close, ..]
                if open.glued
                    && open.kind == Kind::Open(Bracket::Square)
                    && close.kind == Kind::Close(Bracket::Square) =>
            {
                number.parse().ok()
            }
            _ => None,
        };
        let Some(index) = index else { return What::Variable(name.to_owned()) };
        self.tokens = self.tokens.get(3..).unwrap_or_default();
        What::Item(name.to_owned(), index)
    }

    /// Takes members, indexes and calls after a value. Says whether there were any.
    pub(super) fn selects(&mut self) -> bool {
        let mut any = false;
        while let Some(token) = self.tokens.first() {
            match token.kind {
                Kind::Member(_) | Kind::Static(_) => {
                    self.next();
                }
                Kind::Open(Bracket::Round | Bracket::Square) if token.glued => {
                    self.next();
                    self.inside();
                }
                _ => break,
            }
            any = true;
        }
        any
    }

    /// `[type]value` is the value; `[type]::new(...)` makes what `New-Object` makes.
    pub(super) fn cast(&mut self, open: &Token) -> Term {
        let class = self.inside();
        let class: String = class.tokens.iter().filter_map(|token| class.text.get(token.start..token.end)).collect();
        match self.peek() {
            Some(Kind::Static(member)) if member.eq_ignore_ascii_case("new") => {
                self.next();
                let arguments = if self.peek() == Some(&Kind::Open(Bracket::Round)) {
                    self.next();
                    vec![Argument::Positional(self.inside().whole())]
                } else {
                    Vec::new()
                };
                let class = Term { what: What::Text(vec![Piece::Plain(class)]), raw: String::new(), line: open.line };
                let arguments = std::iter::once(Argument::Positional(class)).chain(arguments).collect();
                let call = Command { name: "New-Object".into(), arguments, line: open.line };
                let what = if self.selects() { What::Other } else { What::Call(call) };
                Term { what, raw: self.raw(open), line: open.line }
            }
            Some(Kind::Static(_)) | None => {
                self.selects();
                Term { what: What::Other, raw: self.raw(open), line: open.line }
            }
            Some(_) => self.term(),
        }
    }

    /// What stands in `@{ }`.
    pub(super) fn table(mut self) -> What {
        let mut entries = Vec::new();
        loop {
            self.skip_lines();
            let Some(token) = self.next() else { return What::Table(entries) };
            let key = match &token.kind {
                Kind::Word(key) => key.clone(),
                Kind::Text(pieces, _) => match pieces.as_slice() {
                    [Piece::Plain(key)] => key.clone(),
                    _ => return What::Other,
                },
                _ => return What::Other,
            };
            if self.next().map(|token| &token.kind) != Some(&Kind::Equals) {
                return What::Other;
            }
            let end = self.tokens.iter().scan(0_usize, |depth, token| {
                match token.kind {
                    Kind::Open(_) => *depth += 1,
                    Kind::Close(_) => *depth = depth.saturating_sub(1),
                    _ => {}
                }
                Some(*depth == 0 && matches!(token.kind, Kind::End(_)))
            });
            let end = end.enumerate().skip_while(|(index, ends)| *index == 0 || !ends).map(|(index, _)| index).next();
            let (value, rest) = self.tokens.split_at(end.unwrap_or(self.tokens.len()));
            self.tokens = rest;
            entries.push((key, Reader::new(self.text, value).whole()));
        }
    }
}
