//! JSON text to nodes with lines: the library checks the text and reads its strings, this keeps count of lines. Knows
//! nothing of policies.

use serde_json::Value;

use super::super::tree::{Node, What};

/// The value of a text.
pub(super) fn load(text: &str) -> Result<Node, serde_json::Error> {
    // What follows may rely on it: the text is JSON, and not too deep to go down into.
    serde_json::from_str::<Value>(text)?;
    Ok(Walk { rest: text, line: 1 }.value())
}

struct Walk<'t> {
    rest: &'t str,
    line: usize,
}

impl Walk<'_> {
    /// Goes past white space and the marks between values.
    fn skip(&mut self) {
        while let Some(c) = self.rest.chars().next().filter(|c| c.is_whitespace() || matches!(c, ',' | ':')) {
            self.take(c.len_utf8());
        }
    }

    fn take(&mut self, bytes: usize) -> &str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        self.line += taken.matches('\n').count();
        taken
    }

    fn value(&mut self) -> Node {
        self.skip();
        let line = self.line;
        let what = match self.rest.as_bytes().first() {
            Some(b'{') => What::Table(self.entries()),
            Some(b'[') => What::List(self.items()),
            Some(b'"') => What::Scalar(self.string()),
            Some(_) | None => self.word(),
        };
        Node { what, line, text_line: line }
    }

    fn ends(&mut self, close: char) -> bool {
        self.skip();
        let end = self.rest.is_empty() || self.rest.starts_with(close);
        if end {
            self.take(close.len_utf8());
        }
        end
    }

    fn entries(&mut self) -> Vec<(String, Node)> {
        self.take(1);
        let mut entries = Vec::new();
        while !self.ends('}') {
            let key = self.string();
            entries.push((key, self.value()));
        }
        entries
    }

    fn items(&mut self) -> Vec<Node> {
        self.take(1);
        let mut items = Vec::new();
        while !self.ends(']') {
            items.push(self.value());
        }
        items
    }

    fn string(&mut self) -> String {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        });
        let bytes = end.map_or(self.rest.len(), |(at, _)| at + 1);
        serde_json::from_str(self.take(bytes.max(1))).unwrap_or_default()
    }

    /// A number, a truth or null.
    fn word(&mut self) -> What {
        let end = self.rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}'));
        match self.take(end.unwrap_or(self.rest.len())) {
            "null" => What::Null,
            word => What::Scalar(word.to_owned()),
        }
    }
}
