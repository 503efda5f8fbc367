//! PowerShell of the rule editor: the commands that make rules, read as text. Knows neither other formats nor what becomes
//! of a rule, and never runs anything: what only a run would tell is replaced by a placeholder, with a remark.

use std::collections::BTreeSet;
use std::path::Path;

use super::draft::{Draft, unreadable};
use super::export::{Export, Format, Rule, Unreadable};

mod arguments;
mod commands;
mod conditions;
mod script;
mod statements;
mod terms;
#[cfg(test)]
mod tests;
mod texts;
mod tokens;
mod values;

/// What of a script has been read so far.
struct Script<'a> {
    draft: Draft<'a>,
    variables: values::Variables,
    /// The rule that conditions and flows go to: the one that was made last.
    current: Option<Rule>,
    /// How many rules have been made.
    made: usize,
    /// Commands that are not read, and how many there are.
    others: BTreeSet<String>,
    other_count: usize,
    first_other: Option<usize>,
}

/// Reads the rules of a script. Nothing where it makes none.
pub(super) fn read_text(text: &str, file: &Path) -> Result<Option<Export>, Unreadable> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    if !text.to_lowercase().contains("adsyncrule") {
        return Ok(None);
    }
    let broken = |broken: tokens::Broken| unreadable(file, broken.line, broken.message, broken.hint);
    let (tokens, oddities) = tokens::tokens(&text).map_err(broken)?;
    let wanted: Vec<usize> = tokens.iter().filter(|token| makes_rule(&token.kind)).map(|token| token.line).collect();
    let Some(first) = wanted.first() else { return Ok(None) };
    let parts = statements::parts(tokens).map_err(broken)?;
    let mut script = Script {
        draft: Draft::new(Format::PowerShell, file),
        variables: values::Variables::default(),
        current: None,
        made: 0,
        others: BTreeSet::new(),
        other_count: 0,
        first_other: None,
    };
    if let Some(line) = oddities.quotes {
        script.draft.remark(line, "typographic quotes are read as plain ones");
    }
    if let Some(line) = oddities.dashes {
        script.draft.remark(line, "typographic dashes before parameters are read as plain ones");
    }
    script.read(&text, &parts);
    script.finish(wanted.len(), *first);
    Ok(Some(script.draft.finish()))
}

fn makes_rule(kind: &tokens::Kind) -> bool {
    matches!(kind, tokens::Kind::Word(word) if word.eq_ignore_ascii_case(commands::NEW_RULE))
}

impl Script<'_> {
    fn finish(&mut self, wanted: usize, first: usize) {
        if let Some(rule) = self.current.take() {
            self.draft.keep(rule);
        }
        if wanted > self.made {
            let left = wanted - self.made;
            let text = format!("`{}` stands where it cannot be read, {left} in all", commands::NEW_RULE);
            self.draft.remark(first, text);
        }
        if let Some(line) = self.first_other {
            let names: Vec<String> = self.others.iter().map(|name| format!("`{name}`")).collect();
            let text =
                format!("commands of other kinds, {} in all, are not read: {}", self.other_count, names.join(", "));
            self.draft.remark(line, text);
        }
    }
}
