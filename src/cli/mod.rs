//! The command line: arguments in, messages, hints and exit codes out. One file a command.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::run::backup::BackupError;
use crate::run::session::Session;
use crate::run::{RunError, turn};
use crate::store::{Store, StoreError};

mod accept;
mod approve;
mod audit;
mod backup;
mod bisect;
mod check;
mod compact;
mod compare;
mod decisions;
mod definitions;
mod docs;
mod doctor;
mod emulate;
mod errors;
mod explain;
mod explain_code;
mod import_entra_connect;
mod join;
mod keys;
mod man;
mod output;
mod plan;
mod preview;
mod progress;
mod rules_diff;
mod run;
mod runs;
mod sarif;
mod serve;
mod show;
mod sync;
mod test;
mod undo;

use output::{print_json, say};

/// Keeps directories in step: identities in, scripted rules, differences out.
#[derive(Parser)]
#[command(name = "syncline", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Arguments {
    /// The configuration file.
    #[arg(long, global = true, default_value = "syncline.toml", env = "SYNCLINE_CONFIG")]
    config: PathBuf,
    /// How data is printed.
    #[arg(long, global = true, value_enum, default_value_t = Shape::Text)]
    format: Shape,
    /// Who asks for it, for the audit log; without, the account.
    #[arg(long = "as", global = true, value_name = "NAME", env = "SYNCLINE_AS")]
    who: Option<String>,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  syncline --config examples/contoso/syncline.toml run       a whole cycle
  syncline plan                                              what a run would do, for everybody
  syncline preview ad zmueller                               what happens to one object, and why
  syncline check                                             whether the rules are right";

/// How data is printed, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// For people.
    Text,
    /// For machines.
    Json,
    /// For spreadsheets (`plan`, `compare`).
    Csv,
    /// A page that needs nothing else (`plan`, `compare`).
    Html,
    /// For a comment on a pull request (`plan`).
    Markdown,
}

