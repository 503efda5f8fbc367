//! One rule of Entra Connect as a rule of Syncline: its header, its scope, its join criteria and its flows, as text.

use super::code::Code;
use super::emit::{Scene, is_word, quoted};
use super::flow::{Converted, Piece};
use super::scope::{Key, join_body};
use crate::entra_connect::export::{Direction, Link, Rule};
use crate::entra_connect::written::one_line;

/// The longest line of a comment.
const WIDTH: usize = 110;

/// What the text of a rule is made of.
pub(super) struct Parts<'a> {
    pub(super) rule: &'a Rule,
    /// `ad/user`
    pub(super) from: String,
    pub(super) to: String,
    pub(super) precedence: i64,
    pub(super) scene: &'a Scene<'a>,
    /// A condition, and comments above it.
    pub(super) scope: Option<Code>,
    /// Comments for the scope.
    pub(super) scope_comments: Vec<String>,
    pub(super) joins: Vec<Vec<Key>>,
    pub(super) flows: &'a [Converted],
    /// Added flows: comment, name, code.
    pub(super) added: Vec<(String, String, Code)>,
}

/// The whole text of a file.
pub(super) fn text(parts: &Parts<'_>) -> String {
    let mut text = heading(parts);
    text += &header(parts);
    if let Some(scope) = &parts.scope {
        let comments: String = parts.scope_comments.iter().map(|comment| format!("/// {comment}\n")).collect();
        text += &format!("\n{comments}fn scope({}) {{\n    {}\n}}\n", parts.scene.object, scope.layout(4, 0));
    }
    if !parts.joins.is_empty() {
        text += &format!("\nfn join({}) {{\n{}}}\n", parts.scene.object, join_body(&parts.joins));
    }
    text + flows(parts).as_str()
}

fn heading(parts: &Parts<'_>) -> String {
    let rule = parts.rule;
    let mut text = format!("//! {}\n//!\n", one_line(&rule.name));
    if !rule.description.trim().is_empty() {
        for line in wrapped(&one_line(&rule.description), WIDTH - 4) {
            text += &format!("//! {line}\n");
        }
        text += "//!\n";
    }
    let what =
        rule.tag.as_deref().map_or_else(|| "a rule of your own".to_owned(), |tag| format!("`{}`", one_line(tag)));
    text += &format!("//! Converted from Entra Connect: {what}, precedence {}.\n", rule.precedence);
    let mut why: Vec<(&str, Vec<&str>)> = Vec::new();
    for flow in parts.flows {
        let Piece::NotWritten(reason) = &flow.piece else { continue };
        match why.iter_mut().find(|(known, _)| known == reason) {
            Some((_, names)) => names.push(&flow.to),
            None => why.push((reason, vec![&flow.to])),
        }
    }
    if !why.is_empty() {
        text += "//!\n//! Not written:\n";
    }
    for (reason, mut names) in why {
        names.sort_unstable();
        for (at, line) in wrapped(&one_line(&format!("{}: {reason}.", names.join(", "))), WIDTH - 8).iter().enumerate()
        {
            text += &format!("//! {} {line}\n", if at == 0 { "-" } else { " " });
        }
    }
    text + "\n"
}

