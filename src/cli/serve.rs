//! `syncline serve` and `syncline watch`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use jiff::tz::TimeZone;
use sd_notify::NotifyState;

use super::output::{self, say};
use super::preview::PreviewArguments;
use super::test::TestArguments;
use super::{Exit, Format, check, compact};
use crate::config::{Config, Logging};
use crate::observe::{self, Observer};
use crate::reload::{Watcher, stamps_of};
use crate::run::cycle::CycleReport;
use crate::run::export::ExportReport;
use crate::run::serve::{self, Audience, Event};
use crate::run::{self, Progress, RunError, thousands};

/// How often signals and test files are looked at while nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// A cycle every so often, with rules reloaded in between, until it is told to stop (SIGTERM or Ctrl-C).
#[derive(Args)]
#[command(after_help = "Examples:\n  syncline serve\n  syncline serve --every 60")]
pub(super) struct ServeArguments {
    /// Seconds from the beginning of a cycle to the next; `[serve] every` otherwise, or 30.
    #[arg(long, value_name = "SECONDS")]
    every: Option<u32>,
    /// How the log is written; `[serve] log` otherwise, or text.
    #[arg(long, value_name = "FORMAT")]
    log: Option<LogFormat>,
}

/// How the log is written.
#[derive(Clone, Copy, clap::ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Checks the rules at every save and runs their tests, until Ctrl-C. Writes nothing.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline watch\n  syncline watch --preview ad zmueller     shows at every save what happens to one object\n  syncline watch --rules ../other/rules"
)]
pub(super) struct WatchArguments {
    /// Previews this object after each save that is right.
    #[arg(long, num_args = 2, value_names = ["CONNECTOR", "OBJECT"])]
    preview: Option<Vec<String>>,
    /// Another folder than that of the configuration.
    #[arg(long, value_name = "FOLDER")]
    rules: Option<PathBuf>,
}

pub(super) fn run(mut config: Config, arguments: &ServeArguments) -> Result<Exit, RunError> {
    let logging = match arguments.log {
        Some(LogFormat::Text) => Logging::Text,
        Some(LogFormat::Json) => Logging::Json,
        None => config.serving.log,
    };
    let say: fn(&str) = match logging {
        Logging::Text => log,
        Logging::Json => observe::log::say,
    };
    let _log = observe::Log::start(&config, logging).map_err(RunError::Runtime)?;
    let stop = stop_on_signals(say)?;
    while let Some(changed) = serve(config, arguments, (logging, say), &stop)? {
        config = changed;
    }
    say("stopped");
    Ok(Exit::Success)
}

/// Serves with one configuration, until the end or until it has changed.
fn serve(
    mut config: Config,
    arguments: &ServeArguments,
    (logging, say): (Logging, fn(&str)),
    stop: &Arc<AtomicBool>,
) -> Result<Option<Config>, RunError> {
    if let Some(every) = arguments.every {
        config.every = Duration::from_secs(u64::from(every.max(1)));
    }
    let mut observer = Observer::start(&config)?;
    std::mem::take(&mut observer.remarks).iter().for_each(|remark| say(remark));
    let turned = observer.pulse();
    let beat = Arc::new(move || {
        notify(NotifyState::Watchdog);
        turned();
    });
    let pulse = Pulse { beat, say };
    let mut last = String::new();
    let mut tell = |event: Event<'_>| {
        observer.note(&event);
        service(&event);
        match logging {
            Logging::Text => tell(&event, &mut last),
            Logging::Json => observe::log::write(&event),
        }
    };
    serve::run(&config, stop, Audience { tell: &mut tell, progress: &pulse })
}

/// What the service manager hears.
fn service(event: &Event<'_>) {
    if matches!(event, Event::Begins(_)) {
        notify(NotifyState::Ready);
    } else if matches!(event, Event::Alive) {
        notify(NotifyState::Watchdog);
    }
}

/// Tells the service manager, if there is one, how it goes.
fn notify(state: NotifyState<'_>) {
    // Nobody may be there to hear it.
    let _ = sd_notify::notify(&[state]);
}

/// Long steps are signs of life, too.
struct Pulse {
    beat: run::Pulse,
    say: fn(&str),
}

