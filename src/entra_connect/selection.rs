//! The attributes that a connector of Entra Connect imported, beside those that converted rules read.

use std::collections::{BTreeMap, BTreeSet};

use super::convert::{Conversion, State};
use super::export::Connector;
use crate::diagnostic::SourceText;
use crate::rules::RuleSet;

/// So long is a line of a comment.
const WIDTH: usize = 120;

/// What is always read, whatever rules say: the anchor, the class and the name.
const ALWAYS: [&str; 3] = ["objectguid", "objectclass", "dn"];

/// A comment that says what was selected there and is not read here. Nothing where the export does not say what was
/// selected, or where rules do not compile.
pub(super) fn comment(connector: &Connector, conversion: &Conversion, name: &str, types: &[String]) -> String {
    if connector.selected.is_empty() {
        return String::new();
    }
    read(conversion, name, types).map_or_else(String::new, |read| written(&connector.selected, &read))
}

/// Attributes that the rules which run read of a connector, in small letters.
fn read(conversion: &Conversion, name: &str, types: &[String]) -> Option<BTreeSet<String>> {
    let on = conversion.rules.iter().filter(|rule| rule.state == State::On).map(|rule| (&rule.file, &rule.text));
    let added = conversion.added.iter().map(|rule| (&rule.file, &rule.text));
    let files =
        on.chain(added).map(|(file, text)| SourceText { path: format!("{file}.rhai").into(), text: text.clone() });
    let settings: BTreeMap<String, String> = conversion
        .settings
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().unwrap_or_else(|| "CHANGE".to_owned())))
        .collect();
    let (rules, _) = RuleSet::compile(files.collect(), settings).ok()?;
    let read = types.iter().flat_map(|kind| rules.reads(name, kind));
    Some(read.map(|name| name.to_string().to_lowercase()).filter(|name| !ALWAYS.contains(&name.as_str())).collect())
}

/// How many attributes are read, and which of those that were selected are not; in the order of the alphabet.
fn written(selected: &[String], read: &BTreeSet<String>) -> String {
    let selected: BTreeMap<String, &str> =
        selected.iter().map(|name| (name.trim().to_lowercase(), name.trim())).collect();
    let unread = |(lower, _): &(&String, &&str)| !read.contains(*lower) && !ALWAYS.contains(&lower.as_str());
    let unread: Vec<&str> = selected.iter().filter(unread).map(|(_, name)| *name).collect();
    let count = read.len();
    if unread.is_empty() {
        return format!("# Attributes: what rules read ({count}); all that was selected there is among them.\n");
    }
    let mut words = vec![format!("Attributes: what rules read ({count}). Selected there and read by no rule:")];
    let last = unread.len() - 1;
    words.extend(
        unread.iter().enumerate().map(|(index, name)| format!("{name}{}", if index < last { "," } else { "." })),
    );
    wrapped(&words)
}

/// Lines of a comment, broken between words.
fn wrapped(words: &[String]) -> String {
    let mut text = String::new();
    let mut line = String::from("#");
    for word in words {
        if line.chars().count() + 1 + word.chars().count() > WIDTH && line.len() > 1 {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(&super::written::one_line(word));
    }
    text.push_str(&line);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_no_rule_reads_is_named_in_the_order_of_the_alphabet() {
        let read = names(&["mail", "sn"]).into_iter().collect();
        let selected = names(&["Pager", "mail", "objectGUID", "info", "SN"]);
        let said = "# Attributes: what rules read (2). Selected there and read by no rule: info, Pager.\n";
        assert_eq!(written(&selected, &read), said);
        let said = "# Attributes: what rules read (2); all that was selected there is among them.\n";
        assert_eq!(written(&names(&["Mail"]), &read), said);
    }

    #[test]
    fn long_lists_are_wrapped() {
        let many: Vec<String> = (0..60).map(|number| format!("attribute{number:02}")).collect();
        let text = written(&many, &BTreeSet::new());
        assert!(text.lines().count() > 5 && text.ends_with("attribute59.\n"), "{text}");
        assert!(text.lines().all(|line| line.starts_with("# ") && line.chars().count() <= WIDTH), "{text}");
    }
}
