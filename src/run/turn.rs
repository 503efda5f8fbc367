//! Whose turn it is with the store: one process has it at a time. `syncline serve` keeps it, and gives it away between two
//! cycles when another command asks; who waits asks by a file beside the store.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::RunError;
use crate::store::{StoreError, private_folder};

/// How often it is looked whether the store is free.
const GLANCE: Duration = Duration::from_millis(25);

fn wish(folder: &Path) -> PathBuf {
    folder.join("turn-wanted")
}

/// Tries until the store is free, or the patience is at its end; asks whoever has it. `waits` is called once, when it takes
/// longer than a moment.
///
/// # Errors
/// What the attempt ended with.
pub fn take<T>(
    folder: &Path,
    patience: Duration,
    mut waits: impl FnMut(),
    mut attempt: impl FnMut() -> Result<T, RunError>,
) -> Result<T, RunError> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        match attempt() {
            Err(RunError::Store(StoreError::InUse { .. })) if begun.elapsed() < patience => {}
            other => return other,
        }
        // Whether it is heard shows by the store coming free.
        let _ = fs::write(wish(folder), std::process::id().to_string());
        if !told && begun.elapsed() > GLANCE * 40 {
            waits();
            told = true;
        }
        std::thread::sleep(GLANCE);
    }
}

/// Whether somebody asks for the store.
pub(super) fn is_wanted(folder: &Path) -> bool {
    wish(folder).exists()
}

/// Forgets who asked: they have it, or gave up.
pub(super) fn granted(folder: &Path) {
    let _ = fs::remove_file(wish(folder));
}

/// That a process serves a store; only one may.
pub(super) struct Serving(fs::File);

impl Serving {
    /// # Errors
    /// When another process serves it already.
    pub(super) fn begin(folder: &Path) -> Result<Serving, RunError> {
        let path = folder.join("serve.lock");
        let failed = |error: std::io::Error| RunError::Unknown(format!("cannot write `{}`: {error}", path.display()));
        private_folder(folder).map_err(failed)?;
        let file = fs::File::create(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Serving(file)),
            Err(fs::TryLockError::WouldBlock) => {
                Err(RunError::Unknown(format!("another `syncline serve` serves `{}` already", folder.display())))
            }
            Err(fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // The end of the process would do the same.
        let _ = self.0.unlock();
    }
}
