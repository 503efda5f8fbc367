//! The tests of the rules that ship, and what `syncline test` says. `UPDATE_EXPECT=1` writes `tests/transcripts/` anew.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use syncline::config::Config;
use syncline::rules::{RuleSet, Schemas};
use syncline::run::session::compile_rules;
use syncline::testing;

#[path = "common/deployment.rs"]
mod deployment;
use deployment::{Deployment, OUT_USER};

/// The rules that ship, and those of the examples.
const SHIPPED: [&str; 2] = ["examples/contoso", "examples/openldap"];

/// Guards against rules of yours that no rule of ours can meet.
const NEVER_MET: [&str; 2] =
    ["out-to-entra-user.rhai:31 `&&` never ends here", "out-to-entra-user.rhai:54 `&&` never ends here"];

struct Shipped {
    config: Config,
    schemas: Schemas,
    rules: RuleSet,
    folder: PathBuf,
}

fn shipped(name: &str) -> Shipped {
    let config = Config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name).join("syncline.toml")).unwrap();
    let schemas = syncline::cli::shipped_schemas(&config);
    let (rules, _) = compile_rules(&config, &schemas).unwrap();
    let folder = config.rules_folder.join("tests");
    Shipped { config, schemas, rules, folder }
}

#[test]
fn the_rules_that_ship_pass_and_their_tests_see_every_line_and_branch() {
    for name in SHIPPED {
        let Shipped { schemas, rules, folder, .. } = shipped(name);
        let report = testing::run(&rules, &schemas, &folder, &[], true).unwrap();
        for outcome in &report.outcomes {
            assert!(outcome.mismatches.is_empty(), "{}: {:?}", outcome.name, outcome.mismatches);
        }
        for (file, covered) in &report.covered {
            assert!(covered.lines > 0 && covered.missed_lines.is_empty(), "{name}: {file}: {covered:?}");
            for (line, what) in &covered.missed_branches {
                let missed = format!("{file}.rhai:{line} {what}");
                assert!(NEVER_MET.iter().any(|known| missed.starts_with(known)), "{name}: {missed}");
            }
        }
        assert_eq!(report.covered.len(), rules.rules().len());
    }
}

#[test]
fn the_rules_in_the_place_of_entra_connects_pass_their_tests() {
    let Shipped { schemas, rules, folder, .. } = shipped("examples/entra-connect");
    let report = testing::run(&rules, &schemas, &folder, &[], false).unwrap();
    for outcome in &report.outcomes {
        assert!(outcome.mismatches.is_empty(), "{}: {:?}", outcome.name, outcome.mismatches);
    }
    assert!(report.outcomes.len() > 100, "{}", report.outcomes.len());
}

#[test]
fn nine_changes_of_ten_in_the_rules_that_ship_are_noticed() {
    for name in SHIPPED {
        let Shipped { config, schemas, rules, folder } = shipped(name);
        let mutants = testing::mutants::run(&rules, &schemas, &config.settings, &folder).unwrap();
        let missed: Vec<_> = mutants.iter().filter(|mutant| !mutant.killed).collect();
        assert!(mutants.len() > 50 && missed.len() * 10 <= mutants.len(), "{missed:?}");
    }
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
    let coverage = steady(deployment.run("test --coverage hidden"));
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
    expect_file!["transcripts/test.txt"]
        .assert_eq(&[right, touched, coverage, wrong, steady(mutants), typos, broken].join("\n"));
}

#[test]
fn blessing_writes_what_is_and_leaves_everything_else_alone() {
    let deployment = Deployment::new();
    fs::create_dir(deployment.path("rules/tests")).unwrap();
    let unfinished = "\n[[test]] # to be written\nname = \"new\"\n\n[[test.object]]\nin = \"ad/user\"\nattributes = { objectGUID = \"base64:AAAAAAAAAAAAAAAAAAAAAA==\", sAMAccountName = \"bob\" }\n";
    let wrong =
        TESTS.replace("account = \"ada\"", "account = \"eva\"").replace("person = false", "person = true") + unfinished;
    deployment.write("rules/tests/people.toml", &wrong);
    let blessed = deployment.run("test --bless");
    let file = fs::read_to_string(deployment.path("rules/tests/people.toml")).unwrap();
    let then = deployment.run("test --bless");
    expect_file!["transcripts/bless.txt"].assert_eq(&[blessed, then, file].join("\n"));
}

