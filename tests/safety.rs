//! What keeps accounts whose they are: exchanged names, anchors that change, refusals that stand, a disk that
//! fills up. The built program, the
//! emulator over HTTP. `UPDATE_EXPECT=1` writes `tests/transcripts/` anew.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::fs;
use std::process::Command;

use expect_test::{ExpectFile, expect_file};

#[path = "common/deployment.rs"]
mod deployment;
use deployment::{CONFIG, Deployment, IN_USER, OUT_USER};

fn check(expected: ExpectFile, transcript: &[String]) {
    expected.assert_eq(&transcript.join("\n"));
}

/// A deployment with three people.
fn three() -> Deployment {
    let deployment = Deployment::new();
    deployment.people(0..3);
    deployment
}

fn edit(deployment: &Deployment, edit: impl Fn(&str) -> String) {
    let text = fs::read_to_string(deployment.path("people.ldif")).unwrap();
    deployment.write("people.ldif", &edit(&text));
}

#[test]
fn three_people_exchange_their_names_in_one_run() {
    let deployment = three();
    let first = deployment.run("run");
    edit(&deployment, |text| {
        let text = text.replace("sAMAccountName: person0", "sAMAccountName: person-a");
        let text = text.replace("sAMAccountName: person2", "sAMAccountName: person0");
        let text = text.replace("sAMAccountName: person1", "sAMAccountName: person2");
        text.replace("sAMAccountName: person-a", "sAMAccountName: person1")
    });
    let swapped = deployment.run("run");
    let names = deployment.run("search entra person");
    check(expect_file!["transcripts/swap.txt"], &[first, swapped, names, deployment.run("run")]);
}

#[test]
fn two_people_exchange_their_addresses_and_a_plan_knows_that_they_can() {
    let deployment = three();
    let with_mail = |rule: &str| rule.replace("\"displayName\"]", "\"displayName\", \"mail\"]");
    deployment.write("rules/in-user.rhai", &IN_USER.replace("trim: [", "copy: [\"mail\"], trim: ["));
    deployment.write("rules/out-user.rhai", &with_mail(OUT_USER));
    let mail = |number: u8| format!("mail: person{number}@contoso.com\n");
    edit(&deployment, |text| {
        (0..3).fold(text.to_owned(), |text, number| {
            let name = format!("displayName: Person {number}\n");
            text.replace(&name, &(name.clone() + &mail(number)))
        })
    });
    let mut transcript = vec![deployment.run("run")];
    edit(&deployment, |text| {
        text.replace(&mail(0), "mail: aside\n").replace(&mail(1), &mail(0)).replace("mail: aside\n", &mail(1))
    });
    transcript.extend(["plan --import", "run", "run"].map(|what| deployment.run(what)));
    check(expect_file!["transcripts/swap-addresses.txt"], &transcript);
}

#[test]
fn who_takes_a_name_over_is_whom_references_by_that_name_mean() {
    let deployment = three();
    let with_manager = |rule: &str, object: &str| {
        let manager = format!("#{{\n        manager: {object}.manager,\n");
        rule.replace("    #{\n", &format!("    {manager}"))
    };
    deployment.write("rules/in-user.rhai", &with_manager(IN_USER, "user"));
    deployment.write("rules/out-user.rhai", &with_manager(OUT_USER, "person"));
    // The first in the file refers to the last.
    edit(&deployment, |text| {
        text.replacen("displayName: Person 0\n", "displayName: Person 0\nmanager: CN=Person 2,DC=contoso,DC=test\n", 1)
    });
    deployment.run("run");
    // Somebody else has the name of the last one, who is gone.
    edit(&deployment, |text| {
        text.replace("objectGUID:: CAAA", "objectGUID:: XAAA")
            .replace("sAMAccountName: person2", "sAMAccountName: other")
    });
    let transcript = ["plan --import", "run", "explain entra person0@contoso.com manager", "run"];
    check(expect_file!["transcripts/name-taken-over.txt"], &transcript.map(|what| deployment.run(what)));
}

#[test]
fn line_18_an_anchor_that_changes_is_refused_until_somebody_has_looked() {
    let deployment = three();
    deployment.write(
        "rules/in-user.rhai",
        &IN_USER
            .replace(
                "sourceAnchor: base64(user.objectGUID),",
                "sourceAnchor: user.employeeID ?? base64(user.objectGUID),",
            )
            .replace("#{ sourceAnchor: exact(base64(user.objectGUID)) }", "#{ account: lower(user.sAMAccountName) }"),
    );
    let first = deployment.run("run");
    edit(&deployment, |text| text.replace("displayName: Person 1", "displayName: Person 1\nemployeeID: 4711"));
    let refused = deployment.run("run");
    let again = deployment.run("run");
    let plan = deployment.run("plan");
    let allowed = deployment.run("run --allow state/stopped-2.jsonl");
    check(expect_file!["transcripts/anchor.txt"], &[first, refused, again, plan, allowed, deployment.run("run")]);
}

