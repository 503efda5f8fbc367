//! `syncline docs`: the vocabulary of rules, from the table that makes it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::{print, print_json};
use super::{Exit, Format, definitions};
use crate::config::Config;
use crate::diagnostic::codes::CODES;
use crate::diagnostic::did_you_mean;
use crate::rules::vocabulary::entra::{self, EntraFunction, EntraGroup};
use crate::rules::vocabulary::{self, Function, Group};
use crate::rules::{WORDS, Word};
use crate::run::RunError;

/// Documentation that the program carries.
#[derive(Subcommand)]
pub(super) enum DocsCommand {
    /// The functions that rules can call.
    Functions(FunctionsArguments),
    /// The functions of Entra Connect's expression language, as rules call them: `entra::Mid`.
    Entra(EntraArguments),
    /// The findings of `check`, as a page.
    #[command(after_help = "Examples:\n  syncline docs diagnostics > diagnostics.md")]
    Diagnostics,
    /// Definition files for editors that know Rhai: functions, and the attributes of the configured connectors.
    #[command(
        after_help = "Examples:\n  syncline docs definitions --out .rhai\n\nPoint the editor's Rhai plug-in at the folder."
    )]
    Definitions {
        /// The folder that gets them.
        #[arg(long, value_name = "FOLDER", default_value = "definitions")]
        out: PathBuf,
    },
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

