//! Rules that change while Syncline serves: the built program as a process of its own, a folder of rules under its feet.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use expect_test::expect_file;

#[path = "common/deployment.rs"]
mod deployment;
use deployment::{CONFIG, Deployment, IN_USER, OUT_USER};

/// How long anything may take before a test fails.
const LONG: Duration = Duration::from_secs(60);

/// A process that serves; killed with its test.
struct Serving<'a> {
    deployment: &'a Deployment,
    process: Child,
}

impl<'a> Serving<'a> {
    fn start(deployment: &'a Deployment, apply_below: usize) -> Serving<'a> {
        let reload = format!("\n[reload]\napply_below = {apply_below}\npoll = 1\n");
        deployment.write("syncline.toml", &(CONFIG.to_owned() + &reload));
        let serving = Serving::process(deployment, "serve --every 1");
        serving.until("the first run", || serving.log().contains("run 1:"));
        serving
    }

    /// A command that goes on until it is stopped; all that it says is in one file.
    fn process(deployment: &'a Deployment, arguments: &str) -> Serving<'a> {
        let log = fs::File::create(deployment.path("log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_syncline"))
            .args(arguments.split(' '))
            .current_dir(deployment.path(""))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Serving { deployment, process }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.deployment.path("log")).unwrap()
    }

    /// Waits for something that must come.
    fn until(&self, what: &str, there: impl Fn() -> bool) {
        let begun = Instant::now();
        while !there() {
            assert!(begun.elapsed() < LONG, "{what} did not come:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn says(&self, what: &str) {
        self.until(what, || self.log().contains(what));
    }

    fn status(&self) -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(self.deployment.path("state/rules.json")).unwrap()).unwrap()
    }

    fn in_use(&self) -> String {
        self.status()["in_use"]["fingerprint"].as_str().unwrap().to_owned()
    }

    /// SIGTERM, and the end that it must lead to.
    fn stop(mut self) -> String {
        let killed = Command::new("kill").arg(self.process.id().to_string()).status().unwrap();
        assert!(killed.success());
        let begun = Instant::now();
        let code = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status.code();
            }
            assert!(begun.elapsed() < LONG, "it does not stop:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(code, Some(0), "{}", self.log());
        assert!(self.log().trim_end().ends_with("stopped"), "{}", self.log());
        self.log()
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a command prints as data.
fn raw(deployment: &Deployment, arguments: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(arguments.split_whitespace())
        .current_dir(deployment.path(""))
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// As editors do it: a new file beside the old one, then renamed over it.
fn save(path: &Path, text: &str) {
    let fresh = path.with_extension("tmp~");
    fs::write(&fresh, text).unwrap();
    fs::rename(fresh, path).unwrap();
}

/// Everybody gets a job title.
fn with_titles() -> (String, String) {
    (
        IN_USER.replace("account:  ", "jobTitle: user.title, account:  "),
        OUT_USER.replace("accountEnabled:  ", "jobTitle: person.jobTitle, accountEnabled:  "),
    )
}

fn titled(deployment: &Deployment) {
    let text = fs::read_to_string(deployment.path("people.ldif")).unwrap();
    deployment.write("people.ldif", &text.replace("displayName: Person", "title: Clerk\ndisplayName: Person"));
}

#[test]
fn a_small_change_goes_out_by_itself_and_a_new_attribute_is_imported_for_it() {
    let deployment = Deployment::new();
    titled(&deployment);
    let serving = Serving::start(&deployment, 5);
    let (in_user, out_user) = with_titles();
    save(&deployment.path("rules/in-user.rhai"), &in_user);
    save(&deployment.path("rules/out-user.rhai"), &out_user);
    serving.says("are in use");
    let log = serving.stop();
    assert!(log.contains("4 written"), "{log}");
    let shown = deployment.run("explain entra person2@contoso.com jobTitle");
    assert!(shown.contains("jobTitle = \"Clerk\""), "{shown}");
}

#[test]
fn a_large_change_waits_until_somebody_accepts_it() {
    let deployment = Deployment::new();
    titled(&deployment);
    let serving = Serving::start(&deployment, 4);
    let before = serving.in_use();
    let (in_user, out_user) = with_titles();
    save(&deployment.path("rules/in-user.rhai"), &in_user);
    save(&deployment.path("rules/out-user.rhai"), &out_user);
    serving.says("4 objects would change, and only fewer than 4 are changed by themselves");
    assert_eq!(serving.in_use(), before);
    let status = deployment.run("show rules");
    assert!(status.contains("waiting") && status.contains("exit 3"), "{status}");
    let plan = deployment.run("plan");
    assert!(plan.contains("4 changes") && plan.contains("jobTitle:  → Clerk") || plan.contains("Clerk"), "{plan}");
    deployment.run("rules accept");
    serving.says("are in use");
    assert!(serving.stop().contains("4 written"));
}

const TEST: &str = r#"[[test]]
name = "an account has its name"

[[test.object]]
in = "ad/user"
attributes = { objectGUID = "base64:AAAAAAAAAAAAAAAAAAAAAA==", sAMAccountName = "ada", displayName = "Ada" }

[[test.expect]]
person = { displayName = "Ada" }
"#;

/// A deployment that has run, with a test beside its rules.
fn tested() -> Deployment {
    let deployment = Deployment::new();
    deployment.people(1..=3);
    deployment.run("run");
    fs::create_dir(deployment.path("rules/tests")).unwrap();
    deployment.write("rules/tests/people.toml", TEST);
    deployment
}

#[test]
fn who_edits_rules_sees_at_each_save_whether_tests_pass_and_what_happens_to_an_object() {
    let deployment = tested();
    let watching = Serving::process(&deployment, "watch --preview ad person1");
    watching.says("1 test passed, 0 failed");
    watching.says("person1@");
    let rule = deployment.path("rules/in-user.rhai");
    save(&rule, &IN_USER.replace("user.department", "user.departmnt"));
    watching.says("did you mean `department`?");
    save(&rule, &IN_USER.replace("fn flow(user) {", "fn flow(user) { let x = ; "));
    watching.says("E100");
    save(&rule, IN_USER);
    deployment.write(
        "rules/tests/people.toml",
        &TEST.replace("person = { displayName = \"Ada\" }", "person = { displayName = \"Bob\" }"),
    );
    watching.says("0 tests passed, 1 failed");
    drop(watching);
    let testing = Serving::process(&deployment, "test --watch");
    testing.says("0 tests passed, 1 failed");
    deployment.write("rules/tests/people.toml", TEST);
    testing.says("1 test passed, 0 failed");
    drop(testing);
}

/// From the first run to the end: a broken save, one that changes too much, and a person who accepts it.
#[test]
fn what_a_process_that_serves_tells_its_log() {
    let deployment = Deployment::new();
    titled(&deployment);
    deployment.write("syncline.toml", &(CONFIG.to_owned() + "\n[reload]\napply_below = 4\n"));
    let serving = Serving::process(&deployment, "serve --every 3600");
    serving.says("run 1:");
    let (in_user, out_user) = (deployment.path("rules/in-user.rhai"), deployment.path("rules/out-user.rhai"));
    save(&in_user, &IN_USER.replace("lower(user.sAMAccountName)", "lowr(user.sAMAccountName)"));
    serving.says("the rules in use stay");
    save(&in_user, IN_USER);
    serving.says("what was saved is what is in use");
    save(&out_user, &OUT_USER.replace("accountEnabled:  ", "companyName: \"Contoso\", accountEnabled:  "));
    serving.says("4 objects would change");
    deployment.run("rules accept");
    serving.says("are in use");
    let log = serving.stop();
    expect_file!["transcripts/serve.txt"].assert_eq(&deployment.steady(&log));
}

#[test]
fn what_somebody_sees_who_starts_an_emulator() {
    let deployment = Deployment::new();
    let emulating = Serving::process(&deployment, "emulate entra --port 0");
    emulating.says("Ctrl-C stops it");
    expect_file!["transcripts/emulate.txt"].assert_eq(&deployment.steady(&emulating.log()));
}

#[test]
fn what_somebody_sees_who_watches_rules() {
    let deployment = tested();
    let watching = Serving::process(&deployment, "watch --preview ad person1");
    watching.says("nothing to write");
    save(&deployment.path("rules/in-user.rhai"), &IN_USER.replace("user.department", "user.departmnt"));
    // Everything that is said of one save, before the next.
    watching.until("the second preview", || watching.log().matches("nothing to write").count() == 2);
    let rule = IN_USER.replace("lower(user.sAMAccountName)", "\"x\" + lower(user.sAMAccountName)");
    save(&deployment.path("rules/in-user.rhai"), &rule);
    watching.says("not sent: this is a preview");
    expect_file!["transcripts/watch.txt"].assert_eq(&deployment.steady(&watching.log()));
}

#[test]
fn saving_never_deletes_and_a_broken_save_changes_nothing() {
    let deployment = Deployment::new();
    let serving = Serving::start(&deployment, 1_000);
    let before = serving.in_use();
    let (in_user, out_user) = (deployment.path("rules/in-user.rhai"), deployment.path("rules/out-user.rhai"));

    save(&in_user, &IN_USER.replace("flow(user)", "flow(user"));
    serving.says("the rules in use stay");
    assert!(serving.status()["refused"]["problems"][0].as_str().unwrap().contains("in-user.rhai"));
    let check = deployment.run("check");
    assert!(check.contains("The rules in use are still those of") && check.contains("exit 3"), "{check}");

    save(&in_user, IN_USER);
    serving.says("what was saved is what is in use");

    fs::remove_file(&out_user).unwrap();
    serving.says("rules that joined, projected or provisioned are gone: out-user");
    save(&out_user, OUT_USER);
    serving.until("the rule is back", || serving.log().matches("what was saved is what is in use").count() == 2);

    save(&in_user, &IN_USER.replace("user.department != \"Hidden\"", "user.department == \"Nobody\""));
    serving.says("objects would be deleted, disabled or given another anchor");
    assert_eq!(serving.in_use(), before);

    fs::rename(deployment.path("rules"), deployment.path("gone")).unwrap();
    serving.until("no folder", || serving.log().contains("E001"));
    fs::rename(deployment.path("gone"), deployment.path("rules")).unwrap();
    serving.until("the folder again", || serving.log().matches("objects would be deleted").count() == 2);
    assert_eq!(serving.in_use(), before);
    serving.stop();
    let people = deployment.run("search entra contoso.com");
    assert!(people.contains("4 found"), "{people}");
}

#[test]
fn only_those_whom_a_change_concerns_are_looked_at_again() {
    let deployment = Deployment::new();
    let groups = "const rule = #{ from: \"ad/group\", to: \"metaverse/group\", link: \"project\", precedence: 5, copy: [\"cn\"] };";
    deployment.write("syncline.toml", &CONFIG.replace("[\"user\"]", "[\"user\", \"group\"]"));
    deployment.write("rules/in-group.rhai", groups);
    deployment.run("run");
    deployment.write("rules/in-group.rhai", &groups.replace("\"cn\"", "\"cn\", \"description\""));
    let other = deployment.run("run");
    assert!(other.contains("sync 0 objects"), "{other}");
    deployment
        .write("rules/in-user.rhai", &IN_USER.replace("lower(user.sAMAccountName)", "upper(user.sAMAccountName)"));
    let same = deployment.run("run");
    assert!(same.contains("sync 4 objects"), "{same}");
}

#[test]
fn a_thousand_saves_under_load_harm_nobody() {
    let deployment = Deployment::new();
    let serving = Serving::start(&deployment, 20);
    let (in_user, out_user) = (deployment.path("rules/in-user.rhai"), deployment.path("rules/out-user.rhai"));
    let renamed = IN_USER.replace("trim: [\"displayName\"]", "trim: [#{ displayName: \"cn\" }]");
    let (titles_in, titles_out) = with_titles();
    let mut active = BTreeSet::from([serving.in_use()]);
    for number in 0..1_000 {
        match number % 10 {
            0 => save(&in_user, IN_USER),
            1 => fs::write(&in_user, "").unwrap(),
            2 => save(&in_user, &IN_USER[..IN_USER.len() / 2]),
            3 => save(&in_user, &renamed),
            4 => fs::remove_file(&out_user).unwrap(),
            5 => fs::write(&out_user, OUT_USER.replace("flow", "flwo")).unwrap(),
            // Half a checkout: what comes in is new, what goes out is old.
            6 => save(&in_user, &titles_in),
            7 => save(&out_user, &titles_out),
            8 => save(&in_user, &IN_USER.replace("user.department", "user.departmnt(")),
            _ => save(&out_user, OUT_USER),
        }
        if number % 21 == 20 {
            // Now and then it is quiet for long enough that something is loaded.
            std::thread::sleep(Duration::from_millis(150));
        }
        active.insert(serving.in_use());
    }
    save(&out_user, OUT_USER);
    save(&in_user, &IN_USER.replace("In: people", "In: everybody"));
    let last = deployment.run("check");
    serving.until("the last set", || {
        let in_use = serving.status()["in_use"]["fingerprint"].as_str().unwrap_or_default().to_owned();
        raw(&deployment, "check").contains(&format!("fingerprint {in_use})"))
    });
    let log = serving.stop();
    assert!(last.contains("2 rules are right"), "{last}");
    assert!(log.matches("rules saved").count() > 5, "hardly anything was ever loaded:\n{log}");
    assert!(log.contains("the rules in use stay"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    let people = deployment.run("search entra contoso.com");
    assert!(people.contains("4 found"), "{people}\n{log}");
    let runs = raw(&deployment, "show runs --format json");
    let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
    for run in runs.as_array().unwrap() {
        for export in run["report"]["exports"].as_array().into_iter().flatten() {
            assert_eq!(export["deleted"], 0, "{run}");
        }
    }
}

#[test]
fn a_configuration_that_changes_is_taken_and_one_with_mistakes_is_not() {
    let deployment = Deployment::new();
    let serving = Serving::start(&deployment, 5);
    let config = fs::read_to_string(deployment.path("syncline.toml")).unwrap();
    save(&deployment.path("syncline.toml"), &config.replace("deletes = 2", "delets = 2"));
    serving.says("the configuration has changed and has mistakes; it goes on as before:");
    serving.says("there is no limit `delets`");
    save(&deployment.path("syncline.toml"), &config.replace("deletes = 2", "deletes = 1"));
    serving.says("the configuration has changed; serving goes on with it");
    deployment.people(0..2);
    serving.says("it would delete 2 of 4 users in `entra` (limit 1");
    serving.stop();
}

/// Another command gets the store at once, and a second server is refused.
#[test]
fn others_have_their_turn_and_there_is_one_server() {
    let deployment = Deployment::new();
    let serving = Serving::start(&deployment, 5);
    let begun = Instant::now();
    assert!(deployment.run("history").contains("4 created"));
    assert!(begun.elapsed() < Duration::from_secs(20), "it was given away");
    let second = deployment.run("serve");
    assert!(second.contains("another `syncline serve` serves") && second.contains("exit 2"), "{second}");
    deployment.people(0..3);
    serving.says("1 written");
    serving.stop();
}
