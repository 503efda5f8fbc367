//! Throttling, lost answers and broken connections: everything is written, and nothing twice.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use syncline::connector::{Anchor, ConnectorErrorKind, ExportAction, ExportItem, ExportOutcome, ImportRequest};
use syncline::emulator;
use uuid::Uuid;

use crate::world::*;

fn everything_goes_wrong(seed: u64) -> Json {
    json!({
        "too-many": 0.15, "retry-after": 0.002, "unavailable": 0.1, "timeout-before": 0.05, "timeout-after": 0.1,
        "reset-before": 0.05, "reset-after": 0.05, "batch-unavailable": 0.05, "batch-timeout-after": 0.1, "seed": seed,
    })
}

/// Writes as a run does, until everything is done: what is temporary goes out again, what is unknown is looked for first.
async fn write_all(world: &World, items: Vec<ExportItem>) -> BTreeMap<usize, Anchor> {
    let mut made = BTreeMap::new();
    let mut open: Vec<(usize, ExportItem)> = items.into_iter().enumerate().collect();
    let mut last = Vec::new();
    for _ in 0..50 {
        let outcomes = world.export(open.iter().map(|(_, item)| item.clone()).collect()).await;
        let mut next = Vec::new();
        last = outcomes.clone();
        for ((at, item), outcome) in open.into_iter().zip(outcomes) {
            match outcome {
                ExportOutcome::Done { created } => {
                    made.extend(created.map(|anchor| (at, anchor)));
                }
                ExportOutcome::References { done, refused } => {
                    assert_eq!(refused, [], "{item:?}");
                    next.extend(rest(&item, &done).map(|item| (at, item)));
                }
                ExportOutcome::Temporary { .. } => next.push((at, item)),
                ExportOutcome::Unknown { .. } => match found(world, &item).await {
                    Some(anchor) => drop(made.insert(at, anchor)),
                    None => next.push((at, item)),
                },
                ExportOutcome::Refused { .. } | ExportOutcome::Full { .. } | ExportOutcome::Missing => {
                    panic!("{outcome:?} for {item:?}")
                }
            }
        }
        if next.is_empty() {
            return made;
        }
        open = next;
    }
    panic!("still open: {open:#?}, {last:#?}");
}

fn rest(item: &ExportItem, done: &[Anchor]) -> Option<ExportItem> {
    let mut item = item.clone();
    match &mut item.action {
        ExportAction::AddReferences { targets, .. } | ExportAction::RemoveReferences { targets, .. } => {
            targets.retain(|target| !done.contains(target));
            (!targets.is_empty()).then_some(item)
        }
        _ => None,
    }
}

async fn found(world: &World, item: &ExportItem) -> Option<Anchor> {
    let ExportAction::Create { match_key: Some((name, value)), .. } = &item.action else { return None };
    loop {
        if let Ok(found) = world.graph.find(&item.object_type, name, value).await {
            return found.into_iter().next();
        }
    }
}

#[tokio::test]
async fn with_all_kinds_of_trouble_everything_is_written_exactly_once() {
    for seed in [1, 2, 3] {
        let world = World::new().await;
        world.faults(everything_goes_wrong(seed)).await;
        let users = (0..120).map(|number| item("user", user(&format!("user{number}")))).collect();
        let users: Vec<Anchor> = write_all(&world, users).await.into_values().collect();
        assert_eq!(users.len(), 120);
        let groups = (0..10).map(|number| item("group", group(&format!("group{number}"), &users[..20]))).collect();
        let groups: Vec<Anchor> = write_all(&world, groups).await.into_values().collect();
        let mut more: Vec<ExportItem> =
            groups.iter().map(|anchor| item("group", add(anchor, "members", &users[20..65]))).collect();
        more.extend(users[1..].iter().map(|anchor| item("user", add(anchor, "manager", &users[..1]))));
        more.extend(users.iter().map(|anchor| item("user", update(anchor, json!({"jobTitle": "Engineer"})))));
        write_all(&world, more).await;
        let mut fewer: Vec<ExportItem> =
            groups.iter().map(|anchor| item("group", remove(anchor, "members", &users[..5]))).collect();
        fewer.extend(users[110..].iter().map(|anchor| item("user", ExportAction::Delete { anchor: anchor.clone() })));
        write_all(&world, fewer).await;

        world.faults(json!({})).await;
        let objects = world.everything().await;
        assert_eq!(objects.len(), 110 + 10, "seed {seed}");
        let dump = world.dump().await;
        assert_eq!(dump.len(), 130, "seed {seed}: no doubles, not even among the deleted");
        for anchor in &groups {
            assert_eq!(references(&objects[anchor], "members"), users[5..65].iter().cloned().collect());
        }
        for anchor in &users[1..110] {
            assert_eq!(references(&objects[anchor], "manager"), users[..1].iter().cloned().collect());
            assert!(shown(&objects[anchor]).contains(&"jobTitle=Engineer".to_owned()));
        }
    }
}

