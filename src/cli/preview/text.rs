//! A preview for people at a terminal. Colours are codes that `print` takes out where nobody would see them.

use crate::cli::output::print;
use crate::run::preview::{
    AttributeTrace, ChangeTrace, Fate, JoinOutcome, JoinTrace, ObjectTrace, Origin, PersonTrace, Preview, RuleTrace,
    ScopeTrace, SourceTrace, TargetTrace, Tried, request_line,
};

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Detail {
    /// Unchanged attributes too.
    pub(super) all: bool,
    /// The text of each flow, and what losers say.
    pub(super) lines: bool,
}

/// Longer values get lines of their own.
const COLUMN: usize = 34;
/// Stands where there is no value.
const NOTHING: &str = "—";

/// A colour, as the terminal's code.
#[derive(Clone, Copy)]
pub(super) enum Paint {
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

/// Colours a text.
pub(super) fn paint(paint: Paint, text: &str) -> String {
    let code = match paint {
        Paint::Bold => 1,
        Paint::Dim => 2,
        Paint::Green => 32,
        Paint::Yellow => 33,
        Paint::Red => 31,
    };
    if text.is_empty() { String::new() } else { format!("\x1b[{code}m{text}\x1b[0m") }
}

/// Prints all of it.
pub(super) fn tell(preview: &Preview, detail: Detail) {
    head(preview);
    let main: Vec<&SourceTrace> = preview.main_sources().collect();
    for source in preview.sources.iter().filter(|source| detail.all || main.contains(source)) {
        let whose = match &preview.subject {
            Some(subject) if subject.id == source.object.id => String::new(),
            Some(_) | None => format!("  {}  {}", source.object.connector, plain(&source.object.name)),
        };
        title("inbound", &whose);
        source.rules.iter().for_each(|rule| tell_rule(rule, "join"));
        if source.rules.is_empty() {
            print("  no rule reads this type of object");
        }
    }
    if let Some(person) = &preview.person {
        tell_person(person, detail);
    }
    tell_outbound(preview, detail);
    if !preview.errors.is_empty() {
        title("left as they are", "");
    }
    for error in &preview.errors {
        print(&format!("  {} {}", paint(Paint::Red, "!"), plain(error)));
    }
}

fn title(text: &str, rest: &str) {
    print("");
    print(&format!("{}{rest}", paint(Paint::Bold, text)));
}

fn head(preview: &Preview) {
    if let Some(subject) = &preview.subject {
        print(&format!("{}  {}", paint(Paint::Bold, &subject.connector), object(subject)));
    }
    for tried in &preview.tried {
        print(&format!("  {}", tried_line(tried)));
    }
}

/// `CN=… · user · 6b0e… · joined to 41d2…`
fn object(object: &ObjectTrace) -> String {
    let anchor = object.anchor.as_deref().unwrap_or("not made yet");
    plain(&format!("{}        {} · {anchor} · {}", object.name, object.object_type, link(object)))
}

/// How an object is linked, in words.
pub(super) fn link(object: &ObjectTrace) -> String {
    let Some(link) = &object.link else { return "not linked".into() };
    format!("{} by {}", link.kind, link.rule)
}

/// What was tried, in one line.
pub(super) fn tried_line(tried: &Tried) -> String {
    let unread = if tried.read { "" } else { "   (no rule reads it)" };
    format!(
        "{} {}: {} → {}{unread}",
        paint(Paint::Yellow, "tried"),
        tried.attribute,
        joined(&tried.before),
        joined(&tried.after)
    )
}

/// Values in one line.
pub(super) fn joined(values: &[String]) -> String {
    if values.is_empty() { NOTHING.to_owned() } else { plain(&values.join(" | ")) }
}

/// Text from directories without what would move the cursor or change colours.
pub(super) fn plain(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut plain, letter| {
        if letter.is_control() {
            plain.extend(letter.escape_default())
        } else {
            plain.push(letter)
        }
        plain
    })
}

fn tell_rule(trace: &RuleTrace, join: &str) {
    let (mark, said) = match &trace.scope {
        ScopeTrace::In => (paint(Paint::Green, "✓"), "in scope".to_owned()),
        ScopeTrace::Out { .. } => (paint(Paint::Dim, "✗"), scope(&trace.scope)),
        ScopeTrace::Error { .. } => (paint(Paint::Red, "!"), scope(&trace.scope)),
    };
    print(&format!("  {mark} {:<32} {:>5}   {said}", trace.rule, trace.precedence));
    for group in &trace.joins {
        print(&format!("      {}", join_line(group, join)));
    }
}

