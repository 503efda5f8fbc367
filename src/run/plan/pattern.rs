//! What a change looks like, so that a thousand of a kind are one line: the mail domain, the case of letters, a constant.
//! A group is of one pattern only if every change in it fits.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use super::{PlanLine, PlannedChange};

/// Changes of one attribute, by one line of one rule, that look alike; or objects that one reason creates or ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// `delete`, `disable`, `create`, `update`, `refused`, `held`.
    pub kind: &'static str,
    /// `user`, `group`.
    pub object_type: String,
    /// The rule and line, `out-to-entra-user:19`; of creations and deletions nothing.
    pub from: String,
    /// What changes, or why: `mail: *@contoso.com → *@contoso.example`.
    pub what: String,
    /// How many objects.
    pub count: usize,
    /// The first of them.
    pub sample: Sample,
}

/// One object of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// What a person calls it.
    pub name: String,
    /// What the target has; nothing for objects that come or go.
    pub before: Json,
    /// What it would have.
    pub after: Json,
}

impl Sample {
    /// Before and after; nothing of objects that come or go.
    pub fn change(&self) -> Option<String> {
        let whole = self.before.is_null() && self.after.is_null();
        (!whole).then(|| format!("{} → {}", self.before, self.after))
    }
}

/// A constant that fewer objects share is no pattern.
const FEWEST: usize = 2;
/// Nor is one that only one in so many of the changes of this attribute shares.
const RAREST: usize = 100;

/// What is said of changes of capitals.
pub const LETTER_CASE: &str = "letter case only";

/// How two values differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pattern {
    Domain(String, String),
    Case,
    Spaces,
    Accents,
    Punctuation,
    Container(String, String),
    Prefix(String),
    Suffix(String),
    WithoutPrefix(String),
    WithoutSuffix(String),
    Order,
    Members { more: bool, fewer: bool },
    Constant(String, String),
    SetTo(String),
    Set,
    Cleared,
    Other,
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pattern::Domain(before, after) => write!(f, "*@{before} → *@{after}"),
            Pattern::Case => f.write_str(LETTER_CASE),
            Pattern::Spaces => f.write_str("spaces only"),
            Pattern::Accents => f.write_str("accents only"),
            Pattern::Punctuation => f.write_str("punctuation only, the same letters and digits"),
            Pattern::Container(before, after) => write!(f, "moves from `{before}` to `{after}`"),
            Pattern::Prefix(text) => write!(f, "`{text}` put before it"),
            Pattern::Suffix(text) => write!(f, "`{text}` put behind it"),
            Pattern::WithoutPrefix(text) => write!(f, "`{text}` taken off its beginning"),
            Pattern::WithoutSuffix(text) => write!(f, "`{text}` taken off its end"),
            Pattern::Order => f.write_str("order only"),
            Pattern::Members { more: true, fewer: false } => f.write_str("values added to the list"),
            Pattern::Members { more: false, .. } => f.write_str("values taken off the list"),
            Pattern::Members { .. } => f.write_str("values of the list exchanged"),
            Pattern::Constant(before, after) => write!(f, "{before} → {after}"),
            Pattern::SetTo(after) => write!(f, "set to {after}"),
            Pattern::Set => f.write_str("set, was empty"),
            Pattern::Cleared => f.write_str("cleared"),
            Pattern::Other => f.write_str("another value"),
        }
    }
}

impl Pattern {
    /// The same without its constant, for those too few to share it.
    fn coarser(&self) -> Pattern {
        match self {
            Pattern::SetTo(_) => Pattern::Set,
            Pattern::Set | Pattern::Cleared | Pattern::Order | Pattern::Members { .. } => self.clone(),
            Pattern::Case | Pattern::Spaces | Pattern::Accents | Pattern::Punctuation => self.clone(),
            Pattern::Domain(..) | Pattern::Container(..) | Pattern::Constant(..) | Pattern::Other => Pattern::Other,
            Pattern::Prefix(_) | Pattern::Suffix(_) | Pattern::WithoutPrefix(_) | Pattern::WithoutSuffix(_) => {
                Pattern::Other
            }
        }
    }
}