impl Progress for Pulse {
    fn begin(&self, _step: &str, _what: &str, _total: Option<u64>) {
        (self.beat)();
    }
    fn advance(&self, _done: u64, _total: Option<u64>) {
        (self.beat)();
    }
    fn end(&self, _line: &str) {
        (self.beat)();
    }
    fn say(&self, line: &str) {
        (self.say)(line);
    }
    fn pulse(&self) -> Option<run::Pulse> {
        Some(Arc::clone(&self.beat))
    }
}

/// The first signal asks for an orderly end, the second ends at once.
pub(super) fn stop_on_signals(say: fn(&str)) -> Result<Arc<AtomicBool>, RunError> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let failed = |error: std::io::Error| RunError::Runtime(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let listen = move || -> std::io::Result<()> {
        runtime.block_on(async {
            let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                notify(NotifyState::Stopping);
                if stopped.swap(true, Ordering::Relaxed) {
                    std::process::exit(i32::from(Exit::Interrupted as u8));
                }
                say("stopping after this step");
            }
        })
    };
    std::thread::spawn(move || {
        if let Err(error) = listen() {
            say(&format!("cannot hear signals: {error}"));
        }
    });
    Ok(stop)
}

pub(super) fn log(line: &str) {
    let time = jiff::Timestamp::now().to_zoned(TimeZone::system());
    say(&format!("{}  {line}", time.strftime("%Y-%m-%d %H:%M:%S")));
}

fn tell(event: &Event<'_>, last: &mut String) {
    match event {
        Event::Begins(rules) => {
            log(&format!(
                "serving with {} (fingerprint {})",
                output::plural(rules.rules().len(), "rule"),
                rules.fingerprint()
            ));
        }
        Event::Alive | Event::Answered(_) | Event::Lag(_) | Event::Counted(_) => {}
        Event::Cycle(report) => cycle(report, last),
        Event::Down(connector, error, pause, 1) => {
            log(&format!("{}; `{connector}` is asked again in {} s", described(error), pause.as_secs()));
        }
        // Once is enough to read; metrics count on.
        Event::Down(..) => {}
        Event::Up(connector) => log(&format!("`{connector}` answers again")),
        Event::Whole(connector, why) => log(&format!("`{connector}` is read whole: {why}")),
        Event::Failed(error, pause) => {
            log(&format!("run failed: {error}; the next is tried in {} s", pause.as_secs()));
            if let RunError::Rules(problems) = error {
                output::diagnostics(problems, Format::Text);
            }
        }
        Event::Maintained(maintained) => {
            let mut parts = Vec::new();
            if maintained.forgotten > 0 {
                parts.push(format!(
                    "{} forgotten",
                    output::plural(usize::try_from(maintained.forgotten).unwrap_or(usize::MAX), "journal line")
                ));
            }
            parts.extend(maintained.backup.iter().map(|path| format!("backup in {}", path.display())));
            parts.extend(maintained.compacted.iter().map(|compacted| format!("store {}", compact::told(compacted))));
            if !parts.is_empty() {
                log(&format!("maintenance: {}", parts.join(", ")));
            }
        }
        Event::Reconfigured => log("the configuration has changed; serving goes on with it"),
        Event::NotReconfigured(problems) => {
            log("the configuration has changed and has mistakes; it goes on as before:");
            output::diagnostics(problems, Format::Text);
        }
        Event::NotMaintained(error) => log(&format!("maintenance failed: {error}")),
        Event::Refused(problems) => {
            log("what was saved has mistakes; the rules in use stay:");
            output::diagnostics(problems, Format::Text);
        }
        Event::Unfit(problems) => {
            log("what was saved does not fit the directories; the rules in use stay:");
            problems.iter().for_each(|problem| say(problem));
        }
        Event::Loaded(rules, took) => {
            log(&format!("rules saved: {} compiled in {} ms", rules.fingerprint(), took.as_millis()));
        }
        Event::Back => log("what was saved is what is in use"),
        Event::Taken(rules) => log(&format!("rules {} are in use", rules.fingerprint())),
        Event::Waits(rules, why) => {
            log(&format!("rules {} wait: {why}", rules.fingerprint()));
            say("  look: `syncline plan`; take them: `syncline rules accept`");
        }
        Event::StoreInUse => log("another command has the store; waiting for it"),
        Event::NotKept(error) => log(&format!("the rules in use cannot be kept beside the store: {error}")),
    }
}

