//! Manual pages and completions with the built program.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::fs;
use std::process::Command;

use expect_test::expect_file;

#[path = "common/deployment.rs"]
mod deployment;
use deployment::Deployment;

/// The first lines of a transcript that goes on.
fn beginning(transcript: &str, lines: usize) -> String {
    transcript.lines().take(lines).map(|line| format!("{line}\n")).collect::<String>() + "…\n"
}

#[test]
fn pages_and_completions_need_no_configuration() {
    let deployment = Deployment::new();
    fs::remove_file(deployment.path("syncline.toml")).unwrap();
    let transcript = [
        beginning(&deployment.run("man"), 12),
        deployment.run("man --out pages"),
        deployment.run("man --out people.ldif"),
        beginning(&deployment.run("completions bash"), 4),
        deployment.run("completions csh"),
    ];
    expect_file!["transcripts/manual.txt"].assert_eq(&transcript.join("\n"));
    let page = fs::read_to_string(deployment.path("pages/syncline-backup.1")).unwrap();
    expect_file!["transcripts/syncline-backup.1"].assert_eq(&page);
}

#[test]
fn a_page_renders_without_a_warning() {
    let deployment = Deployment::new();
    deployment.run("man --out pages");
    for page in fs::read_dir(deployment.path("pages")).unwrap() {
        let path = page.unwrap().path();
        let mut groff = Command::new("groff");
        let Ok(output) = groff.args(["-man", "-Tutf8", "-Kutf8", "-ww", "-z"]).arg(&path).output() else {
            return; // No groff here: what pages consist of is tested beside the code.
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{}: {said}", path.display());
    }
}