/// The pattern of one change.
fn pattern(before: &Json, after: &Json) -> Pattern {
    match (before, after) {
        (Json::Null, Json::String(_) | Json::Bool(_) | Json::Number(_)) => Pattern::SetTo(after.to_string()),
        (Json::Null, _) => Pattern::Set,
        (_, Json::Null) => Pattern::Cleared,
        (Json::String(before), Json::String(after)) => of_texts(before, after),
        (Json::Array(before), Json::Array(after)) => of_lists(before, after),
        (Json::Array(before), after) => of_lists(before, std::slice::from_ref(after)),
        (before, Json::Array(after)) => of_lists(std::slice::from_ref(before), after),
        (before, after) => Pattern::Constant(before.to_string(), after.to_string()),
    }
}

fn of_lists(before: &[Json], after: &[Json]) -> Pattern {
    let more = after.iter().any(|value| !before.contains(value));
    let fewer = before.iter().any(|value| !after.contains(value));
    if more || fewer { Pattern::Members { more, fewer } } else { Pattern::Order }
}

fn of_texts(before: &str, after: &str) -> Pattern {
    // Capitals say more than small letters: ß is SS.
    if before.to_uppercase() == after.to_uppercase() {
        return Pattern::Case;
    }
    if without(before, char::is_whitespace) == without(after, char::is_whitespace) {
        return Pattern::Spaces;
    }
    if let (Some((who, old)), Some((same, new))) = (before.rsplit_once('@'), after.rsplit_once('@'))
        && who.eq_ignore_ascii_case(same)
    {
        return Pattern::Domain(old.to_lowercase(), new.to_lowercase());
    }
    let no_word = |c: char| !c.is_alphanumeric();
    let letters = without(before, no_word);
    if !letters.is_empty() && letters == without(after, no_word) {
        return Pattern::Punctuation;
    }
    if deunicode::deunicode(before) == deunicode::deunicode(after) {
        return Pattern::Accents;
    }
    if let Some(moved) = moved(before, after) {
        return moved;
    }
    if let Some(pattern) = affix(before, after) {
        return pattern;
    }
    Pattern::Constant(format!("\"{before}\""), format!("\"{after}\""))
}

fn without(text: &str, what: impl Fn(char) -> bool) -> String {
    text.chars().filter(|c| !what(*c)).collect()
}

/// A name in another container.
fn moved(before: &str, after: &str) -> Option<Pattern> {
    let is_name = |text: &str| text.contains('=') && text.contains(',');
    if !is_name(before) || !is_name(after) {
        return None;
    }
    let (old, new) = (crate::dn::parent(before)?, crate::dn::parent(after)?);
    let (own, same) = (before.strip_suffix(old)?, after.strip_suffix(new)?);
    (own == same).then(|| Pattern::Container(old.to_owned(), new.to_owned()))
}

fn affix(before: &str, after: &str) -> Option<Pattern> {
    let put = |text: &&str| !text.is_empty();
    if before.is_empty() || after.is_empty() {
        return None;
    }
    after
        .strip_suffix(before)
        .filter(put)
        .map(|text| Pattern::Prefix(text.to_owned()))
        .or_else(|| after.strip_prefix(before).filter(put).map(|text| Pattern::Suffix(text.to_owned())))
        .or_else(|| before.strip_suffix(after).filter(put).map(|text| Pattern::WithoutPrefix(text.to_owned())))
        .or_else(|| before.strip_prefix(after).filter(put).map(|text| Pattern::WithoutSuffix(text.to_owned())))
}

/// Kind, type, rule and line, what. Of what comes and goes whole, the rule is not named.
type Key = (&'static str, String, String, What);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Whole(String),
    Change(String, Pattern),
}

impl What {
    fn coarser(&self) -> What {
        match self {
            What::Whole(_) => self.clone(),
            What::Change(attribute, pattern) => What::Change(attribute.clone(), pattern.coarser()),
        }
    }
}

fn is_whole(line: &PlanLine) -> bool {
    !matches!(line.kind, "update" | "disable") || line.changes.is_empty()
}

fn of_line(line: &PlanLine) -> Key {
    let why = match line.kind {
        "refused" | "held" => general(&line.reason),
        _ => line.reason.clone(),
    };
    (line.kind, line.object_type.clone(), String::new(), What::Whole(why))
}

