//! .NET's formats for dates, of the invariant culture, in UTC: standard ones of one letter, and custom ones.

use jiff::civil::DateTime;

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

/// A time in a format.
///
/// # Errors
/// Says what in the format is wrong.
pub(super) fn format(moment: DateTime, pattern: &str) -> Result<String, String> {
    let mut letters = pattern.chars();
    match (letters.next(), letters.next()) {
        (None, _) => Err("the format is empty".into()),
        (Some(letter), None) => custom(moment, standard(letter).ok_or_else(|| format!("`{letter}` is not a format"))?),
        (Some('%'), Some(_)) => custom(moment, pattern.get(1..).unwrap_or_default()),
        _ => custom(moment, pattern),
    }
}

/// What a format of one letter stands for.
fn standard(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "MM/dd/yyyy",
        'D' => "dddd, dd MMMM yyyy",
        'f' => "dddd, dd MMMM yyyy HH:mm",
        'F' | 'U' => "dddd, dd MMMM yyyy HH:mm:ss",
        'g' => "MM/dd/yyyy HH:mm",
        'G' => "MM/dd/yyyy HH:mm:ss",
        'm' | 'M' => "MMMM dd",
        'o' | 'O' => "yyyy-MM-dd'T'HH:mm:ss.fffffffK",
        'r' | 'R' => "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
        's' => "yyyy-MM-dd'T'HH:mm:ss",
        't' => "HH:mm",
        'T' => "HH:mm:ss",
        'u' => "yyyy-MM-dd HH:mm:ss'Z'",
        'y' | 'Y' => "yyyy MMMM",
        _ => return None,
    })
}

fn custom(moment: DateTime, pattern: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '\'' | '"' => loop {
                match rest.next() {
                    Some(quoted) if quoted == letter => break,
                    Some(quoted) => text.push(quoted),
                    None => return Err(format!("`{pattern}` has an open quotation mark")),
                }
            },
            '\\' => text.push(rest.next().ok_or_else(|| format!("`{pattern}` ends in a backslash"))?),
            '%' => {}
            letter if "dfFgHhKmMsStyz".contains(letter) => {
                let mut count = 1;
                while rest.next_if_eq(&letter).is_some() {
                    count += 1;
                }
                part(moment, letter, count, &mut text);
            }
            other => text.push(other),
        }
    }
    Ok(text)
}

/// One specifier, repeated so many times.
fn part(moment: DateTime, letter: char, count: usize, text: &mut String) {
    let padded = |number: i16| format!("{number:0width$}", width = count.min(2));
    let half = |hour: i8| if hour % 12 == 0 { 12 } else { hour % 12 };
    let weekday = usize::try_from(moment.weekday().to_monday_zero_offset()).unwrap_or(0);
    let month = usize::try_from(moment.month() - 1).unwrap_or(0);
    let short = |name: &str| name.get(..3).unwrap_or(name).to_owned();
    let fraction = format!("{:09}", moment.subsec_nanosecond());
    let fraction = fraction.get(..count.min(7)).unwrap_or_default();
    let written = match (letter, count) {
        ('d', 1 | 2) => padded(moment.day().into()),
        ('d', 3) => short(DAYS[weekday % 7]),
        ('d', _) => DAYS[weekday % 7].to_owned(),
        ('M', 1 | 2) => padded(moment.month().into()),
        ('M', 3) => short(MONTHS[month % 12]),
        ('M', _) => MONTHS[month % 12].to_owned(),
        ('y', 1 | 2) => padded(moment.year() % 100),
        ('y', _) => format!("{:0count$}", moment.year()),
        ('H', _) => padded(moment.hour().into()),
        ('h', _) => padded(half(moment.hour()).into()),
        ('m', _) => padded(moment.minute().into()),
        ('s', _) => padded(moment.second().into()),
        ('f', _) => fraction.to_owned(),
        ('F', _) => {
            let trimmed = fraction.trim_end_matches('0').to_owned();
            if trimmed.is_empty() && text.ends_with('.') {
                text.pop();
            }
            trimmed
        }
        ('t', 1) => if moment.hour() < 12 { "A" } else { "P" }.to_owned(),
        ('t', _) => if moment.hour() < 12 { "AM" } else { "PM" }.to_owned(),
        ('g', _) => "A.D.".to_owned(),
        ('K', _) => "Z".repeat(count),
        ('z', 1) => "+0".to_owned(),
        ('z', 2) => "+00".to_owned(),
        ('z', _) => "+00:00".to_owned(),
        (other, _) => other.to_string().repeat(count),
    };
    text.push_str(&written);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_those_of_dotnet() {
        let moment = jiff::civil::datetime(2009, 6, 5, 13, 45, 30, 617_542_500);
        for (pattern, expected) in [
            ("d", "06/05/2009"),
            ("D", "Friday, 05 June 2009"),
            ("o", "2009-06-05T13:45:30.6175425Z"),
            ("R", "Fri, 05 Jun 2009 13:45:30 GMT"),
            ("u", "2009-06-05 13:45:30Z"),
            ("Y", "2009 June"),
            ("%d", "5"),
            ("d MMM yy", "5 Jun 09"),
            ("yyyyMMddHHmmss.0Z", "20090605134530.0Z"),
            ("h:m t", "1:45 P"),
            ("hh 'o''clock'", "01 oclock"),
            (r"HH\hmm", "13h45"),
            ("ss.FFF|fff", "30.617|617"),
            ("zzz", "+00:00"),
        ] {
            assert_eq!(format(moment, pattern).as_deref(), Ok(expected), "`{pattern}`");
        }
        let whole = jiff::civil::datetime(2009, 6, 5, 0, 5, 0, 0);
        assert_eq!(format(whole, "h:mm:ss.FFF tt").as_deref(), Ok("12:05:00 AM"));
        for wrong in ["", "x", "'a", "yyyy\\"] {
            assert!(format(moment, wrong).is_err(), "`{wrong}`");
        }
    }
}
