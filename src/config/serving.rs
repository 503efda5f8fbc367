//! `[serve]`: when everything is read again, when nothing is written, and how it is watched.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use cronexpr::Crontab;
use jiff::{Timestamp, tz::TimeZone};

use super::observing::Logging;

/// What `syncline serve` heeds besides how often it looks.
#[derive(Clone, Debug)]
pub struct Serving {
    /// How long changes alone are followed before everything is read again; zero is for ever.
    pub whole: Duration,
    /// When nothing is exported: reading and deciding goes on, and what is due waits.
    pub quiet: Vec<Times>,
    /// When the journal is pruned and a backup is made; nothing: never.
    pub maintenance: Option<Times>,
    /// How many days the journal goes back; 0 is for ever.
    pub journal_days: u32,
    /// Where backups go; nothing: none are made.
    pub backups: Option<PathBuf>,
    /// How many of them are kept.
    pub keep_backups: usize,
    /// Where metrics and health are served; nothing: nowhere.
    pub listen: Option<SocketAddr>,
    /// How the log is written.
    pub log: Logging,
    /// The collector that traces go to, without the path: `http://localhost:4318`.
    pub otlp: Option<String>,
}

impl Default for Serving {
    fn default() -> Serving {
        Serving {
            whole: Duration::from_secs(7 * 24 * 3_600),
            quiet: Vec::new(),
            maintenance: None,
            journal_days: 0,
            backups: None,
            keep_backups: 7,
            listen: None,
            log: Logging::default(),
            otlp: None,
        }
    }
}

impl Serving {
    /// Whether nothing is exported at a time.
    pub fn is_quiet(&self, at: Timestamp) -> bool {
        self.quiet.iter().any(|times| times.cover(at))
    }
}

/// Minutes as crontab has them: `* 8-11 * * mon-fri` is every minute of four hours on working days. A time zone may stand
/// at the end (`Europe/Berlin`); without, it is that of the machine.
#[derive(Clone, Debug)]
pub struct Times(Crontab);

impl Times {
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Times, String> {
        let zoned = match text.split_whitespace().count() {
            5 => format!("{text} {}", TimeZone::system().iana_name().unwrap_or("UTC")),
            _ => text.to_owned(),
        };
        let parsed = Crontab::from_str(&zoned);
        parsed.map(Times).map_err(|error| error.to_string().lines().last().unwrap_or("no such times").to_owned())
    }

    /// Whether a time lies in one of the minutes.
    pub fn cover(&self, at: Timestamp) -> bool {
        let minute = Timestamp::from_second(at.as_second() - at.as_second().rem_euclid(60)).unwrap_or(at);
        self.0.matches(minute).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_minutes() {
        let times = Times::parse("* 8-11 * * mon-fri UTC").unwrap_or_else(|why| panic!("{why}"));
        let at = |text: &str| text.parse::<Timestamp>().unwrap_or_else(|error| panic!("{error}"));
        assert!(times.cover(at("2026-11-30T08:00:00Z")));
        assert!(times.cover(at("2026-11-30T11:59:59Z")));
        assert!(!times.cover(at("2026-11-30T12:00:00Z")));
        assert!(!times.cover(at("2026-11-29T09:00:00Z")), "a Sunday");
        assert!(Times::parse("8-11 mon").is_err());
        assert!(Times::parse("* 25 * * *").is_err());
    }
}
