//! Watches a rules folder: a change gives a whole new rule set, or what is wrong with it. Knows neither runs nor stores.
//!
//! The system says when something happens; a slow look at names, sizes and times makes up for file systems that say
//! nothing. Editors write a new file and rename it, git writes many: nothing is read before it has been quiet for a
//! moment, and nothing counts before two readings agree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::diagnostic::{Diagnostic, SourceText};
use crate::rules::{Compiled, RuleSet};

/// Nothing is read before it has been quiet for so long.
const QUIET: Duration = Duration::from_millis(100);
/// But no later than this, however busy it is.
const PATIENCE: Duration = Duration::from_secs(2);
/// The pause between two readings that must agree.
const SECOND_LOOK: Duration = Duration::from_millis(20);
/// How often the folder is read until two readings agree.
const READINGS: usize = 50;

/// What a change of the folder came to.
#[derive(Debug)]
pub struct Reload {
    /// The new set with its warnings, or everything that is wrong.
    pub compiled: Compiled,
    /// How long compiling took.
    pub took: Duration,
}

/// A folder that is being watched; ends with its watcher.
pub struct Watcher {
    changes: Receiver<Reload>,
    stop: Arc<AtomicBool>,
    wake: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Watches a folder. `known` is the fingerprint of the set that is in use already. `poll` is how often the folder is
    /// looked at besides.
    pub fn start(folder: &Path, settings: BTreeMap<String, String>, known: String, poll: Duration) -> Watcher {
        let (wake, woken) = mpsc::channel();
        let (sender, changes) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let mut folder = Folder {
            path: folder.to_path_buf(),
            settings,
            seen: Seen::Set(known),
            last: None,
            watcher: None,
            wake: wake.clone(),
        };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut stamps = None;
            loop {
                folder.arm();
                let now = stamps_of(&folder.path);
                if stamps.as_ref() == Some(&now) {
                    match woken.recv_timeout(poll) {
                        Ok(()) => wait_for_quiet(&woken),
                        Err(RecvTimeoutError::Timeout) => continue,
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                stamps = Some(now);
                if let Some(reload) = folder.read()
                    && sender.send(reload).is_err()
                {
                    return;
                }
            }
        });
        Watcher { changes, stop, wake, thread: Some(thread) }
    }

    /// The next change, or nothing within a time.
    pub fn wait(&self, time: Duration) -> Option<Reload> {
        self.changes.recv_timeout(time).ok()
    }

    /// The latest change, if there has been one since the last question.
    pub fn latest(&self) -> Option<Reload> {
        self.changes.try_iter().last()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.wake.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits until nothing has happened for a moment, but not for ever.
fn wait_for_quiet(woken: &Receiver<()>) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE && woken.recv_timeout(QUIET).is_ok() {}
}

/// What was published last.
#[derive(PartialEq, Eq)]
enum Seen {
    Set(String),
    Mistakes(String),
}

struct Folder {
    path: PathBuf,
    settings: BTreeMap<String, String>,
    seen: Seen,
    /// What compiled last: rules that have not changed are taken from it.
    last: Option<RuleSet>,
    /// And the folder that it watches, by its identity: one that was replaced must be watched anew.
    watcher: Option<(RecommendedWatcher, Identity)>,
    wake: Sender<()>,
}

/// Which folder a path leads to.
#[derive(PartialEq, Eq)]
struct Identity(Option<SystemTime>, u64);

fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(path).ok()?;
    Some(Identity(found.created().ok(), found.ino()))
}

impl Folder {
    /// Makes sure that the system tells of changes, if it can.
    fn arm(&mut self) {
        let now = identity(&self.path);
        if self.watcher.as_ref().map(|(_, known)| known) == now.as_ref() {
            return;
        }
        self.watcher = None;
        let Some(now) = now else { return };
        let wake = self.wake.clone();
        let told = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                let _ = wake.send(());
            }
        });
        if let Ok(mut watcher) = told
            && watcher.watch(&self.path, RecursiveMode::Recursive).is_ok()
        {
            self.watcher = Some((watcher, now));
        }
    }

    /// Reads and compiles the folder; nothing if that comes to what was published last.
    fn read(&mut self) -> Option<Reload> {
        let files = steady(&self.path);
        let begun = Instant::now();
        let compiled = files.and_then(|files| RuleSet::recompile(files, self.settings.clone(), self.last.as_ref()));
        let seen = match &compiled {
            Ok((set, _)) => Seen::Set(set.fingerprint().to_owned()),
            Err(problems) => Seen::Mistakes(problems.iter().map(|problem| problem.render(false)).collect()),
        };
        if seen == self.seen {
            return None;
        }
        self.seen = seen;
        if let Ok((set, _)) = &compiled {
            self.last = Some(set.clone());
        }
        Some(Reload { compiled, took: begun.elapsed() })
    }
}

/// Reads the folder until two readings agree, so that a checkout that is under way gives no mixture.
fn steady(folder: &Path) -> Result<Vec<SourceText>, Vec<Diagnostic>> {
    let mut last = RuleSet::read(folder);
    for _ in 0..READINGS {
        std::thread::sleep(SECOND_LOOK);
        let next = RuleSet::read(folder);
        let same = match (&last, &next) {
            (Ok(last), Ok(next)) => last == next,
            (Err(_), Err(_)) => true,
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        };
        if same {
            return next;
        }
        last = next;
    }
    Err(vec![Diagnostic::error("E004", format!("`{}` does not come to rest", folder.display()))])
}

/// Names, sizes and times of everything in the folder and one level below it.
pub fn stamps_of(folder: &Path) -> BTreeMap<PathBuf, (u64, Option<SystemTime>)> {
    let mut stamps = BTreeMap::new();
    let mut open = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(found) = entry.metadata() else { continue };
            if found.is_dir() && depth == 0 {
                open.push((entry.path(), depth + 1));
            }
            stamps.insert(entry.path(), (found.len(), found.modified().ok()));
        }
    }
    stamps
}
