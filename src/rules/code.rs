//! The text of a rule with comments and the insides of strings blanked out: where words, brackets and statements are.
//!
//! The syntax tree forgets parentheses and where an expression ends; who must know that looks here.

use std::ops::Range;

/// Stands for the inside of a string.
const INSIDE: u8 = 1;

/// A text, and what of it is code.
pub(super) struct Code<'a> {
    source: &'a str,
    /// As `source`, byte by byte, with blanks for comments and 1 for what strings hold.
    mask: Vec<u8>,
}

/// A function in a text.
pub(super) struct FunctionText<'a> {
    pub(super) name: &'a str,
    /// Its first parameter; empty where it has none.
    pub(super) parameter: &'a str,
    /// From `fn` on.
    pub(super) whole: Range<usize>,
    /// Between the braces.
    pub(super) body: Range<usize>,
}

impl<'a> Code<'a> {
    pub(super) fn of(source: &'a str) -> Code<'a> {
        Code { source, mask: mask(source) }
    }

    pub(super) fn len(&self) -> usize {
        self.source.len()
    }

    /// The functions, in the order of the text; nothing when the brackets do not fit.
    pub(super) fn functions(&self) -> Option<Vec<FunctionText<'a>>> {
        let mut functions = Vec::new();
        let mut at = 0;
        while let Some(start) = self.find_word(at, "fn") {
            let place = self.skip_blank(start + 2);
            let name = self.word_at(place);
            let open = self.find_byte(place, b'(')?;
            let first = self.skip_blank(open + 1);
            let brace = self.find_byte(self.closing(open)?, b'{')?;
            let end = self.closing(brace)?;
            let parameter = self.word_at(first);
            functions.push(FunctionText { name, parameter, whole: start..end + 1, body: brace + 1..end });
            at = end + 1;
        }
        Some(functions)
    }

    /// Whether what begins here follows a dot.
    pub(super) fn is_member(&self, at: usize) -> bool {
        self.mask.get(..at).is_some_and(|before| before.ends_with(b"."))
    }

