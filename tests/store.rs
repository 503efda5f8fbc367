//! The store on disk: what is written stays, one process at a time, and whatever happened to its files is said, not a panic.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use syncline::connector_space::{Anchor, ConnectorObject, Edge, EdgeChange, Export, ExportState, ObjectId, Operation};
use syncline::metaverse::{Contribution, FlowValue, MetaverseId, MetaverseObject};
use syncline::store::{Draft, Indexes, Store, StoreError};
use syncline::sync::audit;
use syncline::sync::ledger::{Ledger, View};
use syncline::value::{AttributeName, Value};

fn id(number: u32) -> ObjectId {
    ObjectId::of_anchor("ad", &Anchor(format!("u{number}")))
}

fn person(number: u32) -> MetaverseId {
    MetaverseId::projected(id(number), 0)
}

fn object(number: u32, name: &str) -> ConnectorObject {
    let mut object = ConnectorObject::new(id(number), "ad", "user");
    object.anchor = Some(Anchor(format!("u{number}")));
    object.dn = Some(format!("CN=u{number},DC=x"));
    object.image.insert("name".into(), vec![Value::Text(name.into())]);
    object
}

fn metaverse(number: u32, name: &str) -> MetaverseObject {
    let mut object = MetaverseObject::new(person(number), "person");
    let value = FlowValue::One(Value::Text(name.into()));
    let contribution = Contribution { object: id(number), rule: "in".into(), line: 1, precedence: 1, order: 0, value };
    object.contributions.insert("name".into(), vec![contribution]);
    object
}

fn indexes() -> Indexes {
    let names = || BTreeSet::from([AttributeName::from("name")]);
    Indexes { metaverse: names(), objects: [("ad".to_owned(), names())].into(), ..Indexes::default() }
}

/// Everything that a draft can be asked for, as text.
fn dump(draft: &Draft<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let names = ["ada", "bob", "eve"];
    for id in draft.all_objects(None, 1_000).unwrap() {
        lines.push(format!("{:?}", draft.object(id).unwrap()));
        lines.push(format!("{id} person {:?}", draft.person_of(id).unwrap()));
        for attribute in draft.reference_attributes(id).unwrap() {
            lines.push(format!("{id} {attribute} {:?}", draft.edges(id, &attribute).unwrap()));
        }
    }
    for number in 0..12 {
        lines.push(format!("referrers of {number}: {:?}", draft.referrers(id(number)).unwrap()));
        lines.push(format!("at DN {number}: {:?}", draft.id_of_dn("ad", &format!("cn=u{number},dc=x")).unwrap()));
    }
    for id in draft.all_metaverse(None, 1_000).unwrap() {
        lines.push(format!("{:?}", draft.metaverse(id).unwrap()));
    }
    for name in names {
        lines.push(format!("{name}: {:?}", draft.find_metaverse(&"name".into(), name, 100).unwrap()));
        lines.push(format!("{name}: {:?}", draft.find_object("ad", &"name".into(), name, 100).unwrap()));
    }
    lines.push(format!("population {:?}", draft.population("ad", "user", None, 1_000).unwrap()));
    lines.push(format!("exports {:?}", draft.exports("ad", None, 1_000).unwrap()));
    lines.push(format!("edge exports {:?}", draft.edge_exports(None, 1_000).unwrap()));
    lines.push(format!("object queue {:?}", draft.object_queue(None, 1_000).unwrap()));
    lines.push(format!("metaverse queue {:?}", draft.metaverse_queue(None, 1_000).unwrap()));
    lines.push(format!("edge queue {:?}", draft.edge_queue(1_000).unwrap()));
    lines
}

/// A store with twelve people, each the manager of the next.
fn fill(store: &mut Store) {
    store.set_indexes(indexes()).unwrap();
    let mut draft = store.draft();
    for number in 0..12 {
        let mut object = object(number, ["ada", "bob", "eve"][number as usize % 3]);
        if number % 2 == 0 {
            object.link = Some(syncline::connector_space::Link {
                metaverse: person(number),
                kind: syncline::connector_space::LinkKind::Projected,
                rule: "in".into(),
            });
            let mut person = metaverse(number, "ada");
            person.links.push((object.id, "ad".into()));
            draft.put_metaverse(&person).unwrap();
        }
        draft.put_object(&object).unwrap();
        draft.mark_object(object.id).unwrap();
        let edge = Edge { seen: true, ..Edge::default() };
        draft.put_edge(object.id, &"manager".into(), id((number + 1) % 12), edge).unwrap();
    }
    let writes = draft.finish();
    store.commit(writes).unwrap();
}