/// What a connector said, with advice.
fn described(error: &RunError) -> String {
    match error {
        RunError::Connector { error: inner, .. } => match &inner.hint {
            Some(hint) => format!("{error} ({hint})"),
            None => error.to_string(),
        },
        other => other.to_string(),
    }
}

/// `23,216 left, about 20 min`.
fn left(export: &ExportReport) -> String {
    let left = format!("{} left", thousands(export.left));
    let time = export.time_left().map(|time| format!(", about {}", indicatif::HumanDuration(time)));
    format!("{left}{}", time.unwrap_or_default())
}

/// One line for a cycle that did something, or stands otherwise than the one before.
fn cycle(report: &CycleReport, last: &mut String) {
    let written: u64 = report.exports.iter().map(ExportReport::written).sum();
    let refused: u64 = report.exports.iter().map(|export| export.refused).sum();
    let mut parts = vec![format!("{written} written")];
    if refused > 0 {
        parts.push(format!("{refused} refused"));
    }
    for export in report.exports.iter().filter(|export| export.left > 0) {
        parts.push(left(export));
    }
    if report.errors > 0 {
        parts.push(format!("{} errors", report.errors));
    }
    parts.extend(report.warnings.iter().map(|(connector, warning)| format!("{connector}: {warning}")));
    for import in report.imports.iter().filter(|import| !import.incomplete.is_empty()) {
        parts.push(format!("import of `{}` is not complete: {}", import.connector, import.incomplete.join("; ")));
    }
    for (connector, waiting) in report.staging.iter().filter(|(_, waiting)| *waiting > 0) {
        parts.push(format!("`{connector}` waits for go-live with {waiting} objects"));
    }
    parts.extend(report.shrunk.iter().map(|shrunk| format!("STOPPED: {shrunk}: `syncline run --allow-shrinkage …`")));
    if let Some(path) = report.list.as_ref().filter(|_| !report.exceeded.is_empty()) {
        let deed =
            report.exceeded.first().map_or_else(String::new, |exceeded| format!("it would {}: ", exceeded.deed()));
        parts.push(format!("STOPPED by the guard: {deed}`syncline run --allow {}`", path.display()));
    }
    let state = parts.get(1..).unwrap_or_default().join(", ");
    if written == 0 && state == *last {
        return;
    }
    *last = state;
    log(&format!("run {}: {}   {} ms", report.run, parts.join(", "), report.milliseconds));
}

pub(super) fn watch(mut config: Config, arguments: &WatchArguments, format: Format) -> Result<Exit, RunError> {
    if let Some(folder) = &arguments.rules {
        config.rules_folder.clone_from(folder);
    }
    let stop = stop_on_signals(log)?;
    let schemas = check::schemas(&config);
    let watcher = Watcher::start(
        crate::run::session::folders(&config),
        config.settings.clone(),
        String::new(),
        config.reload.poll,
    );
    say(&format!("watching {}; Ctrl-C ends", config.rules_folder.display()));
    let tests = config.rules_folder.join("tests");
    let mut seen = stamps_of(&tests);
    while !stop.load(Ordering::Relaxed) {
        let reload = watcher.wait(TICK);
        let stamps = stamps_of(&tests);
        if reload.is_none() && stamps == seen {
            continue;
        }
        seen = stamps;
        if let Some(reload) = reload {
            log(&format!("saved, compiled in {} ms", reload.took.as_millis()));
            match check::report(crate::run::session::fit_all(reload.compiled, &schemas), &config, format) {
                Ok(Exit::Success) => {}
                Ok(_) => continue,
                Err(error) => {
                    super::report(&error, format);
                    continue;
                }
            }
        }
        if let Err(error) = after_save(&config, arguments, &tests, format) {
            super::report(&error, format);
        }
    }
    Ok(Exit::Success)
}

/// What somebody who edits rules wants to know next: whether the tests pass, and what happens to the object in hand.
fn after_save(config: &Config, arguments: &WatchArguments, tests: &Path, format: Format) -> Result<(), RunError> {
    if tests.is_dir() {
        super::test::run(config, &TestArguments::default(), format)?;
    }
    if let Some([connector, object]) = arguments.preview.as_deref() {
        let session = crate::run::session::Session::open(config.clone(), true)?;
        super::preview::run(session, &PreviewArguments::of(connector, object), format)?;
    }
    Ok(())
}
