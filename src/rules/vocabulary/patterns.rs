//! Regular expressions, of the crate `regex`: they cannot go on for ever. A pattern is compiled once for each thread.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::Regex;
use rhai::Dynamic;

use super::shape::{Outcome, each_text, fail, text, text_of};
use super::{Function, Group};

/// A pattern may not become a larger automaton than this, in bytes.
const SIZE: usize = 1 << 20;
/// How many patterns a thread keeps.
const KEPT: usize = 256;

thread_local! {
    static PATTERNS: RefCell<HashMap<String, Regex>> = RefCell::new(HashMap::new());
}

fn compiled(pattern: &str) -> Outcome<Regex> {
    PATTERNS.with_borrow_mut(|patterns| {
        if let Some(known) = patterns.get(pattern) {
            return Ok(known.clone());
        }
        let built = regex::RegexBuilder::new(pattern).size_limit(SIZE).build();
        let regex = built.map_err(|error| fail(format!("`{pattern}` is not a pattern: {}", last_line(&error))))?;
        if patterns.len() >= KEPT {
            patterns.clear();
        }
        patterns.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    })
}

/// The reason; before it stands the pattern once more.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or(&text).trim_start_matches("error: ").to_owned()
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "matches",
        group: Group::Patterns,
        signature: "matches(text, pattern) -> true or false",
        doc: "Whether a regular expression fits somewhere in a text; heeds letter case unless it begins with `(?i)`.",
        examples: &[
            (r#"matches("SVC-17", "^SVC-[0-9]+$")"#, "true"),
            (r#"matches("svc-17", "(?i)^SVC-")"#, "true"),
            (r#"matches("svc-17", "^SVC-")"#, "false"),
            (r#"matches((), "x")"#, "false"),
            (r#"matches("x", "(")"#, r#"error("`(` is not a pattern: unclosed group")"#),
        ],
        register: |engine| {
            engine.register_fn("matches", |value: Dynamic, pattern: &str| -> Outcome<bool> {
                let pattern = compiled(pattern)?;
                if value.is_unit() {
                    return Ok(false);
                }
                Ok(pattern.is_match(&text_of("matches", &value)?))
            });
        },
    },
    Function {
        name: "capture",
        group: Group::Patterns,
        signature: "capture(text, pattern) -> text",
        doc: "What the first group of a regular expression holds, or all that it fits where it has none; `()` where it does not fit.",
        examples: &[
            (r#"capture("Room B-204, floor 2", "B-([0-9]+)")"#, r#""204""#),
            (r#"capture("floor 2", "[0-9]+")"#, r#""2""#),
            (r#"capture("floor", "[0-9]+")"#, "()"),
            (r#"capture((), "x")"#, "()"),
        ],
        register: |engine| {
            engine.register_fn("capture", |value: Dynamic, pattern: &str| -> Outcome {
                let pattern = compiled(pattern)?;
                each_text("capture", &value, |whole| {
                    let found = pattern.captures(whole).and_then(|found| found.get(1).or_else(|| found.get(0)));
                    Ok(found.map_or(Dynamic::UNIT, |found| text(found.as_str())))
                })
            });
        },
    },
    Function {
        name: "replace_pattern",
        group: Group::Patterns,
        signature: "replace_pattern(text, pattern, replacement) -> text",
        doc: "Every place where a regular expression fits, replaced; `$1` is what its first group holds.",
        examples: &[
            (r#"replace_pattern("Miller,  Ann", "(\\w+),\\s*(\\w+)", "$2 $1")"#, r#""Ann Miller""#),
            (r#"replace_pattern("a1b2", "[0-9]", "")"#, r#""ab""#),
            (r#"replace_pattern((), "x", "y")"#, "()"),
        ],
        register: |engine| {
            engine.register_fn("replace_pattern", |value: Dynamic, pattern: &str, replacement: &str| -> Outcome {
                let pattern = compiled(pattern)?;
                each_text("replace_pattern", &value, |whole| {
                    Ok(text(pattern.replace_all(whole, replacement).into_owned()))
                })
            });
        },
    },
];