fn audit_of(store: &Store) -> Vec<String> {
    let draft = store.draft();
    let mut findings = Vec::new();
    for id in draft.all_objects(None, 1_000).unwrap() {
        findings.extend(audit::object(&draft, &draft.object(id).unwrap().unwrap()).unwrap());
    }
    for id in draft.all_metaverse(None, 1_000).unwrap() {
        findings.extend(audit::metaverse(&draft, &draft.metaverse(id).unwrap().unwrap()).unwrap());
    }
    findings
}

#[test]
fn a_new_store_is_for_its_owner_alone() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let folder = tempfile::tempdir().unwrap();
    let (new, old) = (folder.path().join("state/store"), folder.path().join("shared"));
    fs::create_dir(&old).unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o750)).unwrap();
    for (folder, mode) in [(&new, 0o700), (&old, 0o750)] {
        Store::open(folder).unwrap().close().unwrap();
        assert_eq!(fs::metadata(folder).unwrap().mode() & 0o777, mode, "{}", folder.display());
    }
    assert_eq!(fs::metadata(new.parent().unwrap()).unwrap().mode() & 0o777, 0o700, "nor is what it lies in");
}

#[test]
fn what_was_committed_is_there_after_an_orderly_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    fill(&mut store);
    let before = dump(&store.draft());
    store.close().unwrap();
    for _ in 0..2 {
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(dump(&store.draft()), before);
        assert_eq!(audit_of(&store), Vec::<String>::new());
        store.close().unwrap();
    }
}

#[test]
fn an_unclean_end_costs_nothing_that_was_checkpointed() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    fill(&mut store);
    store.checkpoint().unwrap();
    let before = dump(&store.draft());
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(dump(&store.draft()), before);
    assert_eq!(audit_of(&store), Vec::<String>::new());
}

#[test]
fn other_indexes_find_what_was_stored_before() {
    let mut store = Store::in_memory();
    fill(&mut store);
    let with = dump(&store.draft());
    store.set_indexes(Indexes::default()).unwrap();
    assert_eq!(store.draft().find_object("ad", &"name".into(), "ada", 10).unwrap(), []);
    store.set_indexes(indexes()).unwrap();
    assert_eq!(dump(&store.draft()), with);
}

#[test]
fn a_store_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let first = Store::open(folder.path()).unwrap();
    let error = Store::open(folder.path()).err().unwrap();
    assert!(matches!(&error, StoreError::InUse { folder: at } if at == folder.path()), "{error:?}");
    let expected = format!("the store in `{}` is in use by another process", folder.path().display());
    assert_eq!(error.to_string(), expected);
    first.close().unwrap();
    Store::open(folder.path()).unwrap();
}

#[test]
fn another_format_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    let mut draft = store.draft();
    draft.put_fact("format", &7_u32).unwrap();
    let writes = draft.finish();
    store.commit(writes).unwrap();
    store.close().unwrap();
    for _ in 0..2 {
        let error = Store::open(folder.path()).err().unwrap();
        assert!(matches!(error, StoreError::Format { found: 7, .. }), "{error:?}");
    }
}

#[test]
fn a_snapshot_that_was_not_finished_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    fill(&mut store);
    let before = dump(&store.draft());
    store.close().unwrap();
    let torn = folder.path().join("snap.0000000000000042.generating");
    fs::write(&torn, [1, 2, 3]).unwrap();
    let empty = folder.path().join("snap.0000000000FFFFFF");
    fs::write(&empty, []).unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(dump(&store.draft()), before);
    assert!(!torn.exists());
}

/// How many objects a store holds whose `db` was tampered with, or why it does not open.
fn open_with(origin: &Path, db: &[u8]) -> Result<usize, StoreError> {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(origin).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    fs::write(folder.path().join("db"), db).unwrap();
    let first = Store::open(folder.path()).map(|store| store.draft().all_objects(None, 1_000).unwrap().len());
    if first.is_err() {
        assert!(Store::open(folder.path()).is_err(), "it stays refused");
    }
    first
}

