//! `syncline preview` on a small world: two sources, a tenant, and what people see of one object.
//! `UPDATE_EXPECT=1` writes `tests/transcripts/preview-*.txt` anew.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use expect_test::{ExpectFile, expect_file};

const CONFIG: &str = r#"
[connector.hr]
kind = "ldif"
file = "hr.ldif"
schema = "inetorgperson"
objects = ["inetOrgPerson"]

[connector.ad]
kind = "ldif"
file = "ad.ldif"
schema = "active-directory"
objects = ["user", "group"]

[connector.entra]
kind = "entra"
tenant = "contoso.onmicrosoft.com"
emulator = true
"#;

const RULES: [(&str, &str); 5] = [
    (
        "in-from-ad-user",
        r#"const rule = #{ from: "ad/user", to: "metaverse/person", link: "project", precedence: 110, trim: ["department", "title"] };

/// Accounts of services begin with `svc-`.
fn scope(user) {
    let account = user.sAMAccountName;
    if starts_with(account, "svc-") {
        return false;
    }
    // Leavers are renamed before they are deleted.
    user.employeeID != () && !starts_with(user.displayName, "zz_")
}

fn join(user) {
    [ #{ employeeId: user.employeeID }, #{ mail: user.mail } ]
}

fn flow(user) {
    #{
        employeeId:     user.employeeID,
        account:        lower(user.sAMAccountName),
        accountEnabled: !has_flag(user.userAccountControl, 2),
        displayName:    user.displayName
            ?? user.cn,
        mail:           lower(user.mail),
        manager:        user.manager,
    }
}
"#,
    ),
    (
        "in-from-ad-vip",
        r#"const rule = #{ from: "ad/user", to: "metaverse/person", precedence: 105 };

fn scope(user) { user.title == "VP" }

fn flow(user) { #{ displayName: user.displayName + " (VP)" } }
"#,
    ),
    (
        "in-from-ad-group",
        r#"const rule = #{ from: "ad/group", to: "metaverse/group", link: "project", precedence: 100 };

fn flow(group) { #{ displayName: group.cn, uniqueName: guid(group.objectGUID), member: group.member } }
"#,
    ),
    (
        "in-from-hr",
        r#"const rule = #{ from: "hr/inetOrgPerson", to: "metaverse/person", link: "join", precedence: 90 };

fn join(person) { [ #{ employeeId: person.employeeNumber }, #{ mail: person.mail } ] }

fn flow(person) { #{ displayName: person.displayName, mobilePhone: first(person.mobile) } }
"#,
    ),
    (
        "out-to-entra-user",
        r#"const rule = #{ from: "metaverse/person", to: "entra/user", link: "provision", precedence: 100, copy: ["displayName", "department", "mobilePhone"] };

fn scope(person) { is_present(person.account) }

fn join(person) { [ #{ onPremisesImmutableId: exact(person.employeeId) } ] }

fn flow(person) {
    #{
        onPremisesImmutableId: person.employeeId,
        userPrincipalName:     person.account + "@contoso.onmicrosoft.com",
        mailNickname:          person.account,
        accountEnabled:        person.accountEnabled,
        jobTitle:              person.title,
        manager:               person.manager,
    }
}
"#,
    ),
];

const AD: &str = "version: 1

dn: CN=Zoë,OU=Sales,DC=contoso,DC=test
objectClass: user
objectGUID:: AAAAAAAAAAAAAAAAAAAAAA==
cn: Zoë
sAMAccountName: Zoe
employeeID: 4711
userAccountControl: 512
displayName: Zoë Müller
department: Sales
title: Manager
mail: Zoe@contoso.com
manager: CN=Ada,OU=Sales,DC=contoso,DC=test

dn: CN=Ada,OU=Sales,DC=contoso,DC=test
objectClass: user
objectGUID:: BAAAAAAAAAAAAAAAAAAAAA==
cn: Ada
sAMAccountName: ada
employeeID: 4712
userAccountControl: 512
displayName: Ada
title: VP

dn: CN=Ida,OU=Sales,DC=contoso,DC=test
objectClass: user
objectGUID:: CAAAAAAAAAAAAAAAAAAAAA==
cn: Ida
sAMAccountName: ida
employeeID: 4713
userAccountControl: 512
department: Sales

dn: CN=svc-backup,OU=Services,DC=contoso,DC=test
objectClass: user
objectGUID:: DAAAAAAAAAAAAAAAAAAAAA==
cn: svc-backup
sAMAccountName: svc-backup
userAccountControl: 512

dn: CN=Everybody,OU=Sales,DC=contoso,DC=test
objectClass: group
objectGUID:: EAAAAAAAAAAAAAAAAAAAAA==
cn: Everybody
member: CN=Zoë,OU=Sales,DC=contoso,DC=test
member: CN=Ada,OU=Sales,DC=contoso,DC=test
";

const HR: &str = "version: 1

dn: uid=zoe,dc=hr
objectClass: inetOrgPerson
entryUUID: 11111111-2222-3333-4444-555555555555
displayName: Müller, Zoë
employeeNumber: 4711
mail: zoe@contoso.com
mobile: +49 151 1
";

/// A folder with a whole small deployment, after its first runs.
struct Deployment {
    folder: tempfile::TempDir,
}

impl Deployment {
    fn after_runs() -> Deployment {
        let deployment = Deployment { folder: tempfile::tempdir().unwrap() };
        deployment.write("syncline.toml", CONFIG);
        deployment.write("ad.ldif", AD);
        deployment.rules("rules", |_, text| text.to_owned());
        // People are there before what is known about them.
        for hr in [HR.replace("4711", "0").replace("zoe@", "nobody@"), HR.to_owned()] {
            deployment.write("hr.ldif", &hr);
            let run = deployment.run(&["run"]);
            assert!(run.ends_with("exit 0\n"), "{run}");
        }
        deployment
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn rules(&self, folder: &str, change: impl Fn(&str, &str) -> String) {
        fs::create_dir(self.path(folder)).unwrap();
        for (name, text) in RULES {
            self.write(&format!("{folder}/{name}.rhai"), &change(name, text));
        }
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_syncline"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .output()
            .unwrap();
        let text = |mark: &str, bytes: &[u8]| -> String {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.lines().map(|line| format!("{mark}| {}", steady(line)).trim_end().to_owned() + "\n").collect()
        };
        let code = output.status.code().unwrap();
        let shown = arguments.join(" ");
        format!("$ syncline {shown}\n{}{}exit {code}\n", text("out", &output.stdout), text("err", &output.stderr))
    }

    fn preview(&self, arguments: &[&str]) -> String {
        self.run(&[&["preview"], arguments].concat())
    }
}

/// Fingerprints become dots.
fn steady(line: &str) -> String {
    let is_fingerprint = |word: &str| word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = line.split(' ').map(|word| match word.split_once('.') {
        Some((start, rest)) if is_fingerprint(start) => format!("….{rest}"),
        Some(_) | None if is_fingerprint(word) => "…".to_owned(),
        Some(_) | None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn check(expected: ExpectFile, transcripts: &[String]) {
    expected.assert_eq(&transcripts.join("\n"));
}

const ZOE: &str = "CN=Zoë,OU=Sales,DC=contoso,DC=test";

#[test]
fn an_object_goes_through_every_rule() {
    let deployment = Deployment::after_runs();
    check(
        expect_file!["transcripts/preview-object.txt"],
        &[
            deployment.preview(&["ad", ZOE]),
            deployment.preview(&["ad", "ada", "--all", "--lines"]),
            deployment.preview(&["ad", "svc-backup"]),
            deployment.preview(&["hr", "4711"]),
            deployment.preview(&["entra", "zoe@contoso.onmicrosoft.com"]),
        ],
    );
}

#[test]
fn a_change_is_tried_and_nothing_is_kept() {
    let deployment = Deployment::after_runs();
    let set = |changes: &[&str]| {
        let changes: Vec<&str> = changes.iter().flat_map(|change| ["--set", *change]).collect();
        deployment.preview(&[&["ad", ZOE], changes.as_slice()].concat())
    };
    let before = deployment.preview(&["ad", ZOE, "--format", "json"]);
    let transcripts = [
        set(&["department=IT", "title=VP", "userAccountControl=514", "manager="]),
        set(&["displayName=zz_Zoë"]),
        set(&["sAMAccountName=SVC-zoe"]),
        set(&["employeeID="]),
        set(&["manager=CN=Ida,OU=Sales,DC=contoso,DC=test", "dn=CN=Zoë,OU=Berlin,DC=contoso,DC=test"]),
        deployment.preview(&["ad", "Everybody", "--set", "member-=CN=Ada,OU=Sales,DC=contoso,DC=test"]),
        set(&["departmnt=IT"]),
        set(&["userAccountControl=many"]),
        set(&["department"]),
        deployment.preview(&["entra", "zoe@contoso.onmicrosoft.com", "--set", "accountEnabled=false"]),
    ];
    assert_eq!(before, deployment.preview(&["ad", ZOE, "--format", "json"]));
    check(expect_file!["transcripts/preview-set.txt"], &transcripts);
}

#[test]
fn what_was_shown_is_what_a_run_writes() {
    let deployment = Deployment::after_runs();
    let json = |arguments: &[&str]| -> serde_json::Value {
        let told = deployment.run(&[arguments, &["--format", "json"]].concat());
        let text: String = told.lines().filter_map(|line| line.strip_prefix("out|")).collect();
        serde_json::from_str(&text).unwrap()
    };
    let zoe = "zoe@contoso.onmicrosoft.com";
    let shown = json(&["preview", "ad", ZOE, "--set", "department=IT", "--set", "sAMAccountName=zm"]);
    let promised = shown["targets"][0]["requests"][0]["body"].as_object().unwrap().clone();
    assert_eq!(promised.keys().collect::<Vec<_>>(), ["department", "mailNickname", "userPrincipalName"]);
    assert_eq!(json(&["show", "entra", zoe])["attributes"]["department"], "Sales");
    deployment.write("ad.ldif", &AD.replacen("department: Sales", "department: IT", 1).replace(": Zoe\n", ": zm\n"));
    let run = deployment.run(&["run"]);
    assert!(run.ends_with("exit 0\n"), "{run}");
    let written = json(&["show", "entra", "zm@contoso.onmicrosoft.com"]);
    for (name, value) in &promised {
        assert_eq!(&written["attributes"][name], value, "{name}");
    }
}

#[test]
fn two_rule_folders_are_compared_on_one_object() {
    let deployment = Deployment::after_runs();
    deployment.rules("same", |_, text| text.to_owned());
    deployment.rules("loud", |name, text| match name {
        "in-from-hr" => text.replace("displayName: person.displayName", "displayName: upper(person.displayName)"),
        "in-from-ad-user" => text.replace("user.employeeID != ()", "user.department != \"Sales\""),
        _ => text.to_owned(),
    });
    deployment.rules("keys", |name, text| match name {
        "in-from-hr" => text.replace("employeeId: person.employeeNumber", "account: before(person.mail, \"@\")"),
        "in-from-ad-user" => {
            text.replace("displayName:    user.displayName", "displayName:    lower(user.displayName)")
        }
        _ => text.to_owned(),
    });
    deployment.rules("wrong", |_, text| text.replace("lower(", "lowr("));
    let with = |folder: &str, object: &[&str]| deployment.preview(&[object, &["--rules", folder]].concat());
    check(
        expect_file!["transcripts/preview-rules.txt"],
        &[
            with("same", &["ad", ZOE]),
            with("loud", &["ad", ZOE]),
            with("loud", &["hr", "4711"]),
            with("loud", &["ad", ZOE, "--set", "department=IT"]),
            with("keys", &["hr", "4711"]),
            with("wrong", &["ad", ZOE]),
            with("nowhere", &["ad", ZOE]),
        ],
    );
}

#[test]
fn an_object_comes_from_a_file() {
    let deployment = Deployment::after_runs();
    let eve = "dn: CN=Eve,OU=Sales,DC=contoso,DC=test\nobjectClass: user\nobjectGUID:: FAAAAAAAAAAAAAAAAAAAAA==\n\
               cn: Eve\nsAMAccountName: eve\nemployeeID: 4799\nuserAccountControl: 512";
    deployment.write("eve.ldif", eve);
    let zoe = format!("dn: {ZOE}\nobjectClass: user\nsAMAccountName: zoe\nemployeeID: 4711\nuserAccountControl: 512\n");
    deployment.write("two.ldif", &format!("version: 1\n\n{eve}\n\n{zoe}"));
    deployment.write("broken.ldif", "dn: CN=Eve,DC=test\nobjectClass: user\nno colon here\n");
    deployment.write(
        "eve.json",
        r#"{ "dn": "CN=Eve,DC=test", "attributes": { "employeeID": "4799", "sAMAccountName": "eve", "userAccountControl": 514 } }"#,
    );
    check(
        expect_file!["transcripts/preview-file.txt"],
        &[
            deployment.preview(&["ad", "--file", "eve.ldif"]),
            deployment.preview(&["ad", "--file", "two.ldif"]),
            deployment.preview(&["ad", "--file", "two.ldif", "cn=zoë, ou=sales, dc=contoso, dc=test"]),
            deployment.preview(&["ad", "--file", "two.ldif", "CN=Nobody"]),
            deployment.preview(&["ad", "--file", "broken.ldif"]),
            deployment.preview(&["ad", "--file", "eve.json", "--set", "displayName=Eve"]),
            deployment.preview(&["ad", "--file", "nowhere.ldif"]),
        ],
    );
}

#[test]
fn a_page_holds_no_markup_from_outside_and_no_password() {
    let deployment = Deployment::after_runs();
    let hostile = "<script>alert('x')</script>";
    let told = deployment.preview(&["ad", ZOE, "--set", &format!("department={hostile}"), "--html", "zoe.html"]);
    assert!(told.ends_with("err| written to zoe.html\nexit 0\n"), "{told}");
    let page = fs::read_to_string(deployment.path("zoe.html")).unwrap();
    for wrong in ["<script", "http://", "src=", "href="] {
        assert!(!page.contains(wrong), "{wrong} in {page}");
    }
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"), "{page}");
    assert!(page.contains("<code>trim of `department`</code>"), "{page}");
    check(expect_file!["transcripts/preview-page.txt"], &[deployment.preview(&["ad", ZOE, "--html", "-"])]);
}
