//! The text of a `scope`, taken apart: statements, guards, and what stands between `&&`.
//!
//! Works on text alone, with comments and the insides of strings blanked out, because the syntax tree forgets
//! parentheses and where an expression ends. Knows no engine: whoever asks says what a piece answers.

use std::ops::Range;

use super::code::Code;

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
    code: Code<'a>,
    parameter: &'a str,
    /// Between the braces.
    body: Range<usize>,
}

impl<'a> Scope<'a> {
    /// Finds it; nothing when the text has none.
    pub(super) fn of(source: &'a str) -> Option<Scope<'a>> {
        let code = Code::of(source);
        let found = code.functions()?.into_iter().find(|function| function.name == "scope")?;
        Some(Scope { parameter: found.parameter, body: found.body, code })
    }

    /// The piece that made the answer false; nothing when none can be told apart.
    pub(super) fn refusing(&self, ask: &mut Ask<'_>) -> Option<Place> {
        self.walk(self.body.clone(), Vec::new(), ask)
    }

    /// All of it.
    pub(super) fn whole(&self) -> Place {
        Place { clause: self.code.trimmed(self.body.clone()), before: Vec::new() }
    }

    /// The rule's text with another body of `scope`: some of its statements, and a piece as the answer.
    pub(super) fn with_body(&self, before: &[Range<usize>], clause: Range<usize>) -> String {
        let mut text = self.code.slice(0..self.body.start).to_owned();
        for statement in before {
            text.push_str(self.code.slice(statement.clone()));
            text.push('\n');
        }
        text.push('(');
        text.push_str(if clause.is_empty() { "true" } else { self.code.slice(clause) });
        text.push_str("\n)");
        text.push_str(self.code.slice(self.body.end..self.code.len()));
        text
    }

    /// The 1-based line of a byte.
    pub(super) fn line(&self, at: usize) -> u32 {
        let breaks = self.code.slice(0..at).matches('\n').count();
        u32::try_from(breaks + 1).unwrap_or(u32::MAX)
    }

    /// A piece in one line, without comments.
    pub(super) fn text(&self, range: Range<usize>) -> String {
        self.code.text(range)
    }

    /// What a piece reads of the object and its context, through variables too; each once.
    pub(super) fn reads(&self, place: &Place) -> Vec<Read> {
        let mut reads = Vec::new();
        self.reads_of(place.clause.clone(), &place.before, &mut reads);
        reads
    }

    /// Goes through statements until one of them gives the answer.
    fn walk(&self, range: Range<usize>, mut before: Vec<Range<usize>>, ask: &mut Ask<'_>) -> Option<Place> {
        let mut at = self.code.skip_blank(range.start);
        let mut guard = None;
        // `false` after guards that were passed: all of them said no.
        let with_guards = |place: Place, guard: Option<usize>| match guard {
            Some(start) if self.code.slice(place.clause.clone()) == "false" => {
                Place { clause: start..place.clause.end, ..place }
            }
            Some(_) | None => place,
        };
        while at < range.end {
            let end = match self.code.word_at(at) {
                "if" => match self.condition(at, &range, &before, ask)? {
                    Answered::Here(place) => return Some(place),
                    Answered::NotYet(end) => {
                        guard.get_or_insert(at);
                        end
                    }
                },
                "for" | "while" | "loop" | "do" | "try" => {
                    let end = self.code.closing(self.code.find_brace(at)?)? + 1;
                    before.push(at..end);
                    if ask(&before, 0..0) == Some(false) {
                        before.pop();
                        return Some(Place { clause: at..end, before });
                    }
                    end
                }
                word => {
                    let end = self.code.statement_end(at, range.end);
                    let ended = self.code.byte(end) == Some(b';') && end < range.end;
                    if word == "return" {
                        return self.decide(at + word.len()..end, before, ask).map(|place| with_guards(place, guard));
                    }
                    if !ended {
                        return self.decide(at..end, before, ask).map(|place| with_guards(place, guard));
                    }
                    before.push(at..end + 1);
                    end + 1
                }
            };
            at = self.code.skip_blank(end);
            if self.code.byte(at) == Some(b';') {
                at = self.code.skip_blank(at + 1);
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
        let brace = self.code.find_brace(at)?;
        let close = self.code.closing(brace)?;
        let condition = self.code.trimmed(at + 2..brace);
        let otherwise = self.code.skip_blank(close + 1);
        let has_else = otherwise < range.end && self.code.word_at(otherwise) == "else";
        let (branch, end) = if has_else {
            let start = self.code.skip_blank(otherwise + 4);
            let end = self.chain_end(start)?;
            let inner = if self.code.byte(start) == Some(b'{') { start + 1..end.saturating_sub(1) } else { start..end };
            (Some(inner), end)
        } else {
            (None, close + 1)
        };
        let holds = ask(before, condition.clone())?;
        let taken = if holds { Some(brace + 1..close) } else { branch };
        let Some(taken) = taken else { return Some(Answered::NotYet(end)) };
        let Some(place) = self.walk(taken, before.to_vec(), ask) else { return Some(Answered::NotYet(end)) };
        // A branch that is just `false` says what the condition decided.
        let decided = self.code.slice(place.clause.clone()) == "false";
        Some(Answered::Here(match (decided, holds) {
            (false, _) => place,
            (true, true) => Place { clause: condition, before: before.to_vec() },
            (true, false) => self.decide(condition, before.to_vec(), ask)?,
        }))
    }

    /// The end of `{ … }` or of another `if` with all its branches.
    fn chain_end(&self, at: usize) -> Option<usize> {
        let close = self.code.closing(self.code.find_brace(at)?)? + 1;
        let next = self.code.skip_blank(close);
        if self.code.byte(at) != Some(b'{') && self.code.word_at(next) == "else" {
            return self.chain_end(self.code.skip_blank(next + 4));
        }
        Some(close)
    }

    /// The first operand of `&&` that is false.
    fn decide(&self, range: Range<usize>, before: Vec<Range<usize>>, ask: &mut Ask<'_>) -> Option<Place> {
        let range = self.unwrapped(self.code.trimmed(range));
        if range.is_empty() {
            return None;
        }
        if self.code.word_at(range.start) == "if" {
            return self.walk(range, before, ask);
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
            match (self.code.byte(at), self.code.byte(at + 1)) {
                (Some(b'('), _) | (Some(b'['), _) | (Some(b'{'), _) => {
                    at = self.code.closing(at).map_or(range.end, |close| close + 1);
                }
                (Some(b'|' | b'^'), _) => return Vec::new(),
                (Some(b'&'), Some(b'&')) => {
                    operands.push(self.code.trimmed(start..at));
                    at += 2;
                    start = at;
                }
                _ => at += 1,
            }
        }
        operands.push(self.code.trimmed(start..range.end));
        operands
    }

    /// A range without parentheses around all of it.
    fn unwrapped(&self, range: Range<usize>) -> Range<usize> {
        let wrapped =
            self.code.byte(range.start) == Some(b'(') && self.code.closing(range.start) == range.end.checked_sub(1);
        if wrapped { self.unwrapped(self.code.trimmed(range.start + 1..range.end - 1)) } else { range }
    }

    fn reads_of(&self, range: Range<usize>, before: &[Range<usize>], reads: &mut Vec<Read>) {
        let mut at = range.start;
        while at < range.end {
            let word = self.code.word_at(at);
            if word.is_empty() {
                at += 1;
                continue;
            }
            let end = at + word.len();
            let is_member = self.code.is_member(at);
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
            let confirmed = self.code.slice(0..at).trim_end().ends_with("imported(");
            let read = Read { name, confirmed };
            if !reads.contains(&read) {
                reads.push(read);
            }
            return;
        }
        let defines = |statement: &&Range<usize>| {
            let start = statement.start;
            let keyword = self.code.word_at(start);
            let name = self.code.skip_blank(start + keyword.len());
            (keyword == "let" || keyword == "const") && self.code.word_at(name) == word
        };
        if let Some(index) = before.iter().rposition(|statement| defines(&statement))
            && let (Some(statement), Some(earlier)) = (before.get(index), before.get(..index))
        {
            let value = self.code.find_byte(statement.start, b'=').unwrap_or(statement.start);
            self.reads_of(value..statement.end, earlier, reads);
        }
    }

    /// The name in `.name`, `?.name` or `["name"]` that follows.
    fn member(&self, at: usize) -> Option<String> {
        let at = if self.code.byte(at) == Some(b'?') { at + 1 } else { at };
        match self.code.byte(at)? {
            b'.' => {
                let start = self.code.skip_blank(at + 1);
                let name = self.code.word_at(start);
                (!name.is_empty()).then(|| name.to_owned())
            }
            b'[' => {
                let text = self.code.slice(at + 1..self.code.closing(at)?).trim();
                Some(text.trim_matches(|quote| quote == '"' || quote == '`').to_owned())
            }
            _ => None,
        }
    }
}

/// Whether a condition led to the answer.
enum Answered {
    Here(Place),
    /// The text goes on here.
    NotYet(usize),
}
