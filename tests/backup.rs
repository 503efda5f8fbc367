//! Backups of a whole deployment with the built program: what people see, and that a state which was restored goes on as if
//! nothing had happened. What is in the file, and what is refused, is tested beside the code.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use expect_test::expect_file;

#[path = "common/deployment.rs"]
mod deployment;
use deployment::{Deployment, IN_USER, OUT_USER, person};

/// Sizes, digests of files and times differ from run to run.
fn steady(transcript: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_end_matches([',', ':']);
        let day = bare.strip_prefix("DIR/state.before-").map(|_| "DIR/state.before-…");
        let day = day.or_else(|| (bare.contains("T") && bare.ends_with('Z')).then_some("…"));
        day.map_or_else(|| word.to_owned(), |day| format!("{day}{}", &word[bare.len()..]))
    };
    let line = |line: &str| {
        let mut words: Vec<String> = line.split(' ').map(word).collect();
        for at in 1..words.len() {
            if words[at] == "bytes" {
                words[at - 1] = "…".into();
            }
        }
        let mut line = words.join(" ");
        if let Some((what, _)) = line.split_once(" → ") {
            line = format!("{} …", what.rsplit_once(' ').unwrap().0.rsplit_once(' ').unwrap().0);
        }
        let field =
            ["\"bytes\":", "\"made_at\":", "\"sha256\":", "\"before\":"].into_iter().find(|name| line.contains(name));
        field.map_or(line.clone(), |name| format!("{}{name} …", line.split(name).next().unwrap()))
    };
    transcript.lines().map(|text| line(text) + "\n").collect()
}

#[test]
fn a_state_that_was_restored_goes_on() {
    let deployment = Deployment::new();
    let mut transcript = vec![deployment.run("backup early.backup"), deployment.run("compact")];
    deployment.run("run");
    transcript.push(deployment.run("backup one.backup"));
    transcript.push(deployment.run("backup one.backup"));
    transcript.push(deployment.run("backup --verify one.backup --format json"));
    deployment.run("decisions export before.jsonl");
    // The store is lost, and somebody has begun a new one.
    fs::rename(deployment.path("state/store"), deployment.path("lost")).unwrap();
    deployment.run("show");
    transcript.push(deployment.run("restore one.backup"));
    transcript.push(deployment.run("restore one.backup --replace --as ada"));
    transcript.push(deployment.run("compact"));
    let compacted = deployment.run("compact --format json");
    assert!(compacted.contains("\"keys\": ") && compacted.ends_with("exit 0\n"), "{compacted}");
    transcript.push(deployment.run("run"));
    deployment.run("decisions export after.jsonl");
    let text = |name: &str| fs::read_to_string(deployment.path(name)).unwrap();
    assert_eq!(text("before.jsonl"), text("after.jsonl"));
    transcript.push(deployment.run("audit"));
    transcript.push(deployment.run("audit --verify"));
    transcript.push(deployment.run("show runs"));
    expect_file!["transcripts/backup.txt"].assert_eq(&steady(&transcript.join("\n")));
}

#[test]
fn a_file_that_is_no_backup_is_refused_with_a_way_on() {
    let deployment = Deployment::new();
    deployment.run("run");
    deployment.run("backup one.backup");
    let whole = fs::read(deployment.path("one.backup")).unwrap();
    fs::write(deployment.path("half.backup"), &whole[..whole.len() / 2]).unwrap();
    let transcript = [
        "backup --verify half.backup",
        "restore half.backup --replace",
        "restore half.backup --replace --format json",
        "restore people.ldif --replace",
        "restore nowhere.backup --replace",
        "backup state/one.backup",
        "run",
    ];
    let transcript = transcript.map(|arguments| deployment.run(arguments));
    expect_file!["transcripts/backup-refused.txt"].assert_eq(&steady(&transcript.join("\n")));
}

/// All that a backup holds, unpacked, as one text.
fn unpacked(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let begins = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut child = Command::new("gunzip")
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    let packed = bytes[begins..bytes.len() - 32].to_vec();
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut to, &packed).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn what_is_in_it_can_be_read_elsewhere_and_no_secret_is() {
    let deployment = Deployment::new();
    let one = person(1).replace("displayName: Person 1", "displayName: Person One\nunicodePwd:: aHVudGVyMg==");
    deployment.write("people.ldif", &format!("version: 1\n\n{one}"));
    deployment.write(
        "rules/out-user.rhai",
        &OUT_USER
            .replace("accountEnabled:", "\"passwordProfile.password\": once(password(20)),\n        accountEnabled:"),
    );
    deployment.run("run");
    deployment.run("backup one.backup");
    let text = unpacked(&deployment.path("one.backup"));
    let holds = |what: &str| text.windows(what.len()).any(|window| window == what.as_bytes());
    assert!(holds("Person One"));
    assert!(holds(IN_USER.lines().next().unwrap()));
    for secret in ["emulator-secret", "hunter2", "PRIVATE KEY"] {
        assert!(!holds(secret), "{secret}");
    }
}
