//! Dates. A time is text as everywhere in rules, in UTC.

use std::sync::LazyLock;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use regex::{Captures, Regex};
use rhai::Dynamic;

use super::{Call, EntraFunction, EntraGroup, net_format, plain};
use crate::rules::vocabulary::conversion::{ticks_of, time_of_ticks};
use crate::rules::vocabulary::moment;
use crate::rules::vocabulary::shape::Outcome;

/// The days of a date in the three orders that people write, then a time, then a zone.
static WRITTEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let month = "(?<name>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*";
    let dates = format!(
        r"(?<y1>\d{{4}})[-/.](?<m1>\d{{1,2}})[-/.](?<d1>\d{{1,2}})|(?<m2>\d{{1,2}})[-/.](?<d2>\d{{1,2}})[-/.](?<y2>\d{{4}})|(?:(?<d3>\d{{1,2}})\s+)?{month}\.?(?:\s+(?<d4>\d{{1,2}}))?,?\s+(?<y3>\d{{4}})"
    );
    let time = r"(?<h>\d{1,2}):(?<min>\d{2})(?::(?<s>\d{2})(?:\.(?<f>\d{1,9})\d*)?)?\s*(?<half>am|pm)?";
    let zone = r"z|gmt|utc|(?<sign>[+-])(?<zh>\d{1,2})(?::?(?<zm>\d{2}))?";
    Regex::new(&format!(r"(?i)^\s*(?:{dates})(?:(?:\s+|t){time})?\s*(?:{zone})?\s*$")).ok()
});

/// A time as people write it.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let found = WRITTEN.as_ref()?.captures(text)?;
    let number = |name: &str| found.name(name).and_then(|digits| digits.as_str().parse::<i32>().ok());
    let any = |names: &[&str]| names.iter().find_map(|name| number(name));
    let month = any(&["m1", "m2"]).or_else(|| month(&found))?;
    let year = i16::try_from(any(&["y1", "y2", "y3"])?).ok()?;
    let day = any(&["d1", "d2", "d3", "d4"])?;
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let moment = date.to_datetime(time(&found)?);
    let local = moment.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let minutes = number("zh").unwrap_or(0) * 60 + number("zm").unwrap_or(0);
    let east = if found.name("sign").is_some_and(|sign| sign.as_str() == "-") { -minutes } else { minutes };
    local.checked_sub(Span::new().minutes(east)).ok()
}

fn month(found: &Captures<'_>) -> Option<i32> {
    let name = found.name("name")?.as_str().to_ascii_lowercase();
    let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    months.iter().position(|month| *month == name).and_then(|index| i32::try_from(index + 1).ok())
}

fn time(found: &Captures<'_>) -> Option<Time> {
    let number = |name: &str| found.name(name).map_or(Some(0), |digits| digits.as_str().parse::<i8>().ok());
    let (hour, minute, second) = (number("h")?, number("min")?, number("s")?);
    let hour = match found.name("half").map(|half| half.as_str().to_ascii_lowercase()).as_deref() {
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some("am") => hour % 12,
        Some(_) => hour % 12 + 12,
        None => hour,
    };
    let fraction = found.name("f").map_or("", |digits| digits.as_str());
    Time::new(hour, minute, second, format!("{fraction:0<9}").parse().ok()?).ok()
}

/// A time as rules keep it.
pub(super) fn written(moment: Timestamp) -> Dynamic {
    plain(moment.to_string())
}

/// The time that an argument holds; nothing of nothing.
fn moment_of(call: &Call<'_>, index: usize) -> Outcome<Option<Timestamp>> {
    let Some(text) = call.text(index)? else { return Ok(None) };
    parse(&text).map(Some).ok_or_else(|| call.error(&format!("`{text}` is not a date")))
}

fn add(call: &Call<'_>) -> Outcome {
    let (interval, number) = (call.needed_text(0)?, call.number(1)?);
    let Some(moment) = moment_of(call, 2)? else { return Ok(Dynamic::UNIT) };
    let span = Span::new();
    let span = match interval.as_str() {
        "yyyy" => span.try_years(number),
        "q" => number.checked_mul(3).map_or_else(|| span.try_months(i64::MAX), |months| span.try_months(months)),
        "m" => span.try_months(number),
        "y" | "d" | "w" => span.try_days(number),
        "ww" => span.try_weeks(number),
        "h" => span.try_hours(number),
        "n" => span.try_minutes(number),
        "s" => span.try_seconds(number),
        other => return Err(call.error(&format!("`{other}` is none of yyyy, q, m, y, d, w, ww, h, n, s"))),
    };
    let later = span.and_then(|span| civil(moment).checked_add(span)?.to_zoned(TimeZone::UTC));
    later.map(|later| written(later.timestamp())).map_err(|_| call.error("that leads beyond the calendar"))
}

fn civil(moment: Timestamp) -> DateTime {
    moment.to_zoned(TimeZone::UTC).datetime()
}

fn from_number(call: &Call<'_>) -> Outcome {
    call.each(Dynamic::UNIT, |value| {
        let ticks = super::conversion::number(value).ok_or_else(|| call.needs("a number", value))?;
        let moment = time_of_ticks(ticks).map_err(|_| call.error(&format!("`{ticks}` is not a time")))?;
        Ok(moment.map_or(Dynamic::UNIT, written))
    })
}

