//! Whether a log is whole: every line as it was written and where it was, every signature in it right.

use serde::Serialize;

use super::super::RunError;
use super::super::approval::statement::{Doubt, Signed};
use super::{Line, Log, NONE, bare, lines, mark, with_hash};
use crate::config::Approval;

/// How a log stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// How many lines.
    pub lines: usize,
    /// How many signatures in them are right.
    pub signatures: usize,
    /// Signatures of keys that the configuration does not know, or no longer.
    pub unknown: Vec<String>,
    /// What is wrong.
    pub broken: Vec<String>,
    /// The hash of the last line: noted elsewhere, it proves later that nothing before it has changed.
    pub head: Option<String>,
}

impl Verdict {
    fn prove(&mut self, line: &Line, approval: Option<&Approval>) {
        for signature in &line.signatures {
            let read = match approval {
                Some(approval) => Signed::read(approval, signature, None),
                None => Err(Doubt::Stranger("unknown".into())),
            };
            match read {
                Ok(signed) if Some(&signed.statement.sha256) == line.sha256.as_ref() => self.signatures += 1,
                Ok(_) => self.broken.push(format!("line {} has a signature of something else", line.line)),
                Err(doubt @ Doubt::Stranger(_)) => {
                    self.unknown.push(format!("line {}: a signature {doubt}", line.line));
                }
                Err(doubt) => self.broken.push(format!("line {}: a signature {doubt}", line.line)),
            }
        }
    }
}

impl Log {
    /// Whether the chain of lines is whole, and every signature is right. `head` is the hash of a line that was the last one
    /// when the log was looked at before.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn verify(&self, approval: Option<&Approval>, head: Option<&str>) -> Result<Verdict, RunError> {
        let text = self.text()?;
        let mut verdict = Verdict::default();
        let (mut before, mut last) = (NONE.to_owned(), 0);
        let mut known = head.is_none();
        for (at, text) in lines(&text).into_iter().enumerate() {
            let number = at + 1;
            verdict.lines = number;
            match serde_json::from_slice::<Line>(text) {
                Ok(line) => {
                    if with_hash(&bare(&line)) != text {
                        verdict.broken.push(format!("line {number} is not as it was written"));
                    } else if line.line != last + 1 || line.before != before {
                        verdict.broken.push(format!("line {number} does not follow the line before it"));
                    } else {
                        verdict.prove(&line, approval);
                    }
                    last = line.line;
                }
                Err(_) => {
                    verdict.broken.push(format!("line {number} is no line of this log"));
                    last += 1;
                }
            }
            before = mark(text);
            known |= head == Some(before.as_str());
        }
        if !known {
            verdict.broken.push("no line has the hash that was noted: lines were changed or taken out since".into());
        }
        verdict.head = (verdict.lines > 0).then_some(before);
        Ok(verdict)
    }
}
