//! One member more: what it costs in a group of a hundred, and in one of a hundred thousand. The promise is that the cost
//! follows what changed, so the ratio says everything: `cargo bench --bench large_group`.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a bench fails like a test, and talks")]

use std::time::{Duration, Instant};

use syncline::connector::Anchor;
use syncline::connector_space::EdgeChange;
use syncline::sync::ledger::{Ledger, View};
use syncline::sync::{Synchronisation, stage};

#[path = "../tests/common/world.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod world;

use world::World;

const RULES: [(&str, &str); 4] = [
    (
        "in-user",
        r#"const rule = #{ from: "ad/user", to: "metaverse/person", link: "project", precedence: 100 };
           fn flow(user) { #{ id: user.id } }"#,
    ),
    (
        "in-group",
        r#"const rule = #{ from: "ad/group", to: "metaverse/group", link: "project", precedence: 100 };
           fn flow(group) { #{ id: group.id, member: group.member } }"#,
    ),
    (
        "out-user",
        r#"const rule = #{ from: "metaverse/person", to: "entra/user", link: "provision", precedence: 100 };
           fn flow(person) { #{ immutableId: person.id, upn: person.id + "@x" } }"#,
    ),
    (
        "out-group",
        r#"const rule = #{ from: "metaverse/group", to: "entra/group", link: "provision", precedence: 100 };
           fn flow(group) { #{ immutableId: group.id, upn: group.id + "@x", members: group.member } }"#,
    ),
];
const SMALL: usize = 100;
const LARGE: usize = 100_000;
/// So many members come and go, in each group.
const ROUNDS: usize = 200;

fn main() {
    let mut world = World::new(&RULES);
    // Whoever comes and goes is in neither group.
    let people = LARGE + ROUNDS;
    for first in (0..people).step_by(10_000) {
        let lines: Vec<String> = (first..people.min(first + 10_000)).map(|n| format!("user u{n} id=u{n}")).collect();
        world.import("ad", &lines.join("\n"));
    }
    let members = |count: usize| (0..count).map(|n| format!("u{n}")).collect::<Vec<_>>().join(",");
    world.import("ad", &format!("group small id=small member=>{}", members(SMALL)));
    world.import("ad", &format!("group large id=large member=>{}", members(LARGE)));
    settle(&mut world);
    settle(&mut world);
    println!("{people} people; one member more, and one less, {ROUNDS} times in turn");
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let member = format!("u{}", LARGE + round);
        small.push(change(&mut world, "small", &member));
        large.push(change(&mut world, "large", &member));
    }
    let (small, large) = (median(small), median(large));
    println!("group of {SMALL:>7}: {small:?} at the median");
    println!("group of {LARGE:>7}: {large:?} at the median");
    println!("ratio {:.2}", large.as_secs_f64() / small.as_secs_f64());
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Everything is synchronised, and the target takes it.
fn settle(world: &mut World) {
    synchronise(world);
    let mut draft = world.store.draft();
    let mut shown = Vec::new();
    for id in draft.exports("entra", None, usize::MAX).unwrap() {
        let mut object = draft.object(id).unwrap().unwrap();
        object.image = object.expected();
        object.anchor = Some(Anchor(id.to_string()));
        object.export = None;
        draft.put_object(&object).unwrap();
        shown.push(id);
    }
    for (from, attribute, to) in draft.edge_exports(None, usize::MAX).unwrap() {
        let mut edge = draft.edge(from, &attribute, to).unwrap();
        edge.seen = edge.pending == Some(EdgeChange::Add);
        edge.pending = None;
        draft.put_edge(from, &attribute, to, edge).unwrap();
    }
    let writes = draft.finish();
    world.store.commit(writes).unwrap();
}

fn synchronise(world: &mut World) -> Duration {
    let mut synchronisation = Synchronisation::new(&world.rules, &world.sources, &world.targets, &world.orders, 1);
    let begun = Instant::now();
    loop {
        let mut draft = world.store.draft();
        let more = synchronisation.step(&mut draft, 500).unwrap().is_some();
        let writes = draft.finish();
        world.store.commit(writes).unwrap();
        if !more {
            return begun.elapsed();
        }
    }
}

/// Somebody joins a group and leaves it again: from the reference that an import shows to the one that is to be written.
fn change(world: &mut World, group: &str, member: &str) -> Duration {
    let mut spent = Duration::ZERO;
    for seen in [true, false] {
        let readers = stage::Readers { rules: true, memberships: false };
        let begun = Instant::now();
        let mut draft = world.store.draft();
        let id = draft.id_of_anchor("ad", &Anchor(group.into())).unwrap();
        let to = draft.id_of_anchor("ad", &Anchor(member.into())).unwrap();
        let object = draft.object(id).unwrap().unwrap();
        stage::stage_edge(&mut draft, &object, &"member".into(), to, seen, readers).unwrap();
        let writes = draft.finish();
        world.store.commit(writes).unwrap();
        spent += begun.elapsed() + synchronise(world);
        let waiting = world.store.draft().edge_exports(None, 10).unwrap();
        assert_eq!(waiting.len(), usize::from(seen), "one member to add, or nothing any more");
    }
    spent
}