/// Loses every answer until the first object is there.
async fn lose_the_answer(world: &World, object_type: &str, action: ExportAction) -> ExportOutcome {
    world.faults(json!({"batch-timeout-after": 1.0})).await;
    let export = world.export_one(object_type, action);
    let recover = async {
        while world.dump().await.is_empty() {
            tokio::task::yield_now().await;
        }
        world.faults(json!({})).await;
    };
    tokio::join!(export, recover).0
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_found_and_not_repeated() {
    for (object_type, action) in [("user", user("anna")), ("group", group("sales", &[]))] {
        let world = World::tuned(emulator::Settings::default(), |settings| settings.retry_pause_ms = 50).await;
        let outcome = lose_the_answer(&world, object_type, action).await;
        let ExportOutcome::Done { created: Some(anchor) } = outcome else { panic!("{outcome:?}") };
        let dump = world.dump().await;
        assert_eq!(dump.iter().map(|object| object["id"].as_str()).collect::<Vec<_>>(), [Some(anchor.0.as_str())]);
        assert_eq!(world.log().await, [format!("POST /{object_type}s 201")]);
    }
}

#[tokio::test]
async fn a_creation_that_is_lost_and_not_visible_yet_is_not_doubled() {
    let settings = emulator::Settings { replication_delay_ms: 300, ..emulator::Settings::default() };
    let world = World::tuned(settings, |settings| settings.retry_pause_ms = 40).await;
    let outcome = lose_the_answer(&world, "user", user("anna")).await;
    let ExportOutcome::Done { created: Some(anchor) } = outcome else { panic!("{outcome:?}") };
    let dump = world.dump().await;
    assert_eq!(dump.iter().map(|object| object["id"].as_str()).collect::<Vec<_>>(), [Some(anchor.0.as_str())]);
}

#[tokio::test]
async fn a_lost_creation_that_cannot_be_found_again_is_unknown() {
    let world = World::tuned(emulator::Settings::default(), |settings| settings.retry_pause_ms = 50).await;
    let nameless = create(json!({"displayName": "Sales", "mailNickname": "sales"}), "displayName");
    let outcome = lose_the_answer(&world, "group", nameless).await;
    assert!(matches!(outcome, ExportOutcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(world.dump().await.len(), 1);
}

#[tokio::test]
async fn what_was_just_made_may_be_late_everywhere() {
    let settings = emulator::Settings { replication_delay_ms: 150, ..emulator::Settings::default() };
    let world = World::tuned(settings, |settings| settings.retry_pause_ms = 40).await;
    let users = world.users(3).await;
    let sales = world.made("group", group("sales", &[])).await;
    let outcome = world.export_one("group", add(&sales, "members", &users)).await;
    assert_eq!(outcome, ExportOutcome::References { done: users, refused: vec![] });
}

#[tokio::test]
async fn what_is_never_answered_is_temporary_or_unknown_but_not_done() {
    let world = World::new().await;
    let users = world.users(1).await;
    let change = || update(&users[0], json!({"city": "Ulm"}));
    world.faults(json!({"too-many": 1.0, "retry-after": 0.001})).await;
    let outcome = world.export_one("user", change()).await;
    assert!(
        matches!(&outcome, ExportOutcome::Temporary { message } if message.contains("TooManyRequests")),
        "{outcome:?}"
    );
    world.faults(json!({"timeout-after": 1.0})).await;
    let outcome = world.export_one("user", change()).await;
    assert!(matches!(outcome, ExportOutcome::Unknown { .. }), "{outcome:?}");
    world.faults(json!({"batch-unavailable": 1.0})).await;
    let outcome = world.export_one("user", change()).await;
    assert!(matches!(outcome, ExportOutcome::Temporary { .. }), "{outcome:?}");
}

#[tokio::test]
async fn an_export_ends_when_nobody_is_there_any_more() {
    let world = World::new().await;
    let users = world.users(1).await;
    let World { emulator, graph, .. } = world;
    emulator.stop().await.expect("stopped");
    let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
    let items = vec![item("user", update(&users[0], json!({"city": "Ulm"})))];
    let error = graph.export(items, sender).await.expect_err("nobody there");
    assert_eq!(error.kind, ConnectorErrorKind::Unreachable, "{error}");
    assert_eq!(receiver.recv().await, None, "what became of it is not told");
}

#[tokio::test]
async fn tokens_that_end_in_the_middle_of_an_export_are_renewed() {
    let faults = emulator::Faults { slow: 1.0, slow_ms: 120, ..emulator::Faults::default() };
    let settings = emulator::Settings { token_lifetime: 1, faults, ..emulator::Settings::default() };
    let world = World::tuned(settings, |settings| settings.concurrency = 1).await;
    // Ten batches, each a good tenth of a second.
    assert_eq!(world.users(200).await.len(), 200);
    assert_eq!(world.dump().await.len(), 200);
    let stats = world.admin("stats", Json::Null).await;
    assert!(stats["requests"]["POST token"].as_u64() > Some(1), "{stats}");
    assert_eq!(stats["requests"]["POST users"], 200, "{stats}");
}

#[tokio::test]
async fn nobody_waits_for_an_hour() {
    let world = World::new().await;
    let users = world.users(3).await;
    world.faults(json!({"too-many": 1.0, "retry-after": 3_600.0})).await;
    let items: Vec<ExportItem> =
        users.iter().map(|user| ExportItem::new(Uuid::nil(), "user", update(user, json!({"city": "Ulm"})))).collect();
    let begun = std::time::Instant::now();
    let outcomes = world.export(items).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, ExportOutcome::Temporary { .. })), "{outcomes:?}");
    let until = world.graph.traffic().closed_until.expect("Graph said how long");
    let wait = until - jiff::Timestamp::now().as_second();
    assert!((3_500..=3_600).contains(&wait), "{wait}");
    let request = ImportRequest { types: [("user".to_owned(), [].into())].into() };
    assert!(world.graph.look_up(&request, &users).await.is_err());
    assert!(begun.elapsed().as_secs() < 60, "an hour is not waited for");
}
