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
use crate::rules::{Compiled, Folders, RuleSet, Settings};

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
    pub fn start(folders: Folders, settings: Settings, known: String, poll: Duration) -> Watcher {
        let (wake, woken) = mpsc::channel();
        let (sender, changes) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let mut folder = Folder {
            folders,
            settings,
            seen: Seen::Set(known),
            last: None,
            watchers: BTreeMap::new(),
            wake: wake.clone(),
        };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut stamps = None;
            loop {
                folder.arm();
                let now = folder.stamps();
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
    folders: Folders,
    settings: Settings,
    seen: Seen,
    /// What compiled last: rules that have not changed are taken from it.
    last: Option<RuleSet>,
    /// By folder; with its identity, for one that was replaced must be watched anew.
    watchers: BTreeMap<PathBuf, (RecommendedWatcher, Identity)>,
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
    fn paths(&self) -> Vec<PathBuf> {
        self.folders.below.iter().chain([&self.folders.own]).cloned().collect()
    }

    fn stamps(&self) -> Vec<Stamps> {
        self.paths().iter().map(|path| stamps_of(path)).collect()
    }

    /// Makes sure that the system tells of changes, if it can.
    fn arm(&mut self) {
        for path in self.paths() {
            let now = identity(&path);
            if self.watchers.get(&path).map(|(_, known)| known) == now.as_ref() {
                continue;
            }
            self.watchers.remove(&path);
            let Some(now) = now else { continue };
            let wake = self.wake.clone();
            let told = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                if event.is_ok_and(|event| !event.kind.is_access()) {
                    let _ = wake.send(());
                }
            });
            if let Ok(mut watcher) = told
                && watcher.watch(&path, RecursiveMode::Recursive).is_ok()
            {
                self.watchers.insert(path, (watcher, now));
            }
        }
    }

    /// Reads and compiles the folder; nothing if that comes to what was published last.
    fn read(&mut self) -> Option<Reload> {
        let files = steady(&self.folders);
        let begun = Instant::now();
        let below = self.folders.below.as_deref();
        let compiled = files
            .and_then(|files| RuleSet::recompile(files, self.settings.clone(), self.last.as_ref()))
            .map(|(set, findings)| (set.lying_over(below), findings));
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
fn steady(folders: &Folders) -> Result<Vec<SourceText>, Vec<Diagnostic>> {
    let mut last = folders.read();
    for _ in 0..READINGS {
        std::thread::sleep(SECOND_LOOK);
        let next = folders.read();
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
    Err(vec![Diagnostic::error("E004", format!("`{}` does not come to rest", folders.own.display()))])
}

/// Sizes and times by path.
pub type Stamps = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Names, sizes and times of everything in the folder and one level below it.
pub fn stamps_of(folder: &Path) -> Stamps {
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
