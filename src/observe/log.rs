//! The log of serving as JSON, one object a line; and where spans go. Hears our own events alone: libraries may log headers,
//! and there are tokens in them.

use tracing::level_filters::LevelFilter;
use tracing::{error, info, warn};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::config::{Config, Logging};
use crate::diagnostic::Diagnostic;
use crate::run::RunError;
use crate::run::cycle::CycleReport;
use crate::run::export::ExportReport;
use crate::run::guard::Exceeded;
use crate::run::serve::Event;

/// Where events and spans go, until it is dropped.
pub struct Log {
    #[cfg(feature = "otlp")]
    traces: Option<super::otlp::Traces>,
}

/// Local time, as in the lines for people.
struct LocalTime;

impl FormatTime for LocalTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::system());
        write!(writer, "{} ", now.strftime("%Y-%m-%d %H:%M:%S"))
    }
}

impl Log {
    /// Begins to write. For people, only what they do not hear otherwise: warnings of those who watch.
    ///
    /// # Errors
    /// When traces cannot be sent as configured.
    pub fn start(config: &Config, logging: Logging) -> Result<Log, String> {
        let ours = |level: LevelFilter| Targets::new().with_target("syncline", level);
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
        let lines = match logging {
            Logging::Json => {
                let json = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
                json.with_filter(ours(LevelFilter::INFO)).boxed()
            }
            Logging::Text => {
                let text = lines.compact().with_level(false).with_ansi(false).with_timer(LocalTime);
                let watching = Targets::new().with_target("syncline::observe", LevelFilter::WARN);
                text.with_filter(watching).boxed()
            }
        };
        let otlp = config.serving.otlp.clone().or_else(|| std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok());
        #[cfg(feature = "otlp")]
        {
            let traces = otlp.map(|url| super::otlp::Traces::to(&url)).transpose()?;
            let spans = traces.as_ref().map(|traces| traces.layer().with_filter(ours(LevelFilter::INFO)).boxed());
            let layers: Vec<_> = std::iter::once(lines).chain(spans).collect();
            // A process serves once.
            let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layers));
            Ok(Log { traces })
        }
        #[cfg(not(feature = "otlp"))]
        {
            if otlp.is_some() {
                return Err("this build has no traces: they need the feature `otlp`".to_owned());
            }
            let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines));
            Ok(Log {})
        }
    }
}

#[cfg(feature = "otlp")]
impl Drop for Log {
    fn drop(&mut self) {
        if let Some(traces) = self.traces.take() {
            traces.end();
        }
    }
}

/// Something without numbers.
pub fn say(line: &str) {
    info!("{line}");
}

/// Writes down what serving tells.
pub fn write(event: &Event<'_>) {
    match event {
        Event::Begins(rules) => info!(rules = rules.fingerprint(), count = rules.rules().len(), "serving"),
        Event::Cycle(report) => cycle(report),
        Event::Failed(failure, pause) => {
            let problems = if let RunError::Rules(problems) = failure { Some(rendered(problems)) } else { None };
            error!(error = %failure, pause_seconds = pause.as_secs(), problems, "run failed");
        }
        Event::Down(connector, failure, pause, failures) => {
            warn!(connector, error = %failure, pause_seconds = pause.as_secs(), failures, "connector down");
        }
        Event::Up(connector) => info!(connector, "connector up"),
        Event::Whole(connector, why) => info!(connector, why, "read whole"),
        Event::Refused(problems) => error!(problems = rendered(problems), "saved rules refused"),
        Event::Unfit(problems) => error!(problems = problems.join("\n"), "saved rules do not fit"),
        Event::Loaded(rules, took) => {
            let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            info!(rules = rules.fingerprint(), milliseconds, "rules saved");
        }
        Event::Back => info!("rules as before"),
        Event::Taken(rules) => info!(rules = rules.fingerprint(), "rules taken"),
        Event::Waits(rules, why) => warn!(rules = rules.fingerprint(), why, "rules wait"),
        Event::Maintained(maintained) => {
            let backup = maintained.backup.as_ref().map(|path| path.display().to_string());
            let (forgotten, bytes, deleted) = (maintained.forgotten, maintained.bytes, maintained.deleted.len());
            let store_bytes = maintained.compacted.as_ref().map(|compacted| compacted.after);
            info!(forgotten, backup, bytes, deleted, store_bytes, "maintenance");
        }
        Event::NotMaintained(failure) => error!(error = %failure, "maintenance failed"),
        Event::Reconfigured => info!("configuration changed"),
        Event::NotReconfigured(problems) => error!(problems = rendered(problems), "configuration refused"),
        Event::StoreInUse => info!("another command has the store"),
        Event::NotKept(failure) => error!(error = %failure, "rules not kept"),
        Event::Lag(lag) => {
            for (connector, lag) in *lag {
                info!(connector, seconds = lag.as_secs_f64(), "lag");
            }
        }
        Event::Alive | Event::Answered(_) | Event::Counted(_) => {}
    }
}

