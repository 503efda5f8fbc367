//! A small deployment in a folder of its own: people in a file, one rule in, one rule out, the built-in emulator.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

pub(crate) const CONFIG: &str = r#"
[connector.ad]
kind = "ldif"
file = "people.ldif"
schema = "active-directory"
objects = ["user"]

[connector.entra]
kind = "entra"
tenant = "contoso.onmicrosoft.com"
emulator = true

[limits]
deletes = 2
"#;

pub(crate) const IN_USER: &str = r#"//! In: people.

const rule = #{ from: "ad/user", to: "metaverse/person", link: "project", precedence: 100, trim: ["displayName"] };

fn scope(user) { user.department != "Hidden" }

fn join(user) { [ #{ sourceAnchor: exact(base64(user.objectGUID)) } ] }

fn flow(user) {
    #{
        sourceAnchor: base64(user.objectGUID),
        account:      lower(user.sAMAccountName),
    }
}
"#;

pub(crate) const OUT_USER: &str = r#"//! Out: people.

const rule = #{ from: "metaverse/person", to: "entra/user", link: "provision", precedence: 100, copy: ["displayName"] };

fn join(person) { [ #{ onPremisesImmutableId: exact(person.sourceAnchor) } ] }

fn flow(person) {
    #{
        onPremisesImmutableId: person.sourceAnchor,
        userPrincipalName:     person.account + "@contoso.com",
        mailNickname:          person.account,
        accountEnabled:        true,
    }
}
"#;

/// A folder with a whole small deployment.
pub(crate) struct Deployment {
    folder: tempfile::TempDir,
}

impl Deployment {
    pub(crate) fn new() -> Deployment {
        let deployment = Deployment { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(deployment.path("rules")).unwrap();
        deployment.write("syncline.toml", CONFIG);
        deployment.write("rules/in-user.rhai", IN_USER);
        deployment.write("rules/out-user.rhai", OUT_USER);
        deployment.people(0..4);
        deployment
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn people(&self, numbers: impl Iterator<Item = u8>) {
        let entries: Vec<String> = numbers.map(person).collect();
        self.write("people.ldif", &format!("version: 1\n\n{}", entries.join("\n")));
    }

    /// Runs the program in the folder; gives everything that it says, without what differs from run to run.
    pub(crate) fn run(&self, arguments: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_syncline"))
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .env_clear()
            .output()
            .unwrap();
        let text = |bytes: &[u8]| self.steady(&String::from_utf8_lossy(bytes));
        let code = output.status.code().unwrap();
        format!(
            "$ syncline {arguments}\n{}{}exit {code}\n",
            marked("out", &text(&output.stdout)),
            marked("err", &text(&output.stderr)),
        )
    }

    /// What a command said, without what differs from run to run.
    pub(crate) fn steady(&self, text: &str) -> String {
        let place = fs::canonicalize(self.folder.path()).unwrap();
        let text = text.replace(&place.display().to_string(), "DIR");
        let text = text.replace(&self.folder.path().display().to_string(), "DIR");
        text.lines().map(|line| steady_line(line) + "\n").collect()
    }
}

/// Times, dates and fingerprints become dots; in lines with times, the blanks that line them up become one.
fn steady_line(line: &str) -> String {
    if let Some((before, after)) = line.split_once("client-request-id ") {
        return format!("{before}client-request-id …{}", after.get(36..).unwrap_or_default());
    }
    let timed = ["import ", "sync ", "export ", "done in "].iter().any(|start| line.starts_with(start));
    let words: Vec<&str> = if timed { line.split_whitespace().collect() } else { line.split(' ').collect() };
    let steady = |(at, word): (usize, &&str)| {
        let bare = word.trim_end_matches([')', ',', '.']);
        let unit = words.get(at + 1).map(|unit| unit.trim_end_matches([',', '.']));
        let time = (timed || at + 2 == words.len())
            && bare.parse::<f64>().is_ok()
            && unit.is_some_and(|unit| ["ms", "s", "min"].contains(&unit));
        let off = unit == Some("seconds");
        let inner = bare.trim_matches('"');
        let fingerprint = inner.len() >= 8 && inner.bytes().all(|byte| byte.is_ascii_hexdigit());
        let day = bare.len() == 10 && bare.bytes().filter(|byte| *byte == b'-').count() == 2 && bare.starts_with("20");
        let digits = bare.bytes().filter(u8::is_ascii_digit).count();
        let hour = matches!((bare.len(), digits), (5, 4) | (8, 6)) && bare.find(':') == Some(2);
        if bare.starts_with("http://127.0.0.1:") {
            return "http://127.0.0.1:…".to_owned();
        }
        if time || off || fingerprint || day || hour {
            format!("…{}", &word[bare.len()..])
        } else {
            (*word).to_owned()
        }
    };
    words.iter().enumerate().map(steady).collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

fn marked(mark: &str, text: &str) -> String {
    text.lines().map(|line| format!("{mark}| {line}").trim_end().to_owned() + "\n").collect()
}

pub(crate) fn person(number: u8) -> String {
    // 16 bytes as base64: 22 letters and two equal signs.
    let letter = char::from(b'A' + number);
    format!(
        "dn: CN=Person {number},DC=contoso,DC=test\nobjectClass: user\nobjectGUID:: {letter}AAAAAAAAAAAAAAAAAAAAA==\n\
         sAMAccountName: person{number}\ndisplayName: Person {number}\n"
    )
}