fn of_change(line: &PlanLine, change: &PlannedChange) -> Key {
    let what = What::Change(change.attribute.clone(), pattern(&change.before, &change.after));
    (line.kind, line.object_type.clone(), change.from.clone(), what)
}

fn keys(line: &PlanLine) -> Vec<Key> {
    if is_whole(line) {
        vec![of_line(line)]
    } else {
        line.changes.iter().map(|change| of_change(line, change)).collect()
    }
}

/// All changes of one attribute by one line.
fn key_of_all((kind, object_type, from, what): &Key) -> (&'static str, &str, &str, &str) {
    let attribute = match what {
        What::Whole(_) => "",
        What::Change(attribute, _) => attribute,
    };
    (kind, object_type, from, attribute)
}

/// How often a key came, and where first: line and change.
struct Seen {
    count: usize,
    first: (usize, usize),
}

/// Puts lines into groups: those of each kind in the order of the kinds, the largest group first. Lines and changes
/// learn the place of theirs.
pub fn group(lines: &mut [PlanLine]) -> Vec<Group> {
    let mut known: BTreeMap<Key, usize> = BTreeMap::new();
    let mut seen: Vec<Seen> = Vec::new();
    let mut numbers: Vec<Vec<usize>> = Vec::with_capacity(lines.len());
    for (at, line) in lines.iter().enumerate() {
        let mut of_line = Vec::new();
        for (place, key) in keys(line).into_iter().enumerate() {
            let number = *known.entry(key).or_insert(seen.len());
            match seen.get_mut(number) {
                Some(seen) => seen.count += 1,
                None => seen.push(Seen { count: 1, first: (at, place) }),
            }
            of_line.push(number);
        }
        numbers.push(of_line);
    }
    let (mut groups, places) = settle(lines, known, &seen);
    for (line, numbers) in lines.iter_mut().zip(numbers) {
        let mut found = numbers.iter().filter_map(|number| places.get(*number).copied());
        if !is_whole(line) {
            line.changes.iter_mut().zip(found).for_each(|(change, place)| change.group = place);
            continue;
        }
        line.group = found.next();
        // Of one object alone there is nothing to leave out.
        if let Some(group) = line.group.and_then(|at| groups.get_mut(at)).filter(|group| group.count == 1) {
            group.what.clone_from(&line.reason);
        }
    }
    groups
}