    /// A piece in one line, without comments.
    pub(super) fn text(&self, range: Range<usize>) -> String {
        let mut text = String::new();
        for (at, letter) in self.slice(range.clone()).char_indices() {
            let blank = self.mask.get(range.start + at).is_some_and(u8::is_ascii_whitespace);
            if !blank {
                text.push(letter);
            } else if !text.ends_with(' ') {
                text.push(' ');
            }
        }
        text.trim().to_owned()
    }

    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.mask.get(at).copied()
    }

    pub(super) fn slice(&self, range: Range<usize>) -> &'a str {
        self.source.get(range).unwrap_or_default()
    }

    /// The word that begins here; nothing inside of one.
    pub(super) fn word_at(&self, at: usize) -> &'a str {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let inside = at.checked_sub(1).and_then(|before| self.mask.get(before)).is_some_and(is_part);
        if inside {
            return "";
        }
        let rest = self.mask.get(at..).unwrap_or_default();
        let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        self.slice(at..at + length)
    }

    pub(super) fn skip_blank(&self, at: usize) -> usize {
        let rest = self.mask.get(at..).unwrap_or_default();
        at + rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len())
    }

    pub(super) fn trimmed(&self, range: Range<usize>) -> Range<usize> {
        let start = self.skip_blank(range.start).min(range.end);
        let rest = self.mask.get(start..range.end).unwrap_or_default();
        let length = rest.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |last| last + 1);
        start..start + length
    }

    pub(super) fn find_byte(&self, at: usize, byte: u8) -> Option<usize> {
        self.mask.get(at..)?.iter().position(|candidate| *candidate == byte).map(|found| at + found)
    }

    pub(super) fn find_word(&self, mut at: usize, word: &str) -> Option<usize> {
        while at < self.mask.len() {
            if self.word_at(at) == word {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    /// The next `{` of a block: not that of a map, nor one in brackets.
    pub(super) fn find_brace(&self, mut at: usize) -> Option<usize> {
        loop {
            match self.byte(at)? {
                b'(' | b'[' => at = self.closing(at)? + 1,
                b'#' if self.byte(at + 1) == Some(b'{') => at = self.closing(at + 1)? + 1,
                b'{' => return Some(at),
                _ => at += 1,
            }
        }
    }

    /// The next `;` outside of brackets, or the end.
    pub(super) fn statement_end(&self, mut at: usize, end: usize) -> usize {
        while at < end {
            match self.byte(at) {
                Some(b';') => return at,
                Some(b'(' | b'[' | b'{') => at = self.closing(at).map_or(end, |close| close + 1),
                _ => at += 1,
            }
        }
        end
    }

    /// The next `,` outside of brackets, or the end.
    pub(super) fn comma(&self, mut at: usize, end: usize) -> usize {
        while at < end && self.byte(at) != Some(b',') {
            let open = matches!(self.byte(at), Some(b'(' | b'[' | b'{'));
            at = if open { self.closing(at).map_or(end, |close| close + 1) } else { at + 1 };
        }
        at.min(end)
    }

    /// The bracket that closes the one here.
    pub(super) fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (at, byte) in self.mask.iter().enumerate().skip(open) {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// Blanks for comments, [`INSIDE`] for what strings hold and for what is not ASCII; line breaks stay.
fn mask(source: &str) -> Vec<u8> {
    let bytes = source.as_bytes();
    let mut mask = Vec::with_capacity(bytes.len());
    let byte = |at: usize| bytes.get(at).copied();
    let mut at = 0;
    while let Some(letter) = byte(at) {
        let end = match (letter, byte(at + 1)) {
            (b'/', Some(b'/')) => end_of_line(bytes, at),
            (b'/', Some(b'*')) => end_of_block(bytes, at),
            (b'"' | b'\'' | b'`', _) => end_of_string(bytes, at),
            _ => at + 1,
        };
        let comment = letter == b'/' && end > at + 1;
        for place in at..end {
            let Some(original) = byte(place) else { break };
            let quote = place == at || place + 1 == end;
            mask.push(match original {
                b'\n' if comment || end == at + 1 => b'\n',
                _ if comment => b' ',
                original if end == at + 1 && original.is_ascii() => original,
                _ if end == at + 1 => INSIDE,
                original if quote => original,
                _ => INSIDE,
            });
        }
        at = end;
    }
    mask
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

/// Block comments nest.
fn end_of_block(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0_usize;
    let mut place = at;
    while place < bytes.len() {
        match (bytes.get(place), bytes.get(place + 1)) {
            (Some(b'/'), Some(b'*')) => (depth, place) = (depth + 1, place + 2),
            (Some(b'*'), Some(b'/')) => {
                (depth, place) = (depth.saturating_sub(1), place + 2);
                if depth == 0 {
                    return place;
                }
            }
            _ => place += 1,
        }
    }
    bytes.len()
}

fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let Some(quote) = bytes.get(at).copied() else { return at + 1 };
    let mut place = at + 1;
    while let Some(byte) = bytes.get(place).copied() {
        match (byte, bytes.get(place + 1)) {
            (b'\\', _) if quote != b'`' => place += 2,
            (b'$', Some(b'{')) if quote == b'`' => place = end_of_code(bytes, place + 2),
            (byte, _) if byte == quote => return place + 1,
            _ => place += 1,
        }
    }
    bytes.len()
}

/// The end of the code that a text is made of, `${…}`: behind its closing brace.
fn end_of_code(bytes: &[u8], at: usize) -> usize {
    let mut depth = 1_usize;
    let mut place = at;
    while let Some(byte) = bytes.get(place).copied() {
        match (byte, bytes.get(place + 1)) {
            (b'/', Some(b'/')) => place = end_of_line(bytes, place),
            (b'/', Some(b'*')) => place = end_of_block(bytes, place),
            (b'"' | b'\'' | b'`', _) => place = end_of_string(bytes, place),
            (b'{', _) => (depth, place) = (depth + 1, place + 1),
            (b'}', _) if depth == 1 => return place + 1,
            (b'}', _) => (depth, place) = (depth - 1, place + 1),
            _ => place += 1,
        }
    }
    bytes.len()
}
