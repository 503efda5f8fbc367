//! The built program on small folders: what people see when something is wrong, and what a run says. Only the wiring;
//! what runs mean is tested elsewhere. `UPDATE_EXPECT=1` writes `tests/transcripts/` anew.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::fs;

use expect_test::{ExpectFile, expect_file};

#[path = "common/deployment.rs"]
mod deployment;
use deployment::{CONFIG, Deployment, IN_USER, OUT_USER};

fn check(expected: ExpectFile, transcript: &str) {
    expected.assert_eq(transcript);
}

#[test]
fn a_rule_with_a_syntax_error_is_shown_with_its_place() {
    let deployment = Deployment::new();
    deployment.write("rules/in-user.rhai", &IN_USER.replace("lower(user.sAMAccountName)", "lower(user.sAMAccountName"));
    check(expect_file!["transcripts/syntax-error.txt"], &deployment.run("check"));
}

#[test]
fn names_that_do_not_exist_come_with_those_that_do() {
    let deployment = Deployment::new();
    deployment.write("rules/in-user.rhai", &IN_USER.replace("user.sAMAccountName", "user.samAcountName"));
    let attribute = deployment.run("check");
    deployment.write("rules/in-user.rhai", &IN_USER.replace("ad/user", "da/user"));
    let connector = deployment.run("check");
    deployment.write("rules/in-user.rhai", &IN_USER.replace("lower(", "lowr("));
    let function = deployment.run("check");
    deployment.write("rules/in-user.rhai", IN_USER);
    deployment.write("rules/out-user.rhai", &OUT_USER.replace("mailNickname:", "mailNickName2:"));
    let target = deployment.run("check");
    check(expect_file!["transcripts/unknown-names.txt"], &[attribute, connector, function, target].join("\n"));
}

#[test]
fn every_mistake_of_a_configuration_is_told_at_once() {
    let deployment = Deployment::new();
    let config =
        CONFIG.replace("kind = \"ldif\"", "kind = \"ldiff\"").replace("emulator = true", "emulator = true\nport = 1");
    deployment.write("syncline.toml", &(config.replace("deletes = 2", "deletes = \"many\"") + "\n[rulez]\n"));
    check(expect_file!["transcripts/configuration.txt"], &deployment.run("check"));
}

#[test]
fn a_secret_in_plain_text_is_refused_and_not_repeated() {
    let deployment = Deployment::new();
    let config = CONFIG.replace("emulator = true", "client_id = \"x\"\nclient_secret = \"hunter2-hunter2\"");
    deployment.write("syncline.toml", &config);
    let mut transcript = deployment.run("check") + &deployment.run("check --format json") + &deployment.run("run");
    // In one line with other mistakes, as a dotted key, in several lines, misspelled, and not closed.
    for entra in [
        r#"entra = { kind = "entra", tenant = "t", client_id = "x", client_secret = "hunter2-hunter2", nonsense = 1 }"#,
        r#"entra = { kind = "entra", tenant = "t", client_id = "x", certificate = "env:X", client_secret = "hunter2" }"#,
        "entra.kind = \"entra\"\nentra.tenant = \"t\"\nentra.client_id = \"x\"\nentra.client_secret = \"hunter2\"",
        "entra.kind = \"entra\"\nentra.client_secret = \"\"\"\nhunter2\nhunter2\n\"\"\"",
        "entra.kind = \"entra\"\nentra.client_secert = \"hunter2\"",
        "entra.kind = \"entra\"\nentra.tenant = \"t\"\nentra.client_id = \"x\"\nentra.client_secret = [\"hunter2\"]",
        "entra.kind = \"entra\"\nentra.client_secret = \"hunter2",
    ] {
        deployment.write("syncline.toml", &format!("[connector]\n{entra}\n"));
        transcript += &deployment.run("check");
    }
    assert!(!transcript.contains("hunter2"), "{transcript}");
    check(expect_file!["transcripts/plain-secret.txt"], &transcript);
}

