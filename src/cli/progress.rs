//! Progress for people: a bar with rate and time left on a terminal, plain lines otherwise.

use std::cell::RefCell;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use super::output::say;
use crate::run::Progress;

/// Draws on stderr.
pub(super) struct Terminal {
    bar: RefCell<Option<ProgressBar>>,
    visible: bool,
}

impl Terminal {
    pub(super) fn new() -> Terminal {
        Terminal { bar: RefCell::new(None), visible: std::io::stderr().is_terminal() }
    }

    fn clear(&self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }
}

const KNOWN: &str = "{msg:<18} {bar:24} {human_pos}/{human_len}  {per_sec}  {eta} left";
const UNKNOWN: &str = "{msg:<18} {spinner} {human_pos}  {per_sec}";

impl Progress for Terminal {
    fn begin(&self, step: &str, what: &str, total: Option<u64>) {
        self.clear();
        if !self.visible {
            return;
        }
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = if total.is_some() { KNOWN } else { UNKNOWN };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(format!("{step:<8}  {what}"));
        *self.bar.borrow_mut() = Some(bar);
    }

    fn advance(&self, done: u64, total: Option<u64>) {
        if let Some(bar) = self.bar.borrow().as_ref() {
            if let Some(total) = total.filter(|total| bar.length() != Some(*total)) {
                bar.set_length(total);
                if let Ok(style) = ProgressStyle::with_template(KNOWN) {
                    bar.set_style(style);
                }
            }
            bar.set_position(done);
        }
    }

    fn end(&self, line: &str) {
        self.clear();
        say(line);
    }

    fn asks(&self, question: &str) -> bool {
        if !self.visible || !std::io::stdin().is_terminal() {
            return true;
        }
        self.clear();
        anstream::eprint!("{question} [y/N] ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }

    fn say(&self, line: &str) {
        self.clear();
        say(line);
    }
}
