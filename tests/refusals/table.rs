//! The table of all cases, as people read it.

use expect_test::expect_file;

use super::{cases, groups, licences, links, room, surprises, users};

/// What is known of an error before anything is sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Known {
    /// `plan` says it, in this sentence.
    Said(String),
    /// It is never sent, for this reason.
    NeverSent(String),
    /// Nobody can know, for this reason.
    Unknowable(String),
}

/// From where an error is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Source {
    /// People have shown the answer.
    Reports,
    /// The limit is documented; the words are the emulator's.
    Documentation,
}

/// One error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) error: String,
    pub(crate) source: Source,
    /// What the emulator answers.
    pub(crate) answer: String,
    pub(crate) known: Known,
}

const HEAD: &str = "# What Graph refuses, and what `plan` says beforehand

Errors that people meet. Each is planned, and then sent to the emulator all the same, past our own checks: `answer` is what
it says. For each that is predicted, a neighbour that is fine is planned and sent, too, and taken. Where an error is known
from *reports*, people have shown this answer; where it is from the *documentation*, Graph documents the limit, and the words
are the emulator's. No live tenant was asked.

`tests/refusals` makes this page.
";

fn row(row: &Row) -> String {
    let cell = |text: &str| text.replace('|', "\\\\|");
    let known = match &row.known {
        Known::Said(text) | Known::NeverSent(text) | Known::Unknowable(text) => text,
    };
    let source = match row.source {
        Source::Reports => "reports",
        Source::Documentation => "documentation",
    };
    format!("| {} | {source} | {} | {} |\n", cell(&row.error), cell(&row.answer), cell(known))
}

fn section(title: &str, column: &str, rows: &[&Row]) -> String {
    let lines: String = rows.iter().map(|one| row(one)).collect();
    format!("\n## {title}: {}\n\n| error | known from | answer | {column} |\n|---|---|---|---|\n{lines}", rows.len())
}

#[test]
fn everything_that_people_report_is_predicted_or_cannot_be_known() {
    let mut rows = cases::rows([users::cases(), groups::cases()].concat());
    for more in [links::rows(), room::rows(), licences::rows(), surprises::rows()] {
        rows.extend(more);
    }
    let of = |wanted: fn(&Known) -> bool| -> Vec<&Row> { rows.iter().filter(|row| wanted(&row.known)).collect() };
    let said = of(|known| matches!(known, Known::Said(_)));
    let never = of(|known| matches!(known, Known::NeverSent(_)));
    let unknowable = of(|known| matches!(known, Known::Unknowable(_)));
    assert!(said.len() >= 30, "{}", said.len());
    let page = [
        HEAD.to_owned(),
        section("Predicted", "`plan` says", &said),
        section("Never sent", "why", &never),
        section("Not to be known beforehand", "why", &unknowable),
    ];
    expect_file!["../../docs/refusals.md"].assert_eq(&page.concat());
}
