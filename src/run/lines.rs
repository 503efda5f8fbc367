//! One line for each step of a cycle, for people who watch.

use super::export::ExportReport;
use super::import::ImportReport;
use super::synchronise::SyncReport;
use super::thousands;

fn time(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100)
}

/// What there is any of, with how many.
fn counted(counts: &[(u64, &str)]) -> Vec<String> {
    counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{} {what}", thousands(*count))).collect()
}

pub(super) fn import_line(report: &ImportReport) -> String {
    let mut line = format!("{:<8}  {:>9} objects   ", report.connector, thousands(report.objects));
    line.push_str(&format!("{:>7}   {:>9} changed", time(report.milliseconds), thousands(report.new + report.changed)));
    for part in counted(&[(report.gone, "gone"), (report.held, "held"), (report.unreadable, "unreadable")]) {
        line.push_str(&format!(", {part}"));
    }
    if !report.incomplete.is_empty() {
        line.push_str("   INCOMPLETE");
    }
    format!("import    {line}")
}

pub(super) fn sync_line(report: &SyncReport) -> String {
    let parts = counted(&[
        (report.flowed, "flow"),
        (report.joined, "join"),
        (report.projected, "project"),
        (report.provisioned, "provision"),
        (report.disconnected, "disconnect"),
    ]);
    let what = if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") };
    format!("sync                {:>9} objects   {:>7}   {what}", thousands(report.objects), time(report.milliseconds))
}

pub(super) fn export_line(report: &ExportReport) -> String {
    let mut parts = counted(&[
        (report.created, "create"),
        (report.restored, "restore"),
        (report.updated, "update"),
        (report.deleted, "delete"),
        (report.added, "members added"),
        (report.removed, "members removed"),
        (report.refused, "refused"),
        (report.refused_before, "refused before"),
        (report.postponed, "postponed"),
        (report.unknown, "unknown"),
        (report.left, "left for later"),
    ]);
    if let Some((sent, needed)) = report.requests.filter(|(sent, needed)| sent > needed) {
        parts.push(format!("{} requests where {} would do", thousands(sent), thousands(needed)));
    }
    if let Some(until) = report.closed_until {
        let until = jiff::Timestamp::from_second(until).unwrap_or_default();
        parts.push(format!("it takes no writes before {until}"));
    }
    let what = if parts.is_empty() { "nothing to write".to_owned() } else { parts.join(", ") };
    format!("export    {:<8}  {what}   {}", report.connector, time(report.milliseconds))
}