impl Shape {
    /// How every command can print.
    fn format(self) -> Result<Format, RunError> {
        match self {
            Shape::Text => Ok(Format::Text),
            Shape::Json => Ok(Format::Json),
            Shape::Csv | Shape::Html | Shape::Markdown => {
                Err(RunError::Unknown("this command prints `--format text` or `json`; `plan` has all formats".into()))
            }
        }
    }
}

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// One cycle: import everything, synchronise, export, confirm.
    Run(run::RunArguments),
    /// A cycle every so often, with rules reloaded in between.
    Serve(serve::ServeArguments),
    /// Checks the rules at every save.
    Watch(serve::WatchArguments),
    /// What a run would export, for everybody; writes nothing and reads no directory.
    Plan(plan::PlanArguments),
    /// Which run, rules and line first gave a value.
    Bisect(bisect::BisectArguments),
    /// Takes back what a run wrote.
    Undo(undo::UndoArguments),
    /// What a target holds against what the rules would make of the sources; writes nothing.
    Compare(compare::CompareArguments),
    /// What happens to one object, rule by rule and attribute by attribute; writes nothing.
    Preview(preview::PreviewArguments),
    /// Whether the configuration and the rules are right.
    Check(check::CheckArguments),
    /// Runs the unit tests of the rules.
    Test(test::TestArguments),
    /// Rules, settings and tests from the configuration of an Entra Connect server.
    ImportEntraConnect(import_entra_connect::ImportArguments),
    /// Whether every directory can be reached and allows what a run needs.
    #[command(after_help = "Examples:\n  syncline doctor\n  syncline doctor --format json")]
    Doctor,
    /// Why a value is what it is, why something is not there, and since when.
    Explain(explain::ExplainArguments),
    /// Reads, synchronises and exports one object now.
    Sync(sync::SyncArguments),
    /// Lists the last runs: when, with which rules, and what came of them.
    History(runs::HistoryArguments),
    /// Shows stored objects, and what runs did.
    Show(show::ShowArguments),
    /// Finds stored objects by a value.
    Search(show::SearchArguments),
    /// Objects with errors, and what becomes of them.
    Errors(errors::ErrorsArguments),
    /// The rules in use.
    #[command(subcommand)]
    Rules(accept::RulesCommand),
    /// Lets runs write to a target that was not empty when it was first seen.
    GoLive(accept::GoLiveArguments),
    /// Lets an installation that is staging write, or takes it back.
    Promote(accept::PromoteArguments),
    /// Takes over objects that exist in a target, so that rules may disable and delete them.
    Adopt(accept::AdoptArguments),
    /// Links an object to a person, whatever the join criteria say.
    Join(join::JoinArguments),
    /// Unlinks an object, and keeps it apart.
    Disjoin(join::DisjoinArguments),
    /// Says that objects which imports no longer show are gone.
    Gone(accept::GoneArguments),
    /// Says that a plan, or what the guard stopped, may be done.
    Approve(approve::ApproveArguments),
    /// Says that a plan, or what the guard stopped, must not be done.
    Reject(approve::RejectArguments),
    /// Who decided or did what, and when.
    Audit(audit::AuditArguments),
    /// Keys that sign plans and approvals.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// What only the store knows, as a file, and a store made anew from it.
    #[command(subcommand)]
    Decisions(decisions::DecisionsCommand),
    /// Writes the whole state into one file, or looks whether such a file is whole.
    ///
    /// In it are the store (what was imported, links, what waits, the journal, the runs), the audit log, the rules in use, and
    /// lists of the guard. Not in it are the configuration, the rules folder, and secrets. `serve` may go on meanwhile: the
    /// backup is made between two of its commits.
    Backup(backup::BackupArguments),
    /// Makes the state anew from a backup.
    ///
    /// The backup is read from end to end before anything is written. The new state is filled beside the old one, compared
    /// with the backup, and put in its place in one step. Stop `serve` first.
    Restore(backup::RestoreArguments),
    /// Writes the store anew, without the room of what is gone.
    ///
    /// The new store is filled beside the old one, compared with it key by key, and put in its place in one step: until then
    /// there has to be room for both. `serve` waits meanwhile, and does the same by itself when it maintains the state.
    #[command(after_help = "Examples:\n  syncline compact\n  syncline compact --format json")]
    Compact,
    /// Documentation that the program carries.
    #[command(subcommand)]
    Docs(docs::DocsCommand),
    /// Completions for a shell, on standard output.
    Completions(man::CompletionsArguments),
    /// Manual pages, one for each command.
    Man(man::ManArguments),
    /// Starts a stand-in for a cloud directory.
    #[command(subcommand)]
    Emulate(emulate::EmulateCommand),
}

pub use check::shipped_schemas;
pub use docs::{diagnostics_page, entra_page, functions_page};

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything is done.
    Success = 0,
    /// Done, but some objects have errors (`run --strict`, `preview`), or nothing was found (`search`).
    ObjectErrors = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The rules are wrong, or wait to be accepted.
    Rules = 3,
    /// A directory could not be used, or an import is not complete.
    Connector = 4,
    /// The guard stopped the run, or what it was to do is not approved.
    Guard = 5,
    /// A target waits for `go-live`.
    Staging = 6,
    /// The store, or a backup of it, could not be used.
    Store = 7,
    /// Somebody pressed Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Runs the command that the arguments name.
pub fn main() -> Exit {
    let arguments = Arguments::parse();
    match dispatch(&arguments) {
        Ok(exit) => exit,
        Err(error) => {
            let exit = report(&error, arguments.format.format().unwrap_or(Format::Text));
            match &arguments.command {
                // Whoever asks for these codes takes 2 for changes.
                Command::Plan(plan) if plan.exit_code => Exit::ObjectErrors,
                Command::Compare(compare) if compare.exit_code => Exit::ObjectErrors,
                _ => exit,
            }
        }
    }
}

