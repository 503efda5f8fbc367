//! Calculating with times. A time is text as `filetime` and `generalized_time` make it, `2026-01-05T09:30:00Z`, or a date,
//! `2026-01-05`. There is no clock: a time comes from an attribute, and the day is that on which the run began.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Unit};
use rhai::Dynamic;

use super::moment;
use super::shape::{Outcome, each_text, fail, text, text_of};
use super::{Function, Group};

/// A moment, in UTC, and whether it was written as a date.
fn parse(written: &str) -> Outcome<(DateTime, bool)> {
    if let Ok(moment) = written.parse::<Timestamp>() {
        return Ok((moment.to_zoned(TimeZone::UTC).datetime(), false));
    }
    if let Ok(date) = written.parse::<Date>() {
        return Ok((date.to_datetime(jiff::civil::Time::midnight()), true));
    }
    Err(fail(format!("`{written}` is not a time such as 2026-01-31T00:00:00Z, nor a date")))
}

/// As it was written: a date stays a date.
fn written(moment: DateTime, is_date: bool) -> Outcome {
    if is_date {
        return Ok(text(moment.date().to_string()));
    }
    let zoned = moment.to_zoned(TimeZone::UTC).map_err(|error| fail(error.to_string()))?;
    Ok(text(zoned.timestamp().to_string()))
}

fn shifted(name: &'static str, value: &Dynamic, span: Option<Span>) -> Outcome {
    each_text(name, value, |whole| {
        let (moment, is_date) = parse(whole)?;
        let beyond = || fail(format!("`{name}` leads beyond the calendar"));
        written(moment.checked_add(span.ok_or_else(beyond)?).map_err(|_| beyond())?, is_date)
    })
}

fn days_between(from: &Dynamic, to: &Dynamic) -> Outcome {
    if from.is_unit() || to.is_unit() {
        return Ok(Dynamic::UNIT);
    }
    let (from, _) = parse(&text_of("days_between", from)?)?;
    let (to, _) = parse(&text_of("days_between", to)?)?;
    let span = from.date().until((Unit::Day, to.date())).map_err(|error| fail(error.to_string()))?;
    Ok(Dynamic::from_int(i64::from(span.get_days())))
}

/// The day on which the run began.
fn today() -> Outcome {
    let now = Timestamp::from_second(moment::at()).map_err(|error| fail(error.to_string()))?;
    written(now.to_zoned(TimeZone::UTC).datetime(), true)
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "today",
        group: Group::Times,
        signature: "today() -> date",
        doc: "The day on which the run began, in UTC. A rule that asks for it is evaluated for all its objects on each new day.",
        examples: &[("days_between(today(), add_days(today(), 14))", "14"), ("today() == ()", "false")],
        register: |engine| {
            engine.register_fn("today", today);
        },
    },
    Function {
        name: "add_days",
        group: Group::Times,
        signature: "add_days(time, count) -> time",
        doc: "So many days later, or earlier. A date stays a date.",
        examples: &[
            (r#"add_days("2026-02-27", 2)"#, r#""2026-03-01""#),
            (r#"add_days("2026-01-05T09:30:00Z", -5)"#, r#""2025-12-31T09:30:00Z""#),
            (r#"add_days("soon", 1)"#, r#"error("`soon` is not a time such as 2026-01-31T00:00:00Z, nor a date")"#),
            ("add_days((), 1)", "()"),
        ],
        register: |engine| {
            engine.register_fn("add_days", |value: Dynamic, count: i64| -> Outcome {
                shifted("add_days", &value, Span::new().try_days(count).ok())
            });
        },
    },
    Function {
        name: "add_months",
        group: Group::Times,
        signature: "add_months(time, count) -> time",
        doc: "So many months later, or earlier; the last day of the month where there is no such day.",
        examples: &[
            (r#"add_months("2026-01-31", 1)"#, r#""2026-02-28""#),
            (r#"add_months("2026-01-05T09:30:00Z", -12)"#, r#""2025-01-05T09:30:00Z""#),
            ("add_months((), 1)", "()"),
        ],
        register: |engine| {
            engine.register_fn("add_months", |value: Dynamic, count: i64| -> Outcome {
                shifted("add_months", &value, Span::new().try_months(count).ok())
            });
        },
    },
    Function {
        name: "days_between",
        group: Group::Times,
        signature: "days_between(time, time) -> number",
        doc: "How many days the second is after the first; less than 0 where it is before.",
        examples: &[
            (r#"days_between("2026-01-05", "2026-03-01")"#, "55"),
            (r#"days_between("2026-01-05T23:00:00Z", "2026-01-04")"#, "-1"),
            (r#"days_between((), "2026-01-04")"#, "()"),
        ],
        register: |engine| {
            engine.register_fn("days_between", |from: Dynamic, to: Dynamic| days_between(&from, &to));
        },
    },
    Function {
        name: "format_time",
        group: Group::Times,
        signature: "format_time(time, format) -> text",
        doc: "A time in another form: `%Y` `%m` `%d` `%H` `%M` `%S`, and the others of strftime. In UTC.",
        examples: &[
            (r#"format_time("2026-01-05T09:30:00Z", "%d.%m.%Y %H:%M")"#, r#""05.01.2026 09:30""#),
            (r#"format_time("2026-01-05", "%Y%m%d")"#, r#""20260105""#),
            (r#"format_time((), "%Y")"#, "()"),
        ],
        register: |engine| {
            engine.register_fn("format_time", |value: Dynamic, format: &str| -> Outcome {
                each_text("format_time", &value, |whole| {
                    let (moment, _) = parse(whole)?;
                    let zoned = moment.to_zoned(TimeZone::UTC).map_err(|error| fail(error.to_string()))?;
                    let shown = jiff::fmt::strtime::format(format, &zoned);
                    shown.map(text).map_err(|error| fail(format!("`{format}` is not a format: {error}")))
                })
            });
        },
    },
    Function {
        name: "parse_time",
        group: Group::Times,
        signature: "parse_time(text, format) -> time",
        doc: "The time, or the date, that a text in another form means; see `format_time`. Without a zone it is UTC.",
        examples: &[
            (r#"parse_time("05.01.2026", "%d.%m.%Y")"#, r#""2026-01-05""#),
            (r#"parse_time("05.01.2026 10:30 +0100", "%d.%m.%Y %H:%M %z")"#, r#""2026-01-05T09:30:00Z""#),
            (r#"parse_time("5 o'clock", "%Y")"#, r#"error("`5 o'clock` has not the form `%Y`")"#),
            (r#"parse_time((), "%Y")"#, "()"),
        ],
        register: |engine| {
            engine.register_fn("parse_time", |value: Dynamic, format: &str| -> Outcome {
                each_text("parse_time", &value, |whole| parsed(whole, format))
            });
        },
    },
];

fn parsed(whole: &str, format: &str) -> Outcome {
    let wrong = || fail(format!("`{whole}` has not the form `{format}`"));
    let parts = jiff::fmt::strtime::parse(format, whole).map_err(|_| wrong())?;
    if let Ok(moment) = parts.to_timestamp() {
        return Ok(text(moment.to_string()));
    }
    match parts.to_datetime() {
        Ok(moment) if parts.hour().is_some() => written(moment, false),
        _ => parts.to_date().map(|date| text(date.to_string())).map_err(|_| wrong()),
    }
}
