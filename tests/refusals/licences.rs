//! Licences: Syncline gives nobody any, but what it writes decides who gets one.

use serde_json::{Value as Json, json};
use syncline::emulator::{self, Licence};
use syncline::run::plan::Warning;

use super::table::{Known, Row, Source};
use super::world::{World, anchor, entry, rule, settings};

const SKU: &str = "6fd2c87f-b296-42f0-b197-1e91e994b900";

fn world(seats: u64) -> World {
    let licence = Licence { sku_id: SKU.into(), name: "ENTERPRISEPACK".into(), seats };
    World::new(emulator::Settings { licences: vec![licence], ..settings() })
}

pub(crate) fn rows() -> Vec<Row> {
    let (told, failed) = through_a_group(3);
    let [warning] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((warning.count, failed), (2, 2));
    let too_few = Row {
        error: "users come into a group with a licence of which too few seats are left".into(),
        source: Source::Reports,
        answer: "204, and later `CountViolation` in `licenseAssignmentStates` of those who got none".into(),
        known: Known::Said(format!("warning: {} {}", warning.count, warning.what)),
    };
    assert_eq!(through_a_group(5), (Vec::new(), 0), "no false alarm");
    vec![too_few, without_a_place()]
}

/// Five members of a group with a licence, one of whom has it already. Gives what the plan says, and how many got none.
fn through_a_group(seats: u64) -> (Vec<Warning>, usize) {
    let world = world(seats);
    let people: Vec<String> = (0..5).map(|number| format!("p{number}")).collect();
    let mut file = "version: 1\n".to_owned();
    let mut seeds = Vec::new();
    for (number, account) in people.iter().enumerate() {
        file += &entry("user", number, account);
        world.write(&format!("rules/out-{account}.rhai"), &rule("user", account, "onPremisesImmutableId: it.anchor"));
        let licences = if number == 0 { json!([{"skuId": SKU, "disabledPlans": []}]) } else { json!([]) };
        seeds.push(
            json!({"type": "user", "displayName": account, "userPrincipalName": format!("{account}@contoso.com"),
            "onPremisesImmutableId": anchor(number), "accountEnabled": true, "assignedLicenses": licences}),
        );
    }
    seeds.push(json!({"type": "group", "displayName": "licensed", "uniqueName": anchor(9), "securityEnabled": true,
        "mailEnabled": false, "assignedLicenses": [{"skuId": SKU, "disabledPlans": []}]}));
    let ids = world.seed(&seeds);
    let members: String = people.iter().map(|account| format!("member: CN={account},DC=contoso,DC=test\n")).collect();
    file += &format!("{}{members}", entry("group", 9, "licensed"));
    world.write("people.ldif", &file);
    world
        .write("rules/out-licensed.rhai", &rule("group", "licensed", "displayName: \"licensed\", members: it.members"));
    let (plan, _) = world.plan();
    let urls: Vec<String> =
        ids[..5].iter().map(|id| format!("https://graph.microsoft.com/v1.0/directoryObjects/{id}")).collect();
    let answer = world.send("PATCH", &format!("/groups/{}", ids[5]), Some(&json!({"members@odata.bind": urls})));
    assert_eq!(answer.status, 204, "{}", answer.said());
    let failed = |id: &&String| {
        let path = format!("/users/{id}?$select=licenseAssignmentStates");
        world.send("GET", &path, None).body["licenseAssignmentStates"][0]["error"] == "CountViolation"
    };
    (plan.targets["entra"].warnings.clone(), ids[..5].iter().filter(failed).count())
}

/// "License assignment cannot be done for user with invalid usage location."
fn without_a_place() -> Row {
    let world = world(5);
    let base = "onPremisesImmutableId: it.anchor, userPrincipalName: it.account + \"@contoso.com\", displayName: it.account, \
                mailNickname: it.account, accountEnabled: true";
    world.write("people.ldif", &format!("version: 1\n{}{}", entry("user", 0, "lost"), entry("user", 1, "found")));
    world.write("rules/out-lost.rhai", &rule("user", "lost", base));
    world.write("rules/out-found.rhai", &rule("user", "found", &format!("{base}, usageLocation: \"DE\"")));
    let (plan, requests) = world.plan();
    let [warning] = plan.targets["entra"].warnings.as_slice() else { panic!("{:?}", plan.targets["entra"].warnings) };
    assert_eq!(warning.sample, ["lost@contoso.com"]);
    for (_, request) in requests {
        assert_eq!(world.send(request.method, &request.path, request.body.as_ref()).status, 201);
    }
    let give =
        |who: &str, seats: &Json| world.send("POST", &format!("/users/{who}@contoso.com/assignLicense"), Some(seats));
    let body = json!({"addLicenses": [{"skuId": SKU, "disabledPlans": []}], "removeLicenses": []});
    assert_eq!(give("found", &body).status, 200);
    let answer = give("lost", &body);
    assert!(answer.refused());
    Row {
        error: "somebody without `usageLocation` is given a licence by himself".into(),
        source: Source::Reports,
        answer: answer.said(),
        known: Known::Said(format!("warning: {} {}", warning.count, warning.what)),
    }
}
