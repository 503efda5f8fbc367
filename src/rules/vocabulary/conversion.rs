//! From one kind of value to another. Times are RFC 3339 text in UTC.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use rhai::Dynamic;

use super::shape::{Outcome, bytes_of, each, each_text, fail, text, text_of, wrong_kind};
use super::{Function, Group};

/// Seconds from 1601-01-01, where FILETIME starts, to 1970-01-01.
const FILETIME_EPOCH: i64 = 11_644_473_600;
/// How many steps FILETIME counts in a second.
const TICKS: i64 = 10_000_000;

fn to_integer(value: &Dynamic) -> Outcome {
    if value.is_int() {
        return Ok(value.clone());
    }
    if let Ok(flag) = value.as_bool() {
        return Ok(Dynamic::from_int(i64::from(flag)));
    }
    let written = text_of("to_integer", value)?;
    let number = written.trim().parse::<i64>().map_err(|_| fail(format!("`{written}` is not a number")))?;
    Ok(Dynamic::from_int(number))
}

fn to_boolean(value: &Dynamic) -> Outcome {
    if value.is_bool() {
        return Ok(value.clone());
    }
    if let Ok(number) = value.as_int() {
        return Ok(Dynamic::from_bool(number != 0));
    }
    let written = text_of("to_boolean", value)?;
    match written.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(Dynamic::TRUE),
        "false" | "no" | "0" => Ok(Dynamic::FALSE),
        _ => Err(fail(format!("`{written}` is neither true nor false"))),
    }
}

fn to_text(value: &Dynamic) -> Outcome {
    if value.is_int() || value.is_bool() {
        return Ok(text(value.to_string()));
    }
    if value.is_blob() {
        let bytes = bytes_of("to_text", value)?;
        return String::from_utf8(bytes).map(text).map_err(|error| {
            let shown = STANDARD.encode(error.as_bytes());
            fail(format!("the bytes `{shown}` are not UTF-8 text; use `base64` or `hex`"))
        });
    }
    text_of("to_text", value).map(text)
}

/// 0 and the largest number mean never.
fn filetime(value: &Dynamic) -> Outcome {
    let ticks = to_integer(value)?.as_int().map_err(|_| wrong_kind("filetime", "a number", value))?;
    let time = time_of_ticks(ticks).map_err(|_| fail(format!("`{ticks}` is not a time")))?;
    Ok(time.map_or(Dynamic::UNIT, |time| text(time.to_string())))
}

/// The time that Active Directory's number means; nothing for 0 and the largest number, which mean never.
pub(super) fn time_of_ticks(ticks: i64) -> Result<Option<Timestamp>, jiff::Error> {
    if ticks == 0 || ticks == i64::MAX {
        return Ok(None);
    }
    let nanoseconds = i32::try_from(ticks.rem_euclid(TICKS) * 100).unwrap_or_default();
    Timestamp::new(ticks.div_euclid(TICKS) - FILETIME_EPOCH, nanoseconds).map(Some)
}

/// Active Directory's number for a time, if it has one.
pub(super) fn ticks_of(time: Timestamp) -> Option<i64> {
    let ticks = time.as_nanosecond().div_euclid(100) + i128::from(FILETIME_EPOCH) * i128::from(TICKS);
    i64::try_from(ticks).ok()
}

/// `20260105093000.0Z`, `20260105093000Z`, `202601050930+0100`.
fn generalized_time(written: &str) -> Outcome {
    let wrong = || fail(format!("`{written}` is not a generalised time"));
    let (moment, zone) = match written.find(['Z', '+', '-']) {
        Some(at) => written.split_at(at),
        None => return Err(wrong()),
    };
    let whole = moment.split(['.', ',']).next().unwrap_or_default();
    let format = match whole.len() {
        14 => "%Y%m%d%H%M%S",
        12 => "%Y%m%d%H%M",
        10 => "%Y%m%d%H",
        _ => return Err(wrong()),
    };
    let moment = DateTime::strptime(format, whole).map_err(|_| wrong())?;
    let minutes_east: i64 = match zone {
        "Z" => 0,
        _ => {
            let (sign, digits) = zone.split_at(1);
            let number: i64 = digits.parse().map_err(|_| wrong())?;
            let minutes = match digits.len() {
                2 => number * 60,
                4 => number / 100 * 60 + number % 100,
                _ => return Err(wrong()),
            };
            if sign == "-" { -minutes } else { minutes }
        }
    };
    let local = moment.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?.timestamp();
    let time = Timestamp::from_second(local.as_second() - minutes_east * 60).map_err(|_| wrong())?;
    Ok(text(time.to_string()))
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "to_integer",
        group: Group::Conversion,
        signature: "to_integer(value) -> number",
        doc: "The number that a text says; an error for other text.",
        examples: &[
            (r#"to_integer(" 42 ")"#, "42"),
            (r#"to_integer("4x")"#, r#"error("`4x` is not a number")"#),
            ("to_integer(true)", "1"),
            ("to_integer(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("to_integer", |value: Dynamic| each(&value, &to_integer));
        },
    },
    Function {
        name: "to_boolean",
        group: Group::Conversion,
        signature: "to_boolean(value) -> true or false",
        doc: "True for `true`, `yes`, `1` and numbers other than 0; false for `false`, `no`, `0`; an error for other text.",
        examples: &[
            (r#"to_boolean("TRUE")"#, "true"),
            (r#"to_boolean("no")"#, "false"),
            ("to_boolean(0)", "false"),
            (r#"to_boolean("maybe")"#, r#"error("`maybe` is neither true nor false")"#),
            ("to_boolean(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("to_boolean", |value: Dynamic| each(&value, &to_boolean));
        },
    },
    Function {
        name: "to_text",
        group: Group::Conversion,
        signature: "to_text(value) -> text",
        doc: "A number or a truth value as text; bytes as UTF-8 text.",
        examples: &[
            ("to_text(42)", r#""42""#),
            ("to_text(true)", r#""true""#),
            (r#"to_text(from_hex("417a"))"#, r#""Az""#),
            (r#"to_text(from_hex("ff"))"#, r#"error("the bytes `/w==` are not UTF-8 text; use `base64` or `hex`")"#),
            ("to_text([1, 2])", r#"["1", "2"]"#),
            ("to_text(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("to_text", |value: Dynamic| each(&value, &to_text));
        },
    },
    Function {
        name: "filetime",
        group: Group::Conversion,
        signature: "filetime(number) -> time",
        doc: "The time that `pwdLastSet`, `accountExpires` and their like mean; `()` where that is never.",
        examples: &[
            ("filetime(129699324000000000)", r#""2012-01-01T23:00:00Z""#),
            ("filetime(116444736000000000)", r#""1970-01-01T00:00:00Z""#),
            ("filetime(0)", "()"),
            ("filetime(0x7fffffffffffffff)", "()"),
            ("filetime(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("filetime", |value: Dynamic| each(&value, &filetime));
        },
    },
    Function {
        name: "generalized_time",
        group: Group::Conversion,
        signature: "generalized_time(text) -> time",
        doc: "The time that `whenCreated` and its like mean, to the second.",
        examples: &[
            (r#"generalized_time("20260105093000.0Z")"#, r#""2026-01-05T09:30:00Z""#),
            (r#"generalized_time("202601050930+0130")"#, r#""2026-01-05T08:00:00Z""#),
            (r#"generalized_time("today")"#, r#"error("`today` is not a generalised time")"#),
            ("generalized_time(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("generalized_time", |value: Dynamic| {
                each_text("generalized_time", &value, generalized_time)
            });
        },
    },
];
