//! The state on disk: one JSON line an object, written whole to a new file that then takes the place of the old one.
//!
//! `state.jsonl` starts with a line about the directory; after the objects comes the log that delta queries need.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::EmulatorError;
use super::admin::spelled;
use super::directory::{Change, Directory, Object, Properties, Slot, What};
use super::schema::Kind;

const FILE: &str = "state.jsonl";

#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    epoch: u64,
    log_start: u64,
    objects: usize,
    log: usize,
}

#[derive(Serialize, Deserialize)]
struct StoredObject {
    id: Uuid,
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    protected: bool,
    properties: Map<String, Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manager: Option<Slot>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    members: Vec<Slot>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    owners: Vec<Slot>,
}

#[derive(Serialize, Deserialize)]
enum StoredChange {
    /// Slot and names.
    P(Slot, Vec<String>),
    /// Deleted.
    D(Slot),
    /// Member added, removed.
    A(Slot, Slot),
    R(Slot, Slot),
    /// Manager, and who it was before.
    M(Slot, Option<Slot>),
}

/// Writes the directory into a folder.
///
/// # Errors
/// The file and what the system says.
pub(crate) fn save(folder: &Path, directory: &Directory) -> Result<(), EmulatorError> {
    let temporary = folder.join("state.jsonl.new");
    let failed = |error: std::io::Error| EmulatorError::File { path: temporary.clone(), error };
    let mut file = BufWriter::new(File::create(&temporary).map_err(failed)?);
    write(&mut file, directory).map_err(failed)?;
    let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&temporary, folder.join(FILE)).map_err(failed)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn write(file: &mut impl Write, directory: &Directory) -> std::io::Result<()> {
    let mut line = |value: &dyn erased::Line| -> std::io::Result<()> {
        value.write(file)?;
        file.write_all(b"\n")
    };
    line(&Head {
        version: 1,
        epoch: directory.epoch,
        log_start: directory.log_start,
        objects: directory.objects.len(),
        log: directory.log.len(),
    })?;
    for object in &directory.objects {
        line(&StoredObject {
            id: object.id,
            kind: object.kind,
            deleted: object.deleted,
            protected: object.protected,
            properties: object.properties.0.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
            manager: object.manager,
            members: object.members.iter().copied().collect(),
            owners: object.owners.iter().copied().collect(),
        })?;
    }
    for change in &directory.log {
        let slot = change.slot;
        line(&match &change.what {
            What::Properties(names) => StoredChange::P(slot, names.iter().map(ToString::to_string).collect()),
            What::Deleted => StoredChange::D(slot),
            What::MemberAdded(member) => StoredChange::A(slot, *member),
            What::MemberRemoved(member) => StoredChange::R(slot, *member),
            What::Manager(old) => StoredChange::M(slot, *old),
        })?;
    }
    Ok(())
}

/// Lets one closure write lines of several types.
mod erased {
    pub(super) trait Line {
        fn write(&self, file: &mut dyn std::io::Write) -> std::io::Result<()>;
    }

    impl<T: serde::Serialize> Line for T {
        fn write(&self, file: &mut dyn std::io::Write) -> std::io::Result<()> {
            serde_json::to_writer(file, self).map_err(std::io::Error::from)
        }
    }
}

/// Reads the directory from a folder; an empty one when there is nothing yet.
///
/// # Errors
/// Unreadable files and lines that are not ours.
pub(crate) fn load(folder: &Path, namespace: Uuid) -> Result<Directory, EmulatorError> {
    let path = folder.join(FILE);
    let mut directory = Directory::new(namespace);
    if !path.exists() {
        return Ok(directory);
    }
    let failed = |error: std::io::Error| EmulatorError::File { path: path.clone(), error };
    let mut lines = BufReader::new(File::open(&path).map_err(failed)?).lines();
    let mut number = 0_usize;
    let mut next = || -> Result<String, EmulatorError> {
        number += 1;
        match lines.next() {
            Some(line) => line.map_err(failed),
            None => Err(broken(&path, number, "the file ends too early")),
        }
    };
    let head: Head = parse(&path, 1, &next()?)?;
    if head.version != 1 {
        return Err(broken(&path, 1, "the version of the file is unknown"));
    }
    let mut stored = Vec::with_capacity(head.objects);
    for at in 0..head.objects {
        stored.push(parse::<StoredObject>(&path, at + 2, &next()?)?);
    }
    for object in &mut stored {
        let mut new = Object::new(object.id, object.kind, Properties::default());
        new.deleted = object.deleted;
        new.protected = object.protected;
        let properties = std::mem::take(&mut object.properties);
        new.properties.0 = properties.into_iter().map(|(name, value)| (spelled(object.kind, &name), value)).collect();
        directory.create(new).map_err(|conflict| {
            broken(&path, 0, &format!("two objects have the same {}", conflict.unique.property()))
        })?;
    }
    for (slot, object) in (0..).zip(&stored) {
        if object.manager.is_some() {
            directory.set_manager(slot, object.manager);
        }
        for member in &object.members {
            directory.add_member(slot, *member);
        }
        for owner in &object.owners {
            directory.add_owner(slot, *owner);
        }
    }
    directory.log.clear();
    for at in 0..head.log {
        let stored: StoredChange = parse(&path, at + 2 + head.objects, &next()?)?;
        directory.log.push(change(stored));
    }
    directory.log_start = head.log_start;
    directory.epoch = head.epoch;
    directory.version = 0;
    Ok(directory)
}

fn change(stored: StoredChange) -> Change {
    let (slot, what) = match stored {
        StoredChange::P(slot, names) => (slot, What::Properties(names.into_iter().map(Into::into).collect())),
        StoredChange::D(slot) => (slot, What::Deleted),
        StoredChange::A(slot, member) => (slot, What::MemberAdded(member)),
        StoredChange::R(slot, member) => (slot, What::MemberRemoved(member)),
        StoredChange::M(slot, old) => (slot, What::Manager(old)),
    };
    Change { slot, what }
}

fn parse<T: for<'a> Deserialize<'a>>(path: &Path, number: usize, line: &str) -> Result<T, EmulatorError> {
    serde_json::from_str(line).map_err(|error| broken(path, number, &error.to_string()))
}

fn broken(path: &Path, line: usize, what: &str) -> EmulatorError {
    EmulatorError::State { path: path.to_owned(), line, what: what.to_owned() }
}

/// Writes a private key so that only its owner can read it.
pub(crate) fn write_secret(path: &PathBuf, bytes: &[u8]) -> Result<(), EmulatorError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let failed = |error: std::io::Error| EmulatorError::File { path: path.clone(), error };
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(bytes).map_err(failed)
}