/// What a rule's scope said, in one line.
pub(super) fn scope(scope: &ScopeTrace) -> String {
    match scope {
        ScopeTrace::In => "in scope".into(),
        ScopeTrace::Error { message } => plain(message),
        ScopeTrace::Out { line, text, reads } => {
            let said = |(name, values): &(String, Vec<String>)| match values.as_slice() {
                [] => format!("{name} has no value"),
                [one] => format!("{name} is \"{one}\""),
                several => format!("{name} is [{}]", several.join(" | ")),
            };
            let reads: Vec<String> = reads.iter().map(said).collect();
            let arrow = if reads.is_empty() { String::new() } else { format!("  → {}", reads.join(", ")) };
            plain(&format!("scope: line {line}  `{text}`{arrow}"))
        }
    }
}

/// One join group in one line.
pub(super) fn join_line(group: &JoinTrace, join: &str) -> String {
    let key = |(name, value): &(String, String)| {
        if value.is_empty() { name.clone() } else { format!("{name} = {value}") }
    };
    let keys: Vec<String> = group.keys.iter().map(key).collect();
    let outcome = match &group.outcome {
        JoinOutcome::Skipped(empty) => format!("skipped: {} has no value", empty.join(", ")),
        JoinOutcome::Nobody => "nobody".to_owned(),
        JoinOutcome::One(name) => name.clone(),
        JoinOutcome::Several(names) => format!("ambiguous: {} …", names.join("; ")),
    };
    plain(&format!("{join} {} → {outcome}", keys.join(", ")))
}

fn tell_person(person: &PersonTrace, detail: Detail) {
    let fate = match person.fate {
        Fate::New => paint(Paint::Green, "   would be made"),
        Fate::Stays => String::new(),
        Fate::Ends => paint(Paint::Red, "   would end"),
    };
    title("metaverse", &format!("  {}        {}{fate}", plain(&person.name), person.id));
    for other in &person.others {
        print(&format!("  also of {}", plain(other)));
    }
    let contested = |trace: &AttributeTrace| !trace.beats.is_empty() && !trace.after.is_empty();
    let is_told = |trace: &&AttributeTrace| {
        detail.all || (person.fate != Fate::Ends && (trace.now != trace.after || contested(trace)))
    };
    let told: Vec<&AttributeTrace> = person.attributes.iter().filter(is_told).collect();
    let folded = person.attributes.len() - told.len();
    let rows: Vec<Row> = told.iter().map(|trace| attribute_row(trace, person.fate, detail)).collect();
    tell_rows(&rows, "  ");
    let what = if person.fate == Fate::Ends { "values would go" } else { "unchanged" };
    if folded > 0 {
        print(&paint(Paint::Dim, &format!("  … {folded} {what}   --all")));
    }
}

/// One line of a table: a mark, a name, before, after, and where it comes from.
struct Row {
    mark: char,
    name: String,
    now: String,
    after: String,
    from: String,
    below: Vec<String>,
}

fn mark(now: &[String], after: &[String]) -> char {
    match (now == after, now.is_empty(), after.is_empty()) {
        (true, ..) => ' ',
        (false, true, _) => '+',
        (false, false, true) => '-',
        (false, false, false) => '~',
    }
}

fn attribute_row(trace: &AttributeTrace, fate: Fate, detail: Detail) -> Row {
    let below = if detail.lines {
        let winners = trace.from.iter().map(|from| format!("{}:{}  {}", from.rule, from.line, from.source));
        let losers =
            trace.beats.iter().map(|from| format!("{}:{}  {}  → {}", from.rule, from.line, from.source, from.value));
        winners.chain(losers).collect()
    } else {
        Vec::new()
    };
    Row {
        mark: mark(&trace.now, &trace.after),
        name: trace.attribute.clone(),
        now: joined(&trace.now),
        after: joined(&trace.after),
        from: from(trace, fate),
        below,
    }
}

/// `in-from-ad-user:24 (beats in-old:3)`
pub(super) fn from(trace: &AttributeTrace, fate: Fate) -> String {
    let place = |origin: &Origin| match &origin.object {
        Some(object) => format!("{}:{} ({object})", origin.rule, origin.line),
        None => format!("{}:{}", origin.rule, origin.line),
    };
    let places = |origins: &[Origin]| origins.iter().map(place).collect::<Vec<_>>().join(" + ");
    let winners = plain(&places(&trace.from));
    let said = match (trace.after.is_empty(), winners.is_empty()) {
        (true, true) if fate == Fate::Ends => String::new(),
        (true, true) => "cleared: nobody contributes".to_owned(),
        (true, false) => format!("cleared by {winners}"),
        (false, _) => winners,
    };
    if trace.beats.is_empty() { said } else { format!("{said}  (beats {})", plain(&places(&trace.beats))) }
}

