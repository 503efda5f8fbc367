//! What catches a mistake before, while and after it is written: limits on every kind of change, a source that shrinks,
//! exports in stages, and runs that are taken back. The built program, the emulator over HTTP.
//! `UPDATE_EXPECT=1` writes `tests/transcripts/` anew.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::fs;

use expect_test::{ExpectFile, expect_file};

#[path = "common/deployment.rs"]
mod deployment;
use deployment::{CONFIG, Deployment, OUT_USER};

fn check(expected: ExpectFile, transcript: &[String]) {
    expected.assert_eq(&transcript.join("\n"));
}

fn edit(deployment: &Deployment, edit: impl Fn(&str) -> String) {
    let text = fs::read_to_string(deployment.path("people.ldif")).unwrap();
    deployment.write("people.ldif", &edit(&text));
}

/// Everybody gets another display name.
fn rename_everybody(deployment: &Deployment) {
    edit(deployment, |text| text.replace("displayName: Person", "displayName: Member"));
}

#[test]
fn every_kind_of_change_has_a_limit() {
    let deployment = Deployment::new();
    let limits = "deletes = 2\n[limits.entra]\ncreates = 5\n[limits.entra.user]\nupdates = [100, \"50%\"]\n";
    deployment.write("syncline.toml", &CONFIG.replace("deletes = 2\n", limits));
    let mut transcript = vec![deployment.run("run")];
    rename_everybody(&deployment);
    transcript.extend(["plan", "run"].map(|what| deployment.run(what)));
    let list = fs::read_to_string(deployment.path("state/stopped-2.jsonl")).unwrap();
    assert_eq!(list.lines().count(), 4, "{list}");
    transcript.push(deployment.run("run --allow state/stopped-2.jsonl"));
    // Two were made within a day; four more would be six.
    deployment.people(0..8);
    rename_everybody(&deployment);
    transcript.push(deployment.run("run"));
    deployment.write(
        "syncline.toml",
        &CONFIG.replace("deletes = 2\n", "deletes = 2\nupdats = 3\n[limits.enrta]\ndeletes = 1\n"),
    );
    transcript.push(deployment.run("check"));
    check(expect_file!["transcripts/limits.txt"], &transcript);
}

#[test]
fn a_source_that_shrinks_is_not_believed() {
    let deployment = Deployment::new();
    deployment.write("syncline.toml", &CONFIG.replace("deletes = 2\n", "deletes = 2\nshrinkage = 2\n"));
    deployment.people(0..8);
    let mut transcript = vec![deployment.run("run")];
    // The names are gone: nothing is cleared.
    edit(&deployment, |text| {
        text.lines()
            .filter(|line| !line.starts_with("displayName"))
            .fold(String::new(), |text, line| text + line + "\n")
    });
    transcript.extend(["run", "run", "plan --import"].map(|what| deployment.run(what)));
    let list = fs::read_to_string(deployment.path("state/shrunk-3-ad.jsonl")).unwrap();
    assert_eq!(list.lines().count(), 8, "{list}");
    // They are back, and all is well.
    deployment.people(0..8);
    transcript.push(deployment.run("run"));
    // Half of the people are not shown.
    deployment.people(0..4);
    transcript.push(deployment.run("run"));
    let list = fs::read_to_string(deployment.path("state/shrunk-5-ad.jsonl")).unwrap();
    assert_eq!(list.lines().count(), 4, "{list}");
    transcript.extend(["run --allow-shrinkage da", "run --allow-shrinkage ad"].map(|what| deployment.run(what)));
    check(expect_file!["transcripts/shrinkage.txt"], &transcript);
}

#[test]
fn an_export_in_stages_ends_when_something_is_refused() {
    let deployment = Deployment::new();
    deployment.people(0..10);
    let mut transcript = vec![deployment.run("run --canary 2,50%,100%")];
    rename_everybody(&deployment);
    transcript.push(deployment.run("run --canary 1,30%"));
    transcript.push(deployment.run("run"));
    // Only one can have an address.
    let same = "accountEnabled:        true,\n        mail:                  \"all@contoso.com\"";
    deployment.write("rules/out-user.rhai", &OUT_USER.replace("accountEnabled:        true", same));
    transcript.push(deployment.run("run --canary 2,100%"));
    transcript.push(deployment.run("run --canary ten"));
    check(expect_file!["transcripts/canary.txt"], &transcript);
}

#[test]
fn a_run_is_taken_back() {
    let deployment = Deployment::new();
    deployment.write("syncline.toml", &CONFIG.replace("deletes = 2\n", "deletes = [10, \"100%\"]\n"));
    let mut transcript = vec![deployment.run("run")];
    let names = |deployment: &Deployment| {
        let found = deployment.run("search entra person --format json");
        let mut names: Vec<String> = found.split('"').filter(|word| word.contains('@')).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    };
    let before = names(&deployment);
    // One leaves, one comes, all others get another name.
    deployment.people(1..5);
    rename_everybody(&deployment);
    transcript.push(deployment.run("run"));
    transcript.push(deployment.run("bisect entra person1@contoso.com displayName"));
    transcript.extend(["undo 2", "undo 7", "undo 2 --yes"].map(|what| deployment.run(what)));
    assert_eq!(names(&deployment), before);
    // Nothing writes over it before somebody says so.
    transcript.extend(["run", "undo 2 --yes", "undo 1 --yes"].map(|what| deployment.run(what)));
    deployment.people(0..4);
    transcript.extend(["plan", "go-live entra", "run"].map(|what| deployment.run(what)));
    assert_eq!(names(&deployment), before);
    check(expect_file!["transcripts/undo.txt"], &transcript);
}

#[test]
fn an_undoing_is_planned_and_done_exactly() {
    let deployment = Deployment::new();
    let mut transcript = vec![deployment.run("run")];
    rename_everybody(&deployment);
    transcript.extend(["run", "undo 2 --out undo.plan"].map(|what| deployment.run(what)));
    let whole = fs::read_to_string(deployment.path("undo.plan")).unwrap();
    deployment.write("altered.plan", &whole.replace("\"undo\":2", "\"undo\":1"));
    transcript.extend(
        ["run --plan altered.plan", "run --plan undo.plan", "run --plan undo.plan"].map(|what| deployment.run(what)),
    );
    // The taking back is a run like any other.
    transcript.extend(["show runs", "undo 3 --yes", "search entra Member"].map(|what| deployment.run(what)));
    check(expect_file!["transcripts/undo-plan.txt"], &transcript);
}

#[test]
fn two_that_took_each_others_name_have_their_own_again() {
    let deployment = Deployment::new();
    deployment.run("run");
    let holders = || {
        ["person1", "person2"].map(|name| {
            let found = deployment.run(&format!("show entra {name}@contoso.com"));
            found.lines().find(|line| line.contains("displayName")).map(str::to_owned)
        })
    };
    let before = holders();
    assert!(before.iter().all(Option::is_some), "{before:?}");
    edit(&deployment, |text| {
        let aside = text.replace("sAMAccountName: person1", "sAMAccountName: aside");
        let one = aside.replace("sAMAccountName: person2", "sAMAccountName: person1");
        one.replace("sAMAccountName: aside", "sAMAccountName: person2")
    });
    let swapped = deployment.run("run");
    assert_eq!(holders(), [before[1].clone(), before[0].clone()], "{swapped}");
    let undone = deployment.run("undo 2 --yes");
    assert_eq!(holders(), before, "{undone}");
}
