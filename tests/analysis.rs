//! What `check --deep` finds: planted faults, each marked in its rule with `//~ CODE` on the line where it must be found,
//! and nothing else may be found. A whole run fills the store first.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use syncline::config::Config;
use syncline::run::analysis::{self, Analysis};
use syncline::run::cycle::Permissions;
use syncline::run::session::Session;
use syncline::run::{RunError, Silent, cycle};

const CONFIG: &str = r#"
[connector.ad]
kind = "ldif"
file = "ad.ldif"
schema = "active-directory"
objects = ["user", "contact"]

[connector.hr]
kind = "ldif"
file = "hr.ldif"
schema = "active-directory"
objects = ["user"]

[connector.entra]
kind = "entra"
tenant = "contoso.onmicrosoft.com"
emulator = true

[rules]
folder = "rules"
"#;

/// Rules in which nothing is to be found.
const IN_AD: &str = r#"
const rule = #{ from: "ad/user", to: "metaverse/person", link: "project", precedence: 100, trim: ["displayName"] };
fn join(user) { [ #{ number: user.employeeID } ] }
fn flow(user) { #{ number: user.employeeID, account: lower(user.sAMAccountName), kind: "user" } }
"#;
const IN_HR: &str = r#"
const rule = #{ from: "hr/user", to: "metaverse/person", link: "join", precedence: 100 };
fn join(user) { [ #{ number: user.employeeID } ] }
fn flow(user) { #{ country: user.co } }
"#;
const OUT: &str = r#"
const rule = #{ from: "metaverse/person", to: "entra/user", link: "provision", precedence: 100, copy: ["displayName"] };
fn join(person) { [ #{ onPremisesImmutableId: exact(person.number) } ] }
fn flow(person) {
    #{
        onPremisesImmutableId: person.number,
        userPrincipalName: person.account + "@contoso.com",
        mailNickname: person.account,
        accountEnabled: true,
    }
}
"#;

/// How many people there are. The first six have the title in HR that they have in Active Directory.
const PEOPLE: u8 = 10;

fn ad(number: u8) -> String {
    let department = if number.is_multiple_of(2) { "Sales" } else { "IT" };
    format!(
        "dn: CN=Person {number},DC=contoso,DC=test\nobjectClass: user\nobjectGUID:: {}AAAAAAAAAAAAAAAAAAAAA==\n\
         sAMAccountName: person{number}\ndisplayName: Person {number}\nemployeeID: e{number}\ntitle: Clerk\n\
         department: {department}\nmail: person{number}@contoso.com\nmanager: CN=Person 0,DC=contoso,DC=test\n\
         otherTelephone: 1\notherTelephone: 2\n",
        char::from(b'A' + number),
    )
}

fn hr(number: u8) -> String {
    let title = if number < 6 { "Clerk" } else { "Lead" };
    format!(
        "dn: CN=E{number},DC=hr,DC=test\nobjectClass: user\nobjectGUID:: {}QAAAAAAAAAAAAAAAAAAAA==\n\
         sAMAccountName: e{number}\nemployeeID: e{number}\ntitle: {title}\nco: Germany\n\
         manager: CN=E{},DC=hr,DC=test\notherTelephone: 2\notherTelephone: 1\n",
        char::from(b'A' + number),
        if number < 6 { 0 } else { 1 },
    )
}

/// A deployment in a folder of its own.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new(rules: &[(&str, &str)]) -> World {
        let world = World { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(world.folder.path().join("rules")).unwrap();
        let people =
            |of: fn(u8) -> String| format!("version: 1\n\n{}", (0..PEOPLE).map(of).collect::<Vec<_>>().join("\n"));
        world.write("syncline.toml", CONFIG);
        world.write("ad.ldif", &people(ad));
        world.write("hr.ldif", &people(hr));
        for (name, text) in [("in-ad", IN_AD), ("in-hr", IN_HR), ("out", OUT)].iter().chain(rules) {
            world.write(&format!("rules/{name}.rhai"), text);
        }
        world
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn open(&self) -> Session {
        Session::open(Config::load(&self.folder.path().join("syncline.toml")).unwrap(), true).unwrap()
    }

    fn run(&self) -> &World {
        let mut session = self.open();
        let report = cycle::run(&mut session, &Permissions::default(), &Silent).unwrap();
        assert_eq!(report.sync.errors, Vec::<(String, String)>::new());
        session.close().unwrap();
        self
    }

    fn analyse(&self) -> Result<Analysis, RunError> {
        let session = self.open();
        let analysis = analysis::make(&session, &Silent);
        session.close().unwrap();
        analysis
    }

    /// `in-ad.rhai:4 W310`, of everything that was found.
    fn found(&self) -> BTreeSet<String> {
        let analysis = self.analyse().unwrap();
        assert_eq!(analysis.errors, 0);
        let place = |finding: &syncline::diagnostic::Diagnostic| {
            let path = finding.source.as_ref().unwrap().path.clone();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            format!("{name}:{} {}", finding.line_and_column().unwrap().0, finding.code)
        };
        analysis.findings.iter().map(place).collect()
    }
}

/// What the marks in rules say: `in-ad.rhai:4 W310`.
fn marked(rules: &[(&str, &str)]) -> BTreeSet<String> {
    let mut marks = BTreeSet::new();
    for (name, text) in rules {
        for (number, line) in text.lines().enumerate() {
            let codes = line.split_once("//~ ").map(|(_, codes)| codes.split(' ')).into_iter().flatten();
            marks.extend(codes.map(|code| format!("{name}.rhai:{} {code}", number + 1)));
        }
    }
    marks
}

/// Rules beside those that are there always, or in the place of one, with marks where something must be found.
fn check(what: &str, rules: &[(&str, &str)]) {
    let world = World::new(rules);
    world.run();
    assert_eq!(world.found(), marked(rules), "{what}");
}

fn inbound(from: &str, precedence: u8, body: &str) -> String {
    format!("const rule = #{{ from: \"{from}\", to: \"metaverse/person\", precedence: {precedence} }};\n{body}\n")
}

fn outbound(precedence: u8, body: &str) -> String {
    format!("const rule = #{{ from: \"metaverse/person\", to: \"entra/user\", precedence: {precedence} }};\n{body}\n")
}

#[test]
fn in_good_rules_nothing_is_found() {
    check("the rules that are there always", &[]);
    let quiet = inbound(
        "ad/user",
        90,
        r#"fn flow(user) {
            #{
                title: user.wWWHomePage ?? user.title,
                site: switch user.department { "Sales" => "A", "IT" => "B", _ => "C" },
                mail: if user.mail == () { error("no mail") } else { user.mail },
            }
        }"#,
    );
    check("what is there to be missing", &[("in-more", &quiet)]);
}

#[test]
fn other_values_of_two_rules() {
    let title = |from: &str, precedence: u8, value: &str, mark: &str| {
        inbound(from, precedence, &format!("fn flow(user) {{\n    #{{\n        title: {value}, {mark}\n    }}\n}}"))
    };
    let plain = |precedence: u8, mark: &str| title("ad/user", precedence, "user.title", mark);
    check(
        "HR knows better",
        &[("in-title", &plain(90, "//~ W310")), ("in-hr-title", &title("hr/user", 50, "user.title", ""))],
    );
    check(
        "a constant below",
        &[("in-title", &plain(50, "")), ("in-constant", &title("ad/user", 90, "\"Nobody\"", "//~ W310"))],
    );
    check(
        "letter case",
        &[("in-title", &plain(50, "")), ("in-case", &title("ad/user", 90, "lower(user.title)", "//~ W310"))],
    );
    check(
        "a list below",
        &[("in-title", &plain(50, "")), ("in-list", &title("ad/user", 90, "[\"A\", \"B\"]", "//~ W310"))],
    );
    let copy = "\nconst rule = #{ from: \"ad/user\", to: \"metaverse/person\", precedence: 90, copy: [\"title\"] }; //~ W310\n";
    check("a copy below", &[("in-copy", copy), ("in-hr-title", &title("hr/user", 50, "user.title", ""))]);
    check("the same below", &[("in-title", &plain(50, "")), ("in-same", &plain(90, ""))]);
    check("nothing above", &[("in-title", &plain(90, "")), ("in-none", &title("hr/user", 50, "user.wWWHomePage", ""))]);
    check(
        "no value, on purpose",
        &[("in-title", &plain(90, "")), ("in-absent", &title("hr/user", 50, "absent()", ""))],
    );
    check(
        "parts of a whole",
        &[
            ("in-title", &title("ad/user", 90, "merge([\"A\"])", "")),
            ("in-part", &title("hr/user", 50, "merge([\"B\"])", "")),
        ],
    );
}

#[test]
fn other_references_of_two_rules() {
    let manager = |from: &str, precedence: u8, mark: &str| {
        inbound(from, precedence, &format!("fn flow(user) {{ #{{ manager: user.manager }} }} {mark}"))
    };
    check(
        "HR names other managers",
        &[("in-manager", &manager("ad/user", 90, "//~ W310")), ("in-hr-manager", &manager("hr/user", 50, ""))],
    );
}

#[test]
fn other_values_for_a_target() {
    let job = |precedence: u8, value: &str, mark: &str| {
        outbound(precedence, &format!("fn flow(person) {{\n    #{{ jobTitle: {value} }} {mark}\n}}"))
    };
    check("two texts", &[("out-a", &job(50, "\"A\"", "")), ("out-b", &job(60, "person.account", "//~ W310"))]);
    check("a seed above", &[("out-a", &job(50, "seed(\"A\")", "")), ("out-b", &job(60, "\"B\"", "//~ W310"))]);
    check("kept above", &[("out-a", &job(50, "keep()", "")), ("out-b", &job(60, "\"B\"", ""))]);
    check("the name decides", &[("out-a", &job(50, "\"A\"", "")), ("out-b", &job(50, "\"B\"", "//~ W311"))]);
}

#[test]
fn only_an_order_decides() {
    let title = |from: &str, mark: &str| {
        inbound(from, 90, &format!("fn flow(user) {{\n    #{{ title: user.title }} {mark}\n}}"))
    };
    check("connectors", &[("in-title", &title("ad/user", "")), ("in-hr-title", &title("hr/user", "//~ W311"))]);
    let both = "const rule = #{ from: [\"ad/user\", \"hr/user\"], to: \"metaverse/person\", precedence: 90,\n    copy: [\"title\"] //~ W311\n};\n";
    check("connectors of one rule", &[("in-title", both)]);
    let name = inbound("ad/user", 90, "fn flow(user) {\n    #{ title: user.department } //~ W311\n}");
    check("names of rules", &[("in-a", &title("ad/user", "")), ("in-b", &name)]);
    let list = |from: &str, precedence: u8, mark: &str| {
        inbound(from, precedence, &format!("fn flow(user) {{\n    #{{ phones: user.otherTelephone }} {mark}\n}}"))
    };
    check(
        "the order of a list",
        &[("in-phones", &list("ad/user", 90, "//~ W312")), ("in-hr-phones", &list("hr/user", 50, ""))],
    );
}

#[test]
fn rules_in_whose_scope_nobody_is() {
    let scoped = |clause: &str| {
        inbound(
            "ad/user",
            90,
            &format!(
                "fn scope(user) {{\n    user.mail != ()\n        && {clause} //~ W320\n}}\nfn flow(user) {{ #{{ city: user.l }} }}"
            ),
        )
    };
    check("a text misspelled", &[("in-city", &scoped("user.department == \"Slaes\""))]);
    check("an attribute that is always empty", &[("in-city", &scoped("starts_with(user.employeeType, \"x\")"))]);
    check("a switch that is always off", &[("in-city", &scoped("has_flag(user.userAccountControl ?? 0, 2)"))]);
    let two = inbound(
        "ad/user",
        90,
        "fn scope(user) { //~ W320\n    user.department == \"Sales\"\n        && user.department == \"IT\"\n}\nfn flow(user) { #{ city: user.l } }",
    );
    check("clauses that exclude each other", &[("in-city", &two)]);
    let contact = "const rule = #{ from: \"ad/contact\", to: \"metaverse/person\", precedence: 90, copy: [\"mail\"] }; //~ W320\n";
    check("no object of the kind", &[("in-contact", contact)]);
    let out = outbound(
        90,
        "fn scope(person) {\n    person.kind == \"contact\" //~ W320\n}\nfn flow(person) { #{ city: person.account } }",
    );
    check("nobody goes out", &[("out-city", &out)]);
    let group = "const rule = #{ from: \"metaverse/robot\", to: \"entra/group\", precedence: 90, copy: [\"displayName\"] }; //~ W320\n";
    check("no metaverse object of the kind", &[("out-robot", group)]);
}

#[test]
fn ways_that_no_decision_goes() {
    let site = |value: &str| {
        inbound(
            "ad/user",
            90,
            &format!(
                "fn flow(user) {{\n    let site = {value};\n    #{{ site: site }}\n}}\nprivate fn of(name) {{\n    if name == \"Sales\" {{ return \"A\"; }}\n    if name == \"IT\" {{ return \"B\"; }}\n    \"C\"\n}}"
            ),
        )
    };
    let plain = |value: &str| {
        inbound("ad/user", 90, &format!("fn flow(user) {{\n    let site = {value};\n    #{{ site: site }}\n}}"))
    };
    check("never", &[("in-site", &plain("if user.department == \"Slaes\" { \"A\" } else { \"B\" } //~ W321\n"))]);
    check("always", &[("in-site", &plain("if user.mail != () { \"A\" } else { \"B\" } //~ W321\n"))]);
    check(
        "in the second step",
        &[(
            "in-site",
            &plain(
                "if user.department == \"Sales\" { \"A\" } else if user.department == \"TI\" { \"B\" } else { \"C\" } //~ W321\n",
            ),
        )],
    );
    check(
        "a label misspelled",
        &[(
            "in-site",
            &plain(
                "switch user.department { \"Sales\" => \"A\",\n        \"TI\" => \"B\", //~ W321\n        _ => \"C\" }",
            ),
        )],
    );
    check(
        "several labels, told together",
        &[(
            "in-site",
            &plain(
                "switch user.department { \"Sales\" => \"A\",\n        \"X\" => \"B\", //~ W321\n        \"Y\" => \"D\",\n        _ => \"C\" }",
            ),
        )],
    );
    check("and", &[("in-site", &plain("user.department == \"Slaes\" && user.mail != () //~ W321\n"))]);
    check("or", &[("in-site", &plain("user.mail != () || user.department == \"Sales\" //~ W321\n"))]);
    let early = site("of(user.department)")
        .replace("if name == \"IT\" { return \"B\"; }", "if name != () { return \"B\"; } //~ W321");
    check("what comes after a return", &[("in-site", &early)]);
    let scope = inbound(
        "ad/user",
        90,
        "fn scope(user) {\n    if user.department == \"Slaes\" { return false; } //~ W321\n    true\n}\nfn flow(user) { #{ city: user.l } }",
    );
    check("a guard of a scope", &[("in-city", &scope)]);
}

#[test]
fn values_that_never_rest() {
    let out = OUT.replace("accountEnabled: true,", "accountEnabled: true,\n        jobTitle: person.job ?? \"Open\",");
    let back = |body: &str| inbound("entra/user", 10, body);
    check(
        "a value that grows",
        &[
            ("out", &out),
            (
                "in-cloud",
                &back("fn flow(user) {\n    #{ job: left((user.jobTitle ?? \"x\") + \"!\", 60) } //~ W300\n}"),
            ),
        ],
    );
    check(
        "a value that toggles",
        &[
            ("out", &out),
            (
                "in-cloud",
                &back("fn flow(user) {\n    #{ job: if user.jobTitle == \"A\" { \"B\" } else { \"A\" } } //~ W300\n}"),
            ),
        ],
    );
    check(
        "a value that toggles once it is confirmed",
        &[
            ("out", &out),
            (
                "in-cloud",
                &back(
                    "fn flow(user) {\n    #{ job: if imported(user.jobTitle) == \"A\" { \"B\" } else { \"A\" } } //~ W300\n}",
                ),
            ),
        ],
    );
    check(
        "a scope that its own value closes",
        &[
            ("out", &out),
            (
                "in-cloud",
                &back("fn scope(user) { user.jobTitle != \"Done\" }\nfn flow(user) { #{ job: \"Done\" } } //~ W300"),
            ),
        ],
    );
    check(
        "a value that is read back and goes nowhere else",
        &[("out", &out), ("in-cloud", &back("fn flow(user) { #{ cloudJob: user.jobTitle } }"))],
    );
    check(
        "a value that is read back, and written as it is",
        &[("out", &out), ("in-cloud", &back("fn flow(user) { #{ job: user.jobTitle } }"))],
    );
}

#[test]
fn links_that_the_second_run_dissolves() {
    let out = OUT.replace("accountEnabled: true,", "accountEnabled: true,\n        jobTitle: \"Done\",");
    let out = out.replace("fn flow", "fn scope(person) { person.cloudJob != \"Done\" } //~ W301\nfn flow");
    let cloud = inbound("entra/user", 10, "fn flow(user) { #{ cloudJob: user.jobTitle } }");
    let known = inbound("entra/user", 10, "fn flow(user) { #{ unused: user.jobTitle } }");
    let world = World::new(&[("in-cloud", &known)]);
    world.run();
    for (name, text) in [("out", &out), ("in-cloud", &cloud)] {
        world.write(&format!("rules/{name}.rhai"), text);
    }
    assert_eq!(world.found(), marked(&[("out", &out)]));
}

#[test]
fn rules_that_were_edited_since_the_last_run_are_looked_at_as_they_are() {
    let known = inbound("ad/user", 50, "fn flow(user) { #{ unused: user.title } }");
    let world = World::new(&[("in-job", &known)]);
    world.run();
    let job = inbound("ad/user", 50, "fn flow(user) {\n    #{ displayName: user.title }\n}");
    world.write("rules/in-job.rhai", &job);
    world
        .write("rules/in-ad.rhai", &IN_AD.replace("trim: [\"displayName\"] };", "trim: [\"displayName\"] }; //~ W310"));
    assert_eq!(world.found(), BTreeSet::from(["in-ad.rhai:2 W310".to_owned()]));
}

#[test]
fn nothing_is_kept() {
    let world = World::new(&[(
        "in-cloud",
        &inbound("entra/user", 10, "fn flow(user) { #{ displayName: user.displayName + \"!\" } }"),
    )]);
    world.run();
    let everything = |world: &World| {
        let session = world.open();
        let draft = session.store.draft();
        let mut all = Vec::new();
        draft.each_metaverse(|person| all.push(format!("{person:?}"))).unwrap();
        for (connector, object_type) in [("ad", "user"), ("hr", "user"), ("entra", "user")] {
            draft.each_object(connector, object_type, |object| all.push(format!("{object:?}"))).unwrap();
        }
        drop(draft);
        session.close().unwrap();
        all
    };
    let before = everything(&world);
    assert!(world.analyse().unwrap().findings.iter().any(|finding| finding.code == "W300"));
    assert_eq!(everything(&world), before);
}

#[test]
fn nothing_is_said_about_directories_that_nobody_has_read() {
    let world = World::new(&[]);
    let Err(RunError::Connector { connector, error }) = world.analyse() else { unreachable!("it has been imported") };
    assert_eq!((connector.as_str(), error.message.as_str()), ("ad", "nothing has been imported from it yet"));
    assert!(error.hint.unwrap().contains("plan --import"));
    // The second file holds an entry that cannot be read, so its import is not complete.
    world.write("hr.ldif", "version: 1\n\ndn: CN=E1,DC=hr,DC=test\nobjectClass: user\nobjectGUID:: %%%\n");
    let mut session = world.open();
    let _ = cycle::run(&mut session, &Permissions::default(), &Silent);
    session.close().unwrap();
    let Err(RunError::Connector { connector, .. }) = world.analyse() else { unreachable!("it is complete") };
    assert_eq!(connector, "hr");
}

#[test]
fn an_import_that_was_not_complete_is_told() {
    let world = World::new(&[]);
    world.run();
    assert_eq!(world.analyse().unwrap().incomplete, Vec::<String>::new());
    let people = fs::read_to_string(world.folder.path().join("hr.ldif")).unwrap();
    world.write("hr.ldif", &people.replace("employeeID: e3", "employeeID:: %%%"));
    let mut session = world.open();
    let report = cycle::run(&mut session, &Permissions::default(), &Silent).unwrap();
    session.close().unwrap();
    assert!(report.imports.iter().any(|import| !import.incomplete.is_empty()));
    let analysis = world.analyse().unwrap();
    assert!(analysis.incomplete[0].starts_with("hr: "), "{:?}", analysis.incomplete);
    assert_eq!(analysis.metaverse, u64::from(PEOPLE));
}

/// Everything that is found in the rules that ship, over Contoso. Each was looked at, and is meant:
/// nicknames of Exchange win over those made of names; what Exchange alone makes, and Contoso has none of, is not there.
#[test]
fn the_rules_that_ship_over_contoso() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(root.join("examples/contoso/syncline.toml")).unwrap();
    let text = text.replace("../../rules", root.join("rules").to_str().unwrap());
    fs::write(folder.path().join("syncline.toml"), text).unwrap();
    fs::copy(root.join("examples/contoso/directory.ldif"), folder.path().join("directory.ldif")).unwrap();
    let world = World { folder };
    let mut session = world.open();
    cycle::run(&mut session, &Permissions::default(), &Silent).unwrap();
    session.close().unwrap();
    let analysis = world.analyse().unwrap();
    let shown = |finding: &syncline::diagnostic::Diagnostic| {
        let name = finding.source.as_ref().unwrap().path.file_stem().unwrap().to_str().unwrap().to_owned();
        format!("{} {name}:{} {}\n", finding.code, finding.line_and_column().unwrap().0, finding.message)
    };
    let found: String = analysis.findings.iter().map(shown).collect();
    expect_test::expect![[r#"
        W310 in-from-ad-group:40 `in-from-ad-group` gives `mailNickname` of 3 metaverse/group another value than `in-from-ad-group-exchange`, which wins
        W310 in-from-ad-user:74 `in-from-ad-user` gives `mailNickname` of 2 metaverse/person another value than `in-from-ad-user-exchange`, which wins
        W321 in-from-ad-user-exchange:42 what follows `&&` is never asked: what stands before it never holds, 211 times
        W321 in-from-ad-user:48 what follows `&&` is never asked: what stands before it never holds, 205 times
        W321 in-from-ad-group-exchange:16 this `if` never holds: it was asked 36 times
        W321 in-from-ad-group-exchange:22 what follows `&&` is never asked: what stands before it never holds, 36 times
    "#]].assert_eq(&found);
    // Contoso has three entries with mistakes that rules stumble over.
    assert_eq!((analysis.errors, analysis.metaverse), (3, 244));
}