#[test]
fn a_damaged_store_says_so_and_does_not_pass_for_an_empty_one() {
    let origin = tempfile::tempdir().unwrap();
    let mut store = Store::open(origin.path()).unwrap();
    fill(&mut store);
    store.close().unwrap();
    let bytes = fs::read(origin.path().join("db")).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    assert_eq!(open_with(origin.path(), &bytes).unwrap(), 12);
    let mut cases: Vec<(String, Vec<u8>)> = vec![
        ("garbage".into(), b"this is no store at all. ".repeat(400)),
        ("garbage of the same length".into(), b"\xa5\x5a".repeat(bytes.len() / 2)),
        ("empty".into(), Vec::new()),
    ];
    for part in 0..16 {
        cases.push((format!("cut at {part}/16"), bytes[..used * part / 16].to_vec()));
        let mut flipped = bytes.clone();
        flipped[used * part / 16] ^= 0xff;
        cases.push((format!("a byte at {part}/16"), flipped));
    }
    for (what, db) in cases {
        match open_with(origin.path(), &db) {
            // The damage hit something that is no longer of use.
            Ok(12) => {}
            Err(StoreError::Damaged { .. } | StoreError::Io { .. } | StoreError::Record(_)) => {}
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn a_store_that_cannot_be_a_folder_is_an_error_of_the_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(matches!(Store::open(&file), Err(StoreError::Io { .. })));
}

#[derive(Clone, Debug)]
enum Write {
    Put(u32, &'static str, Option<Operation>),
    Remove(u32),
    Person(u32, &'static str),
    NoPerson(u32),
    Edge(u32, u32, bool, Option<EdgeChange>),
    Mark(u32),
    Unmark(u32),
    Savepoint,
    Rollback,
    Commit,
}

fn write() -> impl Strategy<Value = Write> {
    let number = || 0..12_u32;
    let name = || prop::sample::select(vec!["ada", "bob", "Ada", "eve"]);
    let operation =
        prop::option::of(prop::sample::select(vec![Operation::Create, Operation::Update, Operation::Delete]));
    let change = prop::option::of(prop::sample::select(vec![EdgeChange::Add, EdgeChange::Remove]));
    prop_oneof![
        4 => (number(), name(), operation).prop_map(|(number, name, operation)| Write::Put(number, name, operation)),
        2 => number().prop_map(Write::Remove),
        2 => (number(), name()).prop_map(|(number, name)| Write::Person(number, name)),
        1 => number().prop_map(Write::NoPerson),
        4 => (number(), number(), any::<bool>(), change).prop_map(|(from, to, seen, change)| Write::Edge(from, to, seen, change)),
        1 => number().prop_map(Write::Mark),
        1 => number().prop_map(Write::Unmark),
        1 => Just(Write::Savepoint),
        1 => Just(Write::Rollback),
        1 => Just(Write::Commit),
    ]
}

fn apply(draft: &mut Draft<'_>, write: &Write) {
    match write {
        Write::Put(number, name, operation) => {
            let mut object = object(*number, name);
            object.export = operation.map(|operation| Export {
                operation,
                state: ExportState::Pending,
                changes: Default::default(),
                reason: String::new(),
            });
            draft.put_object(&object).unwrap();
        }
        Write::Remove(number) => draft.remove_object(id(*number)).unwrap(),
        Write::Person(number, name) => draft.put_metaverse(&metaverse(*number, name)).unwrap(),
        Write::NoPerson(number) => draft.remove_metaverse(person(*number)).unwrap(),
        Write::Edge(from, to, seen, pending) => {
            let edge = Edge { seen: *seen, pending: *pending, ..Edge::default() };
            draft.put_edge(id(*from), &"manager".into(), id(*to), edge).unwrap();
        }
        Write::Mark(number) => draft.mark_object(id(*number)).unwrap(),
        Write::Unmark(number) => draft.unmark_object(id(*number)).unwrap(),
        Write::Savepoint => draft.savepoint(),
        Write::Rollback => draft.rollback(),
        Write::Commit => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_draft_shows_what_a_commit_makes(writes in prop::collection::vec(write(), 1..60)) {
        let mut store = Store::in_memory();
        store.set_indexes(indexes()).unwrap();
        for stretch in writes.split_inclusive(|write| matches!(write, Write::Commit)) {
            let before = dump(&store.draft());
            let mut draft = store.draft();
            draft.savepoint();
            for write in stretch {
                apply(&mut draft, write);
            }
            let shown = dump(&draft);
            prop_assert_eq!(&dump(&store.draft()), &before, "a draft changes nothing by itself");
            let writes = draft.finish();
            store.commit(writes).unwrap();
            prop_assert_eq!(dump(&store.draft()), shown);
        }
        // Indexes that are written along with the records are those that are made from the records.
        let kept = dump(&store.draft());
        store.set_indexes(Indexes::default()).unwrap();
        store.set_indexes(indexes()).unwrap();
        prop_assert_eq!(dump(&store.draft()), kept);
    }

    #[test]
    fn a_rollback_leaves_the_savepoint(before in prop::collection::vec(write(), 0..20), after in prop::collection::vec(write(), 0..20)) {
        let mut store = Store::in_memory();
        store.set_indexes(indexes()).unwrap();
        let mut draft = store.draft();
        before.iter().filter(|write| !matches!(write, Write::Rollback)).for_each(|write| apply(&mut draft, write));
        let shown = dump(&draft);
        draft.savepoint();
        after.iter().filter(|write| !matches!(write, Write::Savepoint)).for_each(|write| apply(&mut draft, write));
        draft.rollback();
        prop_assert_eq!(&dump(&draft), &shown);
        let writes = draft.finish();
        store.commit(writes).unwrap();
        prop_assert_eq!(dump(&store.draft()), shown);
    }
}
