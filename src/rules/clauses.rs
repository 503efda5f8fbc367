//! The text of a `scope`, taken apart: statements, guards, and what stands between `&&`.
//!
//! Works on text alone, with comments and the insides of strings blanked out, because the syntax tree forgets
//! parentheses and where an expression ends. Knows no engine: whoever asks says what a piece answers.

use std::ops::Range;

/// A piece of a `scope`, and the statements that ran before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) clause: Range<usize>,
    before: Vec<Range<usize>>,
}

/// Something that a piece of text reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// An attribute, or `source.dn`.
    pub(super) name: String,
    /// Whether it stands in `imported(…)`.
    pub(super) confirmed: bool,
}

/// What a piece answers after some statements; nothing when it fails.
pub(super) type Ask<'a> = dyn FnMut(&[Range<usize>], Range<usize>) -> Option<bool> + 'a;

/// The `scope` function of a rule's text.
pub(super) struct Scope<'a> {
    source: &'a str,
    /// As `source`, byte by byte, with blanks for comments and 1 for what strings hold.
    mask: Vec<u8>,
    parameter: &'a str,
    /// Between the braces.
    body: Range<usize>,
}

/// Stands for the inside of a string.
const INSIDE: u8 = 1;

impl<'a> Scope<'a> {
    /// Finds it; nothing when the text has none.
    pub(super) fn of(source: &'a str) -> Option<Scope<'a>> {
        let mut scope = Scope { source, mask: mask(source), parameter: "", body: 0..0 };
        let mut at = 0;
        loop {
            at = scope.find_word(at, "fn")? + 2;
            let name = scope.skip_blank(at);
            if scope.word_at(name) == "scope" {
                at = name + "scope".len();
                break;
            }
        }
        let open = scope.find_byte(at, b'(')?;
        let parameter = scope.skip_blank(open + 1);
        scope.parameter = source.get(parameter..parameter + scope.word_at(parameter).len())?;
        let brace = scope.find_byte(scope.closing(open)?, b'{')?;
        scope.body = brace + 1..scope.closing(brace)?;
        Some(scope)
    }

    /// The piece that made the answer false; nothing when none can be told apart.
    pub(super) fn refusing(&self, ask: &mut Ask<'_>) -> Option<Place> {
        self.walk(self.body.clone(), Vec::new(), ask)
    }

    /// All of it.
    pub(super) fn whole(&self) -> Place {
        Place { clause: self.trimmed(self.body.clone()), before: Vec::new() }
    }

    /// The rule's text with another body of `scope`: some of its statements, and a piece as the answer.
    pub(super) fn with_body(&self, before: &[Range<usize>], clause: Range<usize>) -> String {
        let mut text = self.slice(0..self.body.start).to_owned();
        for statement in before {
            text.push_str(self.slice(statement.clone()));
            text.push('\n');
        }
        text.push('(');
        text.push_str(if clause.is_empty() { "true" } else { self.slice(clause) });
        text.push_str("\n)");
        text.push_str(self.slice(self.body.end..self.source.len()));
        text
    }

    /// The 1-based line of a byte.
    pub(super) fn line(&self, at: usize) -> u32 {
        let breaks = self.slice(0..at).matches('\n').count();
        u32::try_from(breaks + 1).unwrap_or(u32::MAX)
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

    /// What a piece reads of the object and its context, through variables too; each once.
    pub(super) fn reads(&self, place: &Place) -> Vec<Read> {
        let mut reads = Vec::new();
        self.reads_of(place.clause.clone(), &place.before, &mut reads);
        reads
    }

    /// Goes through statements until one of them gives the answer.
    fn walk(&self, range: Range<usize>, mut before: Vec<Range<usize>>, ask: &mut Ask<'_>) -> Option<Place> {
        let mut at = self.skip_blank(range.start);
        while at < range.end {
            let end = match self.word_at(at) {
                "if" => match self.condition(at, &range, &before, ask)? {
                    Answered::Here(place) => return Some(place),
                    Answered::NotYet(end) => end,
                },
                "for" | "while" | "loop" | "do" | "try" => {
                    let end = self.closing(self.find_brace(at)?)? + 1;
                    before.push(at..end);
                    if ask(&before, 0..0) == Some(false) {
                        before.pop();
                        return Some(Place { clause: at..end, before });
                    }
                    end
                }
                word => {
                    let end = self.statement_end(at, range.end);
                    let ended = self.byte(end) == Some(b';') && end < range.end;
                    if word == "return" {
                        return self.decide(at + word.len()..end, before, ask);
                    }
                    if !ended {
                        return self.decide(at..end, before, ask);
                    }
                    before.push(at..end + 1);
                    end + 1
                }
            };
            at = self.skip_blank(end);
            if self.byte(at) == Some(b';') {
                at = self.skip_blank(at + 1);
            }
        }
        None
    }

    /// `if … { … } else …`: the branch that is taken, if it answers.
    fn condition(
        &self,
        at: usize,
        range: &Range<usize>,
        before: &[Range<usize>],
        ask: &mut Ask<'_>,
    ) -> Option<Answered> {
        let brace = self.find_brace(at)?;
        let close = self.closing(brace)?;
        let condition = self.trimmed(at + 2..brace);
        let otherwise = self.skip_blank(close + 1);
        let has_else = otherwise < range.end && self.word_at(otherwise) == "else";
        let (branch, end) = if has_else {
            let start = self.skip_blank(otherwise + 4);
            let end = self.chain_end(start)?;
            let inner = if self.byte(start) == Some(b'{') { start + 1..end.saturating_sub(1) } else { start..end };
            (Some(inner), end)
        } else {
            (None, close + 1)
        };
        let holds = ask(before, condition.clone())?;
        let taken = if holds { Some(brace + 1..close) } else { branch };
        let Some(taken) = taken else { return Some(Answered::NotYet(end)) };
        let Some(place) = self.walk(taken, before.to_vec(), ask) else { return Some(Answered::NotYet(end)) };
        Some(Answered::Here(if self.slice(place.clause.clone()) == "false" {
            // The branch only says what the condition decided.
            Place { clause: condition, before: before.to_vec() }
        } else {
            place
        }))
    }

    /// The end of `{ … }` or of another `if` with all its branches.
    fn chain_end(&self, at: usize) -> Option<usize> {
        let close = self.closing(self.find_brace(at)?)? + 1;
        let next = self.skip_blank(close);
        if self.byte(at) != Some(b'{') && self.word_at(next) == "else" {
            return self.chain_end(self.skip_blank(next + 4));
        }
        Some(close)
    }

    /// The first operand of `&&` that is false.
    fn decide(&self, range: Range<usize>, before: Vec<Range<usize>>, ask: &mut Ask<'_>) -> Option<Place> {
        let range = self.unwrapped(self.trimmed(range));
        if range.is_empty() {
            return None;
        }
        let operands = self.operands(range.clone());
        if operands.len() < 2 {
            let answer = ask(&before, range.clone());
            return (answer == Some(false)).then_some(Place { clause: range, before });
        }
        for operand in operands {
            match ask(&before, operand.clone()) {
                Some(true) => {}
                Some(false) => return self.decide(operand, before, ask),
                None => return None,
            }
        }
        None
    }

    /// What stands between `&&`, unless something that binds less tightly is there.
    fn operands(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let mut operands = Vec::new();
        let mut start = range.start;
        let mut at = range.start;
        while at < range.end {
            match (self.byte(at), self.byte(at + 1)) {
                (Some(b'('), _) | (Some(b'['), _) | (Some(b'{'), _) => {
                    at = self.closing(at).map_or(range.end, |close| close + 1);
                }
                (Some(b'|' | b'^'), _) => return Vec::new(),
                (Some(b'&'), Some(b'&')) => {
                    operands.push(self.trimmed(start..at));
                    at += 2;
                    start = at;
                }
                _ => at += 1,
            }
        }
        operands.push(self.trimmed(start..range.end));
        operands
    }

    /// A range without parentheses around all of it.
    fn unwrapped(&self, range: Range<usize>) -> Range<usize> {
        let wrapped = self.byte(range.start) == Some(b'(') && self.closing(range.start) == range.end.checked_sub(1);
        if wrapped { self.unwrapped(self.trimmed(range.start + 1..range.end - 1)) } else { range }
    }

    fn reads_of(&self, range: Range<usize>, before: &[Range<usize>], reads: &mut Vec<Read>) {
        let mut at = range.start;
        while at < range.end {
            let word = self.word_at(at);
            if word.is_empty() {
                at += 1;
                continue;
            }
            let end = at + word.len();
            let is_member = self.mask.get(..at).is_some_and(|before| before.ends_with(b"."));
            if !is_member {
                self.read_of(word, at, before, reads);
            }
            at = end;
        }
    }

    /// What one word stands for: the object, its context, or a variable of before.
    fn read_of(&self, word: &str, at: usize, before: &[Range<usize>], reads: &mut Vec<Read>) {
        let end = at + word.len();
        let context = if word == self.parameter { "" } else { word };
        if word == self.parameter || word == "source" || word == "target" {
            let Some(name) = self.member(end) else { return };
            let name = if context.is_empty() { name } else { format!("{context}.{name}") };
            let confirmed = self.slice(0..at).trim_end().ends_with("imported(");
            let read = Read { name, confirmed };
            if !reads.contains(&read) {
                reads.push(read);
            }
            return;
        }
        let defines = |statement: &&Range<usize>| {
            let start = statement.start;
            let keyword = self.word_at(start);
            let name = self.skip_blank(start + keyword.len());
            (keyword == "let" || keyword == "const") && self.word_at(name) == word
        };
        if let Some(index) = before.iter().rposition(|statement| defines(&statement))
            && let (Some(statement), Some(earlier)) = (before.get(index), before.get(..index))
        {
            let value = self.find_byte(statement.start, b'=').unwrap_or(statement.start);
            self.reads_of(value..statement.end, earlier, reads);
        }
    }

    /// The name in `.name`, `?.name` or `["name"]` that follows.
    fn member(&self, at: usize) -> Option<String> {
        let at = if self.byte(at) == Some(b'?') { at + 1 } else { at };
        match self.byte(at)? {
            b'.' => {
                let start = self.skip_blank(at + 1);
                let name = self.word_at(start);
                (!name.is_empty()).then(|| name.to_owned())
            }
            b'[' => {
                let text = self.slice(at + 1..self.closing(at)?).trim();
                Some(text.trim_matches(|quote| quote == '"' || quote == '`').to_owned())
            }
            _ => None,
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.mask.get(at).copied()
    }

    fn slice(&self, range: Range<usize>) -> &'a str {
        self.source.get(range).unwrap_or_default()
    }

    /// The word that begins here; nothing inside of one.
    fn word_at(&self, at: usize) -> &'a str {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let inside = at.checked_sub(1).and_then(|before| self.mask.get(before)).is_some_and(|byte| is_part(byte));
        if inside {
            return "";
        }
        let rest = self.mask.get(at..).unwrap_or_default();
        let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        self.slice(at..at + length)
    }

    fn skip_blank(&self, at: usize) -> usize {
        let rest = self.mask.get(at..).unwrap_or_default();
        at + rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len())
    }

