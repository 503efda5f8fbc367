//! Sixty mistakes that people make when they write rules, written down before anything looked for them: what is found
//! before anything runs, and how it is said. `UPDATE_EXPECT=1` writes `tests/transcripts/mistakes.txt` anew.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::fs;

use expect_test::expect_file;
use syncline::config::Config;
use syncline::diagnostic::{Diagnostic, SourceText};
use syncline::run::RunError;
use syncline::run::session::compile_rules;

const CONFIG: &str = r#"
[connector.ad]
kind = "ldif"
file = "x.ldif"
schema = "active-directory"

[connector.entra]
kind = "entra"
emulator = true

[rules.settings]
company = "Contoso"
"#;

const IN: &str = r#"const rule = #{ from: "ad/user", to: "metaverse/person", link: "project", precedence: 50,
                copy: ["displayName", "mail", "title", "otherMailbox"] };
"#;

/// A mistake: what it is, and the rule; what does not begin with `const` goes into the metaverse, after `OUT` to Entra.
const OUT: &str = "OUT ";
const MISTAKES: [(&str, &str); 95] = [
    ("attribute misspelled", "fn flow(user) { #{ department: user.departement } }"),
    ("attribute misspelled in scope", "fn scope(user) { user.employeID != () }"),
    (
        "attribute misspelled in a copy",
        r#"const rule = #{ from: "ad/user", to: "metaverse/person", precedence: 9, copy: ["departmnt"] };"#,
    ),
    ("target attribute misspelled", "OUT fn flow(person) { #{ dispayName: person.displayName } }"),
    ("target attribute that is read-only", "OUT fn flow(person) { #{ createdDateTime: person.title } }"),
    ("metaverse attribute that nobody writes", "OUT fn flow(person) { #{ jobTitle: person.jobTitle } }"),
    ("metaverse attribute misspelled in a join of another rule", "OUT fn join(person) { [ #{ mial: person.mail } ] }"),
    ("function misspelled", "fn flow(user) { #{ mail: lowercase(user.mail) } }"),
    ("function of another language", "fn flow(user) { #{ mail: user.mail.toLowerCase() } }"),
    ("function of Rhai that changes in place", "fn flow(user) { #{ mail: user.mail.make_lower() } }"),
    ("variable misspelled", "fn flow(user) { let given = user.givenName; #{ displayName: givn } }"),
    ("attribute without the object", "fn flow(user) { #{ displayName: displayName } }"),
    ("the object called otherwise", "fn flow(person) { #{ displayName: user.displayName } }"),
    ("a bracket is missing", "fn flow(user) { #{ mail: lower(user.mail } }"),
    ("a comma is missing", "fn flow(user) { #{ mail: user.mail title: user.title } }"),
    ("a colon is missing", "fn flow(user) { #{ mail user.mail } }"),
    ("a brace instead of a map", "fn flow(user) { { mail: user.mail } }"),
    ("the map is not the last thing", "fn flow(user) { let map = #{ mail: user.mail }; map }"),
    ("the map depends on a condition", "fn flow(user) { if user.mail == () { #{} } else { #{ mail: user.mail } } }"),
    ("flow without an answer", "fn flow(user) { let mail = user.mail; }"),
    ("scope without an answer", "fn scope(user) { let staff = user.employeeID != (); }"),
    ("an if without else at the end of scope", "fn scope(user) { if user.mail != () { true } }"),
    ("= instead of ==", r#"fn scope(user) { user.department = "Sales" }"#),
    ("the object is changed", r#"fn flow(user) { user.mail = lower(user.mail); #{ mail: user.mail } }"#),
    ("and instead of &&", "fn scope(user) { user.mail != () and user.sn != () }"),
    ("not instead of !", "fn scope(user) { not user.mail == () }"),
    ("null", "fn scope(user) { user.mail != null }"),
    ("single quotes", "fn scope(user) { user.department == 'Sales' }"),
    ("typographic quotes", "fn scope(user) { user.department == “Sales” }"),
    ("else if as elif", "fn scope(user) { if user.mail == () { false } elif true { true } }"),
    ("a helper that is not private", "fn full(a, b) { a + b }\nfn flow(user) { #{ cn: full(user.sn, user.cn) } }"),
    ("the object passed to a helper", "private fn full(user) { user.sn }\nfn flow(user) { #{ sn: full(user) } }"),
    ("a library that is not there", "fn flow(user) { #{ sn: names::full(user.sn) } }"),
    ("an attribute whose name is computed", "fn flow(user) { let n = 1; #{ a: user[\"extensionAttribute\" + n] } }"),
    ("a name with a hyphen", "fn flow(user) { #{ anchor: user.ms-DS-ConsistencyGuid } }"),
    ("the same attribute twice", "fn flow(user) { #{ mail: user.mail, mail: lower(user.mail) } }"),
    ("too few values", "fn flow(user) { #{ title: left(user.title) } }"),
    ("too many values", "fn flow(user) { #{ title: lower(user.title, 64) } }"),
    ("a method with too many values", "fn flow(user) { #{ title: user.title.trim(\" \") } }"),
    ("keep in a rule into the metaverse", "fn flow(user) { #{ title: user.title ?? keep() } }"),
    ("once in a rule into the metaverse", "fn flow(user) { #{ title: once(user.title) } }"),
    ("source without such a fact", "fn flow(user) { #{ domain: source.domain } }"),
    ("target in a rule into the metaverse", "fn flow(user) { #{ domain: target.initial_domain } }"),
    ("a setting that is not there", "fn flow(user) { #{ company: setting(\"compny\") } }"),
    ("half a text", "fn flow(user) { #{ mail: `${user.sn}@contoso.com` } }"),
    ("a variable that is never used", "fn flow(user) { let mail = lower(user.mail); #{ mail: user.mail } }"),
    ("imported of a value", "fn flow(user) { #{ mail: imported(lower(user.mail)) } }"),
    ("no header", "const rul = #{};\nfn flow(user) { #{ mail: user.mail } }"),
    ("header key misspelled", r#"const rule = #{ from: "ad/user", to: "metaverse/person", precedense: 9 };"#),
    ("precedence as a text", r#"const rule = #{ from: "ad/user", to: "metaverse/person", precedence: "9" };"#),
    (
        "provision in a rule into the metaverse",
        r#"const rule = #{ from: "ad/user", to: "metaverse/person", link: "provision", precedence: 9 };"#,
    ),
    ("a connector that is not there", r#"const rule = #{ from: "add/user", to: "metaverse/person", precedence: 9 };"#),
    ("a type that is not there", r#"const rule = #{ from: "ad/users", to: "metaverse/person", precedence: 9 };"#),
    ("no slash", r#"const rule = #{ from: "ad user", to: "metaverse/person", precedence: 9 };"#),
    (
        "the same precedence",
        r#"const rule = #{ from: "ad/user", to: "metaverse/person", precedence: 50, copy: ["mail"] };"#,
    ),
    (
        "two rules that link everybody",
        r#"const rule = #{ from: "ad/user", to: "metaverse/person", link: "project", precedence: 60 };"#,
    ),
    (
        "a list for one value",
        r#"const rule = #{ from: "metaverse/person", to: "entra/user", precedence: 9, copy: [#{ mail: "otherMailbox" }] };"#,
    ),
    ("a list for one value, by a flow", "OUT fn flow(person) { #{ mail: person.otherMailbox } }"),
    (
        "a list for one value, changed on the way",
        r#"OUT fn flow(person) { let mails = lower(person.otherMailbox); #{ mail: if person.title == () { () } else { mails } } }"#,
    ),
    ("a list for one value, made here", r#"OUT fn flow(person) { #{ mail: split(person.title, ",") } }"#),
    (
        "contacts in Entra ID",
        r#"const rule = #{ from: "metaverse/person", to: "entra/contact", link: "provision", precedence: 9, copy: ["mail"] };"#,
    ),
    (
        "a distribution list in Entra ID",
        r#"const rule = #{ from: "metaverse/group", to: "entra/group", link: "provision", precedence: 9 };
fn flow(group) { #{ mailEnabled: once(true), securityEnabled: false } }"#,
    ),
    (
        "groups that shall be disabled",
        r#"const rule = #{ from: "metaverse/group", to: "entra/group", link: "provision", precedence: 9, deprovision: "disable" };"#,
    ),
    (
        "days before a deletion that never comes",
        r#"const rule = #{ from: "metaverse/person", to: "entra/user", link: "provision", precedence: 9, delete_after: 30 };"#,
    ),
    ("a text for a flag", "OUT fn flow(person) { #{ accountEnabled: person.title } }"),
    ("a test for a text", "OUT fn flow(person) { #{ jobTitle: is_present(person.title) } }"),
    ("a flag from a text", "OUT fn flow(person) { #{ accountEnabled: \"true\" } }"),
    ("a switch that never fits", r#"fn flow(user) { #{ c: switch lower(user.co) { "Germany" => "DE", _ => () } } }"#),
    ("a number compared with a text", r#"fn scope(user) { user.userAccountControl == "512" }"#),
    (
        "a switch that compares to the letter",
        r#"fn flow(user) { #{ c: switch user.co { "Germany" => "DE", _ => () } } }"#,
    ),
    ("a value compared with itself", "fn scope(user) { user.title == user.title }"),
    ("one ampersand between conditions", "fn scope(user) { (user.mail != ()) & (user.title != ()) }"),
    ("scope that ends in a text", r#"fn scope(user) { "yes" }"#),
    ("join that ends in a map", "fn join(user) { #{ mail: user.mail } }"),
    ("join that ends in nothing to join on", "fn join(user) { [] }"),
    (
        "a helper called with too few values",
        "fn flow(user) { #{ title: both(user.title) } } private fn both(a, b) { a ?? b }",
    ),
    ("a variable outside of every function", r#"let c = "x"; fn flow(user) { #{ title: user.title } }"#),
    ("an import", r#"import "names" as names; fn flow(user) { #{ title: user.title } }"#),
    (
        "keep in a helper of an inbound rule",
        "fn flow(user) { #{ title: f(user.title) } } private fn f(a) { a ?? keep() }",
    ),
    (
        "deprovision in an inbound rule",
        r#"const rule = #{ from: "ad/user", to: "metaverse/person", precedence: 9, deprovision: "delete", copy: ["title"] };"#,
    ),
    ("function of Entra Connect misspelled", "fn flow(user) { #{ title: entra::Mdi(user.title, 1, 2) } }"),
    ("function of Entra Connect with too few values", "fn flow(user) { #{ title: entra::Left(user.title) } }"),
    (
        "constant of Entra Connect misspelled",
        r#"fn flow(user) { #{ n: entra::InStr(user.title, "a", 1, entra::vbTextCompar) } }"#,
    ),
    ("a lookup table that is not there", r#"fn flow(user) { #{ country: lookup("countries", user.co) } }"#),
    (
        "a unique name that is kept in a variable",
        "fn flow(user) { let n = unique(user.sn, user.cn); #{ accountName: n } }",
    ),
    ("a return without an answer", "fn scope(user) { if user.mail == () { return; } true }"),
    (
        "a helper that ends without an answer",
        "private fn full(a, b) { let c = a + b; }\nfn flow(user) { #{ cn: full(user.sn, user.cn) } }",
    ),
    ("a password in every run", "OUT fn flow(person) { #{ \"passwordProfile.password\": password(24) } }"),
    ("a password that somebody wrote", "OUT fn flow(person) { #{ \"passwordProfile.password\": \"Welcome1!\" } }"),
    ("a password into the metaverse", "fn flow(user) { #{ password: once(password(24)) } }"),
    (
        "a switch without a default in scope",
        r#"fn scope(user) { switch lower(user.employeeType) { "staff" => true, "guest" => false } }"#,
    ),
    (
        "an if without else inside scope",
        "fn scope(user) { user.mail != () && if user.title == () { false } else if user.sn != () { true } }",
    ),
    ("a flag of a text", "fn scope(user) { !has_flag(user.title, 2) }"),
    ("a flag of a text of the metaverse", "OUT fn scope(person) { entra::IsBitSet(person.title, 2) }"),
    ("a flag in quotes", r#"fn scope(user) { !has_flag(user.userAccountControl, "2") }"#),
];

fn findings(rule: &str) -> Vec<Diagnostic> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("rules")).unwrap();
    let text = match rule.strip_prefix(OUT) {
        Some(rest) => {
            format!("const rule = #{{ from: \"metaverse/person\", to: \"entra/user\", precedence: 9 }};\n{rest}\n")
        }
        None if rule.starts_with("const ") => format!("{rule}\n"),
        None => format!("const rule = #{{ from: \"ad/user\", to: \"metaverse/person\", precedence: 9 }};\n{rule}\n"),
    };
    fs::write(folder.path().join("rules/rule.rhai"), text).unwrap();
    fs::write(folder.path().join("rules/in.rhai"), IN).unwrap();
    let config = Config::parse(SourceText { path: folder.path().join("syncline.toml"), text: CONFIG.into() }).unwrap();
    match compile_rules(&config, &syncline::cli::shipped_schemas(&config)) {
        Ok((_, found)) | Err(RunError::Rules(found)) => found,
        Err(other) => unreachable!("{other}"),
    }
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    let mut text = String::new();
    let mut found = 0;
    for (number, (what, rule)) in MISTAKES.iter().enumerate() {
        let findings = findings(rule);
        found += usize::from(!findings.is_empty());
        text += &format!("{}. {what}\n", number + 1);
        if findings.is_empty() {
            text += "NOT FOUND before it runs\n";
        }
        for finding in findings {
            let rendered = finding.render(false);
            let lines: Vec<String> = rendered
                .lines()
                .map(|line| match line.find("/rules/") {
                    Some(at) => format!(" --> {}", &line[at + 1..]),
                    None => line.trim_end().to_owned(),
                })
                .collect();
            text += &(lines.join("\n") + "\n");
        }
        text += "\n";
    }
    text += &format!("{found} of {} are found before anything runs.\n", MISTAKES.len());
    expect_file!["transcripts/mistakes.txt"].assert_eq(&text);
}

/// What is right and looks like one of the mistakes.
const RIGHT: [&str; 15] = [
    r#"fn flow(user) { #{ mail: first(filter(user.proxyAddresses, |a| starts_with(a, "smtp:"))) } }"#,
    r#"fn flow(user) { let kind = "smtp:"; #{ mail: first(filter(user.proxyAddresses, |a| starts_with(a, kind))) } }"#,
    r#"fn scope(user) { user.title.starts_with("x") == true }"#,
    "fn scope(user) { user.title.length() > 3 }",
    "fn scope(user) { has_flag(user.userAccountControl, 2) == false }",
    "fn scope(user) { user.userAccountControl == 512 }",
    r#"fn flow(user) { #{ c: switch lower(user.co) { /* "Germany" => */ "germany" => "DE", _ => () } } }"#,
    r#"fn flow(user) { #{ mail: if user.sn == () { () } else { `${user.sn}@x` } } }"#,
    r#"fn scope(user) { if user.mail == () { return false; } user.sn != () }"#,
    "fn scope(user) { let known = user.mail; known != () }",
    r#"fn scope(user) { switch user.title == "x" { true => false, false => true } }"#,
    r#"fn scope(user) { if user.title == () { if user.mail == () { return false; } } user.sn != () }"#,
    "fn scope(user) { has_flag(to_integer(user.extensionAttribute1), 2) }",
    r#"private fn both(a, b) { words([a, b]) } fn flow(user) { #{ cn: both(user.sn, user.givenName) } }"#,
    r#"fn flow(user) { let found = (); for a in user.proxyAddresses ?? [] { if starts_with(a, "x") { found = a; } } #{ cn: found } }"#,
];

#[test]
fn what_is_right_is_not_refused() {
    for rule in RIGHT {
        let found: Vec<String> = findings(rule).iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "{rule}\n{}", found.join("\n"));
    }
}