fn tell_rows(rows: &[Row], indent: &str) {
    let length = |text: &str| text.chars().count();
    let fits = |row: &&Row| length(&row.now) <= COLUMN && length(&row.after) <= COLUMN;
    let widest = |of: fn(&Row) -> &str| rows.iter().filter(fits).map(|row| length(of(row))).max().unwrap_or(0);
    let (now, after) = (widest(|row| &row.now), widest(|row| &row.after));
    let name = rows.iter().map(|row| length(&row.name)).max().unwrap_or(0).clamp(20, 48);
    for row in rows {
        let colour = match row.mark {
            '+' => Some(Paint::Green),
            '-' => Some(Paint::Red),
            '~' => Some(Paint::Yellow),
            _ => None,
        };
        let painted = |text: &str| colour.map_or_else(|| text.to_owned(), |colour| paint(colour, text));
        let mark = painted(&row.mark.to_string());
        let from = paint(Paint::Dim, &row.from);
        let changed = row.mark != ' ';
        if fits(&row) {
            let (was, arrow) = if changed { (row.now.as_str(), "→") } else { ("", " ") };
            let shown = painted(&format!("{:<after$}", row.after));
            let line = format!("{indent}{mark} {:<name$}  {was:<now$} {arrow} {shown}   {from}", row.name);
            print(line.trim_end());
        } else {
            print(format!("{indent}{mark} {:<name$}  {from}", row.name).trim_end());
            if changed {
                print(&format!("{indent}      now    {}", row.now));
            }
            print(&format!("{indent}      after  {}", painted(&row.after)));
        }
        for line in &row.below {
            print(&paint(Paint::Dim, &format!("{indent}      │ {line}")));
        }
    }
}

fn tell_outbound(preview: &Preview, detail: Detail) {
    let connector = |to: &str| to.split('/').next().unwrap_or_default().to_owned();
    let mut connectors: Vec<String> = preview.outbound.iter().map(|rule| connector(&rule.to)).collect();
    connectors.extend(preview.targets.iter().map(|target| target.object.connector.clone()));
    connectors.sort();
    connectors.dedup();
    for name in connectors {
        title("outbound", &format!(" → {name}"));
        preview.outbound.iter().filter(|rule| connector(&rule.to) == name).for_each(|rule| tell_rule(rule, "match"));
        preview
            .targets
            .iter()
            .filter(|target| target.object.connector == name)
            .for_each(|target| tell_target(target, detail));
    }
}

fn tell_target(target: &TargetTrace, detail: Detail) {
    let operation = match target.operation.as_deref() {
        Some("create") => paint(Paint::Green, "   would be made"),
        Some("delete") => paint(Paint::Red, "   would be DELETED"),
        Some(_) | None => String::new(),
    };
    let reason = if target.reason.is_empty() { String::new() } else { format!(": {}", target.reason) };
    print(&format!(
        "  {} {}{operation}{reason}",
        target.object.object_type,
        paint(Paint::Bold, &plain(&target.object.name))
    ));
    let rows: Vec<Row> = target.changes.iter().map(|change| change_row(change, detail)).collect();
    tell_rows(&rows, "    ");
    for reference in &target.references {
        let (mark, colour) = if reference.add { ('+', Paint::Green) } else { ('-', Paint::Red) };
        print(&format!("    {} {}", paint(colour, &mark.to_string()), reference_line(reference, target)));
    }
    for held in &target.held {
        print(&format!("    {} held: {}", paint(Paint::Yellow, "!"), plain(held)));
    }
    for refused in &target.refused {
        print(&format!("    {} would be refused: {}", paint(Paint::Red, "!"), plain(refused)));
    }
    if let Some(unsettled) = &target.unsettled {
        print(&format!("    {} {}", paint(Paint::Yellow, "!"), plain(unsettled)));
    }
    for request in &target.requests {
        let line = request_line(request);
        print(&format!("    {line}     {}", paint(Paint::Dim, "not sent: this is a preview")));
    }
    let settled = target.unsettled.is_none();
    if target.operation.is_none() && target.references.is_empty() && settled {
        print("    nothing to write");
    } else if !target.live {
        print(&format!("    {}", paint(Paint::Yellow, "staging: nothing is written before `syncline go-live`")));
    }
}

/// `members of `Sales`: Zoë`
pub(super) fn reference_line(reference: &crate::run::preview::ReferenceTrace, target: &TargetTrace) -> String {
    let whose = if reference.of == target.object.name { String::new() } else { format!(" of `{}`", reference.of) };
    let waits = if reference.waits { "   (waits until both are there)" } else { "" };
    plain(&format!("{}{whose}: {}{waits}", reference.attribute, reference.to))
}

fn change_row(change: &ChangeTrace, detail: Detail) -> Row {
    let place = format!("{}:{}", change.rule, change.line);
    Row {
        mark: mark(&change.now, &change.after),
        name: change.attribute.clone(),
        now: joined(&change.now),
        after: joined(&change.after),
        below: if detail.lines { vec![format!("{place}  {}", change.source)] } else { Vec::new() },
        from: place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_move_no_cursor_and_change_no_colour() {
        assert_eq!(joined(&["a\x1b[2Jb".into(), "c\nd".into()]), "a\\u{1b}[2Jb | c\\nd");
        assert_eq!(joined(&[]), NOTHING);
        assert_eq!(paint(Paint::Red, "no"), "\x1b[31mno\x1b[0m");
        assert_eq!(paint(Paint::Red, ""), "");
    }
}
