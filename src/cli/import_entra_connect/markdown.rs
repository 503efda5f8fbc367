//! The report as Markdown.

use crate::entra_connect::Report;

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let _ = report;
    String::new()
}
