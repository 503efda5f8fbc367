//! `syncline docs`: the vocabulary of rules, from the table that makes it.

use clap::{Args, Subcommand};

use super::output::{print, print_json};
use super::{Exit, Format};
use crate::diagnostic::codes::CODES;
use crate::diagnostic::did_you_mean;
use crate::rules::vocabulary::{self, Function, Group};
use crate::run::RunError;

/// Documentation that the program carries.
#[derive(Subcommand)]
pub(super) enum DocsCommand {
    /// The functions that rules can call.
    Functions(FunctionsArguments),
    /// The findings of `check`, as a page.
    Diagnostics,
}

/// The functions that rules can call.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline docs functions\n  syncline docs functions proper_case\n  syncline docs functions --markdown > functions.md"
)]
pub(super) struct FunctionsArguments {
    /// One of them, or a group: `text`, `lists`, `times`.
    name: Option<String>,
    /// As a page.
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(command: &DocsCommand, format: Format) -> Result<Exit, RunError> {
    match command {
        DocsCommand::Functions(arguments) => functions(arguments, format)?,
        DocsCommand::Diagnostics => print(diagnostics_page().trim_end()),
    }
    Ok(Exit::Success)
}

fn functions(arguments: &FunctionsArguments, format: Format) -> Result<(), RunError> {
    let wanted = |function: &&Function| {
        arguments.name.as_ref().is_none_or(|name| function.name == name || function.group.to_string() == *name)
    };
    let found: Vec<&Function> = vocabulary::all().filter(wanted).collect();
    if let (Some(name), true) = (&arguments.name, found.is_empty()) {
        let hint = did_you_mean(name, vocabulary::names()).map(|hint| format!("; {hint}")).unwrap_or_default();
        return Err(RunError::Unknown(format!("there is no function `{name}`{hint}")));
    }
    if format == Format::Json {
        let list: Vec<_> = found
            .iter()
            .map(|function| {
                serde_json::json!({
                    "name": function.name, "group": function.group.to_string(), "signature": function.signature,
                    "doc": function.doc, "examples": function.examples,
                })
            })
            .collect();
        print_json(&list);
    } else if arguments.markdown {
        print(functions_page().trim_end());
    } else if arguments.name.is_some() && found.len() <= 1 {
        found.iter().for_each(|function| one(function));
    } else {
        for group in Group::ALL {
            let mut inside = found.iter().filter(|function| function.group == group).peekable();
            if inside.peek().is_some() {
                print(&format!("{group}"));
            }
            inside.for_each(|function| print(&format!("  {:<52} {}", function.signature, function.doc)));
        }
    }
    Ok(())
}

fn one(function: &Function) {
    print(&format!("{}\n\n{}\n", function.signature, function.doc));
    for (expression, result) in function.examples {
        print(&format!("  {expression}  →  {result}"));
    }
}

/// `docs/functions.md`.
pub fn functions_page() -> String {
    let mut page = "# Functions of rules\n\nMade from the table in `src/rules/vocabulary/`: `syncline docs functions --markdown`. Every example is a test.\n\n\
        A function that makes a value gives `()` for a value that is not there, a test gives `false`, and numbers and flags\nare an error. A function that takes text takes a list of texts, too, and works on each.\n"
        .to_owned();
    for group in Group::ALL {
        let name = group.to_string();
        page += &format!(
            "\n## {}{}\n",
            name.get(..1).unwrap_or_default().to_uppercase(),
            name.get(1..).unwrap_or_default()
        );
        for function in vocabulary::all().filter(|function| function.group == group) {
            page += &format!("\n### `{}`\n\n{}\n\n", function.signature, function.doc);
            for (expression, result) in function.examples {
                page += &format!("    {expression}  →  {result}\n");
            }
        }
    }
    page
}

/// `docs/diagnostics.md`.
pub fn diagnostics_page() -> String {
    let mut page =
        "# What `check` finds\n\nMade from the table in `src/diagnostic/codes.rs`: `syncline docs diagnostics`. A code never changes its meaning.\n"
            .to_owned();
    for code in CODES {
        page += &format!("\n## {}: {}\n\n{}\n", code.code, code.title, code.meaning);
        for (title, example) in [("Wrong", code.wrong), ("Right", code.right)] {
            if let Some(example) = example {
                let lines: Vec<String> = example.lines().map(|line| format!("    {line}")).collect();
                page += &format!("\n{title}:\n\n{}\n", lines.join("\n"));
            }
        }
    }
    page
}