#[test]
fn without_a_configuration_or_rules_there_is_a_way_on() {
    let deployment = Deployment::new();
    let nowhere = deployment.run("run --config nowhere.toml");
    fs::remove_dir_all(deployment.path("rules")).unwrap();
    check(
        expect_file!["transcripts/missing.txt"],
        &[nowhere, deployment.run("check"), deployment.run("run")].join("\n"),
    );
}

#[test]
fn a_file_that_is_cut_off_deletes_nobody() {
    let deployment = Deployment::new();
    let first = deployment.run("run");
    let whole = fs::read_to_string(deployment.path("people.ldif")).unwrap();
    deployment.write("people.ldif", &whole[..whole.rfind("sAMAccountName: person1").unwrap() + 10]);
    let cut = deployment.run("run");
    deployment.write("people.ldif", &whole);
    check(expect_file!["transcripts/cut-off.txt"], &[first, cut, deployment.run("run")].join("\n"));
}

#[test]
fn a_plan_is_kept_and_done_exactly_or_not_at_all() {
    let deployment = Deployment::new();
    let mut transcript = vec![deployment.run("run"), deployment.run("plan --exit-code")];
    let edited = OUT_USER.replace("person.account + \"@contoso.com\"", "person.account + \"@contoso.onmicrosoft.com\"");
    deployment.write("rules/out-user.rhai", &edited);
    transcript.extend(["plan --out friday.plan", "plan --exit-code --object person1"].map(|what| deployment.run(what)));
    transcript.extend(["markdown", "csv"].map(|format| deployment.run(&format!("plan --format {format}"))));
    transcript.push(deployment.run("show runs --format html"));
    // Somebody leaves before the plan is done.
    deployment.people(0..3);
    transcript.push(deployment.run("run --plan friday.plan"));
    // Nothing was synchronised: the old state is planned from again, and the file is refused once it was touched.
    deployment.people(0..4);
    let whole = std::fs::read_to_string(deployment.path("friday.plan")).unwrap();
    deployment.write("altered.plan", &whole.replace("person2@contoso.onmicrosoft.com", "person2@contoso.com"));
    transcript.extend(
        ["run --plan altered.plan", "run --plan friday.plan", "plan --exit-code"].map(|what| deployment.run(what)),
    );
    check(expect_file!["transcripts/plan.txt"], &transcript.join("\n"));
}

#[test]
fn a_second_run_writes_nothing() {
    let deployment = Deployment::new();
    let first = deployment.run("run");
    let second = deployment.run("run");
    let plan = deployment.run("plan");
    check(expect_file!["transcripts/second-run.txt"], &[first, second, plan].join("\n"));
}

#[test]
fn a_rule_that_vanished_waits_to_be_accepted() {
    let deployment = Deployment::new();
    let first = deployment.run("run");
    fs::remove_file(deployment.path("rules/in-user.rhai")).unwrap();
    let held = deployment.run("run");
    let accepted = deployment.run("rules accept");
    let guarded = deployment.run("run");
    check(expect_file!["transcripts/vanished-rule.txt"], &[first, held, accepted, guarded].join("\n"));
}

