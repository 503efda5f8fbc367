//! The functions of the oracle for dates and times, all in UTC, with the forms of the invariant culture.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

use crate::oracle::Value;
use crate::oracle_functions::{Arguments, Outcome};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// What Active Directory counts from, in units of 100 nanoseconds: 1601.
const EPOCH: i128 = 116_444_736_000_000_000;

pub(crate) fn call(arguments: &Arguments) -> Result<Option<Value>, String> {
    let outcome = match arguments.name {
        "Now" => Ok(Value::Time(Timestamp::now())),
        "DateFromNum" => from_number(arguments),
        "CDate" | "NumFromDate" | "FormatDateTime" => of_time(arguments, 0),
        "DateAdd" => of_time(arguments, 2),
        _ => return Ok(None),
    };
    outcome.map(Some)
}

fn from_number(arguments: &Arguments) -> Outcome {
    if *arguments.value(0) == Value::Null {
        return Ok(Value::Null);
    }
    let number = arguments.number(0)?;
    if number == 0 || number == i64::MAX {
        return Ok(Value::Null);
    }
    let time = Timestamp::from_nanosecond((i128::from(number) - EPOCH) * 100);
    time.map(Value::Time).map_err(|error| arguments.fails(&error.to_string()))
}

fn of_time(arguments: &Arguments, index: usize) -> Outcome {
    let value = arguments.value(index);
    if *value == Value::Null {
        return Ok(Value::Null);
    }
    let time = if arguments.name == "CDate" { date_of(value) } else { exact(value) };
    let time = time.ok_or_else(|| arguments.fails(&format!("{value:?} is not a date")))?;
    match arguments.name {
        "CDate" => Ok(Value::Time(time)),
        "NumFromDate" => {
            let number = time.as_nanosecond().div_euclid(100) + EPOCH;
            i64::try_from(number).map(Value::Int).map_err(|error| arguments.fails(&error.to_string()))
        }
        "DateAdd" => add(arguments, time),
        _ => Ok(Value::Text(formatted(time, &arguments.text_or_empty(1)?))),
    }
}

/// A time, or its text.
fn exact(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Time(time) => Some(*time),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// What `CDate` takes.
pub(crate) fn date_of(value: &Value) -> Option<Timestamp> {
    exact(value).or_else(|| match value {
        Value::Text(text) => written(text),
        _ => None,
    })
}

fn add(arguments: &Arguments, time: Timestamp) -> Outcome {
    let number = arguments.number(1)?;
    let span = span(&arguments.text_or_empty(0)?, number).ok_or_else(|| arguments.fails("no such interval"))?;
    let later = time.to_zoned(TimeZone::UTC).checked_add(span);
    later.map(|later| Value::Time(later.timestamp())).map_err(|error| arguments.fails(&error.to_string()))
}

fn span(interval: &str, number: i64) -> Option<Span> {
    let none = Span::new();
    match interval {
        "yyyy" => none.try_years(number),
        "q" => none.try_months(number.checked_mul(3)?),
        "m" => none.try_months(number),
        "y" | "d" | "w" => none.try_days(number),
        "ww" => none.try_weeks(number),
        "h" => none.try_hours(number),
        "n" => none.try_minutes(number),
        "s" => none.try_seconds(number),
        _ => return None,
    }
    .ok()
}

/// The parts of a date as people write it.
#[derive(Default)]
struct Parts {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    time: Option<Time>,
    afternoon: Option<bool>,
    offset: Option<i64>,
}

fn written(text: &str) -> Option<Timestamp> {
    let mut parts = Parts::default();
    for token in tokens(text) {
        parts.take(&token)?;
    }
    let date = Date::new(parts.year?, parts.month?, parts.day?).ok()?;
    let time = parts.time.unwrap_or(Time::midnight());
    let hour = match (parts.afternoon, time.hour()) {
        (None, hour) => hour,
        (Some(_), hour) if !(1..=12).contains(&hour) => return None,
        (Some(afternoon), hour) => hour % 12 + if afternoon { 12 } else { 0 },
    };
    let time = Time::new(hour, time.minute(), time.second(), time.subsec_nanosecond()).ok()?;
    let utc = DateTime::from_parts(date, time).to_zoned(TimeZone::UTC).ok()?.timestamp();
    utc.checked_sub(parts.offset.unwrap_or(0).minutes()).ok()
}

/// Words of a date: an offset, `Z`, `AM` and `PM` stand alone, as does the time behind a `T`.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()) {
        match word.split_once('T') {
            Some((date, time)) if time.contains(':') && date.contains('-') => {
                tokens.push(date.to_owned());
                tokens.extend(clock(time));
            }
            _ if word.contains(':') && !word.starts_with(['+', '-']) => tokens.extend(clock(word)),
            _ => tokens.push(word.to_owned()),
        }
    }
    tokens
}

