//! `syncline compact`: the store without the room of what is gone.

use super::output::{plural, print_json, say};
use super::progress::Terminal;
use super::{Exit, Format, open_store};
use crate::config::Config;
use crate::run::compaction::{self, Compacted};
use crate::run::{RunError, Silent};

pub(super) fn run(config: &Config, format: Format) -> Result<Exit, RunError> {
    let (store, folder) = (open_store(config)?, config.store());
    let compacted = match format {
        Format::Text => compaction::run(store, &folder, &Terminal::new()),
        Format::Json => compaction::run(store, &folder, &Silent),
    }?;
    match format {
        Format::Json => print_json(&compacted),
        Format::Text => {
            let keys = plural(usize::try_from(compacted.keys).unwrap_or(usize::MAX), "key");
            say(&format!("{} is written anew: {keys}, {}", folder.display(), told(&compacted)));
        }
    }
    Ok(Exit::Success)
}

/// `2.0 GB → 310 MB in 41 s`.
pub(super) fn told(compacted: &Compacted) -> String {
    let size = |bytes: u64| indicatif::DecimalBytes(bytes);
    let seconds = std::time::Duration::from_millis(compacted.milliseconds).as_secs_f64();
    format!("{} → {} in {seconds:.1} s", size(compacted.before), size(compacted.after))
}
