//! The quota of objects.

use serde_json::json;
use syncline::emulator;
use syncline::run::Silent;
use syncline::run::cycle::{self, Permissions};
use syncline::run::plan;

use super::table::{Known, Row, Source};
use super::world::{World, anchor, entry, rule, settings};

/// A tenant with so much room, and so many people who are to come.
fn crowd(quota: u64, people: usize) -> World {
    let world = World::new(emulator::Settings { quota, ..settings() });
    let entries: String = (0..people).map(|number| entry("user", number, &format!("p{number}"))).collect();
    world.write("people.ldif", &format!("version: 1\n{entries}"));
    let flow = "onPremisesImmutableId: it.anchor, userPrincipalName: it.account + \"@contoso.com\", \
                displayName: it.account, mailNickname: it.account, accountEnabled: true";
    let all = rule("user", "", flow).replace("it.account == \"\"", "true");
    world.write("rules/out-user.rhai", &all);
    world
}

/// Who is in the recycle bin counts, and who finds no room is said beforehand, one by one.
pub(crate) fn rows() -> Vec<Row> {
    let world = crowd(5, 4);
    world.seed(&[
        json!({"type": "user", "displayName": "a", "userPrincipalName": "a@contoso.com"}),
        json!({"type": "user", "displayName": "b", "userPrincipalName": "b@contoso.com", "deleted": true}),
        json!({"type": "orgContact", "displayName": "c"}),
    ]);
    let (plan, requests) = world.plan();
    let target = &plan.targets["entra"];
    assert_eq!((target.create, target.refused, target.writes), (2, 2, 2));
    let mut row = None;
    for (object, request) in requests {
        let answer = world.send(request.method, &request.path, request.body.as_ref());
        let line = target.lines.iter().find(|line| line.id == object.id).unwrap();
        assert_eq!(line.kind == "refused", answer.refused(), "{line:?}: {}", answer.said());
        if answer.refused() {
            assert_eq!((answer.status, answer.code.as_str()), (403, "Directory_QuotaExceeded"));
            let error = "the quota of objects is used up".to_owned();
            row = Some(Row {
                error,
                source: Source::Reports,
                answer: answer.said(),
                known: Known::Said(line.reason.clone()),
            });
        }
    }
    row.into_iter().collect()
}

#[test]
fn a_run_stops_making_objects_when_there_is_no_room_and_goes_on_with_the_rest() {
    let world = crowd(30, 400);
    let mut session = world.session();
    let report = cycle::run(&mut session, &Permissions::default(), &Silent).unwrap();
    let export = &report.exports[0];
    assert_eq!((export.created, export.refused, export.postponed), (30, 0, 370));
    assert!(export.full.as_ref().is_some_and(|said| said.contains("quota limit")), "{:?}", export.full);
    let plan = plan::make(&session, &Silent).unwrap();
    assert_eq!((plan.targets["entra"].create, plan.targets["entra"].refused), (0, 370));
    let tried = |world: &World| world.send("GET", "/_emulator/stats", None).body["requests"]["POST users"].clone();
    let first = tried(&world).as_u64().unwrap();
    // What was on its way when the first was refused, and no more: eight batches of twenty.
    assert!(first < 200, "{first}");
    // Nothing is refused for good: the next run tries again, and stops again.
    let report = cycle::run(&mut session, &Permissions::default(), &Silent).unwrap();
    assert_eq!((report.exports[0].created, report.exports[0].postponed), (0, 370));
    assert!(tried(&world).as_u64().unwrap() < 2 * first + 200);
    session.close().unwrap();
}

#[test]
fn who_comes_out_of_the_recycle_bin_needs_no_room() {
    let world = crowd(5, 10);
    world.seed(&[json!({"type": "user", "displayName": "p0", "userPrincipalName": "p0@contoso.com",
        "onPremisesImmutableId": anchor(0), "deleted": true})]);
    let mut session = world.session();
    let report = cycle::run(&mut session, &Permissions::default(), &Silent).unwrap();
    let export = &report.exports[0];
    assert_eq!((export.restored, export.created, export.postponed, export.refused), (1, 4, 5, 0));
    session.close().unwrap();
}

#[test]
fn a_tenant_that_does_not_tell_its_quota_is_planned_for_all_the_same() {
    let mut emulated = emulator::Settings { quota: 5, ..settings() };
    emulated.apps[0].roles.retain(|role| !role.starts_with("Organization"));
    let world = World::new(emulated);
    world.write("people.ldif", &format!("version: 1\n{}", entry("user", 0, "p0")));
    world.write("rules/out-p0.rhai", &rule("user", "p0", "onPremisesImmutableId: it.anchor"));
    let (plan, _) = world.plan();
    assert_eq!(plan.targets["entra"].refused, 1, "for what is required");
}