    fn trimmed(&self, range: Range<usize>) -> Range<usize> {
        let start = self.skip_blank(range.start).min(range.end);
        let rest = self.mask.get(start..range.end).unwrap_or_default();
        let length = rest.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |last| last + 1);
        start..start + length
    }

    fn find_byte(&self, at: usize, byte: u8) -> Option<usize> {
        self.mask.get(at..)?.iter().position(|candidate| *candidate == byte).map(|found| at + found)
    }

    fn find_word(&self, mut at: usize, word: &str) -> Option<usize> {
        while at < self.mask.len() {
            if self.word_at(at) == word {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    /// The next `{` of a block: not that of a map, nor one in brackets.
    fn find_brace(&self, mut at: usize) -> Option<usize> {
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
    fn statement_end(&self, mut at: usize, end: usize) -> usize {
        while at < end {
            match self.byte(at) {
                Some(b';') => return at,
                Some(b'(' | b'[' | b'{') => at = self.closing(at).map_or(end, |close| close + 1),
                _ => at += 1,
            }
        }
        end
    }

    /// The bracket that closes the one here.
    fn closing(&self, open: usize) -> Option<usize> {
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

/// Whether a condition led to the answer.
enum Answered {
    Here(Place),
    /// The text goes on here.
    NotYet(usize),
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
        match byte {
            b'\\' if quote != b'`' => place += 2,
            byte if byte == quote => return place + 1,
            _ => place += 1,
        }
    }
    bytes.len()
}
