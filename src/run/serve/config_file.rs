//! The configuration while Syncline serves: a file that has changed is read again, once it is whole.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use crate::config::Config;
use crate::diagnostic::Diagnostic;

/// How often it is looked at.
const GLANCE: Duration = Duration::from_secs(1);

/// The file, and how it was.
pub(super) struct ConfigFile {
    path: PathBuf,
    text: String,
    stamp: Option<(u64, SystemTime)>,
    looked: Instant,
}

impl ConfigFile {
    pub(super) fn of(config: &Config) -> ConfigFile {
        let path = config.source.path.clone();
        let stamp = stamp(&path);
        ConfigFile { path, text: config.source.text.clone(), stamp, looked: Instant::now() }
    }

    /// What it says now, if that is something else than before; each text is told once.
    pub(super) fn changed(&mut self) -> Option<Result<Config, Vec<Diagnostic>>> {
        if self.looked.elapsed() < GLANCE {
            return None;
        }
        self.looked = Instant::now();
        let now = stamp(&self.path);
        // A file that is not there is being written.
        if now.is_none() || now == self.stamp {
            return None;
        }
        self.stamp = now;
        let text = std::fs::read_to_string(&self.path).ok()?;
        if text == self.text {
            return None;
        }
        self.text = text;
        Some(Config::load(&self.path))
    }
}

fn stamp(path: &std::path::Path) -> Option<(u64, SystemTime)> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.len(), about.modified().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_once() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let path = folder.path().join("syncline.toml");
        let write = |text: &str| std::fs::write(&path, text).unwrap_or_else(|error| panic!("{error}"));
        let head = "[connector.entra]\nkind = \"entra\"\nemulator = true\n";
        write(head);
        let config = Config::load(&path).unwrap_or_else(|problems| panic!("{problems:?}"));
        let mut file = ConfigFile::of(&config);
        let mut look = || {
            file.looked -= GLANCE;
            file.changed()
        };
        assert!(look().is_none());
        write(&format!("{head}[serve]\nevery = 7\n"));
        assert_eq!(look().and_then(Result::ok).map(|config| config.every.as_secs()), Some(7));
        assert!(look().is_none());
        write(&format!("{head}[serve]\nevry = 7\n"));
        assert!(look().is_some_and(|config| config.is_err()));
        assert!(look().is_none());
    }
}
