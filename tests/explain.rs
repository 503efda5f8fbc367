//! What `explain` and the log of runs say. The built program; `UPDATE_EXPECT=1` writes `tests/transcripts/` anew.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::fs;

use expect_test::{ExpectFile, expect_file};

#[path = "common/deployment.rs"]
mod deployment;
use deployment::{Deployment, IN_USER, OUT_USER};

/// A second rule that knows better what people are called.
const NICKNAMES: &str = r#"//! In: nicknames.

const rule = #{ from: "ad/user", to: "metaverse/person", precedence: 90 };

fn scope(user) {
    let known = user.department;
    known == "Sales" && starts_with(user.displayName, "Person")
}

fn flow(user) { #{ displayName: user.preferredName } }
"#;

fn check(expected: ExpectFile, transcript: &[String]) {
    expected.assert_eq(&transcript.join("\n"));
}

fn edit(deployment: &Deployment, from: &str, to: &str) {
    let text = fs::read_to_string(deployment.path("people.ldif")).unwrap();
    assert!(text.contains(from));
    deployment.write("people.ldif", &text.replace(from, to));
}

#[test]
fn a_value_is_followed_back_to_where_it_came_from() {
    let deployment = Deployment::new();
    deployment.write("rules/in-nickname.rhai", NICKNAMES);
    deployment.run("run");
    let line = "displayName: Person 1\n";
    edit(&deployment, line, "displayName: Person 1\ndepartment: Sales\npreferredName: Percy\n");
    deployment.run("run");
    check(
        expect_file!["transcripts/explain.txt"],
        &[
            deployment.run("explain entra person1@contoso.com displayName"),
            deployment.run("explain entra person2@contoso.com displayName"),
            deployment.run("explain ad person1"),
            deployment.run("show runs"),
            deployment.run("show run 2"),
            deployment.run("show run 7"),
        ],
    );
}

#[test]
fn what_is_not_there_is_explained_by_who_said_no() {
    let deployment = Deployment::new();
    deployment.write("rules/in-nickname.rhai", NICKNAMES);
    deployment.write(
        "rules/out-user.rhai",
        &OUT_USER.replace("copy: [\"displayName\"]", "copy: [\"displayName\", \"jobTitle\"]"),
    );
    deployment.write(
        "rules/in-user.rhai",
        &IN_USER.replace("trim: [\"displayName\"]", "trim: [\"displayName\", #{ jobTitle: \"title\" }]"),
    );
    edit(&deployment, "displayName: Person 1\n", "displayName: Person 1\ndepartment: Hidden\n");
    deployment.run("run");
    check(
        expect_file!["transcripts/explain-nothing.txt"],
        &[
            deployment.run("explain entra person1@contoso.com"),
            deployment.run("explain entra person1"),
            deployment.run("explain entra person2@contoso.com jobTitle"),
            deployment.run("explain entra person2@contoso.com jobtitel"),
            deployment.run("explain entra person2@contoso.com jobTitle --format json"),
        ],
    );
}