/// The functions of Entra Connect.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline docs entra\n  syncline docs entra Mid\n  syncline docs entra --markdown > entra-functions.md"
)]
pub(super) struct EntraArguments {
    /// One of them.
    name: Option<String>,
    /// As a page.
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(
    command: &DocsCommand,
    config: impl FnOnce() -> Result<Config, RunError>,
    format: Format,
) -> Result<Exit, RunError> {
    match command {
        DocsCommand::Definitions { out } => {
            for path in definitions::write(&config()?, out)? {
                print(&path.display().to_string());
            }
        }
        DocsCommand::Functions(arguments) => functions(arguments, format)?,
        DocsCommand::Entra(arguments) => entra_functions(arguments, format)?,
        DocsCommand::Diagnostics => print(diagnostics_page().trim_end()),
    }
    Ok(Exit::Success)
}

fn functions(arguments: &FunctionsArguments, format: Format) -> Result<(), RunError> {
    let is_wanted =
        |name: &str, group: &str| arguments.name.as_ref().is_none_or(|wanted| name == wanted || group == wanted);
    let words: Vec<&Word> = WORDS.iter().filter(|word| is_wanted(word.name, "words")).collect();
    let found: Vec<&Function> =
        vocabulary::all().filter(|function| is_wanted(function.name, &function.group.to_string())).collect();
    if let (Some(name), true) = (&arguments.name, found.is_empty() && words.is_empty()) {
        let entra = entra::find(name).map(|_| format!("; see `syncline docs entra {name}`"));
        let names = vocabulary::names().chain(WORDS.iter().map(|word| word.name));
        let hint = entra.or_else(|| did_you_mean(name, names).map(|hint| format!("; {hint}"))).unwrap_or_default();
        return Err(RunError::Unknown(format!("there is no function `{name}`{hint}")));
    }
    if format == Format::Json {
        let words = words.iter().map(|word| {
            serde_json::json!({
                "name": word.name, "group": "words", "signature": word.signature, "doc": word.doc, "examples": [word.example],
            })
        });
        let list: Vec<_> = words.chain(found.iter().map(|function| function_json(function))).collect();
        print_json(&list);
    } else if arguments.markdown {
        print(functions_page().trim_end());
    } else if arguments.name.is_some() && found.len() + words.len() <= 1 {
        words.iter().for_each(|word| print(&format!("{}\n\n{}\n\n  {}", word.signature, word.doc, word.example)));
        found.iter().for_each(|function| one(function));
    } else {
        if !words.is_empty() {
            print("words");
        }
        words.iter().for_each(|word| print(&format!("  {:<52} {}", word.signature, word.doc)));
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

fn function_json(function: &Function) -> serde_json::Value {
    serde_json::json!({
        "name": function.name, "group": function.group.to_string(), "signature": function.signature,
        "doc": function.doc, "examples": function.examples,
    })
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
    page +=
        "\n## Words of rules\n\nThey know more than their values: the object, the target, the rest of the rule set.\n";
    for word in &WORDS {
        page += &format!("\n### `{}`\n\n{}\n\n    {}\n", word.signature, word.doc, word.example);
    }
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

fn entra_functions(arguments: &EntraArguments, format: Format) -> Result<(), RunError> {
    let name = arguments.name.as_deref().map(|name| name.strip_prefix("entra::").unwrap_or(name));
    let found: Vec<&EntraFunction> =
        entra::all().filter(|function| name.is_none_or(|name| function.name.eq_ignore_ascii_case(name))).collect();
    if let (Some(name), true) = (name, found.is_empty()) {
        let instead = entra::INSTEAD.iter().find(|(known, ..)| *known == name);
        let hint = instead.map(|(_, spelling, _)| format!("rules write `{spelling}`"));
        let hint = hint.or_else(|| did_you_mean(name, entra::all().map(|function| function.name)));
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        return Err(RunError::Unknown(format!("there is no function `entra::{name}`{hint}")));
    }
    if format == Format::Json {
        print_json(&found.iter().map(|function| entra_json(function)).collect::<Vec<_>>());
    } else if arguments.markdown {
        print(entra_page().trim_end());
    } else if arguments.name.is_some() {
        found.iter().for_each(|function| print(entra_entry(function).trim_end()));
    } else {
        for group in EntraGroup::ALL {
            print(group.title());
            for function in found.iter().filter(|function| function.group == group) {
                print(&format!("  {:<52} {}", function.signature, function.doc));
            }
        }
    }
    Ok(())
}

fn entra_json(function: &EntraFunction) -> serde_json::Value {
    serde_json::json!({
        "name": format!("entra::{}", function.name), "group": function.group.title(), "signature": function.signature,
        "doc": function.doc, "documented": function.documented, "examples": function.examples, "differs": function.differs,
    })
}

fn entra_entry(function: &EntraFunction) -> String {
    let mut entry = format!("entra::{}\n\n{}\n", function.signature, function.doc);
    if !function.differs.is_empty() {
        entry += &format!("{}\n", function.differs);
    }
    entry += "\n";
    for (expression, result) in function.documented.iter().chain(function.examples) {
        entry += &format!("    {expression}  →  {result}\n");
    }
    entry
}

/// `docs/entra-functions.md`.
pub fn entra_page() -> String {
    let documented: usize = entra::all().map(|function| function.documented.len()).sum();
    let ours: usize = entra::all().map(|function| function.examples.len()).sum();
    let mut page = format!(
        "# Functions of Entra Connect\n\nMade from the table in `src/rules/vocabulary/entra/`: `syncline docs entra --markdown`. Every example is a test.\n\n\
        The 85 functions of Entra Connect's reference and 2 that its rules use besides, under their own names, for converted\nrules. \
        New rules read better with the [functions](functions.md) of Syncline. Positions count from 1; nothing is `()`; empty text is\nnot nothing; \
        `certificate` stands for a test certificate. `↔` marks an example of that reference, with its result there: all {documented}\nagree. The other {ours} are ours.\n"
    );
    for group in EntraGroup::ALL {
        page += &format!("\n## {}\n", group.title());
        for function in entra::all().filter(|function| function.group == group) {
            page += &format!("\n### `entra::{}`\n\n{}\n", function.signature, function.doc);
            if !function.differs.is_empty() {
                page += &format!("\n{}\n", function.differs);
            }
            page += "\n";
            let documented = function.documented.iter().map(|example| (example, "↔"));
            for ((expression, result), mark) in documented.chain(function.examples.iter().map(|example| (example, "→")))
            {
                page += &format!("    {expression}  {mark}  {result}\n");
            }
        }
    }
    page += "\n## Written otherwise\n\nThey need the object, and so are words of their own.\n\n";
    for (name, spelling, doc) in entra::INSTEAD {
        page += &format!("- `{name}` is `{spelling}`. {doc}\n");
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
