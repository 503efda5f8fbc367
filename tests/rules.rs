//! The tests of the rules that ship, and what `syncline test` says. `UPDATE_EXPECT=1` writes `tests/transcripts/` anew.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::fs;
use std::path::Path;

use expect_test::expect_file;
use syncline::config::Config;
use syncline::run::session::compile_rules;
use syncline::testing;

#[path = "common/deployment.rs"]
mod deployment;
use deployment::{Deployment, OUT_USER};

fn shipped() -> Config {
    Config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/contoso/syncline.toml")).unwrap()
}

#[test]
fn the_rules_that_ship_pass_and_every_scope_says_yes_and_no() {
    let config = shipped();
    let schemas = syncline::cli::shipped_schemas(&config);
    let (rules, _) = compile_rules(&config, &schemas).unwrap();
    let report = testing::run(&rules, &schemas, &config.rules_folder.join("tests"), &[]).unwrap();
    for outcome in &report.outcomes {
        assert!(outcome.mismatches.is_empty(), "{}: {:?}", outcome.name, outcome.mismatches);
    }
    assert!(report.outcomes.len() >= 20, "{}", report.outcomes.len());
    for (rule, touched) in &report.touched {
        assert!(touched.in_scope && touched.out_of_scope, "{rule}: {touched:?}");
    }
}

#[test]
fn nine_changes_of_ten_in_the_rules_that_ship_are_noticed() {
    let config = shipped();
    let schemas = syncline::cli::shipped_schemas(&config);
    let (rules, _) = compile_rules(&config, &schemas).unwrap();
    let folder = config.rules_folder.join("tests");
    let mutants = testing::mutants::run(&rules, &schemas, &config.settings, &folder, |_| {}).unwrap();
    let missed: Vec<_> = mutants.iter().filter(|mutant| !mutant.killed).collect();
    assert!(mutants.len() > 50 && missed.len() * 10 <= mutants.len(), "{missed:?}");
}

const TESTS: &str = r#"[[test]]
name = "a person"

[[test.object]]
in = "ad/user"
dn = "CN=Ada,DC=contoso,DC=test"
attributes = { objectGUID = "base64:AAAAAAAAAAAAAAAAAAAAAA==", sAMAccountName = "Ada", displayName = "Ada <b>" }

[[test.expect]]
scope = { in-user = true }
person = { account = "ada" }
entra = { mailNickname = "ada", displayName = "Ada <b>", jobTitle = false }

[[test]]
name = "somebody hidden"

[[test.object]]
in = "ad/user"
attributes = { department = "Hidden" }

[[test.expect]]
person = false
"#;

#[test]
fn what_is_not_as_expected_is_shown_with_where_it_is_from() {
    let deployment = Deployment::new();
    fs::create_dir(deployment.path("rules/tests")).unwrap();
    deployment.write("rules/tests/people.toml", TESTS);
    let steady = |text: String| {
        let lines = text.lines().map(|line| match line.split_once(" failed   ") {
            Some((before, _)) => format!("{before} failed   … ms\n"),
            None => format!("{line}\n"),
        });
        lines.collect::<String>()
    };
    let right = steady(deployment.run("test"));
    let touched = steady(deployment.run("test --touched hidden"));
    deployment.write(
        "rules/out-user.rhai",
        &OUT_USER.replace("person.account + \"@contoso.com\"", "person.account + \"@x\""),
    );
    deployment.write(
        "rules/tests/people.toml",
        &TESTS
            .replace("entra = { mailNickname = \"ada\"", "entra = { userPrincipalName = \"ada@contoso.com\"")
            .replace("{ in-user = true }", "{ in-user = false }"),
    );
    let wrong = steady(deployment.run("test --junit tests.xml"));
    let mutants = deployment.run("test --mutants");
    deployment.write(
        "rules/tests/people.toml",
        &TESTS.replace("in-user = true", "in-usr = true").replace("department =", "departmnt ="),
    );
    let typos = deployment.run("test");
    deployment.write("rules/tests/people.toml", &TESTS.replace("name = \"a person\"", "nmae = \"a person\""));
    let broken = deployment.run("test");
    let xml = fs::read_to_string(deployment.path("tests.xml")).unwrap();
    assert!(xml.contains("failures=\"1\"") && !xml.contains("<b>"), "{xml}");
    expect_file!["transcripts/test.txt"].assert_eq(&[right, touched, wrong, steady(mutants), typos, broken].join("\n"));
}