fn to_number(call: &Call<'_>) -> Outcome {
    let Some(moment) = moment_of(call, 0)? else { return Ok(Dynamic::UNIT) };
    ticks_of(moment).map(Dynamic::from_int).ok_or_else(|| call.error("that leads beyond the calendar"))
}

fn format(call: &Call<'_>) -> Outcome {
    let Some(moment) = moment_of(call, 0)? else { return Ok(Dynamic::UNIT) };
    let pattern = call.needed_text(1)?;
    net_format::format(civil(moment), &pattern).map(plain).map_err(|what| call.error(&what))
}

pub(super) static FUNCTIONS: &[EntraFunction] = &[
    EntraFunction {
        name: "DateAdd",
        group: EntraGroup::DateTime,
        signature: "DateAdd(interval, number, time) -> time",
        doc: "So many years (`yyyy`), quarters (`q`), months (`m`), days (`d`, `y`, `w`), weeks (`ww`), hours (`h`), minutes (`n`) or seconds (`s`) later.",
        documented: &[(r#"entra::DateAdd("m", 3, entra::CDate("2001-01-01"))"#, r#""2001-04-01T00:00:00Z""#)],
        examples: &[
            (r#"entra::DateAdd("d", -1, entra::CDate("2024-03-01"))"#, r#""2024-02-29T00:00:00Z""#),
            (r#"entra::DateAdd("q", 1, "2024-11-30T00:00:00Z")"#, r#""2025-02-28T00:00:00Z""#),
            (
                r#"entra::DateAdd("x", 1, "2024-11-30T00:00:00Z")"#,
                r#"error("`entra::DateAdd`: `x` is none of yyyy, q, m, y, d, w, ww, h, n, s")"#,
            ),
            (r#"entra::DateAdd("d", 1, ())"#, "()"),
        ],
        differs: "Not documented: nothing gives nothing, another interval is an error.",
        arity: (3, 3),
        call: add,
    },
    EntraFunction {
        name: "DateFromNum",
        group: EntraGroup::DateTime,
        signature: "DateFromNum(number) -> time",
        doc: "The time that a number of Active Directory means; nothing where it means never.",
        documented: &[("entra::DateFromNum(129699324000000000)", r#""2012-01-01T23:00:00Z""#)],
        examples: &[
            ("entra::DateFromNum(0)", "()"),
            ("entra::DateFromNum(0x7fffffffffffffff)", "()"),
            ("entra::DateFromNum(())", "()"),
        ],
        differs: "Not documented: 0 and the largest number, which mean never, give nothing.",
        arity: (1, 1),
        call: from_number,
    },
    EntraFunction {
        name: "FormatDateTime",
        group: EntraGroup::DateTime,
        signature: "FormatDateTime(time, format) -> text",
        doc: "A time in another form, as .NET's formats say: `yyyy-MM-dd HH:mm`; of the invariant culture.",
        documented: &[(r#"entra::FormatDateTime(entra::CDate("12/25/2007"), "yyyy-MM-dd")"#, r#""2007-12-25""#)],
        examples: &[
            (
                r#"entra::FormatDateTime(entra::DateFromNum(130543784930000000), "yyyyMMddHHmmss.0Z")"#,
                r#""20140905081453.0Z""#,
            ),
            (
                r#"entra::FormatDateTime("2026-01-05T15:04:00Z", "dddd, d MMMM yyyy 'at' h:mm tt")"#,
                r#""Monday, 5 January 2026 at 3:04 PM""#,
            ),
            (r#"entra::FormatDateTime("2026-01-05T15:04:00Z", "s")"#, r#""2026-01-05T15:04:00""#),
            (r#"entra::FormatDateTime((), "yyyy")"#, "()"),
        ],
        differs: "Not documented: nothing gives nothing. Names of months and days are English.",
        arity: (2, 2),
        call: format,
    },
    EntraFunction {
        name: "Now",
        group: EntraGroup::DateTime,
        signature: "Now() -> time",
        doc: "When the run began. A rule that asks for it is evaluated for all its objects on each new day.",
        documented: &[],
        examples: &[(r#"entra::IsDate(entra::Now())"#, "true"), (r#"entra::Now() == ()"#, "false")],
        differs: "There it is the server's clock at each evaluation, in local time; here it is one time for a run, in UTC.",
        arity: (0, 0),
        call: |call| {
            let now = Timestamp::from_second(moment::at());
            now.map(written).map_err(|_| call.error("the clock is beyond the calendar"))
        },
    },
    EntraFunction {
        name: "NumFromDate",
        group: EntraGroup::DateTime,
        signature: "NumFromDate(time) -> number",
        doc: "The number that Active Directory keeps for a time.",
        documented: &[(r#"entra::NumFromDate(entra::CDate("2012-01-01 23:00:00"))"#, "129699324000000000")],
        examples: &[("entra::NumFromDate(())", "()")],
        differs: "Not documented: nothing gives nothing.",
        arity: (1, 1),
        call: to_number,
    },
];
