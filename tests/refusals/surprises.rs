//! Errors that Syncline avoids by what it sends, and those that nobody can know before the answer is there.

use serde_json::{Value as Json, json};
use syncline::emulator;
use syncline::run::RunError;
use syncline::run::session::Session;

use super::table::{Known, Row, Source};
use super::world::{Answer, World, entry, rule, settings};

const FLOW: &str = "onPremisesImmutableId: it.anchor, userPrincipalName: it.account + \"@contoso.com\", \
                    displayName: it.account, mailNickname: it.account, accountEnabled: true";

pub(crate) fn rows() -> Vec<Row> {
    let documented = |row| Row { source: Source::Documentation, ..row };
    let never = [by_check(), by_shape()].concat().into_iter().map(documented);
    never.chain([by_others(), by_servers()].concat()).collect()
}

fn user(name: &str) -> Json {
    json!({"accountEnabled": true, "displayName": name, "mailNickname": name,
        "userPrincipalName": format!("{name}@contoso.com"), "passwordProfile": {"password": "Correct-Horse-7"}})
}

fn with(mut body: Json, name: &str, value: Json) -> Json {
    body[name] = value;
    body
}

fn link(id: &str) -> Json {
    json!({"@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{id}")})
}

fn made(world: &World, path: &str, body: &Json) -> String {
    let answer = world.send("POST", path, Some(body));
    assert_eq!(answer.status, 201, "{}", answer.said());
    answer.body["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn row(error: &str, answer: &Answer, known: Known) -> Row {
    assert!(answer.refused(), "{error}: {}", answer.said());
    Row { error: error.to_owned(), source: Source::Reports, answer: answer.said(), known }
}

/// Rules that could flow it are refused by `check`.
fn by_check() -> Vec<Row> {
    let world = World::new(settings());
    world.write("people.ldif", "version: 1\n");
    let mut rows = Vec::new();
    for (error, name, value, in_rule) in [
        ("a property that Graph does not have", "shoeSize", json!("44"), "\"44\""),
        (
            "a property that only the service writes",
            "proxyAddresses",
            json!(["smtp:z@contoso.com"]),
            "[\"smtp:z@contoso.com\"]",
        ),
        ("a text where Graph wants true or false", "accountEnabled", json!("yes"), "\"yes\""),
    ] {
        let flow = FLOW.replace(&format!(", {name}: true"), "");
        world.write("rules/out-x.rhai", &rule("user", "x", &format!("{flow}, {name}: {in_rule}")));
        let Err(RunError::Rules(found)) = Session::open(world.config(), false).map(Session::close) else {
            panic!("{name} is not refused")
        };
        let finding = found.iter().find(|finding| finding.message.contains(name)).unwrap();
        let why = format!("`check` refuses the rule: {} {}", finding.code, finding.message);
        let answer = world.send("POST", "/users", Some(&with(user("zoe"), name, value)));
        rows.push(row(error, &answer, Known::NeverSent(why)));
    }
    rows
}

/// What Syncline sends has another shape.
fn by_shape() -> Vec<Row> {
    let world = World::new(settings());
    let people: Vec<String> = (0..21).map(|number| made(&world, "/users", &user(&format!("p{number}")))).collect();
    let group = made(
        &world,
        "/groups",
        &json!({"displayName": "g", "mailNickname": "g", "mailEnabled": false,
        "securityEnabled": true}),
    );
    let urls: Vec<Json> = people.iter().map(|id| link(id)["@odata.id"].clone()).collect();
    let many = world.send("PATCH", &format!("/groups/{group}"), Some(&json!({"members@odata.bind": urls})));
    let manager = with(user("zoe"), "manager@odata.bind", urls[0].clone());
    let manager = world.send("POST", "/users", Some(&manager));
    let unknown = link("00000000-0000-0000-0000-000000000000");
    let unknown = world.send("PUT", &format!("/users/{}/manager/$ref", people[0]), Some(&unknown));
    let weak = world.send("POST", "/users", Some(&with(user("zoe"), "passwordProfile", json!({"password": "secret"}))));
    let never = |why: &str| Known::NeverSent(why.to_owned());
    vec![
        row("more than 20 members in one request", &many, never("members are sent twenty at a time")),
        row(
            "a manager in the request that makes the user",
            &manager,
            never("the manager is sent when the user is there"),
        ),
        row("a manager whom Graph does not know", &unknown, never("a reference waits until its other end is there")),
        row("a password that is too weak", &weak, never("passwords are made at random, of at least 12 characters")),
    ]
}

/// One person who is planned, and nothing is said against it.
fn planned(world: &World, account: &str) -> (String, Json) {
    world.write("people.ldif", &format!("version: 1\n{}", entry("user", 0, account)));
    world.write("rules/out-user.rhai", &rule("user", account, FLOW));
    let (plan, mut requests) = world.plan();
    assert_eq!((plan.targets["entra"].create, plan.targets["entra"].refused), (1, 0), "{:?}", plan.targets["entra"]);
    let (_, request) = requests.remove(0);
    (request.path, request.body.unwrap())
}

/// Somebody else did something, or is not shown.
fn by_others() -> Vec<Row> {
    let world = World::new(settings());
    let (path, body) = planned(&world, "zoe");
    world.send("POST", "/users", Some(&user("zoe")));
    let taken = world.send("POST", &path, Some(&body));
    let gone = made(&world, "/users", &user("gone"));
    world.send("DELETE", &format!("/users/{gone}"), None);
    let missing = world.send("PATCH", &format!("/users/{gone}"), Some(&json!({"jobTitle": "Head"})));
    let reference = world.send("PUT", "/users/zoe@contoso.com/manager/$ref", Some(&link(&gone)));
    world.send("POST", "/users", Some(&user("gone")));
    let restore = world.send("POST", &format!("/directory/deletedItems/{gone}/restore"), Some(&json!({})));
    let group = made(
        &world,
        "/groups",
        &json!({"displayName": "g", "mailNickname": "g", "mailEnabled": false,
        "securityEnabled": true}),
    );
    let member = made(&world, "/users", &user("member"));
    let add = || world.send("POST", &format!("/groups/{group}/members/$ref"), Some(&link(&member)));
    assert_eq!(add().status, 204);
    let again = add();
    let never = |why: &str| Known::Unknowable(why.to_owned());
    let mut rows = vec![
        row(
            "somebody else took the name since the last import",
            &taken,
            never("the plan knows what the last import showed; the next import shows who has it"),
        ),
        row("somebody else deleted the user since the last import", &missing, never("the next import settles it")),
        row("somebody else deleted the manager since the last import", &reference, never("the next import settles it")),
        row("somebody else added the member since the last import", &again, never("it is taken as done")),
        row(
            "a deleted user whose name somebody else took is restored",
            &restore,
            never("the recycle bin is read by a run, not by a plan"),
        ),
    ];
    rows.push(contact());
    rows
}

/// Contacts are not imported from a tenant.
fn contact() -> Row {
    let world = World::new(settings());
    world.seed(&[json!({"type": "orgContact", "displayName": "c", "proxyAddresses": ["SMTP:zoe@contoso.com"]})]);
    let (path, body) = planned(&world, "zoe");
    let answer = world.send("POST", &path, Some(&with(body, "mail", json!("zoe@contoso.com"))));
    row(
        "an address that a contact of Exchange has",
        &answer,
        Known::Unknowable("contacts are not read from a tenant".into()),
    )
}

/// Graph itself is the reason.
fn by_servers() -> Vec<Row> {
    let never = |why: &str| Known::Unknowable(why.to_owned());
    let world = World::new(settings());
    let (path, body) = planned(&world, "zoe");
    let mut rows = Vec::new();
    for (error, faults, why) in [
        (
            "too many requests",
            json!({"too-many": 1.0}),
            "the plan says how long the writes take; an export waits as it is told",
        ),
        ("Graph is busy", json!({"unavailable": 1.0}), "an export repeats it"),
        (
            "Graph does not answer in time",
            json!({"timeout-before": 1.0}),
            "an export looks whether it was done, then repeats it",
        ),
    ] {
        assert_eq!(world.send("POST", "/_emulator/faults", Some(&faults)).status, 204);
        rows.push(row(error, &world.send("POST", &path, Some(&body)), never(why)));
    }
    let late = World::new(emulator::Settings { replication_delay_ms: 3_600_000, ..settings() });
    let (path, body) = planned(&late, "zoe");
    let group = json!({"displayName": "g", "mailNickname": "g", "mailEnabled": false, "securityEnabled": true});
    let (user, group) = (made(&late, &path, &body), made(&late, "/groups", &group));
    let answer = late.send("POST", &format!("/groups/{group}/members/$ref"), Some(&link(&user)));
    rows.push(row(
        "a new user is not known everywhere yet",
        &answer,
        never("an export repeats it for objects that it made a moment ago"),
    ));
    let mut weak = settings();
    weak.apps[0].roles.retain(|role| role != "User.ReadWrite.All");
    weak.apps[0].roles.push("User.Read.All".into());
    let weak = World::new(weak);
    let (path, body) = planned(&weak, "zoe");
    let answer = weak.send("POST", &path, Some(&body));
    rows.push(row("the app may not write", &answer, never("`syncline doctor` says which permissions are needed")));
    rows
}
