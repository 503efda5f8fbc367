//! Random worlds: whatever comes in, in whatever order, the store stays whole, exports come to an end, and the way there
//! leaves no trace in what the target has.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use syncline::sync::Synchronisation;
use syncline::sync::ledger::View;
use syncline::value::Value;

#[cfg(test)]
#[path = "common/target.rs"]
mod target;
#[cfg(test)]
#[path = "common/tenant.rs"]
mod tenant;
#[cfg(test)]
#[path = "common/world.rs"]
mod world;

use world::World;

const IN_USER: &str = r#"
    const rule = #{ from: "ad/user", to: "metaverse/person", link: "project", precedence: 100,
                    copy: ["title", "department"], trim: [#{ displayName: "name" }] };
    fn scope(user) { user.department != "Hidden" }
    fn join(user) { [ #{ id: user.id } ] }
    fn flow(user) { #{ id: user.id, number: user.number, mail: lower(user.mail), enabled: user.enabled,
                       manager: user.manager, phones: user.phones } }
"#;
const IN_HR: &str = r#"
    const rule = #{ from: "hr/user", to: "metaverse/person", link: "join", precedence: 50, copy: ["title"] };
    fn join(user) { [ #{ number: user.number } ] }
    fn flow(user) { #{ phones: user.phones } }
"#;
const IN_GROUP: &str = r#"
    const rule = #{ from: "ad/group", to: "metaverse/group", link: "project", precedence: 100, trim: [#{ displayName: "name" }] };
    fn flow(group) { #{ id: group.id, member: group.member } }
"#;
const OUT_USER: &str = r#"
    const rule = #{ from: "metaverse/person", to: "entra/user", link: "provision", precedence: 100, copy: ["displayName", "mail", "title"] };
    fn scope(person) { person.department != "Local" }
    fn join(person) { [ #{ immutableId: exact(person.id) } ] }
    fn flow(person) { #{ immutableId: person.id, upn: person.id + "@x", manager: person.manager, phones: person.phones } }
"#;
const OUT_GROUP: &str = r#"
    const rule = #{ from: "metaverse/group", to: "entra/group", link: "provision", precedence: 100, copy: ["displayName"] };
    fn join(group) { [ #{ immutableId: exact(group.id) } ] }
    fn flow(group) { #{ immutableId: group.id, upn: group.id + "@x", members: group.member } }
"#;

/// Sets of rules; the first is the whole.
fn rules(variant: usize) -> Vec<(&'static str, &'static str)> {
    let all = vec![
        ("in-user", IN_USER),
        ("in-hr", IN_HR),
        ("in-group", IN_GROUP),
        ("out-user", OUT_USER),
        ("out-group", OUT_GROUP),
    ];
    let without = |name: &str| all.iter().copied().filter(|(rule, _)| *rule != name).collect();
    match variant {
        1 => without("in-hr"),
        2 => without("out-user"),
        3 => without("in-group"),
        4 => without("in-user"),
        _ => all,
    }
}

#[derive(Clone, Debug)]
enum Step {
    User { number: u8, name: u8, department: u8, title: u8, manager: Option<u8>, phones: u8, place: u8 },
    Hr { number: u8, person: u8, title: u8 },
    Group { number: u8, name: u8, members: BTreeSet<u8> },
    DeleteUser(u8),
    DeleteHr(u8),
    DeleteGroup(u8),
    Rules(usize),
    Sync,
    Export,
}

fn change() -> impl Strategy<Value = Step> {
    let user = (0..6_u8, 0..3_u8, 0..6_u8, 0..3_u8, prop::option::of(0..6_u8), 0..3_u8, 0..8_u8).prop_map(
        |(number, name, department, title, manager, phones, place)| Step::User {
            number,
            name,
            department,
            title,
            manager,
            phones,
            place,
        },
    );
    let members = prop::collection::btree_set(0..6_u8, 0..5);
    prop_oneof![
        6 => user,
        3 => (0..2_u8, 0..3_u8, members).prop_map(|(number, name, members)| Step::Group { number, name, members }),
        2 => (0..6_u8).prop_map(Step::DeleteUser),
        1 => (0..2_u8).prop_map(Step::DeleteGroup),
    ]
}

fn hr() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_u8, 0..6_u8, 0..3_u8).prop_map(|(number, person, title)| Step::Hr { number, person, title }),
        1 => (0..3_u8).prop_map(Step::DeleteHr),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => change(),
        2 => hr(),
        1 => (0..5_usize).prop_map(Step::Rules),
        3 => Just(Step::Sync),
        3 => Just(Step::Export),
    ]
}

/// What the directories hold: by connector and anchor, the line that an import shows.
type Directories = BTreeMap<(&'static str, String), String>;

fn line(step: &Step) -> Option<(&'static str, String, Option<String>)> {
    let pick = |list: &[&str], at: u8| list.get(usize::from(at)).copied().unwrap_or_default().to_owned();
    Some(match step {
        Step::User { number, name, department, title, manager, phones, place: _ } => {
            let mut line = format!("user u{number} id=a{number} number=#{number}");
            line += &pick(&["", " name=Ada", " name=_Bob_"], *name);
            line += &pick(&["", "", "", "", " department=Local", " department=Hidden"], *department);
            line += &pick(&["", " title=Clerk", " title=Chief"], *title);
            line += &pick(&["", " phones=1,2", " phones=2"], *phones);
            if let Some(manager) = manager {
                line += &format!(" manager=>u{manager}");
            }
            ("ad", format!("u{number}"), Some(line))
        }
        Step::Hr { number, person, title } => {
            let line = format!("user h{number} number=#{person}{}", pick(&["", " title=Boss", " title=Temp"], *title));
            ("hr", format!("h{number}"), Some(line))
        }
        Step::Group { number, name, members } => {
            let mut line = format!("group g{number} id=g{number}{}", pick(&["", " name=Staff", " name=All"], *name));
            let members: Vec<String> = members.iter().map(|member| format!("u{member}")).collect();
            if !members.is_empty() {
                line += &format!(" member=>{}", members.join(","));
            }
            ("ad", format!("g{number}"), Some(line))
        }
        Step::DeleteUser(number) => ("ad", format!("u{number}"), None),
        Step::DeleteHr(number) => ("hr", format!("h{number}"), None),
        Step::DeleteGroup(number) => ("ad", format!("g{number}"), None),
        Step::Rules(_) | Step::Sync | Step::Export => return None,
    })
}

fn apply(world: &mut World, directories: &mut Directories, step: &Step) {
    match (step, line(step)) {
        (_, Some((connector, anchor, Some(line)))) => {
            world.import(connector, &line);
            directories.insert((connector, anchor), line);
        }
        (_, Some((connector, anchor, None))) => {
            let was_there = directories.remove(&(connector, anchor.clone()));
            was_there.iter().for_each(|_| {
                world.delete(connector, &anchor);
            });
        }
        (Step::Rules(variant), None) => world.set_rules(&rules(*variant)),
        (Step::Sync, None) => {
            world.sync();
        }
        (Step::Export, None) => {
            world.sync().export();
        }
        _ => {}
    }
}

/// Everything that is stored, as text: objects, references, people.
fn dump(world: &World) -> Vec<String> {
    let draft = world.store.draft();
    let mut lines = Vec::new();
    for id in draft.all_objects(None, 100_000).unwrap() {
        lines.push(format!("{:?}", draft.object(id).unwrap().unwrap()));
        for attribute in draft.reference_attributes(id).unwrap() {
            lines.push(format!("  {attribute} {:?}", draft.edges(id, &attribute).unwrap()));
        }
    }
    for id in draft.all_metaverse(None, 100_000).unwrap() {
        lines.push(format!("{:?}", draft.metaverse(id).unwrap().unwrap()));
    }
    lines
}

/// What `entra` has, by name: `a1@x displayName=Ada`, and the references that were shown.
fn tenant(world: &World) -> String {
    let draft = world.store.draft();
    let texts = |values: &Vec<Value>| values.iter().map(ToString::to_string).collect::<Vec<_>>().join("|");
    let mut lines = Vec::new();
    for object_type in ["user", "group"] {
        for id in draft.population("entra", object_type, None, 100_000).unwrap() {
            let object = draft.object(id).unwrap().unwrap();
            let mut line = world.name(id);
            for (name, values) in &object.image {
                line += &format!(" {name}={}", texts(values));
            }
            for attribute in draft.reference_attributes(id).unwrap() {
                let edges = draft.edges(id, &attribute).unwrap();
                let mut seen: Vec<String> =
                    edges.iter().filter(|(_, edge)| edge.seen).map(|(to, _)| world.name(*to)).collect();
                seen.sort();
                if !seen.is_empty() {
                    line += &format!(" {attribute}={}", seen.join("|"));
                }
            }
            lines.push(line);
        }
    }
    lines.sort();
    lines.join("\n")
}

/// A synchronisation in a draft that nobody commits.
fn preview(world: &World) {
    let mut synchronisation = Synchronisation::new(&world.rules, &world.sources, &world.targets, &world.orders, 1);
    let mut draft = world.store.draft();
    while synchronisation.step(&mut draft, 50).unwrap().is_some() {}
}

/// Everything that the directories hold is shown once more, as a full import does.
fn full_import(world: &mut World, directories: &Directories) {
    for ((connector, _), line) in directories {
        world.import(connector, line);
    }
}

/// Synchronises and exports until nothing is due. Two rounds must do.
fn settle(world: &mut World) -> Result<(), TestCaseError> {
    world.sync().export().sync().export().sync();
    prop_assert_eq!(world.exports(), "", "two rounds are enough");
    Ok(())
}

/// What has an error is tried again, and may well succeed after what came later; everything else is done.
fn lasting(world: &mut World) -> Result<(), TestCaseError> {
    if !world.errors.is_empty() {
        return Ok(());
    }
    let before = dump(world);
    world.sync();
    prop_assert_eq!(dump(world), before, "a second synchronisation changes nothing");
    Ok(())
}

/// Few random worlds at a time; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 24 };
    ProptestConfig { cases, max_shrink_iters: 500, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_worlds_stay_whole_and_come_to_rest(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new(&rules(0));
        let mut directories = Directories::new();
        for step in &steps {
            apply(&mut world, &mut directories, step);
            if matches!(step, Step::Sync) {
                lasting(&mut world)?;
            }
        }
        settle(&mut world)?;
        lasting(&mut world)?;
    }

    #[test]
    fn the_way_leaves_no_trace_in_the_target(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new(&rules(0));
        let mut directories = Directories::new();
        for step in steps.iter().filter(|step| !matches!(step, Step::Hr { .. } | Step::DeleteHr(_))) {
            apply(&mut world, &mut directories, step);
        }
        world.set_rules(&rules(0));
        full_import(&mut world, &directories);
        settle(&mut world)?;
        let mut fresh = World::new(&rules(0));
        full_import(&mut fresh, &directories);
        settle(&mut fresh)?;
        prop_assert_eq!(tenant(&world), tenant(&fresh));
        prop_assert_eq!(&world.errors, &fresh.errors);
    }

    #[test]
    fn the_order_of_an_import_does_not_matter(
        steps in prop::collection::vec(prop_oneof![3 => change(), 1 => hr()], 1..20),
        seed in any::<u64>(),
        stretch in 1..6_usize,
    ) {
        let mut directories = Directories::new();
        let mut nobody = World::new(&[]);
        steps.iter().for_each(|step| apply(&mut nobody, &mut directories, step));
        let mut shuffled: Vec<_> = directories.iter().collect();
        shuffled.sort_by_key(|((connector, anchor), _)| {
            connector.bytes().chain(anchor.bytes()).fold(seed, |sum, byte| {
                (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
            })
        });
        let mut one = World::new(&rules(0));
        full_import(&mut one, &directories);
        one.sync();
        let mut other = World::new(&rules(0));
        for ((connector, _), line) in &shuffled {
            other.import(connector, line);
        }
        other.sync();
        prop_assert_eq!(other.exports(), one.exports());
        prop_assert_eq!(dump(&other), dump(&one));
        // Nor does a synchronisation in between, where nothing is joined.
        let mut third = World::new(&rules(1));
        for part in shuffled.chunks(stretch) {
            for ((connector, _), line) in part {
                third.import(connector, line);
            }
            third.sync();
        }
        let mut fourth = World::new(&rules(1));
        full_import(&mut fourth, &directories);
        fourth.sync();
        prop_assert_eq!(third.exports(), fourth.exports());
    }

    #[test]
    fn it_does_not_matter_how_many_work_at_the_same_time(steps in prop::collection::vec(step(), 1..40)) {
        let worlds: Vec<World> = [1, 2, 5]
            .into_iter()
            .map(|workers| {
                let mut world = World { workers, ..World::new(&rules(0)) };
                let mut directories = Directories::new();
                steps.iter().for_each(|step| apply(&mut world, &mut directories, step));
                world.sync();
                world
            })
            .collect();
        for world in &worlds {
            prop_assert_eq!(dump(world), dump(&worlds[0]));
            prop_assert_eq!(&world.errors, &worlds[0].errors);
        }
    }

    #[test]
    fn a_preview_leaves_no_trace(steps in prop::collection::vec(step(), 1..30)) {
        let mut world = World::new(&rules(0));
        let mut directories = Directories::new();
        for step in &steps {
            apply(&mut world, &mut directories, step);
            let before = dump(&world);
            preview(&world);
            prop_assert_eq!(dump(&world), before);
        }
    }

    /// References that name places: objects move, take each other's places, and come later than what refers to them.
    #[test]
    fn names_lead_to_whoever_holds_them(steps in prop::collection::vec(change(), 1..25), seen in 1..4_usize) {
        let mut world = World::new(&rules(0));
        let mut users: BTreeMap<u8, (u8, Option<u8>)> = BTreeMap::new();
        let mut groups: BTreeMap<u8, BTreeSet<u8>> = BTreeMap::new();
        let text = |number: u8, (place, manager): (u8, Option<u8>)| {
            let manager = manager.map(|manager| format!(" manager=>cn=p{manager}")).unwrap_or_default();
            format!("user u{number} id=a{number} dn=cn=p{place}{manager}")
        };
        let of = |number: u8, members: &BTreeSet<u8>| {
            let members: Vec<String> = members.iter().map(|place| format!("cn=p{place}")).collect();
            let members = if members.is_empty() { String::new() } else { format!(" member=>{}", members.join(",")) };
            format!("group g{number} id=g{number} dn=cn=g{number}{members}")
        };
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::User { number, place, manager, .. } => {
                    if users.iter().any(|(other, (taken, _))| other != number && taken == place) {
                        continue;
                    }
                    users.insert(*number, (*place, *manager));
                    world.import("ad", &text(*number, (*place, *manager)));
                }
                Step::Group { number, members, .. } => {
                    world.import("ad", &of(*number, members));
                    groups.insert(*number, members.clone());
                }
                Step::DeleteUser(number) if users.remove(number).is_some() => {
                    world.delete("ad", &format!("u{number}"));
                }
                Step::DeleteGroup(number) if groups.remove(number).is_some() => {
                    world.delete("ad", &format!("g{number}"));
                }
                _ => {}
            }
            if at % seen == 0 {
                world.sync().export().sync();
            }
        }
        let everything = |world: &mut World| {
            for (number, user) in &users {
                world.import("ad", &text(*number, *user));
            }
            for (number, members) in &groups {
                world.import("ad", &of(*number, members));
            }
        };
        everything(&mut world);
        everything(&mut world);
        settle(&mut world)?;
        let mut fresh = World::new(&rules(0));
        everything(&mut fresh);
        settle(&mut fresh)?;
        prop_assert_eq!(tenant(&world), tenant(&fresh));
    }
}
