//! Errors about references: to whom, and how many.

use serde_json::json;
use syncline::connector::target::TargetKind;
use syncline::connector::{Anchor, ExportAction, ExportItem};
use syncline::run::plan::Plan;
use uuid::Uuid;

use super::table::{Known, Row, Source};
use super::world::{Answer, World, anchor, entry, rule, settings};

/// An object with references: `error` is empty for those that are fine.
struct Link {
    error: &'static str,
    account: &'static str,
    kind: &'static str,
    attribute: &'static str,
    to: Vec<String>,
}

fn link(error: &'static str, account: &'static str, kind: &'static str, attribute: &'static str, to: &[&str]) -> Link {
    Link { error, account, kind, attribute, to: to.iter().map(|to| (*to).to_owned()).collect() }
}

fn owners(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("p{number}")).collect()
}

fn links() -> Vec<Link> {
    vec![
        link("a manager who is a group", "managed", "user", "manager", &["staff"]),
        link("", "led", "user", "manager", &["p0"]),
        link("an owner that is a group", "owned", "group", "owners", &["staff"]),
        link("", "kept", "group", "owners", &["p0"]),
        link("a Microsoft 365 group as a member", "nesting", "group", "members", &["team"]),
        link("", "plain", "group", "members", &["staff", "p1"]),
        link("a group as a member of a Microsoft 365 group", "team", "group", "members", &["staff"]),
        link("", "crew", "group", "members", &["p1"]),
        Link { to: owners(101), ..link("more than 100 owners", "crowded", "group", "owners", &[]) },
        Link { to: owners(100), ..link("", "full", "group", "owners", &[]) },
    ]
}

fn dn(account: &str) -> String {
    format!("CN={account},DC=contoso,DC=test")
}

pub(crate) fn rows() -> Vec<Row> {
    let world = World::new(settings());
    let links = links();
    let mut file = "version: 1\n".to_owned();
    let mut seeds = Vec::new();
    let mut ids = std::collections::BTreeMap::new();
    let plain = owners(101).into_iter().map(|account| (account, "user", None));
    let others = plain.chain([("staff".to_owned(), "group", None)]);
    let linked = links.iter().map(|link| (link.account.to_owned(), link.kind, Some(link)));
    for (number, (account, kind, link)) in others.chain(linked).enumerate() {
        file += &entry(kind, number, &account);
        let mut flow = format!("displayName: \"{account}\"");
        for to in link.iter().flat_map(|link| &link.to) {
            file += &format!("{}: {}\n", if kind == "user" { "manager" } else { "member" }, dn(to));
        }
        if let Some(link) = link {
            flow += &format!(", {}: it.{}", link.attribute, if kind == "user" { "manager" } else { "members" });
        }
        world.write(&format!("rules/out-{account}.rhai"), &rule(kind, &account, &flow));
        let unified = ["team", "crew"].contains(&account.as_str());
        let types = if unified { json!(["Unified"]) } else { json!([]) };
        seeds.push(match kind {
            "user" => json!({"type": "user", "displayName": account, "onPremisesImmutableId": anchor(number),
                "accountEnabled": true, "userPrincipalName": format!("{account}@contoso.com")}),
            _ => json!({"type": "group", "displayName": account, "uniqueName": anchor(number),
                "securityEnabled": true, "mailEnabled": unified, "groupTypes": types}),
        });
        ids.insert(account, number);
    }
    let ids_of_tenant = world.seed(&seeds);
    world.write("people.ldif", &file);
    let (plan, _) = world.plan();
    let id = |account: &str| Anchor(ids_of_tenant[ids[account]].clone());
    let mut rows = Vec::new();
    for link in &links {
        let said = said(&plan, link);
        let targets = link.to.iter().map(|to| id(to)).collect();
        let answer = send(&world, link, id(link.account), targets);
        assert_eq!(said.is_some(), answer.refused(), "{}: {said:?} but {}", link.account, answer.said());
        assert_eq!(said.is_some(), !link.error.is_empty(), "{}: {said:?}", link.account);
        rows.extend(said.map(|said| Row {
            error: link.error.to_owned(),
            source: if link.attribute == "owners" { Source::Documentation } else { Source::Reports },
            answer: answer.said(),
            known: Known::Said(said),
        }));
    }
    rows.push(unmade());
    rows
}

fn said(plan: &Plan, link: &Link) -> Option<String> {
    let lines = &plan.targets["entra"].lines;
    let line = lines.iter().find(|line| line.name.split('@').next() == Some(link.account)).unwrap();
    let planned = line.references.iter().find(|planned| planned.attribute == link.attribute).unwrap();
    assert_eq!(planned.added, link.to.len());
    (planned.refused > 0).then(|| planned.why.clone())
}

/// The first refusal, or the last answer.
fn send(world: &World, link: &Link, anchor: Anchor, targets: Vec<Anchor>) -> Answer {
    let action = ExportAction::AddReferences { anchor, attribute: link.attribute.into(), targets };
    let requests = TargetKind::Entra.render(&ExportItem::new(Uuid::nil(), link.kind, action));
    let mut answers = requests.iter().map(|request| world.send(request.method, &request.path, request.body.as_ref()));
    let first = answers.next().unwrap();
    answers.fold(first, |before, after| if before.refused() { before } else { after })
}

/// The manager would be refused, so the reference to him is not even sent.
fn unmade() -> Row {
    let world = World::new(settings());
    let file = format!("{}manager: {}\n{}", entry("user", 0, "zoe"), dn("boss"), entry("user", 1, "boss"));
    world.write("people.ldif", &format!("version: 1\n{file}"));
    let flow = |name: &str| {
        format!(
            "onPremisesImmutableId: it.anchor, userPrincipalName: \"{name}@contoso.com\", displayName: \"x\", mailNickname: \"x\", accountEnabled: true, manager: it.manager"
        )
    };
    world.write("rules/out-zoe.rhai", &rule("user", "zoe", &flow("zoe")));
    world.write("rules/out-boss.rhai", &rule("user", "boss", &flow("the boss")));
    let (plan, requests) = world.plan();
    let zoe = plan.targets["entra"].lines.iter().find(|line| line.name == "zoe@contoso.com").unwrap();
    let [planned] = zoe.references.as_slice() else { panic!("{zoe:?}") };
    assert_eq!((zoe.kind, planned.refused, planned.waiting), ("create", 0, 1));
    for (_, request) in &requests {
        world.send(request.method, &request.path, request.body.as_ref());
    }
    let nobody =
        json!({"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/00000000-0000-0000-0000-000000000000"});
    let answer = world.send("PUT", "/users/zoe@contoso.com/manager/$ref", Some(&nobody));
    assert_eq!(answer.status, 404);
    Row {
        error: "a manager who is not there, for he would be refused himself".into(),
        source: Source::Reports,
        answer: answer.said(),
        known: Known::Said(format!("the reference would wait: {}", planned.why)),
    }
}
