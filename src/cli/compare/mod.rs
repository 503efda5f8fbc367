//! `syncline compare`.

use std::path::PathBuf;

use clap::Args;

use super::output::{print, say};
use super::progress::Terminal;
use super::{Exit, Shape};
use crate::run::compare::{self, Comparison, Whole};
use crate::run::session::Session;
use crate::run::{Progress, RunError, Silent};

mod csv;
mod html;
mod text;

/// What a target holds against what the rules would make of the sources; writes nothing anywhere.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline compare --with entra       beside Entra Connect, before anything is switched\n  syncline compare entra --object zoe@contoso.com\n  syncline compare entra --format html --out entra.html\n  syncline compare entra --format csv > entra.csv\n  syncline compare entra --stored --exit-code"
)]
pub(super) struct CompareArguments {
    /// The target; where there is only one, that.
    connector: Option<String>,
    /// The same.
    #[arg(long, value_name = "CONNECTOR", conflicts_with = "connector")]
    with: Option<String>,
    /// One object, attribute by attribute.
    #[arg(long)]
    object: Option<String>,
    /// Every object, not just the first few of each kind.
    #[arg(long)]
    all: bool,
    /// Compares what the last imports showed; without, everything is read first.
    #[arg(long)]
    stored: bool,
    /// Writes it to a file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Ends with 0 if it is safe to switch, 2 if something differs, and 1 if nothing could be compared.
    #[arg(long)]
    pub(super) exit_code: bool,
}

pub(super) fn run(mut session: Session, arguments: &CompareArguments, shape: Shape) -> Result<Exit, RunError> {
    if shape == Shape::Markdown {
        return Err(RunError::Unknown("`compare` prints `--format text`, `json`, `csv` or `html`".into()));
    }
    super::run::stop_on_ctrl_c(&session);
    let connector = target(&session, arguments)?;
    let terminal = Terminal::new();
    let progress: &dyn Progress = if shape == Shape::Text { &terminal } else { &Silent };
    let made = compare::make(&mut session, &connector, !arguments.stored, progress);
    session.close()?;
    let mut comparison = made?;
    if let Some(wanted) = &arguments.object {
        narrow(&mut comparison, wanted);
    }
    let page = match (shape, &arguments.object) {
        (Shape::Text, Some(wanted)) => text::object(&comparison, wanted),
        (Shape::Text, None) => text::all(&comparison, arguments.all),
        (Shape::Json, _) => serde_json::to_string_pretty(&comparison)
            .map_err(|error| RunError::Unknown(format!("the comparison cannot be written: {error}")))?,
        (Shape::Csv, _) => csv::table(&comparison)?,
        (Shape::Html | Shape::Markdown, _) => html::page(&comparison),
    };
    match &arguments.out {
        Some(path) => {
            std::fs::write(path, format!("{}\n", page.trim_end()))
                .map_err(|error| RunError::Unknown(format!("cannot write `{}`: {error}", path.display())))?;
            say(&format!("{}\nwritten to {}", comparison.verdict, path.display()));
        }
        None if !page.trim().is_empty() => print(page.trim_end()),
        None => {}
    }
    if shape == Shape::Text && arguments.object.is_none() {
        say("nothing was written to any directory");
    }
    Ok(if arguments.exit_code && !comparison.safe { Exit::Usage } else { Exit::Success })
}

/// The target that is meant.
fn target(session: &Session, arguments: &CompareArguments) -> Result<String, RunError> {
    if let Some(named) = arguments.connector.as_ref().or(arguments.with.as_ref()) {
        return Ok(named.clone());
    }
    let targets: Vec<&String> = session.target_kinds().map(|(name, _)| name).collect();
    match targets.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(RunError::Unknown("nothing is written to any connector, so there is nothing to compare".into())),
        several => {
            let names: Vec<String> = several.iter().map(|name| format!("`{name}`")).collect();
            Err(RunError::Unknown(format!("which target? `--with` takes {}", names.join(", "))))
        }
    }
}

/// Leaves one object alone. The verdict, and what was counted, stay those of all.
fn narrow(comparison: &mut Comparison, wanted: &str) {
    comparison.different.retain(|object| object.name.eq_ignore_ascii_case(wanted));
    let lists: [&mut Vec<Whole>; 4] =
        [&mut comparison.missing, &mut comparison.leaving, &mut comparison.proposed, &mut comparison.unknown];
    lists.into_iter().for_each(|list| list.retain(|whole| whole.name.eq_ignore_ascii_case(wanted)));
    comparison.errors.retain(|(name, _)| name.eq_ignore_ascii_case(wanted));
}

/// Of whom there is nothing to compare, by kind.
fn wholes(comparison: &Comparison) -> [(&'static str, &[Whole]); 4] {
    [
        ("missing", &comparison.missing),
        ("leaving", &comparison.leaving),
        ("proposed", &comparison.proposed),
        ("unknown", &comparison.unknown),
    ]
}
