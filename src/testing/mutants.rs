//! Mutants: rules with one thing changed or left out. A mutant that no test notices shows what is not tested.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::diagnostic::{Diagnostic, SourceText};
use crate::rules::{Rule, RuleSet, Schemas, Settings};
use crate::value::AttributeName;

/// What is changed into what, outside of comments and texts.
const CHANGES: [(&str, &str); 12] = [
    (" == ", " != "),
    (" != ", " == "),
    (" && ", " || "),
    (" || ", " && "),
    (" ?? ", " + () ?? "),
    ("!is_", "is_"),
    ("!starts_with", "starts_with"),
    ("!contains", "contains"),
    ("!has_flag", "has_flag"),
    ("!(", "("),
    ("true", "false"),
    ("false", "true"),
];

/// A changed rule, and whether some test noticed.
#[derive(Clone, Debug, Serialize)]
pub struct Mutant {
    /// The rule.
    pub rule: String,
    /// The line, 1-based.
    pub line: usize,
    /// What stood there.
    pub before: String,
    /// What stood there instead.
    pub after: String,
    /// A test failed with it.
    pub killed: bool,
}

/// Makes every mutant of the rules and runs the tests on it until one fails. What does not compile is no mutant.
///
/// # Errors
/// What is wrong with the test files.
pub fn run(
    rules: &RuleSet,
    schemas: &Schemas,
    settings: &Settings,
    folder: &Path,
) -> Result<Vec<Mutant>, Vec<Diagnostic>> {
    let tests = super::read(rules, schemas, folder)?;
    let mut mutants = changed(rules, schemas, settings);
    mutants.extend(left_out(rules));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let chunk = mutants.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for chunk in mutants.chunks_mut(chunk) {
            scope.spawn(|| {
                chunk.iter_mut().for_each(|(mutant, set)| mutant.killed = super::any_fails(set, schemas, &tests))
            });
        }
    });
    Ok(mutants.into_iter().map(|(mutant, _)| mutant).collect())
}

/// Rules in which an operator, a negation or a flag is another.
fn changed(rules: &RuleSet, schemas: &Schemas, settings: &Settings) -> Vec<(Mutant, RuleSet)> {
    let sources: Vec<Arc<SourceText>> = rules.sources().cloned().collect();
    let mut mutants = Vec::new();
    for (at, source) in sources.iter().enumerate().filter(|(_, source)| is_script(source)) {
        for (range, after) in places(&source.text) {
            let mut text = source.text.clone();
            text.replace_range(range.clone(), after);
            let mut changed: Vec<SourceText> = sources.iter().map(|source| SourceText::clone(source)).collect();
            if let Some(one) = changed.get_mut(at) {
                one.text = text;
            }
            let Ok((set, _)) = RuleSet::compile(changed, settings.clone()) else { continue };
            let before = source.text.get(range.clone()).unwrap_or_default().trim().to_owned();
            let line = source.text.get(..range.start).unwrap_or_default().matches('\n').count() + 1;
            let rule = source.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let mutant = Mutant { rule, line, before, after: after.trim().to_owned(), killed: false };
            mutants.push((mutant, set.fitted(schemas)));
        }
    }
    mutants
}

fn is_script(source: &SourceText) -> bool {
    source.path.extension().is_some_and(|extension| extension == "rhai")
}

/// Rules that write one attribute less.
fn left_out(rules: &RuleSet) -> Vec<(Mutant, RuleSet)> {
    let writes = rules.rules().iter().flat_map(|rule| rule.footprint.writes.iter().map(move |write| (rule, write)));
    let mutant = |(rule, (attribute, line)): (&Rule, (&AttributeName, &u32))| {
        let mutant = Mutant {
            rule: rule.name.clone(),
            line: usize::try_from(*line).unwrap_or(0),
            before: attribute.to_string(),
            after: "(left out)".into(),
            killed: false,
        };
        (mutant, rules.muting(&rule.name, attribute))
    };
    writes.map(mutant).collect()
}

/// Where something can be changed, below the header.
fn places(text: &str) -> Vec<(std::ops::Range<usize>, &'static str)> {
    let start = text.find("\nfn ").unwrap_or(text.len());
    let code = mask(text);
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.');
    let mut places = Vec::new();
    for (from, to) in CHANGES {
        for (at, _) in code.match_indices(from).filter(|(at, _)| *at >= start) {
            let end = at + from.len();
            let word = from.chars().all(char::is_alphabetic);
            let before = code.get(..at).and_then(|before| before.chars().next_back());
            let after = code.get(end..).and_then(|after| after.chars().next());
            if !(word && (is_part(before) || is_part(after))) {
                places.push((at..end, to));
            }
        }
    }
    places.sort_by_key(|(range, _)| range.start);
    places
}

/// The text with comments and the insides of texts blanked, byte for byte.
fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let (mut quoted, mut comment, mut escaped) = (false, false, false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        comment |= !quoted && c == '/' && rest.peek() == Some(&'/');
        comment &= c != '\n';
        let inside = comment || (quoted && c != '"');
        if c == '"' && !comment && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && c == '\\' && !escaped;
        if inside && c != '\n' {
            masked.extend(std::iter::repeat_n(' ', c.len_utf8()));
        } else {
            masked.push(c);
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_are_left_alone() {
        let text = "// a == b\nfn scope(u) { u.a == \"x == \\\" == y\" && true } // true\n";
        let found: Vec<&str> = places(text).into_iter().filter_map(|(range, _)| text.get(range)).collect();
        assert_eq!(found, [" == ", " && ", "true"]);
    }
}
