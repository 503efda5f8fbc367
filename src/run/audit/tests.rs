//! A log that somebody touches, and one that two write to.

use super::*;
use crate::config::{Approval, Config};
use crate::diagnostic::SourceText;
use crate::run::approval::statement::{Says, Statement};
use crate::signature::{SecretKey, new_pair};

fn who() -> Who {
    Who { name: "anna".into(), account: "anna".into() }
}

fn entry(subject: &str) -> Entry {
    Entry { deed: Deed::GoLive, subject: subject.into(), sha256: None, signatures: Vec::new() }
}

/// A log of two deeds.
fn log() -> (tempfile::TempDir, Log) {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::beside(folder.path());
    log.begin(who(), entry("entra")).unwrap().end(Outcome::Done, None).unwrap();
    log.refused(&who(), &entry("ldap"), "no").unwrap();
    (folder, log)
}

fn broken(log: &Log) -> Vec<String> {
    log.verify(None, None).unwrap().broken
}

#[test]
fn every_byte_that_changes_shows() {
    let (_folder, log) = log();
    assert_eq!(broken(&log), Vec::<String>::new());
    let whole = std::fs::read(log.path()).unwrap();
    // But for the end of the last line, which takes nothing away.
    for at in 0..whole.len() - 1 {
        for other in [b'0', b'\n'].into_iter().filter(|other| *other != whole[at]) {
            let mut touched = whole.clone();
            touched[at] = other;
            std::fs::write(log.path(), &touched).unwrap();
            assert!(!broken(&log).is_empty(), "byte {at}: {}", String::from_utf8_lossy(&touched));
        }
    }
}

#[test]
fn lines_that_are_taken_out_put_in_or_moved_show() {
    let (_folder, log) = log();
    let text = std::fs::read_to_string(log.path()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for order in [&[1, 2][..], &[0, 2], &[0, 2, 1], &[0, 0, 1, 2], &[0, 1, 2, 2], &[2]] {
        let touched: String = order.iter().map(|at| lines[*at].to_owned() + "\n").collect();
        std::fs::write(log.path(), touched).unwrap();
        assert!(!broken(&log).is_empty(), "{order:?}");
    }
    // The last ones are missed by who noted the last hash, and only by them.
    std::fs::write(log.path(), &text).unwrap();
    let head = log.verify(None, None).unwrap().head.unwrap();
    log.refused(&who(), &entry("more"), "no").unwrap();
    assert_eq!(log.verify(None, Some(&head)).unwrap().broken, Vec::<String>::new());
    std::fs::write(log.path(), lines[..2].join("\n") + "\n").unwrap();
    assert_eq!(broken(&log), Vec::<String>::new());
    assert_eq!(log.verify(None, Some(&head)).unwrap().broken.len(), 1);
}

#[test]
fn a_line_that_was_cut_off_stays_and_the_log_goes_on() {
    let (_folder, log) = log();
    let text = std::fs::read_to_string(log.path()).unwrap();
    std::fs::write(log.path(), &text[..text.len() - 20]).unwrap();
    log.refused(&who(), &entry("more"), "no").unwrap();
    assert_eq!(broken(&log), ["line 3 is no line of this log"]);
    assert_eq!(log.read().unwrap().last().unwrap().subject, "more");
}

#[test]
fn many_may_write_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::beside(folder.path());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| log.refused(&who(), &entry("x"), "no").unwrap()));
        }
    });
    let verdict = log.verify(None, None).unwrap();
    assert_eq!((verdict.lines, verdict.broken), (40, Vec::new()));
}

fn approval(key: &str) -> Approval {
    let text = format!("[connector.ad]\nkind = \"ldif\"\nfile = \"x\"\n[approval]\npeople = {{ anna = \"{key}\" }}\n");
    Config::parse(SourceText { path: "syncline.toml".into(), text }).unwrap().approval.unwrap()
}

/// A log that was written anew has whole lines, and no signatures of others.
#[test]
fn signatures_are_proved_without_the_file_that_they_are_about() {
    let ((public, secret), (other, _)) = (new_pair("anna", None).unwrap(), new_pair("other", None).unwrap());
    let (known, unknown) = (approval(public.as_str()), approval(other.as_str()));
    let statement = Statement::now(Says::Approved, "anna", b"plan", None);
    let signature = statement.sign(&SecretKey::read(&secret, None).unwrap(), b"plan").unwrap();
    let line = |sha256: &str, signature: &str| {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::beside(folder.path());
        let entry =
            Entry { sha256: Some(sha256.to_owned()), signatures: vec![signature.to_owned()], ..entry("friday.plan") };
        log.refused(&who(), &entry, "no").unwrap();
        let verdict = |approval| log.verify(Some(approval), None).unwrap();
        let (known, unknown) = (verdict(&known), verdict(&unknown));
        assert_eq!((unknown.signatures, unknown.unknown.len(), unknown.broken.len()), (0, 1, 0));
        (known.signatures, known.broken.len())
    };
    assert_eq!(line(&sha256(b"plan"), &signature), (1, 0));
    assert_eq!(line(&sha256(b"plam"), &signature), (0, 1));
    assert_eq!(line(&sha256(b"plan"), &signature.replace("approved", "rejected")), (0, 1));
}
