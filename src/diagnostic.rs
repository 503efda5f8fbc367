//! Diagnostics: what is wrong in a rule or in the configuration, where, and what to do about it.
//!
//! One data type and its one renderer. Knows nothing about rules or TOML.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

pub mod codes;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look; nothing is refused.
    Warning,
    /// The file is refused.
    Error,
}

/// The text a diagnostic points into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// The path as the user knows it.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

/// One finding about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// `E210`, `W114`: never changes its meaning.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence, lower case, no full stop, user input in backticks.
    pub message: String,
    /// The file, where there is one.
    pub source: Option<Arc<SourceText>>,
    /// Bytes of the text that the caret marks.
    pub range: Range<usize>,
    /// What was seen, a sentence each.
    pub notes: Vec<String>,
    /// Advice.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error that belongs to no place in a file.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Diagnostic {
            code,
            severity: Severity::Error,
            message,
            source: None,
            range: 0..0,
            notes: Vec::new(),
            hint: None,
        }
    }

    /// A warning that belongs to no place in a file.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, message) }
    }

    /// Points at bytes of a text. The range is cut to the text.
    pub fn at(mut self, source: &Arc<SourceText>, range: Range<usize>) -> Self {
        let floor = |mut at: usize| {
            at = at.min(source.text.len());
            while !source.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(range.start);
        self.range = start..floor(range.end).max(start);
        self.source = Some(Arc::clone(source));
        self
    }

    /// Adds something that was seen.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds advice.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The 1-based line and column (in characters) where it points, if it points anywhere.
    pub fn line_and_column(&self) -> Option<(usize, usize)> {
        let before = self.source.as_ref()?.text.get(..self.range.start)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Some((before.matches('\n').count() + 1, before.get(line_start..)?.chars().count() + 1))
    }

    /// Draws it as rustc would, with or without colour. Ends without a line break.
    pub fn render(&self, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let path = self.source.as_ref().map(|source| source.path.display().to_string());
        let mut group = Group::with_title(level.primary_title(&self.message).id(self.code));
        if let (Some(source), Some(path)) = (&self.source, &path) {
            let snippet = Snippet::source(&source.text).path(path.as_str());
            group = group.element(snippet.annotation(AnnotationKind::Primary.span(self.range.clone())));
        }
        for note in &self.notes {
            group = group.element(Level::NOTE.message(note));
        }
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.with_name("hint").message(hint));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }

    /// The same content for machines.
    pub fn to_json(&self) -> serde_json::Value {
        let place = self.line_and_column();
        let mut json = serde_json::json!({
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "file": self.source.as_ref().map(|source| source.path.display().to_string()),
            "line": place.map(|(line, _)| line),
            "column": place.map(|(_, column)| column),
            "hint": self.hint,
        });
        if let (false, Some(map)) = (self.notes.is_empty(), json.as_object_mut()) {
            map.insert("notes".into(), self.notes.clone().into());
        }
        json
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// The bytes of a 1-based line and column (in characters): the word that stands there, at least one character.
pub fn word_at(text: &str, line: usize, column: usize) -> Range<usize> {
    let Some(line_start) = line_start(text, line) else { return text.len()..text.len() };
    let rest = text.get(line_start..).unwrap_or_default();
    let line_text = rest.split('\n').next().unwrap_or_default();
    let start = line_text.char_indices().nth(column.saturating_sub(1)).map_or(line_text.len(), |(at, _)| at);
    let word = line_text.get(start..).unwrap_or_default();
    let word_length = word.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(word.len());
    let length = if word_length == 0 { word.chars().next().map_or(0, char::len_utf8) } else { word_length };
    line_start + start..line_start + start + length
}

/// The nearest of several names, as a hint.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let folded = name.to_lowercase();
    let distance = |candidate: &&str| strsim::damerau_levenshtein(&folded, &candidate.to_lowercase());
    let best = known.into_iter().min_by_key(distance)?;
    (distance(&best) <= 1 + name.len() / 5).then(|| format!("did you mean `{best}`?"))
}

fn line_start(text: &str, line: usize) -> Option<usize> {
    if line <= 1 {
        return Some(0);
    }
    text.match_indices('\n').nth(line - 2).map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn points_with_a_caret() {
        let source = Arc::new(SourceText { path: "rules/a.rhai".into(), text: "one\ntwo three\n".into() });
        let range = word_at(&source.text, 2, 5);
        let diagnostic = Diagnostic::error("E210", "attribute `three` is not in the schema")
            .at(&source, range)
            .hint("did you mean `tree`?");
        expect![[r#"
            error[E210]: attribute `three` is not in the schema
             --> rules/a.rhai:2:5
              |
            2 | two three
              |     ^^^^^
              |
              = hint: did you mean `tree`?"#]]
        .assert_eq(&diagnostic.render(false));
        assert_eq!(diagnostic.line_and_column(), Some((2, 5)));
    }

    #[test]
    fn a_place_outside_the_text_is_its_end() {
        assert_eq!(word_at("ab", 9, 9), 2..2);
        assert_eq!(word_at("äb", 1, 2), 2..3);
    }
}