fn dispatch(arguments: &Arguments) -> Result<Exit, RunError> {
    let format = match (&arguments.command, arguments.format.format()) {
        (Command::Plan(_) | Command::Compare(_), format) => format.unwrap_or(Format::Text),
        (_, format) => format?,
    };
    match &arguments.command {
        Command::Run(run) => run::run(open(arguments, false)?, run, format),
        Command::Serve(serve) => serve::run(load(arguments)?, serve),
        Command::Watch(watch) => serve::watch(load(arguments)?, watch, format),
        Command::Plan(plan) => plan::run(open_for(plan, arguments)?, plan, arguments.format),
        Command::Bisect(bisect) => bisect::run(open(arguments, false)?, bisect, format),
        Command::Undo(undo) => undo::run(open(arguments, false)?, undo, format),
        Command::Compare(compare) => compare::run(open(arguments, true)?, compare, arguments.format),
        Command::Preview(preview) => preview::run(open(arguments, true)?, preview, format),
        Command::Check(check) if check.deep => {
            let config = load(arguments)?;
            check::deep(open_config(config.clone(), true, arguments), &config, check, format)
        }
        Command::Check(check) => check::run(&load(arguments)?, check, format),
        Command::Test(test) => test::command(&load(arguments)?, test, format),
        Command::ImportEntraConnect(import) => import_entra_connect::run(import, format),
        Command::Doctor => doctor::run(open(arguments, false)?, format),
        Command::Explain(explain) if explain.asks_for_code() => explain_code::run(&explain.connector, format),
        Command::Explain(explain) => explain::run(open(arguments, false)?, explain, format),
        Command::Sync(sync) => sync::run(open(arguments, false)?, sync, format),
        Command::History(history) => runs::history(open(arguments, false)?, history, format),
        Command::Show(show) if show.asks_for_rules() => accept::status(&load(arguments)?, format),
        Command::Show(show) => show::show(open(arguments, false)?, show, format),
        Command::Search(search) => show::search(open(arguments, false)?, search, format),
        Command::Errors(errors) => errors::run(open(arguments, false)?, errors, format),
        Command::Rules(accept::RulesCommand::Diff) => rules_diff::run(&load(arguments)?, format),
        Command::Rules(command) => accept::rules(open(arguments, false)?, command, format),
        Command::GoLive(go_live) => accept::go_live(open(arguments, false)?, go_live),
        Command::Promote(promote) => accept::promote(open(arguments, false)?, promote),
        Command::Adopt(adopt) => accept::adopt(open(arguments, false)?, adopt),
        Command::Join(join) => join::join(open(arguments, false)?, join),
        Command::Disjoin(disjoin) => join::disjoin(open(arguments, false)?, disjoin),
        Command::Gone(gone) => accept::gone(open(arguments, false)?, gone),
        Command::Approve(approve) => approve::approve(&load(arguments)?, arguments.who.as_deref(), approve, format),
        Command::Reject(reject) => approve::reject(&load(arguments)?, arguments.who.as_deref(), reject, format),
        Command::Audit(audit) => audit::run(&load(arguments)?, audit, format),
        Command::Keys(command) => keys::run(command, format),
        Command::Decisions(command) => decisions::run(open(arguments, false)?, command, format),
        Command::Backup(backup) => backup::backup(|| load(arguments), backup, format),
        Command::Restore(restore) => backup::restore(&load(arguments)?, arguments.who.as_deref(), restore, format),
        Command::Compact => compact::run(&load(arguments)?, format),
        Command::Completions(completions) => Ok(man::completions(completions)),
        Command::Man(pages) => man::man(pages, format),
        Command::Docs(docs) => docs::run(docs, || load(arguments), format),
        Command::Emulate(emulate) => emulate::run(emulate),
    }
}