fn clock(word: &str) -> Vec<String> {
    let end = word.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(word.len());
    let (time, rest) = word.split_at(end);
    [time, rest].into_iter().filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

impl Parts {
    fn take(&mut self, token: &str) -> Option<()> {
        let numbers =
            |separator| token.split(separator).map(|part| part.parse::<i16>().ok()).collect::<Option<Vec<_>>>();
        if let Some(month) = month(token) {
            return set(&mut self.month, month);
        }
        match token.to_ascii_uppercase().as_str() {
            "AM" => return set(&mut self.afternoon, false),
            "PM" => return set(&mut self.afternoon, true),
            "Z" | "UTC" | "GMT" => return set(&mut self.offset, 0),
            _ => {}
        }
        if token.starts_with(['+', '-']) {
            return set(&mut self.offset, offset(token)?);
        }
        if token.contains(':') {
            return set(&mut self.time, time(token)?);
        }
        let date = if token.contains('/') { numbers('/')? } else { numbers('-')? };
        match date[..] {
            [year, month, day] if year > 31 => self.date(year, month, day),
            [month, day, year] => self.date(year, month, day),
            [year] if year > 31 => set(&mut self.year, year),
            [day] => set(&mut self.day, day.try_into().ok()?),
            _ => None,
        }
    }

    fn date(&mut self, year: i16, month: i16, day: i16) -> Option<()> {
        let century = if year > 99 {
            0
        } else if year < 50 {
            2000
        } else {
            1900
        };
        set(&mut self.year, year + century)?;
        set(&mut self.month, month.try_into().ok()?)?;
        set(&mut self.day, day.try_into().ok()?)
    }
}

fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn month(token: &str) -> Option<i8> {
    let token = token.trim_end_matches('.');
    let names = |name: &str| name.eq_ignore_ascii_case(token) || name[..3].eq_ignore_ascii_case(token);
    MONTHS.iter().position(|name| names(name)).map(|index| index as i8 + 1)
}

/// An offset in minutes: `-8`, `+02:00`, `+0530`.
fn offset(token: &str) -> Option<i64> {
    let (sign, digits) = if let Some(rest) = token.strip_prefix('-') { (-1, rest) } else { (1, &token[1..]) };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 14 && minutes < 60).then(|| sign * (i64::from(hours) * 60 + i64::from(minutes)))
}

fn time(token: &str) -> Option<Time> {
    let mut fields = token.split(':');
    let (hour, minute) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let (second, decimals) = fields.next().map_or(("0", ""), |field| field.split_once('.').unwrap_or((field, "")));
    let nanoseconds = format!("{decimals:0<9}").get(..9)?.parse().ok()?;
    if fields.next().is_some() {
        return None;
    }
    Time::new(hour, minute, second.parse().ok()?, nanoseconds).ok()
}

/// A time in one of .NET's forms.
fn formatted(time: Timestamp, format: &str) -> String {
    let time = time.to_zoned(TimeZone::UTC).datetime();
    let custom = match format {
        "" | "G" => "MM/dd/yyyy HH:mm:ss",
        "g" => "MM/dd/yyyy HH:mm",
        "d" => "MM/dd/yyyy",
        "D" => "dddd, dd MMMM yyyy",
        "f" => "dddd, dd MMMM yyyy HH:mm",
        "F" | "U" => "dddd, dd MMMM yyyy HH:mm:ss",
        "t" => "HH:mm",
        "T" => "HH:mm:ss",
        "m" | "M" => "MMMM dd",
        "y" | "Y" => "yyyy MMMM",
        "o" | "O" => "yyyy-MM-ddTHH:mm:ss.fffffffK",
        "r" | "R" => "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
        "s" => "yyyy-MM-ddTHH:mm:ss",
        "u" => "yyyy-MM-dd HH:mm:ss'Z'",
        other => other.strip_prefix('%').unwrap_or(other),
    };
    let chars: Vec<char> = custom.chars().collect();
    let (mut at, mut text) = (0, String::new());
    while at < chars.len() {
        let c = chars[at];
        let count = chars[at..].iter().take_while(|next| **next == c).count();
        let used = match c {
            '\\' => {
                text.extend(chars.get(at + 1));
                2
            }
            '\'' | '"' => {
                let quoted: String = chars[at + 1..].iter().take_while(|next| **next != c).collect();
                text.push_str(&quoted);
                quoted.chars().count() + 2
            }
            _ => match field(time, c, count) {
                Some(field) => {
                    text.push_str(&field);
                    count
                }
                None => {
                    text.push(c);
                    1
                }
            },
        };
        at += used;
    }
    text
}

fn field(time: DateTime, letter: char, count: usize) -> Option<String> {
    let number = |number: i32| format!("{number:0width$}", width = count.min(2));
    let hour = i32::from(time.hour());
    let decimals = || format!("{:09}", time.subsec_nanosecond())[..count.min(7)].to_owned();
    let day = DAYS[time.weekday().to_monday_zero_offset() as usize];
    let month = MONTHS[time.month() as usize - 1];
    Some(match (letter, count) {
        ('d', 3) => day[..3].into(),
        ('d', 4..) => day.into(),
        ('d', _) => number(time.day().into()),
        ('M', 3) => month[..3].into(),
        ('M', 4..) => month.into(),
        ('M', _) => number(time.month().into()),
        ('y', 1 | 2) => number(i32::from(time.year()) % 100),
        ('y', _) => format!("{:0count$}", time.year()),
        ('H', _) => number(hour),
        ('h', _) => number((hour + 11) % 12 + 1),
        ('m', _) => number(time.minute().into()),
        ('s', _) => number(time.second().into()),
        ('f', _) => decimals(),
        ('F', _) => decimals().trim_end_matches('0').into(),
        ('t', 1) => if hour < 12 { "A" } else { "P" }.into(),
        ('t', _) => if hour < 12 { "AM" } else { "PM" }.into(),
        ('z', 1) => "+0".into(),
        ('z', 2) => "+00".into(),
        ('z', _) => "+00:00".into(),
        ('K', _) => "Z".repeat(count),
        ('g', _) => "A.D.".into(),
        _ => return None,
    })
}
