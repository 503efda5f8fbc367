//! What keeps accounts whose they are: exchanged names, anchors that change, refusals that stand. The built program, the
//! emulator over HTTP. `UPDATE_EXPECT=1` writes `tests/transcripts/` anew.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::fs;

use expect_test::{ExpectFile, expect_file};

#[path = "common/deployment.rs"]
mod deployment;
use deployment::{Deployment, IN_USER};

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
fn an_anchor_that_changes_is_refused_until_somebody_has_looked() {
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
    let allowed = deployment.run("run --allow-deletes state/deletes-2.jsonl");
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