/// How long a command waits for the store: a cycle of `syncline serve` may have it.
const PATIENCE: Duration = Duration::from_secs(60);

fn load(arguments: &Arguments) -> Result<Config, RunError> {
    Config::load(&arguments.config).map_err(RunError::Config)
}

fn open(arguments: &Arguments, proposed: bool) -> Result<Session, RunError> {
    open_config(load(arguments)?, proposed, arguments)
}

/// With the rules that a plan is made for; proposed ones take part.
fn open_for(plan: &plan::PlanArguments, arguments: &Arguments) -> Result<Session, RunError> {
    let mut config = load(arguments)?;
    if let Some(folder) = &plan.rules {
        config.rules_folder.clone_from(folder);
    }
    open_config(config, true, arguments)
}

fn open_config(config: Config, proposed: bool, arguments: &Arguments) -> Result<Session, RunError> {
    let folder = config.store_folder.clone();
    let mut session = patiently(&folder, || Session::open(config.clone(), proposed))?;
    session.who.clone_from(&arguments.who);
    Ok(session)
}

/// Asks whoever has the store, and tries again for a while.
fn patiently<T>(folder: &Path, open: impl FnMut() -> Result<T, RunError>) -> Result<T, RunError> {
    turn::take(folder, PATIENCE, || say("another command has the store; waiting for it"), open)
}

/// Opens the store alone, if there is one, as soon as whoever has it lets go of it.
fn open_store(config: &Config) -> Result<Store, RunError> {
    let folder = config.store();
    if !folder.is_dir() {
        return Err(BackupError::NoStore(config.store_folder.clone()).into());
    }
    patiently(&config.store_folder, || Ok(Store::open(&folder)?))
}

/// Says what went wrong, with a hint, and decides the exit code. The only place that does.
fn report(error: &RunError, format: Format) -> Exit {
    let (exit, hint) = match error {
        RunError::Config(problems) => return diagnostics(problems, format, Exit::Usage),
        RunError::Rules(problems) => return diagnostics(problems, format, Exit::Rules),
        RunError::VanishedRules(_) => (
            Exit::Rules,
            Some("nothing was done, for their objects would be let go. If that is meant: `syncline rules accept`".to_owned()),
        ),
        RunError::Connector { error, .. } => (Exit::Connector, error.hint.clone()),
        RunError::Unknown(_) => (Exit::Usage, None),
        RunError::Store(StoreError::InUse { .. }) => {
            (Exit::Store, Some("is another `syncline` running with the same configuration?".to_owned()))
        }
        RunError::Store(StoreError::Damaged { .. } | StoreError::Record(_)) => (
            Exit::Store,
            Some("keep a copy of the folder; a new one is filled by an import, but joins and adoptions that were decided are lost".to_owned()),
        ),
        RunError::Store(StoreError::DiskFull { .. }) => {
            (Exit::Store, Some("nothing is lost: make room and run again".to_owned()))
        }
        RunError::Store(_) => (Exit::Store, None),
        RunError::NotApproved { hint, .. } => (Exit::Guard, Some(hint.clone())),
        RunError::Audit(_) => {
            (Exit::Store, Some("what cannot be written down is not done; make the log writable".to_owned()))
        }
        RunError::Interrupted => (Exit::Interrupted, None),
        RunError::Backup(error) if error.is_usage() => (Exit::Usage, error.hint()),
        RunError::Backup(error) => (Exit::Store, error.hint()),
        RunError::Runtime(_) => (Exit::Connector, None),
    };
    if format == Format::Json {
        print_json(&serde_json::json!({ "error": error.to_string(), "hint": hint, "exit": exit as u8 }));
    } else {
        say(&format!("error: {error}"));
        if let Some(hint) = hint {
            say(&format!("  hint: {hint}"));
        }
    }
    exit
}

fn diagnostics(problems: &[Diagnostic], format: Format, exit: Exit) -> Exit {
    output::diagnostics(problems, format);
    exit
}