#[test]
fn many_anchors_that_change_stop_the_run() {
    let deployment = Deployment::new();
    deployment.people(0..8);
    deployment.run("run");
    let hurried = IN_USER.replace("sourceAnchor: base64(user.objectGUID),", "sourceAnchor: user.sAMAccountName,");
    deployment.write(
        "rules/in-user.rhai",
        &hurried.replace("#{ sourceAnchor: exact(base64(user.objectGUID)) }", "#{ account: user.sAMAccountName }"),
    );
    check(expect_file!["transcripts/many-anchors.txt"], &[deployment.run("run"), deployment.run("run --strict")]);
}

#[test]
fn what_was_refused_is_not_sent_again_before_it_changes() {
    let deployment = three();
    edit(&deployment, |text| text.replace("sAMAccountName: person1", "sAMAccountName: person 1"));
    let refused = deployment.run("run");
    let again = deployment.run("run --strict");
    let retried = deployment.run("run --retry");
    edit(&deployment, |text| text.replace("sAMAccountName: person 1", "sAMAccountName: person1"));
    check(expect_file!["transcripts/refused.txt"], &[refused, again, retried, deployment.run("run")]);
}

const PEOPLE: u32 = 1_000;

/// People with a lot to say, so that they fill a small disk.
fn people(count: u32) -> String {
    let mut text = String::new();
    for number in 0..count {
        let name = format!("{number:08}-0000-4000-8000-000000000000");
        text += &format!(
            "\ndn: CN=Person {number},DC=contoso,DC=test\nobjectClass: user\nobjectGUID: {name}\n\
             sAMAccountName: person{number}\ndisplayName: Person {number} {}\n",
            "lorem ipsum ".repeat(15)
        );
    }
    text
}

#[test]
fn a_full_disk_is_said_and_nothing_is_lost() {
    let deployment = Deployment::new();
    deployment.write("people.ldif", &format!("version: 1\n{}", people(PEOPLE)));
    fs::create_dir(deployment.path("state")).unwrap();
    // A mount of this process alone; without root, in a user namespace of its own.
    let script = format!(
        "set -e; mount -t tmpfs -o size=3m none state; set +e
         {0} run; echo \"first: $?\"
         mount -o remount,size=400m state
         {0} run; echo \"second: $?\"
         {0} show",
        env!("CARGO_BIN_EXE_syncline")
    );
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let output = Command::new("unshare")
        .arg("--mount")
        .args((!root).then_some("--map-root-user"))
        .args(["sh", "-c", &script])
        .current_dir(deployment.path(""))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("first: 7"), "{said}");
    assert!(said.contains("is full") && said.contains("nothing is lost: make room and run again"), "{said}");
    assert!(said.contains("second: 0"), "{said}");
    let shown = format!("{PEOPLE}");
    let line = said.lines().find(|line| line.starts_with("entra")).unwrap();
    assert!(line.contains(&shown), "{said}");
}

const IN_GROUP: &str = r#"const rule = #{ from: "ad/group", to: "metaverse/group", link: "project", precedence: 100 };
fn flow(group) { #{ name: group.cn, member: group.member } }
"#;

#[test]
fn members_that_come_after_their_very_large_group_are_its_members_at_once() {
    let deployment = Deployment::new();
    deployment.write("syncline.toml", &CONFIG.replace(r#"["user"]"#, r#"["user", "group"]"#));
    deployment.write("rules/in-group.rhai", IN_GROUP);
    // More members than are staged at a time, and all of them behind the group in the file.
    let members: String = (0..2_300).map(|number| format!("member: CN=Person {number},DC=contoso,DC=test\n")).collect();
    let group = format!(
        "dn: CN=Everybody,DC=contoso,DC=test\nobjectClass: group\n\
         objectGUID: 99999999-0000-4000-8000-000000000000\ncn: Everybody\n{members}"
    );
    deployment.write("people.ldif", &format!("version: 1\n\n{group}{}", people(2_300)));
    let imports = |said: String| said.lines().find(|line| line.contains("import ad ")).unwrap_or(&said).to_owned();
    let first = imports(deployment.run("run"));
    assert!(first.ends_with(" 2,301 changed"), "{first}");
    let second = imports(deployment.run("run"));
    assert!(second.ends_with(" 0 changed"), "{second}");
}
