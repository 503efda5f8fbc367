//! The built program where a second person looks: plans that are signed, approved, rejected and altered, what the guard
//! stopped, and the audit log. `UPDATE_EXPECT=1` writes `tests/transcripts/` anew.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::fs;

use expect_test::{ExpectFile, expect_file};

#[path = "common/deployment.rs"]
mod deployment;
use deployment::{CONFIG, Deployment, OUT_USER};

/// Keys of two people and of an installation, with the names of their files.
const KEYS: [(&str, &str); 3] = [
    (
        "anna.key",
        "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAN7E9xhYE+RbFYQ2HSpLI+qW30gpkQYNB48LbwLZQl4QQoO9IDRMtjzzEPqfSQ+OlUXjB+jpjWczJ/GkEhaR7gI+YEUUaMpk4ik5/oFNNtu2CJ3Nxfo1mXj0cqLKhdAIvtbXE/j+MYkk=",
    ),
    (
        "ben.key",
        "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA9kMrziz3NMaFEE/MiAlDw/6rtIgSZP2TtA/trWOpxKrE9BZpM/XEdkRoo89tvuBzjbJretoUtiIuaD4bYnOIEHp77KkWQNNAk7a5LZTBj69QtDk9v+uM1A12Zg4975o612SWXQGIvZk=",
    ),
    (
        "installation.key",
        "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP6c9KuYdSW+Oxfnros/z6bx36yuo1mXW4/PvgAvc60+VVn2UeUpYNN26mIF2wdGgH863RCH38u1jrwV1IKRc7SC1SPsDbDE5SMIn1ZnspbvWvEvOdP4QURMstks4CJevc+CVRRpzbP4=",
    ),
];

/// What a configuration says of them.
const APPROVAL: &str = r#"
[approval]
people = { anna = "RWQ3sT3GFgT5FjzEPqfSQ+OlUXjB+jpjWczJ/GkEhaR7gI+YEUUaMpk4", ben = "RWT2QyvOLPc0xkRoo89tvuBzjbJretoUtiIuaD4bYnOIEHp77KkWQNNA" }
public_key = "RWQ/pz0q5h1Jb926mIF2wdGgH863RCH38u1jrwV1IKRc7SC1SPsDbDE5"
secret_key = "file:installation.key"
"#;

fn check(expected: ExpectFile, transcript: &str) {
    expected.assert_eq(transcript);
}

/// A deployment where plans are signed, and a second person approves.
fn with_approval() -> Deployment {
    let deployment = Deployment::new();
    deployment.write("syncline.toml", &format!("{CONFIG}{APPROVAL}"));
    KEYS.iter().for_each(|(name, key)| deployment.write(name, key));
    deployment.people(0..8);
    deployment
}

#[test]
fn a_second_person_approves_what_a_run_does() {
    let deployment = with_approval();
    let mut transcript = vec![deployment.run("run")];
    let edited = OUT_USER.replace("person.account + \"@contoso.com\"", "person.account + \"@contoso.onmicrosoft.com\"");
    deployment.write("rules/out-user.rhai", &edited);
    let mut say = |what: &str| transcript.push(deployment.run(what));
    say("plan --out friday.plan --as anna");
    say("run --plan friday.plan --as anna");
    say("approve friday.plan");
    let json = deployment.run("approve friday.plan --format json");
    assert!(json.contains("\"update\": 8") && json.contains("waits for an approval"), "{json}");
    say("approve friday.plan --key anna.key");
    say("approve friday.plan --key ben.key --reason looked");
    let whole = fs::read_to_string(deployment.path("friday.plan")).unwrap();
    deployment.write("friday.plan", &whole.replace("person2@contoso.onmicrosoft.com", "person2@contoso.com"));
    say("run --plan friday.plan --as anna");
    deployment.write("friday.plan", &whole);
    say("reject friday.plan --key anna.key --reason tomorrow");
    say("run --plan friday.plan --as ben");
    say("reject friday.plan --key anna.key --withdraw");
    say("run --plan friday.plan --as anna");
    // The guard.
    deployment.people(0..4);
    say("run");
    say("run --allow state/stopped-3.jsonl --as anna");
    say("approve 3 --key ben.key --as anna");
    say("approve 3 --key ben.key --as ben");
    say("run --allow state/stopped-3.jsonl --as ben");
    say("run --allow state/stopped-3.jsonl --as anna");
    check(expect_file!["transcripts/approval.txt"], &transcript.join("\n"));
}

