//! `syncline compare` beside Microsoft's client: a tenant as that left it, against what the rules would make of the same
//! people. `UPDATE_EXPECT=1` writes `tests/transcripts/` anew.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::fs;

use expect_test::expect_file;
use serde_json::{Value as Json, json};

#[path = "common/deployment.rs"]
mod deployment;
use deployment::{CONFIG, Deployment};

const IN_GROUP: &str = r#"//! In: groups.

const rule = #{ from: "ad/group", to: "metaverse/group", link: "project", precedence: 100, copy: ["displayName"] };

fn flow(group) {
    #{
        uniqueName: lower(group.cn),
        member:     group.member,
    }
}
"#;

const OUT_GROUP: &str = r#"//! Out: groups.

const rule = #{ from: "metaverse/group", to: "entra/group", link: "provision", precedence: 100, copy: ["displayName"] };

fn join(group) { [ #{ uniqueName: group.uniqueName } ] }

fn flow(group) {
    #{
        uniqueName:      once(group.uniqueName),
        mailEnabled:     once(false),
        securityEnabled: once(true),
        mailNickname:    group.uniqueName,
        members:         group.member,
    }
}
"#;

/// A group as Active Directory shows it.
fn group(name: &str, letter: char, members: &[u8]) -> String {
    let members: String =
        members.iter().map(|number| format!("member: CN=Person {number},DC=contoso,DC=test\n")).collect();
    format!(
        "\ndn: CN={name},DC=contoso,DC=test\nobjectClass: group\nobjectGUID:: {letter}BAAAAAAAAAAAAAAAAAAAA==\ncn: {name}\n\
         displayName: {name}\n{members}"
    )
}

/// A user whom Microsoft's client made of a person.
fn user(number: u8, changes: &Json) -> Json {
    let letter = char::from(b'A' + number);
    let mut user = json!({
        "displayName": format!("Person {number}"),
        "userPrincipalName": format!("person{number}@contoso.com"),
        "mailNickname": format!("person{number}"),
        "accountEnabled": true,
        "userType": "Member",
        "onPremisesImmutableId": format!("{letter}AAAAAAAAAAAAAAAAAAAAA=="),
        "onPremisesSyncEnabled": true,
    });
    for (name, value) in changes.as_object().into_iter().flatten() {
        user[name] = value.clone();
    }
    user
}

fn synced_group(name: &str, changes: &Json) -> Json {
    let nickname = name.to_lowercase();
    let mut group = json!({ "displayName": name, "mailNickname": nickname, "groupTypes": [], "mailEnabled": false,
        "securityEnabled": true, "onPremisesSyncEnabled": true });
    for (name, value) in changes.as_object().into_iter().flatten() {
        group[name] = value.clone();
    }
    group
}

/// The tenant as the emulator keeps it: kind, properties, places of members.
fn tenant(deployment: &Deployment, objects: &[(&str, Json, &[usize])]) {
    let mut lines = vec![json!({ "version": 1, "epoch": 0, "log_start": 0, "objects": objects.len(), "log": 0 })];
    for (at, (kind, properties, members)) in objects.iter().enumerate() {
        let id = format!("00000000-0000-4000-8000-{at:012}");
        lines.push(json!({ "id": id, "kind": kind, "properties": properties, "members": members }));
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::create_dir_all(deployment.path("state/emulator-entra")).unwrap();
    deployment.write("state/emulator-entra/state.jsonl", &text);
}

/// Six people and three groups, and a tenant that Microsoft's client filled with them.
fn beside_microsofts_client() -> Deployment {
    let deployment = Deployment::new();
    deployment.write("syncline.toml", &CONFIG.replace(r#"objects = ["user"]"#, r#"objects = ["user", "group"]"#));
    deployment.write("rules/in-group.rhai", IN_GROUP);
    deployment.write("rules/out-group.rhai", OUT_GROUP);
    deployment.people(0..6);
    let people = fs::read_to_string(deployment.path("people.ldif")).unwrap();
    let groups = [group("Sales", 'A', &[0, 1, 2]), group("Twin", 'B', &[0])].concat();
    deployment.write("people.ldif", &(people + &groups));
    tenant(
        &deployment,
        &[
            ("user", user(0, &json!({ "proxyAddresses": ["SMTP:person0@contoso.com", "smtp:zero@contoso.com"] })), &[]),
            ("user", user(1, &json!({ "displayName": "PERSON 1", "proxyAddresses": ["SMTP:p1@contoso.com"] })), &[]),
            ("user", user(2, &json!({ "displayName": "=cmd|'/c calc'!A0", "accountEnabled": false })), &[]),
            ("user", user(3, &json!({ "userPrincipalName": "person3@contoso.onmicrosoft.com" })), &[]),
            ("user", user(4, &json!({ "userPrincipalName": "person4@contoso.onmicrosoft.com" })), &[]),
            (
                "user",
                json!({ "displayName": "Admin", "userPrincipalName": "admin@contoso.com", "accountEnabled": true }),
                &[],
            ),
            ("group", synced_group("Sales", &json!({ "uniqueName": "sales" })), &[0, 5]),
            ("group", synced_group("Twin", &json!({})), &[0]),
            ("group", synced_group("Everybody", &json!({ "mailEnabled": true, "securityEnabled": false })), &[0, 1]),
            ("group", synced_group("Accounting", &json!({ "mailEnabled": true })), &[]),
        ],
    );
    deployment
}

#[test]
fn what_microsofts_client_made_against_what_the_rules_would_make() {
    let deployment = beside_microsofts_client();
    let compared = [
        "compare --with entra",
        "compare --stored --all",
        "compare --stored --format csv",
        "compare --stored --format json",
        "compare --stored --object person2@contoso.com",
        "compare --stored --object twin",
        "compare --stored --object person0@contoso.com",
        "compare --stored --exit-code --format html --out entra.html",
        "compare entra --with entra",
        "compare --format markdown",
        "compare hr --exit-code",
    ];
    let transcript: Vec<String> = compared.iter().map(|command| deployment.run(command)).collect();
    expect_file!["transcripts/compare-with.txt"].assert_eq(&transcript.join("\n"));
    let page = fs::read_to_string(deployment.path("entra.html")).unwrap();
    for wrong in ["http:", "https:", "src=", "href="] {
        assert!(!page.contains(wrong), "{wrong}");
    }
    assert!(page.contains("distribution lists (1): Graph writes neither them nor their members"));
}

#[test]
fn a_tenant_that_is_as_the_rules_make_it_is_safe_to_switch() {
    let deployment = Deployment::new();
    let users: Vec<(&str, Json, &[usize])> = (0..4).map(|number| ("user", user(number, &json!({})), &[][..])).collect();
    tenant(&deployment, &users);
    let first = deployment.run("compare --with entra --exit-code");
    deployment.people(0..0);
    tenant(&deployment, &[]);
    let empty = deployment.run("compare --exit-code");
    let config = CONFIG.to_owned()
        + "\n[connector.other]\nkind = \"entra\"\ntenant = \"fabrikam.onmicrosoft.com\"\nemulator = true\n";
    deployment.write("syncline.toml", &config);
    let several = deployment.run("compare --stored --exit-code");
    expect_file!["transcripts/compare-safe.txt"].assert_eq(&[first, empty, several].join("\n"));
}
