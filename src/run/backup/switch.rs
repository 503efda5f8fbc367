//! A folder built beside another, and put in its place in one step.
//!
//! `state.restoring` is what is being built; a mark in it says that it is not whole. What was in its place becomes
//! `state.before-DAY`. Nothing that is whole is ever deleted, whenever the machine stops.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::store::private_folder;

/// Says that a folder is not whole.
const MARK: &str = "unfinished.new";

/// A folder that is being built.
pub(in crate::run) struct Building {
    folder: PathBuf,
    place: PathBuf,
}

impl Building {
    /// Begins beside the place where it will be. Clears away what an interrupted one left half built.
    pub(in crate::run) fn begin(place: &Path) -> io::Result<Building> {
        // Where the place itself is a link, its target is replaced.
        let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
        let folder = beside(&place, "restoring");
        if folder.join(MARK).is_file() {
            fs::remove_dir_all(&folder)?;
        } else if folder.exists() {
            fs::rename(&folder, aside(&place))?;
        }
        private_folder(&folder)?;
        // Whoever may read what is there may read what takes its place.
        if let Ok(there) = fs::metadata(&place) {
            fs::set_permissions(&folder, there.permissions())?;
        }
        File::create_new(folder.join(MARK))?.sync_all()?;
        Ok(Building { folder, place })
    }

    /// Removes what an interrupted one left, half built, built, or replaced: only where that is a copy of what is in the place.
    pub(in crate::run) fn clear_away(place: &Path) -> io::Result<()> {
        let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
        match fs::remove_dir_all(beside(&place, "restoring")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Where it is built.
    pub(in crate::run) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Nothing comes of it.
    pub(in crate::run) fn abandon(self) {
        let _ = fs::remove_dir_all(self.folder);
    }

    /// Puts it in its place. Gives where that which was there is now, if anything was.
    pub(in crate::run) fn put_in_place(self, occupied: bool) -> io::Result<Option<PathBuf>> {
        self.seal()?;
        if !occupied {
            // An empty folder gives way.
            if let Err(error) = fs::rename(&self.folder, &self.place) {
                self.abandon();
                return Err(error);
            }
            sync_parent(&self.place)?;
            return Ok(None);
        }
        let aside = aside(&self.place);
        match self.swap() {
            Ok(()) => fs::rename(&self.folder, &aside)?,
            // Not every file system can.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                fs::rename(&self.place, &aside)?;
                fs::rename(&self.folder, &self.place).or_else(|error| {
                    fs::rename(&aside, &self.place)?;
                    Err(error)
                })?;
            }
            // Such as a folder that is a file system of its own.
            Err(error) => {
                self.abandon();
                return Err(error.into());
            }
        }
        sync_parent(&self.place)?;
        Ok(Some(aside))
    }

    /// Exchanges it with what is in its place, in one step or not at all. Gives where that is now.
    pub(in crate::run) fn exchange(self) -> io::Result<PathBuf> {
        self.seal()?;
        if let Err(error) = self.swap() {
            self.abandon();
            return Err(error.into());
        }
        sync_parent(&self.place)?;
        Ok(self.folder)
    }

    /// It is whole, and on the disk.
    fn seal(&self) -> io::Result<()> {
        fs::remove_file(self.folder.join(MARK))?;
        sync_folders(&self.folder)
    }

    fn swap(&self) -> rustix::io::Result<()> {
        renameat_with(CWD, &self.folder, CWD, &self.place, RenameFlags::EXCHANGE)
    }
}

/// `state.restoring`.
fn beside(place: &Path, ending: &str) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// `state.before-2026-11-29T21-55-00`, or with a number where that is taken.
fn aside(place: &Path) -> PathBuf {
    let now = crate::run::audit::now().strftime("before-%Y-%m-%dT%H-%M-%S").to_string();
    let names = (1..).map(|number| if number == 1 { now.clone() } else { format!("{now}-{number}") });
    names.map(|name| beside(place, &name)).find(|path| !path.exists()).unwrap_or_else(|| beside(place, &now))
}

fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => sync_folders(&entry.path())?,
            // sled writes large values beside its log, and syncs none of them.
            kind if kind.is_file() => File::open(entry.path())?.sync_all()?,
            _ => {}
        }
    }
    File::open(folder)?.sync_all()
}

fn sync_parent(place: &Path) -> io::Result<()> {
    match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