#[test]
fn documentation_is_in_the_program() {
    let deployment = Deployment::new();
    let commands = [
        "docs functions proper_case",
        "docs functions unique",
        "docs functions Mid",
        "docs entra Mid",
        "docs entra Mdi",
        "docs entra ImportedValue",
        "docs definitions --out definitions",
        "docs functions uniqe",
    ];
    let said: Vec<String> = commands.into_iter().map(|command| deployment.run(command)).collect();
    expect_file!["transcripts/docs.txt"].assert_eq(&said.join("\n"));
    assert!(fs::read_to_string(deployment.path("definitions/attributes.d.rhai")).unwrap().contains("get displayName("));
}

const BY_TABLE: &str = r#"const rule = #{ from: "ad/user", to: "metaverse/person", precedence: 90 };

fn flow(user) {
    #{
        building: lookup("sites", user.department),
        floor:    lookup("sites", user.department, "flor"),
        room:     lookup("rooms", user.department),
    }
}
"#;

#[test]
fn tables_are_checked_with_the_rules() {
    let deployment = Deployment::new();
    fs::create_dir(deployment.path("rules/tables")).unwrap();
    deployment.write("rules/tables/sites.csv", "department,building,floor\nSales,North,3\n");
    deployment.write("rules/in-building.rhai", BY_TABLE);
    let wrong = deployment.run("check");
    deployment.write("rules/tables/sites.csv", "department,building\nSales,North\nSales,South,2\nSALES,West\n");
    let unreadable = deployment.run("check");
    expect_file!["transcripts/tables.txt"].assert_eq(&[wrong, unreadable].join("\n"));
}

const BY_DAY: &str = r#"const rule = #{ from: "ad/user", to: "metaverse/person", precedence: 90 };

fn flow(user) {
    #{ contract: if days_between(today(), user.extensionAttribute1) < 0 { "ended" } else { "runs" } }
}
"#;

#[test]
fn a_test_says_which_day_it_is() {
    let deployment = Deployment::new();
    fs::create_dir(deployment.path("rules/tests")).unwrap();
    deployment.write("rules/in-contract.rhai", BY_DAY);
    let test = |today: &str, contract: &str| {
        TESTS
            .replace("displayName = \"Ada <b>\" }", "displayName = \"Ada <b>\", extensionAttribute1 = \"2026-03-31\" }")
            .replace("name = \"a person\"", &format!("name = \"a person\"\ntoday = {today}"))
            .replace("account = \"ada\"", &format!("account = \"ada\", contract = \"{contract}\""))
    };
    for (today, contract) in [("2026-03-31", "runs"), ("2026-04-01", "ended")] {
        deployment.write("rules/tests/people.toml", &test(today, contract));
        let said = deployment.run("test person");
        assert!(said.contains("1 test passed, 0 failed"), "{said}");
    }
    deployment.write("rules/tests/people.toml", &test("09:30:00", "runs"));
    let said = deployment.run("test");
    assert!(said.contains("`today` is a date"), "{said}");
}

const BY_COUNT: &str = r#"const rule = #{ from: "ad/user", to: "metaverse/person", precedence: 90 };

fn flow(user) {
    #{ team: if count(user.directReports) > 500 { "large" } else { () } }
}
"#;

const ADA: &str = r#"
in = "ad/user"
dn = "CN=Ada,DC=contoso,DC=test"
attributes = { objectGUID = "base64:AAAAAAAAAAAAAAAAAAAAAA==", sAMAccountName = "Ada", displayName = "Ada" }
"#;

#[test]
fn a_test_counts_members_and_knows_what_was_before() {
    let deployment = Deployment::new();
    fs::create_dir(deployment.path("rules/tests")).unwrap();
    deployment.write("rules/in-team.rhai", BY_COUNT);
    let object =
        |section: &str, count: usize| format!("[[test.{section}]]{ADA}count = {{ directReports = {count} }}\n\n");
    let test = |objects: &str, team: &str| {
        format!("[[test]]\nname = \"a large team\"\n\n{objects}[[test.expect]]\nperson = {{ team = {team} }}\n")
    };
    let tests = [
        test(&object("object", 500), "false"),
        test(&object("object", 501), "\"large\""),
        // Somebody else had the anchor, and is still there.
        test(&format!("{}{}", object("before", 1).replace("CN=Ada", "CN=Old"), object("object", 1)), "false")
            .replace("person = { team = false }", "error = \"`CN=Old,DC=contoso,DC=test` of the same connector\""),
    ];
    deployment.write("rules/tests/teams.toml", &tests.join("\n"));
    let said = deployment.run("test team");
    assert!(said.contains("3 tests passed, 0 failed"), "{said}");
    deployment.write("rules/tests/teams.toml", &tests[0].replace("directReports", "directReport"));
    let said = deployment.run("test");
    assert!(said.contains("`ad/user` has no attribute `directReport`"), "{said}");
}