fn rendered(problems: &[Diagnostic]) -> String {
    problems.iter().map(|problem| problem.render(false)).collect::<Vec<_>>().join("\n")
}

/// A run: a line for each import that showed something, each export that had something to do, and the whole.
fn cycle(report: &CycleReport) {
    let (run, id) = (report.run, report.id.to_string());
    for import in &report.imports {
        let (connector, shown, new, changed) = (&import.connector, import.objects, import.new, import.changed);
        let (gone, held, unreadable) = (import.gone, import.held, import.unreadable);
        let milliseconds = import.milliseconds;
        info!(run, id, connector, shown, new, changed, gone, held, unreadable, milliseconds, "import");
        if !import.incomplete.is_empty() {
            warn!(run, id, connector, why = import.incomplete.join("; "), "import incomplete");
        }
    }
    report.exports.iter().for_each(|report| export(run, &id, report));
    for (connector, warning) in &report.warnings {
        warn!(run, id, connector, "{warning}");
    }
    for (connector, waiting) in report.staging.iter().filter(|(_, waiting)| *waiting > 0) {
        warn!(run, id, connector, waiting, "waits for go-live");
    }
    for shrunk in &report.shrunk {
        error!(run, id, why = shrunk, "stopped: shrinkage");
    }
    if !report.exceeded.is_empty() {
        let limits: Vec<String> = report.exceeded.iter().map(Exceeded::deed).collect();
        let list = report.list.as_ref().map(|path| path.display().to_string());
        error!(run, id, why = limits.join("; "), list, "stopped: guard");
    }
    let written: u64 = report.exports.iter().map(ExportReport::written).sum();
    let outcome = super::counting::Outcome::of(report).name();
    let (errors, milliseconds, rules) = (report.errors, report.milliseconds, report.rules.as_str());
    let sync = &report.sync;
    let (objects, metaverse, references) = (sync.objects, sync.metaverse, sync.references);
    info!(run, id, rules, outcome, objects, metaverse, references, written, errors, milliseconds, "run");
}

fn export(run: u64, id: &str, report: &ExportReport) {
    if report.written() + report.refused + report.postponed + report.unknown + report.left == 0 {
        return;
    }
    let connector = &report.connector;
    let ExportReport { created, restored, updated, deleted, .. } = *report;
    let ExportReport { added, removed, refused, postponed, unknown, left, .. } = *report;
    let (sent, needed) = report.requests.unwrap_or_default();
    let (closed_until, milliseconds) = (report.closed_until, report.milliseconds);
    info!(
        run,
        id,
        connector,
        created,
        restored,
        updated,
        deleted,
        added,
        removed,
        refused,
        postponed,
        unknown,
        left,
        sent,
        needed,
        closed_until,
        milliseconds,
        "export"
    );
    for (who, why) in &report.problems {
        warn!(run, id, connector, who, why, "refused");
    }
}