#[test]
fn the_audit_log_says_who_and_whether_it_is_whole() {
    let deployment = with_approval();
    let mut transcript = vec![deployment.run("audit")];
    deployment.run("run");
    deployment.write("rules/out-user.rhai", &OUT_USER.replace("@contoso.com", "@contoso.onmicrosoft.com"));
    for decided in [
        "rules accept --as ben",
        "go-live entra --as anna",
        "disjoin ad person1 --reason test --yes --as anna",
        "plan --out friday.plan --as anna",
        "approve friday.plan --key ben.key",
        "run --plan friday.plan --as anna",
        "plan --out friday.plan --as anna",
        "run --plan friday.plan --as anna",
    ] {
        deployment.run(decided);
    }
    transcript.push(deployment.run("audit"));
    transcript.push(deployment.run("audit --verify"));
    transcript.push(deployment.run("audit --verify --format json"));
    let log = deployment.path("state/audit.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    assert!(!text.contains("Person 1") && !text.contains("person1"), "no values are in it: {text}");
    fs::write(&log, text.replacen("\"who\":\"anna\"", "\"who\":\"carl\"", 1)).unwrap();
    transcript.push(deployment.run("audit --verify"));
    fs::write(&log, text.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    transcript.push(deployment.run("audit --verify --head 0000000000000000"));
    check(expect_file!["transcripts/audit.txt"], &transcript.join("\n"));
}

#[test]
fn keys_are_made_and_their_mistakes_told() {
    let deployment = with_approval();
    let made = deployment.run("keys new --name eve --unprotected");
    let public = made.split_whitespace().find(|word| word.starts_with("RW")).unwrap();
    assert_eq!(public.len(), 56, "{public}");
    let mut transcript = vec![made.replace(public, "RW…")];
    deployment.write("password", "correct horse battery staple");
    let protected = deployment.run("keys new --name zoe --password file:password");
    assert!(protected.ends_with("exit 0\n"), "{protected}");
    deployment.run("run");
    for command in [
        "keys new --name eve --unprotected",
        "keys new --name mia",
        "keys new --name mia --password hunter2",
        "plan --out friday.plan --sign-with eve.key",
        "plan --out friday.plan --sign-with zoe.key",
        "plan --out friday.plan --sign-with zoe.key --password file:people.ldif",
        "plan --out friday.plan --sign-with people.ldif",
        "plan --out friday.plan --sign-with ben.key",
    ] {
        transcript.push(deployment.run(command));
    }
    let with = |from: &str, to: &str| {
        let config = format!("{CONFIG}{APPROVAL}");
        assert!(config.contains(from), "{from}");
        deployment.write("syncline.toml", &config.replace(from, to));
        deployment.run("check")
    };
    let anna = APPROVAL.split('"').nth(1).unwrap();
    transcript.push(with("ben = \"RW", "ben = \"XX"));
    transcript.push(with("ben = ", &format!("\"../x\" = \"{anna}\", b = \"{anna}\", ben = ")));
    transcript.push(with("public_key", "needed = 3\npublic_key"));
    transcript.push(with("\"file:installation.key\"", "\"hunter2\""));
    let (before, rest) = APPROVAL.split_once("public_key").unwrap();
    transcript.push(with(&rest[..rest.find('\n').unwrap()], &format!(" = \"{anna}\"")));
    deployment.write("syncline.toml", &format!("{CONFIG}{before}secret_key = \"env:KEY\"\n"));
    transcript.push(deployment.run("check"));
    let transcript = transcript.join("\n");
    let said = |line: &&str| !line.starts_with('$') && line.contains("hunter2");
    assert_eq!(transcript.lines().find(said), None);
    check(expect_file!["transcripts/keys.txt"], &transcript);
}
