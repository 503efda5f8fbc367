//! Backups as files: whole, altered, cut off, of another version, and states made anew from them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::switch::Building;
use super::*;
use crate::connector_space::{Anchor, ConnectorObject, ObjectId};
use crate::run::audit::{Log, Outcome};
use crate::run::who::Who;
use crate::store::Store;
use crate::sync::ledger::Ledger;
use crate::value::Value;

/// The store of a state. Tests beside this one start programs, which hold its lock for a moment.
fn open(state: &Path) -> Store {
    for _ in 0..100 {
        match Store::open(&state.join("store")) {
            Err(StoreError::InUse { .. }) => std::thread::sleep(std::time::Duration::from_millis(20)),
            other => return other.unwrap(),
        }
    }
    panic!("the store in {} stays in use", state.display())
}

struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// A state with so many objects, a log, rules, a list of the guard, and an emulated directory.
    fn new(objects: u32) -> World {
        let world = World { folder: tempfile::tempdir().unwrap() };
        world.fill(0..objects);
        for (name, text) in [
            ("audit.jsonl", "{\"line\":1}\n"),
            ("rules.json", "{}"),
            ("rules-in-use/in-user.rhai", "//! In.\n"),
            ("rules-in-use/lib/none.rhai", ""),
            ("stopped-2.jsonl", "{}\n"),
            ("emulator-entra/tenant.json", "[]"),
            ("rules.json.new", "half"),
        ] {
            world.put(name, text);
        }
        world
    }

    fn fill(&self, numbers: impl Iterator<Item = u32>) {
        let mut store = open(&self.state());
        let mut draft = store.draft();
        for number in numbers {
            let mut object =
                ConnectorObject::new(ObjectId::of_anchor("ad", &Anchor(format!("u{number}"))), "ad", "user");
            object.anchor = Some(Anchor(format!("u{number}")));
            object.image.insert("name".into(), vec![Value::Text(format!("person {number}"))]);
            draft.put_object(&object).unwrap();
        }
        let writes = draft.finish();
        store.commit(writes).unwrap();
        store.close().unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn state(&self) -> PathBuf {
        self.path("state")
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.state().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn write(&self, name: &str) -> Result<Summary, BackupError> {
        let store = open(&self.state());
        let done = super::write(&store, &self.state(), &self.path(name));
        store.close().unwrap();
        done
    }

    fn restore(&self, name: &str, replace: bool) -> Result<Restored, RunError> {
        restore(&self.path(name), &self.state(), replace, Who::of(Some("ada")))
    }

    /// What lies in the folder, by name.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Every key and value, and every file beside the store but the log.
fn everything(state: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut all = BTreeMap::new();
    let store = open(state);
    let mut keep = |key: &[u8], value: &[u8]| {
        all.insert(key.to_vec(), value.to_vec());
        Ok::<_, StoreError>(())
    };
    store.each_pair(&mut keep).unwrap();
    store.close().unwrap();
    let names = ["rules.json", "rules-in-use/in-user.rhai", "rules-in-use/lib/none.rhai", "stopped-2.jsonl"];
    for name in names {
        all.insert(name.into(), fs::read(state.join(name)).unwrap());
    }
    all
}

#[test]
fn a_state_comes_back_key_by_key() {
    let world = World::new(300);
    let before = everything(&world.state());
    let summary = world.write("one.backup").unwrap();
    assert_eq!(verify(&world.path("one.backup")).unwrap(), Summary { left_out: Vec::new(), ..summary.clone() });
    assert_eq!(summary.files, 5);
    assert_eq!(summary.left_out, ["emulator-entra"]);
    assert_eq!(summary.sha256, crate::run::audit::sha256(&fs::read(world.path("one.backup")).unwrap()));
    assert_eq!(fs::metadata(world.path("one.backup")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(world.names(), ["one.backup", "state"]);

    world.fill(500..600);
    world.put("rules.json", "{\"later\":1}");
    fs::write(world.state().join("audit.jsonl"), "{\"line\":1}\n{\"line\":2}\n").unwrap();
    let restored = world.restore("one.backup", true).unwrap();
    assert_eq!(everything(&world.state()), before);
    // Nothing is gone: what was there lies aside, and the log goes on from where it was.
    let aside = restored.before.unwrap();
    assert_ne!(everything(&aside), before);
    let log = fs::read_to_string(world.state().join("audit.jsonl")).unwrap();
    assert!(log.starts_with("{\"line\":1}\n{\"line\":2}\n"), "{log}");
    let lines = Log::beside(&world.state()).read().unwrap();
    let told: Vec<_> = lines.iter().map(|line| (line.who.as_str(), line.outcome)).collect();
    assert_eq!(told, [("ada", Outcome::Begun), ("ada", Outcome::Done)]);
    assert_eq!(lines[0].sha256.as_deref(), Some(summary.sha256.as_str()));
    // The emulated directory stays as it is now.
    assert_eq!(fs::read_to_string(world.state().join("emulator-entra/tenant.json")).unwrap(), "[]");
    assert!(!world.state().join("unfinished.new").exists());
}

#[test]
fn a_new_folder_is_filled_and_one_with_a_state_is_not() {
    let world = World::new(30);
    let before = everything(&world.state());
    world.write("one.backup").unwrap();
    let refused = world.restore("one.backup", false).unwrap_err();
    assert!(matches!(refused, RunError::Backup(BackupError::Occupied(_))), "{refused}");
    assert_eq!(everything(&world.state()), before);
    for empty in [false, true] {
        fs::remove_dir_all(world.state()).unwrap();
        if empty {
            fs::create_dir(world.state()).unwrap();
        }
        assert_eq!(world.restore("one.backup", false).unwrap().before, None);
        assert_eq!(everything(&world.state()), before);
    }
    assert_eq!(world.names(), ["one.backup", "state"]);
}

#[test]
fn a_store_that_somebody_has_is_not_replaced() {
    let world = World::new(3);
    world.write("one.backup").unwrap();
    let store = open(&world.state());
    let refused = world.restore("one.backup", true).unwrap_err();
    assert!(matches!(refused, RunError::Store(StoreError::InUse { .. })), "{refused}");
    store.close().unwrap();
    assert_eq!(world.names(), ["one.backup", "state"]);
}

#[test]
fn no_byte_may_be_another_and_none_may_be_missing() {
    let world = World::new(20);
    world.write("one.backup").unwrap();
    let before = everything(&world.state());
    let whole = fs::read(world.path("one.backup")).unwrap();
    let bad = world.path("bad.backup");
    let refused = |what: &str, at: usize| {
        let found = verify(&bad).expect_err(what);
        let expected = matches!(found, BackupError::Altered(_) | BackupError::Other(_) | BackupError::Version { .. });
        assert!(expected, "{what} at {at}: {found}");
    };
    for at in (0..whole.len()).step_by(7).chain(whole.len() - 40..whole.len()) {
        let mut altered = whole.clone();
        altered[at] ^= 0x01;
        fs::write(&bad, &altered).unwrap();
        refused("altered", at);
        fs::write(&bad, &whole[..at]).unwrap();
        refused("cut off", at);
    }
    fs::write(&bad, [&whole[..], b"more"].concat()).unwrap();
    refused("longer", whole.len());
    // Nothing is written from such a file.
    let error = world.restore("bad.backup", true).unwrap_err();
    assert!(matches!(error, RunError::Backup(BackupError::Altered(_))), "{error}");
    assert_eq!(world.names(), ["bad.backup", "one.backup", "state"]);
    assert_eq!(everything(&world.state()), before);
}

/// A backup whose checksum is right, made of another one.
fn signed_anew(path: &Path, text: Vec<u8>) {
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text);
    fs::write(path, [text.as_slice(), sum.as_ref()].concat()).unwrap();
}

#[test]
fn what_is_none_or_of_another_version_is_told() {
    let world = World::new(3);
    world.write("one.backup").unwrap();
    let whole = fs::read(world.path("one.backup")).unwrap();
    let bad = world.path("bad.backup");
    let told = || verify(&bad).unwrap_err().to_string().replace(&bad.display().to_string(), "FILE");
    fs::write(&bad, "version: 1\n").unwrap();
    assert_eq!(told(), "`FILE` is no backup of Syncline");
    fs::write(&bad, "").unwrap();
    assert_eq!(told(), "`FILE` is no backup of Syncline");
    let text = String::from_utf8_lossy(&whole).into_owned();
    let line = text.lines().next().unwrap();
    let body = &whole[line.len()..whole.len() - 32];
    signed_anew(&bad, [line.replace("backup 1", "backup 2").as_bytes(), body].concat());
    assert_eq!(told(), "`FILE` is a backup of format 2; this version reads format 1");
    let format = format!("\"store_format\":{}", Store::FORMAT);
    signed_anew(&bad, [line.replace(&format, "\"store_format\":1").as_bytes(), body].concat());
    let by = env!("CARGO_PKG_VERSION");
    assert_eq!(
        told(),
        format!("`FILE` holds a store of format 1, made by Syncline {by}; this version reads format {}", Store::FORMAT)
    );
    // The checksum is right, and the content is not.
    signed_anew(&bad, [line.as_bytes(), &body[..body.len() - 30]].concat());
    assert!(told().starts_with("`FILE` is wrong: "), "{}", told());
    assert!(matches!(verify(&world.path("nowhere")).unwrap_err(), BackupError::Io { .. }));
}

#[test]
fn a_restore_that_was_cut_off_leaves_the_state_and_is_tidied_up() {
    let world = World::new(20);
    let before = everything(&world.state());
    world.write("one.backup").unwrap();
    // The machine stops while the new state is built …
    let half = Building::begin(&world.state()).unwrap();
    fs::create_dir(half.folder().join("store")).unwrap();
    drop(half);
    assert_eq!(everything(&world.state()), before);
    world.restore("one.backup", true).unwrap();
    assert_eq!(everything(&world.state()), before);
    assert_eq!(world.names().len(), 3, "{:?}", world.names());
    // … or between changing places and giving the old one its name: it is kept.
    fs::create_dir(world.path("state.restoring")).unwrap();
    fs::write(world.path("state.restoring/kept"), "x").unwrap();
    world.restore("one.backup", true).unwrap();
    let kept = world.names().into_iter().filter(|name| world.path(name).join("kept").exists()).count();
    assert_eq!(kept, 1, "{:?}", world.names());
    assert_eq!(everything(&world.state()), before);
}

#[test]
fn a_backup_is_not_written_over_nor_into_the_state() {
    let world = World::new(3);
    world.write("one.backup").unwrap();
    let told = |name: &str| world.write(name).unwrap_err();
    assert!(matches!(told("one.backup"), BackupError::Exists(_)));
    assert!(matches!(told("state/one.backup"), BackupError::Inside(_)));
    assert!(matches!(told("state/rules-in-use/one.backup"), BackupError::Inside(_)));
    assert!(matches!(told("nowhere/one.backup"), BackupError::Io { .. }));
    assert_eq!(world.names(), ["one.backup", "state"]);
}
