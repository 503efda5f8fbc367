//! `syncline explain E210`: what a code means.

use super::output::{print, print_json};
use super::{Exit, Format};
use crate::diagnostic::codes::{CODES, Explanation, explain};
use crate::diagnostic::did_you_mean;
use crate::run::RunError;

/// Whether a word looks like a code.
pub(super) fn is_code(word: &str) -> bool {
    let mut characters = word.chars();
    let letter = characters.next().is_some_and(|letter| matches!(letter, 'E' | 'W' | 'e' | 'w'));
    letter && word.len() == 4 && characters.all(|character| character.is_ascii_digit())
}

pub(super) fn run(code: &str, format: Format) -> Result<Exit, RunError> {
    let Some(found) = explain(code) else {
        let hint = did_you_mean(code, CODES.iter().map(|known| known.code)).map(|hint| format!("; {hint}"));
        return Err(RunError::Unknown(format!("there is no code `{code}`{}", hint.unwrap_or_default())));
    };
    let Explanation { code, title, meaning, wrong, right } = found;
    if format == Format::Json {
        print_json(&serde_json::json!({
            "code": code, "title": title, "meaning": meaning, "wrong": wrong, "right": right,
        }));
        return Ok(Exit::Success);
    }
    print(&format!("{code}: {title}\n\n{meaning}"));
    for (mark, example) in [("✗", wrong), ("✓", right)] {
        if let Some(example) = example {
            let lines: Vec<String> = example.lines().map(|line| format!("  {mark} {line}")).collect();
            print(&format!("\n{}", lines.join("\n")));
        }
    }
    Ok(Exit::Success)
}