#[test]
fn the_guard_stops_a_run_until_somebody_has_looked() {
    let deployment = Deployment::new();
    deployment.people(0..8);
    let first = deployment.run("run");
    deployment.people(0..4);
    let stopped = deployment.run("run");
    let list = fs::read_dir(deployment.path("state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|name| name.ends_with(".jsonl"))
        .unwrap();
    let wrong = deployment.run("run --allow people.ldif");
    let allowed = deployment.run(&format!("run --allow state/{list}"));
    let after = deployment.run("run");
    check(expect_file!["transcripts/guard.txt"], &[first, stopped, wrong, allowed, after].join("\n"));
}

#[test]
fn mistakes_in_several_files_are_told_at_once() {
    let deployment = Deployment::new();
    deployment.write("rules/in-user.rhai", &IN_USER.replace("lower(user.sAMAccountName)", "lower(user.sAMAccountName"));
    deployment.write("rules/out-user.rhai", &OUT_USER.replace("mailNickname:", "mailNickName2:"));
    fs::create_dir(deployment.path("rules/lib")).unwrap();
    deployment.write("rules/lib/names.rhai", "fn full(a, b) { lowr(a) + bb }\n");
    check(
        expect_file!["transcripts/several-files.txt"],
        &[deployment.run("check"), deployment.run("check --sarif -"), deployment.run("explain E210")].join("\n"),
    );
}

#[test]
fn a_password_is_a_wish_until_it_is_sent_and_then_nowhere() {
    let deployment = Deployment::new();
    let rule =
        OUT_USER.replace("accountEnabled:  ", "\"passwordProfile.password\": once(password(24)), accountEnabled:  ");
    deployment.write("rules/out-user.rhai", &rule);
    deployment.write("one.ldif", &format!("version: 1\n\n{}", deployment::person(1)));
    let first = deployment.run("preview ad --file one.ldif");
    let run = deployment.run("run");
    let again = deployment.run("run");
    let after = deployment.run("preview ad person1");
    let why = deployment.run("explain entra person1@contoso.com passwordProfile.password");
    check(expect_file!["transcripts/password.txt"], &[first, run, again, after, why].join("\n"));
}

#[test]
fn a_rule_in_a_folder_below_is_not_lost_silently() {
    let deployment = Deployment::new();
    fs::create_dir(deployment.path("rules/sales")).unwrap();
    deployment.write("rules/sales/in-user.rhai", IN_USER);
    check(expect_file!["transcripts/astray.txt"], &deployment.run("check"));
}

#[test]
fn own_rules_lie_over_those_that_ship() {
    let deployment = Deployment::new();
    fs::rename(deployment.path("rules"), deployment.path("shipped")).unwrap();
    fs::create_dir(deployment.path("rules")).unwrap();
    // A rule that ships for a connector that nobody has here.
    let elsewhere = OUT_USER.replace("entra/user", "ldap/inetOrgPerson");
    deployment.write("shipped/out-elsewhere.rhai", &elsewhere);
    deployment.write("rules/in-user.rhai", &IN_USER.replace("Hidden", "Secret"));
    deployment.write("syncline.toml", &(CONFIG.to_owned() + "\n[rules]\nover = \"shipped\"\n"));
    let first = ["check", "rules diff", "run"].map(|command| deployment.run(command)).join("\n");
    // An upgrade.
    deployment
        .write("shipped/out-user.rhai", &OUT_USER.replace("accountEnabled:        true", "accountEnabled: false"));
    let upgraded = deployment.run("rules diff");
    fs::remove_file(deployment.path("rules/in-user.rhai")).unwrap();
    let taken_back = deployment.run("check");
    check(expect_file!["transcripts/overlay.txt"], &[first, upgraded, taken_back].join("\n"));
}

/// Beside Microsoft's client: what it masters is never written, and compared like everything else.
#[test]
fn objects_of_microsofts_client_are_compared_and_never_written() {
    let deployment = Deployment::new();
    deployment.run("run");
    // It takes one of them over, and calls it otherwise.
    let state = deployment.path("state/emulator-entra/state.jsonl");
    let kept = fs::read_to_string(&state).unwrap();
    let synced = r#""displayName":"Person One","onPremisesSyncEnabled":true"#;
    fs::write(&state, kept.replace(r#""displayName":"Person 1""#, synced)).unwrap();
    let transcript: Vec<String> = [
        "run",
        "plan",
        "compare entra",
        "compare entra --object person1@contoso.com",
        "show entra person1@contoso.com",
    ]
    .iter()
    .map(|command| deployment.run(command))
    .collect();
    check(expect_file!["transcripts/beside.txt"], &transcript.join("\n"));
}

#[test]
fn what_a_target_holds_against_what_the_rules_would_make() {
    let deployment = Deployment::new();
    deployment.run("run");
    deployment.people([0, 1, 2, 5].into_iter());
    let people = fs::read_to_string(deployment.path("people.ldif")).unwrap();
    deployment.write("people.ldif", &people.replace("displayName: Person 1", "displayName: Ada"));
    let compared = ["compare entra", "compare entra --object person1@contoso.com", "compare ad"];
    let transcript: Vec<String> = compared.iter().map(|command| deployment.run(command)).collect();
    check(expect_file!["transcripts/compare.txt"], &transcript.join("\n"));
}

#[test]
fn a_staging_installation_does_everything_but_export() {
    let deployment = Deployment::new();
    deployment.write("syncline.toml", &format!("staging = true\n{CONFIG}"));
    let commands = ["run", "plan", "promote", "run", "promote --back"];
    let mut transcript: Vec<String> = commands.iter().map(|command| deployment.run(command)).collect();
    deployment.people(0..5);
    transcript.push(deployment.run("run"));
    deployment.write("syncline.toml", CONFIG);
    transcript.push(deployment.run("promote"));
    transcript.push(deployment.run("run"));
    check(expect_file!["transcripts/staging.txt"], &transcript.join("\n"));
}

#[test]
fn errors_wait_in_one_list() {
    let deployment = Deployment::new();
    let none = deployment.run("errors");
    // Somebody without a name, and a rule that cannot do with that.
    let people = fs::read_to_string(deployment.path("people.ldif")).unwrap();
    let people = people.replace("displayName: Person 2\n", "");
    deployment.write("people.ldif", &people.replace("sAMAccountName: person3", "sAMAccountName: person 3"));
    let rule = IN_USER.replace("account:  ", "named: !has_flag(user.userAccountControl ?? 1, 2), account:  ");
    let broken = rule.replace("user.userAccountControl ?? 1", "if user.displayName == () { () } else { 1 }");
    deployment.write("rules/in-user.rhai", &broken);
    let run = deployment.run("run");
    let list = deployment.run("errors");
    let refused = deployment.run("errors --connector entra --format json");
    check(expect_file!["transcripts/errors.txt"], &[none, run, list, refused].join("\n"));
}

/// A tenant in which people have accounts that were made by hand, and carry no anchor.
#[test]
fn what_looks_like_somebodys_waits_for_a_person() {
    let deployment = Deployment::new();
    let by_name = r#"[ #{ userPrincipalName: person.account + "@contoso.com" } ]"#;
    let by_anchor = "[ #{ onPremisesImmutableId: exact(person.sourceAnchor) } ]";
    let anchorless = OUT_USER.replace("        onPremisesImmutableId: person.sourceAnchor,\n", "");
    deployment.write("rules/out-user.rhai", &anchorless.replace(by_anchor, by_name));
    deployment.run("run");
    fs::remove_dir_all(deployment.path("state/store")).unwrap();
    let both = by_anchor.replace(" ]", "") + ", #{ userPrincipalName: person.account + \"@contoso.com\" } ]";
    deployment.write("rules/out-user.rhai", &OUT_USER.replace(by_anchor, &both));
    let mut transcript = vec![deployment.run("run"), deployment.run("errors")];
    deployment.write("syncline.toml", &CONFIG.replace("emulator = true", "emulator = true\nsoft_match = true"));
    for command in [
        "run",
        "adopt entra",
        "disjoin entra person3@contoso.com --reason namesake --yes",
        "adopt entra --all --yes",
        "go-live entra",
        "plan",
        "plan --kind create",
        "join entra person3@contoso.com ad person3 --reason hers",
        "join entra person3@contoso.com ad person3 --reason hers --yes",
        "join entra person3@contoso.com ad person3 --reason hers --yes",
        "run",
        "show entra person3@contoso.com",
        "disjoin entra person3@contoso.com --undo --yes",
        "disjoin entra person3@contoso.com --undo --yes",
        "disjoin ad person9 --reason unknown",
    ] {
        transcript.push(deployment.run(command));
    }
    check(expect_file!["transcripts/soft-match.txt"], &transcript.join("\n"));
}

/// A store that is lost is made anew: what was decided from a file, the rest from the directories.
#[test]
fn a_store_is_made_anew_from_its_decisions() {
    let deployment = Deployment::new();
    deployment.run("run");
    deployment.run("disjoin ad person2 --reason test --yes");
    deployment.run("run");
    let mut transcript =
        vec![deployment.run("decisions export kept.jsonl"), deployment.run("decisions export kept.jsonl")];
    transcript.push(deployment.run("decisions restore kept.jsonl"));
    fs::remove_dir_all(deployment.path("state/store")).unwrap();
    let kept = fs::read_to_string(deployment.path("kept.jsonl")).unwrap();
    assert!(!kept.contains("Person 1"), "what a directory says is not among the decisions: {kept}");
    let eighth_begins = kept.match_indices('\n').nth(6).unwrap().0 + 1;
    deployment.write("half.jsonl", kept.get(..eighth_begins + 8).unwrap());
    for command in
        ["decisions restore half.jsonl", "decisions restore kept.jsonl", "plan", "run", "plan", "show ad person2"]
    {
        transcript.push(deployment.run(command));
    }
    check(expect_file!["transcripts/decisions.txt"], &transcript.join("\n"));
}

/// Attributes that no application reads are left as they are, rules are switched in the configuration, and too many
/// errors end a run.
#[test]
fn settings_say_what_is_left_alone_and_what_is_too_much() {
    let deployment = Deployment::new();
    let out = OUT_USER.replace("copy: [\"displayName\"]", "copy: [\"displayName\", \"department\", \"employeeId\"]");
    let inward = IN_USER.replace("trim: [", "copy: [\"department\", #{ employeeId: \"employeeID\" }], trim: [");
    deployment.write("rules/in-user.rhai", &inward);
    deployment.write("rules/out-user.rhai", &out);
    let people = fs::read_to_string(deployment.path("people.ldif")).unwrap();
    let people =
        people.replace("displayName: Person 1\n", "displayName: Person 1\ndepartment: Sales\nemployeeID: 4711\n");
    deployment.write("people.ldif", &people);
    let with = |setting: &str| CONFIG.replace("emulator = true", &format!("emulator = true\n{setting}"));
    let mut transcript = Vec::new();
    deployment.write("syncline.toml", &with(r#"applications = ["teamz"]"#));
    transcript.push(deployment.run("check"));
    deployment.write("syncline.toml", &with(r#"applications = ["intune"]"#));
    transcript.push(deployment.run("run"));
    deployment.write("syncline.toml", &with(r#"applications = ["intune", "teams"]"#));
    transcript.push(deployment.run("plan"));
    deployment.write("syncline.toml", CONFIG);
    transcript.push(deployment.run("plan"));
    transcript.push(deployment.run("run"));
    // What is no longer managed stays as it is, though the source has changed.
    deployment.write("people.ldif", &people.replace("department: Sales\nemployeeID: 4711\n", ""));
    deployment.write("syncline.toml", &with(r#"applications = ["teams"]"#));
    transcript.push(deployment.run("run"));
    transcript.push(deployment.run("show entra person1@contoso.com"));
    deployment.write("syncline.toml", &format!("{CONFIG}\n[rules]\nswitch_off = [\"out-usr\"]\n"));
    transcript.push(deployment.run("check"));
    let broken = inward.replace(
        "base64(user.objectGUID),",
        "if user.displayName == \"Person 2\" { error(\"no\") } else { base64(user.objectGUID) },",
    );
    deployment.write("rules/in-user.rhai", &broken);
    deployment.write("syncline.toml", &CONFIG.replace("deletes = 2", "deletes = 2\nerrors = 1"));
    transcript.push(deployment.run("run"));
    check(expect_file!["transcripts/settings.txt"], &transcript.join("\n"));
}

/// Looking at what is there, and saying what only a person can say.
#[test]
fn looking_around_and_deciding() {
    let deployment = Deployment::new();
    deployment.run("run");
    let commands = [
        "doctor",
        "rules list",
        "show ad person1",
        "show rules",
        "search entra person2",
        "adopt entra --all",
        "gone ad",
        "go-live entra",
        "go-live ad",
        "plan",
    ];
    let transcript: Vec<String> = commands.iter().map(|command| deployment.run(command)).collect();
    check(expect_file!["transcripts/commands.txt"], &transcript.join("\n"));
}

/// What rules do to everybody who is stored, and what they never do.
#[test]
fn rules_are_asked_about_everybody() {
    let deployment = Deployment::new();
    let mut transcript = vec![deployment.run("check --deep")];
    let rules = [
        (
            "in-nickname",
            "const rule = #{ from: \"ad/user\", to: \"metaverse/person\", precedence: 90 };\n\nfn flow(user) {\n    #{\n        displayName: if user.sAMAccountName == \"person3\" { \"Trey\" } else { user.displayName },\n    }\n}\n",
        ),
        (
            "in-vip",
            "const rule = #{ from: \"ad/user\", to: \"metaverse/person\", precedence: 80 };\n\nfn scope(user) {\n    user.displayName != ()\n        && user.department == \"Slaes\"\n}\n\nfn flow(user) { #{ city: \"Berlin\" } }\n",
        ),
        (
            "in-cloud",
            "const rule = #{ from: \"entra/user\", to: \"metaverse/person\", precedence: 70 };\n\nfn flow(user) {\n    let title = if user.userPrincipalName == \"person9@contoso.com\" { \"Chief\" } else { \"Clerk\" };\n    #{ title: left(user.jobTitle ?? title, 20) + \"!\" }\n}\n",
        ),
    ];
    for (name, text) in rules {
        deployment.write(&format!("rules/{name}.rhai"), text);
    }
    deployment.write(
        "rules/out-user.rhai",
        &OUT_USER.replace("accountEnabled: ", "jobTitle: person.title,\n        accountEnabled: "),
    );
    deployment.run("run");
    transcript.push(deployment.run("check --deep"));
    fs::remove_file(deployment.path("rules/in-cloud.rhai")).unwrap();
    fs::remove_file(deployment.path("rules/in-vip.rhai")).unwrap();
    deployment.write("rules/out-user.rhai", OUT_USER);
    let json = deployment.run("check --deep --format json");
    transcript
        .push(json.lines().filter(|line| !line.contains("milliseconds")).map(|line| format!("{line}\n")).collect());
    let broken = IN_USER.replace("lower(", "lowr(");
    deployment.write("rules/in-user.rhai", &broken);
    transcript.push(deployment.run("check --deep"));
    transcript.push(deployment.run("explain W310"));
    check(expect_file!["transcripts/deep.txt"], &transcript.join("\n"));
}

/// One person who has another title now; one whom nothing concerns; one who is not read; and a target that refuses.
#[test]
fn one_object_goes_through_at_once() {
    let deployment = Deployment::new();
    let mut transcript = vec![deployment.run("run")];
    let people = fs::read_to_string(deployment.path("people.ldif")).unwrap();
    let people = people.replace("displayName: Person 2", "displayName: Person Two");
    let people = people.replace("displayName: Person 3", &format!("displayName: {}", "Three".repeat(60)));
    deployment.write("people.ldif", &people);
    for name in ["person2", "person2", "person3", "nobody"] {
        transcript.push(deployment.run(&format!("sync ad {name}")));
    }
    let hidden = people.replace("displayName: Person 1\n", "displayName: Person 1\ndepartment: Hidden\n");
    deployment.write("people.ldif", &hidden);
    transcript.push(deployment.run("sync ad person1"));
    transcript.push(deployment.run("sync ad person0 --format json"));
    transcript.push(deployment.run("history"));
    transcript.push(deployment.run("history --last 1"));
    check(expect_file!["transcripts/sync.txt"], &transcript.join("\n"));
}

#[test]
fn every_command_has_a_transcript() {
    let deployment = Deployment::new();
    let help = deployment.run("--help");
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("Options:").unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let texts: String = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    // What goes on until it is stopped has a log and no exit.
    let goes_on =
        [("serve", "serving with"), ("watch", "watching"), ("emulate", "secret emulator-secret"), ("help", "")];
    // What is longer than a line goes on further to the right.
    let lines = commands.lines().filter_map(|line| line.strip_prefix("out|   ")).filter(|line| !line.starts_with(' '));
    for command in lines.filter_map(|line| line.split_whitespace().next()) {
        let shown = goes_on.iter().find(|(name, _)| *name == command).map(|(_, sign)| (*sign).to_owned());
        let shown = shown.unwrap_or_else(|| format!("$ syncline {command}"));
        assert!(texts.contains(&shown), "no transcript of `{command}`");
    }
}