/// Takes keys that too few share for coarser ones. Gives the groups, and the place of each number's.
fn settle(lines: &[PlanLine], known: BTreeMap<Key, usize>, seen: &[Seen]) -> (Vec<Group>, Vec<usize>) {
    let mut totals: BTreeMap<(&'static str, &str, &str, &str), usize> = BTreeMap::new();
    for (key, number) in &known {
        *totals.entry(key_of_all(key)).or_insert(0) += seen.get(*number).map_or(0, |seen| seen.count);
    }
    let few =
        |key: &Key, count: usize| count < totals.get(&key_of_all(key)).map_or(0, |total| total / RAREST).max(FEWEST);
    let mut merged: BTreeMap<Key, (Seen, Vec<usize>)> = BTreeMap::new();
    for (key, number) in &known {
        let Some(Seen { count, first }) = seen.get(*number) else { continue };
        let (kind, object_type, from, what) = key;
        let what = if few(key, *count) { what.coarser() } else { what.clone() };
        let key = (*kind, object_type.clone(), from.clone(), what);
        let (all, members) = merged.entry(key).or_insert((Seen { count: 0, first: *first }, Vec::new()));
        all.count += count;
        all.first = all.first.min(*first);
        members.push(*number);
    }
    let mut merged: Vec<(Key, (Seen, Vec<usize>))> = merged.into_iter().collect();
    merged.sort_by_key(|((kind, ..), (seen, _))| (super::order(kind), std::cmp::Reverse(seen.count)));
    let mut places = vec![0; seen.len()];
    let mut groups = Vec::with_capacity(merged.len());
    for (at, (key, (all, members))) in merged.into_iter().enumerate() {
        for number in members {
            if let Some(place) = places.get_mut(number) {
                *place = at;
            }
        }
        groups.extend(lines.get(all.first.0).map(|line| named(key, all.count, line, all.first.1)));
    }
    (groups, places)
}

fn named((kind, object_type, from, what): Key, count: usize, line: &PlanLine, place: usize) -> Group {
    let (what, change) = match what {
        What::Whole(why) => (why, None),
        What::Change(attribute, pattern) => (format!("{attribute}: {pattern}"), line.changes.get(place)),
    };
    let value = |value: Option<&Json>| value.cloned().unwrap_or(Json::Null);
    let sample = Sample {
        name: line.name.clone(),
        before: value(change.map(|change| &change.before)),
        after: value(change.map(|change| &change.after)),
    };
    Group { kind, object_type, from, what, count, sample }
}

/// A reason without the values in it.
fn general(reason: &str) -> String {
    let mut out = String::new();
    for (at, part) in reason.split('`').enumerate() {
        // What is quoted first is the attribute; what follows is somebody's value.
        match at {
            0 | 2 => out.push_str(part),
            1 => out.push_str(&format!("`{part}`")),
            at if at % 2 == 1 => out.push('…'),
            _ => out.push_str(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(before: Json, after: Json, expected: &str) {
        assert_eq!(pattern(&before, &after).to_string(), expected, "{before} → {after}");
    }

    #[test]
    fn every_pattern_has_a_change_of_its_own() {
        check(json!("ada@contoso.com"), json!("Ada@contoso.example"), "*@contoso.com → *@contoso.example");
        check(json!("ada LOVELACE"), json!("Ada Lovelace"), "letter case only");
        check(json!("Ada Weiß"), json!("ADA WEISS"), "letter case only");
        check(json!(" Sales"), json!("Sales "), "spaces only");
        check(json!("Zoë"), json!("Zoe"), "accents only");
        check(json!("+49 (30) 12-34"), json!("+49301234"), "punctuation only, the same letters and digits");
        check(json!("CN=A,OU=B,DC=x"), json!("CN=A,OU=C,DC=x"), "moves from `OU=B,DC=x` to `OU=C,DC=x`");
        check(json!("4711"), json!("E4711"), "`E` put before it");
        check(json!("Ada"), json!("Ada (Extern)"), "` (Extern)` put behind it");
        check(json!("E4711"), json!("4711"), "`E` taken off its beginning");
        check(json!("Ada (Extern)"), json!("Ada"), "` (Extern)` taken off its end");
        check(json!(["a", "b"]), json!(["b", "a"]), "order only");
        check(json!(["a"]), json!(["a", "b"]), "values added to the list");
        check(json!(["a", "b"]), json!("a"), "values taken off the list");
        check(json!(["a"]), json!(["b"]), "values of the list exchanged");
        check(json!(true), json!(false), "true → false");
        check(json!("Sales"), json!("Legal"), "\"Sales\" → \"Legal\"");
        check(Json::Null, json!("DE"), "set to \"DE\"");
        check(Json::Null, json!(["a"]), "set, was empty");
        check(json!("x"), Json::Null, "cleared");
    }

    #[test]
    fn a_constant_of_one_is_no_pattern() {
        let line = |name: &str, before: &str, after: &str| PlanLine {
            kind: "update",
            object_type: "user".into(),
            name: name.into(),
            changes: vec![PlannedChange {
                attribute: "department".into(),
                before: json!(before),
                after: json!(after),
                from: "out:1".into(),
                group: 0,
            }],
            ..PlanLine::default()
        };
        let mut lines = [
            line("a", "Sales", "Legal"),
            line("b", "Sales", "Legal"),
            line("c", "IT", "Support"),
            line("d", "Labs", "Finance"),
        ];
        let found: Vec<(usize, String)> =
            group(&mut lines).into_iter().map(|group| (group.count, group.what)).collect();
        let expected =
            [(2, "department: \"Sales\" → \"Legal\"".to_owned()), (2, "department: another value".to_owned())];
        assert_eq!(found, expected);
    }

    #[test]
    fn refusals_are_one_group_whatever_the_values() {
        let expected = "`mail` … has characters that Graph refuses";
        assert_eq!(general("`mail` `zoë@contoso.com` has characters that Graph refuses"), expected);
    }
}