/// Lines of at most so many characters, broken at blanks; long words are broken behind commas.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let words = text.split(' ').flat_map(|word| {
        let long = word.chars().count() > width;
        let parts: Vec<&str> = if long { word.split_inclusive(',').collect() } else { vec![word] };
        // What was one word stays one, but for the line end.
        gathered(parts, width)
    });
    for word in words {
        let word = word.as_str();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Parts of a word, put together again as far as they fit.
fn gathered(parts: Vec<&str>, width: usize) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in parts {
        match words.last_mut() {
            Some(word) if word.chars().count() + part.chars().count() <= width => word.push_str(part),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

fn header(parts: &Parts<'_>) -> String {
    let rule = parts.rule;
    let mut lines = vec![format!("from: {}", quoted(&parts.from)), format!("to: {}", quoted(&parts.to))];
    let joins = !parts.joins.is_empty();
    let link = match (rule.direction, rule.link) {
        (Direction::Inbound, Link::Provision) => Some("project"),
        // Who looks for nobody must make nobody.
        (Direction::Outbound, Link::Provision) if !joins && !rule.joins.is_empty() => None,
        (Direction::Outbound, Link::Provision) => Some("provision"),
        (Direction::Inbound, Link::StickyJoin) => Some("sticky"),
        (_, Link::Join) if joins => Some("join"),
        (Direction::Outbound, Link::StickyJoin) if joins => Some("join"),
        (Direction::Outbound, Link::StickyJoin) | (_, Link::Join) => None,
    };
    lines.extend(link.map(|link| format!("link: \"{link}\"")));
    lines.push(format!("precedence: {}", parts.precedence));
    if rule.disabled {
        lines.push("state: \"off\"".to_owned());
    }
    for (key, wanted) in [("copy", true), ("trim", false)] {
        let pairs = parts.flows.iter().filter_map(|flow| match &flow.piece {
            Piece::Copied(from) if wanted => Some((flow.here.as_str(), from.as_str())),
            Piece::Trimmed(from) if !wanted => Some((flow.here.as_str(), from.as_str())),
            _ => None,
        });
        lines.extend(listed(key, pairs.collect()));
    }
    let merged: Vec<(&str, &str)> =
        parts.flows.iter().filter(|flow| flow.merged).map(|flow| (flow.here.as_str(), flow.here.as_str())).collect();
    lines.extend(listed("merge", merged));
    let body: String = lines.iter().map(|line| format!("    {line},\n")).collect();
    format!("const rule = #{{\n{body}}};\n")
}

/// `copy: ["a", #{ there: "here" }]`, in the order of the alphabet.
fn listed(key: &str, mut pairs: Vec<(&str, &str)>) -> Option<String> {
    if pairs.is_empty() {
        return None;
    }
    pairs.sort_unstable_by_key(|(to, _)| natural(to));
    let same: Vec<String> = pairs.iter().filter(|(to, from)| to == from).map(|(to, _)| quoted(to)).collect();
    let renamed: Vec<String> = pairs
        .iter()
        .filter(|(to, from)| to != from)
        .map(|(to, from)| format!("{}: {}", map_key(to), quoted(from)))
        .collect();
    let mut items = same;
    if renamed.len() == 1 {
        items.push(format!("#{{ {} }}", renamed.join("")));
    } else if !renamed.is_empty() {
        let lines: String = renamed.iter().map(|pair| format!("            {pair},\n")).collect();
        items.push(format!("#{{\n{lines}        }}"));
    }
    let short = format!("{key}: [{}]", items.join(", "));
    if short.len() + 5 <= WIDTH && !short.contains('\n') {
        return Some(short);
    }
    let lines: String = items.iter().map(|item| format!("        {item},\n")).collect();
    Some(format!("{key}: [\n{lines}    ]"))
}

/// The order of people: `extensionAttribute2` before `extensionAttribute10`.
fn natural(name: &str) -> (String, u64) {
    let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number = name.get(stem.len()..).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    (stem.to_ascii_lowercase(), number)
}

/// A key of a map.
pub(super) fn map_key(name: &str) -> String {
    if is_word(name) { name.to_owned() } else { quoted(name) }
}

fn flows(parts: &Parts<'_>) -> String {
    let mut entries: Vec<(String, String)> = Vec::new();
    for flow in parts.flows {
        let Piece::Code(code) = &flow.piece else { continue };
        let mut text = comment(&flow.original);
        let key = format!("{}: ", map_key(&flow.here));
        text += &format!("        {key}{},\n", code.layout(8, key.len()));
        entries.push((flow.here.to_ascii_lowercase(), text));
    }
    for (why, name, code) in &parts.added {
        let key = format!("{}: ", map_key(name));
        let text = format!("{}        {key}{},\n", comment(why), code.layout(8, key.len()));
        entries.push((name.to_ascii_lowercase(), text));
    }
    if entries.is_empty() {
        return String::new();
    }
    entries.sort();
    let body: Vec<String> = entries.into_iter().map(|(_, text)| text).collect();
    format!("\nfn flow({}) {{\n    #{{\n{}    }}\n}}\n", parts.scene.object, body.join("\n"))
}

/// The original above a flow: no line end of it leaves the comment.
fn comment(original: &str) -> String {
    wrapped(&one_line(original), WIDTH - 11).iter().map(|line| format!("        // {line}\n")).collect()
}
