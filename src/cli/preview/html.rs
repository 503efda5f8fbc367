//! A preview as one page that needs nothing else: no scripts, no fonts, nothing from outside. Whatever comes from a
//! directory or a rule is escaped.

use std::fmt::Write as _;

use super::text::{from, join_line, link, reference_line, scope};
use crate::run::preview::{
    AttributeTrace, ChangeTrace, Fate, ObjectTrace, Origin, PersonTrace, Preview, RuleTrace, ScopeTrace, TargetTrace,
    request_line,
};

const STYLE: &str = "\
:root { color-scheme: light dark; --back: #fff; --text: #1d2127; --soft: #667; --line: #dde; --new: #0a7a33; \
--gone: #b3261e; --other: #8a5a00; --code: #f4f5f8; }
@media (prefers-color-scheme: dark) { :root { --back: #16181c; --text: #e3e5e9; --soft: #9aa; --line: #333842; \
--new: #6fd08c; --gone: #ff8a80; --other: #f0c060; --code: #20242b; } }
body { background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; \
max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.35rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.soft { color: var(--soft); } .new { color: var(--new); } .gone { color: var(--gone); } .other { color: var(--other); }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; color: var(--soft); }
td, th { border-bottom: 1px solid var(--line); padding: .3rem .6rem .3rem 0; vertical-align: top; \
overflow-wrap: anywhere; }
td:first-child { white-space: nowrap; }
code, pre { font: 13px/1.45 ui-monospace, monospace; background: var(--code); border-radius: 4px; }
code { padding: .1rem .3rem; } pre { padding: .6rem; white-space: pre-wrap; overflow-wrap: anywhere; }
tr.same td { color: var(--soft); } footer { margin-top: 3rem; color: var(--soft); }";

/// The whole page.
pub(super) fn page(preview: &Preview) -> String {
    let name = match (&preview.subject, &preview.person) {
        (Some(subject), _) => subject.name.clone(),
        (None, Some(person)) => person.name.clone(),
        (None, None) => "an object".to_owned(),
    };
    let mut page = String::new();
    let title = escaped(&format!("Preview of {name}"));
    line(&mut page, "<!DOCTYPE html>");
    line(&mut page, "<html lang=\"en\"><head><meta charset=\"utf-8\">");
    line(&mut page, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    line(&mut page, &format!("<title>{title}</title><style>\n{STYLE}\n</style></head><body>"));
    line(&mut page, &format!("<h1>{title}</h1>"));
    head(&mut page, preview);
    for source in &preview.sources {
        line(&mut page, &format!("<h2>Inbound from {}</h2>", escaped(&source.object.connector)));
        if preview.subject.as_ref().is_none_or(|subject| subject.id != source.object.id) {
            line(&mut page, &format!("<p class=\"soft\">{}</p>", object(&source.object)));
        }
        rules(&mut page, &source.rules, "join");
    }
    if let Some(person) = &preview.person {
        metaverse(&mut page, person);
    }
    if !preview.outbound.is_empty() {
        line(&mut page, "<h2>Outbound</h2>");
        rules(&mut page, &preview.outbound, "match");
    }
    preview.targets.iter().for_each(|found| target(&mut page, found));
    if !preview.errors.is_empty() {
        line(&mut page, "<h2>Left as they are</h2>");
        list(&mut page, "gone", &preview.errors);
    }
    line(&mut page, &format!("<footer>A preview: nothing was written. Rules {}.</footer>", escaped(&preview.rules)));
    line(&mut page, "</body></html>");
    page
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

/// Text that is nothing but text, inside of an element and of an attribute.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters are not allowed in a page, and say nothing to a reader.
            letter if letter.is_control() && letter != '\n' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

fn head(page: &mut String, preview: &Preview) {
    if let Some(subject) = &preview.subject {
        line(page, &format!("<p>{} · {}</p>", escaped(&subject.connector), object(subject)));
    }
    if preview.tried.is_empty() {
        return;
    }
    line(page, "<table><tr><th>Tried</th><th>Stored</th><th>Instead</th><th></th></tr>");
    for tried in &preview.tried {
        let unread = if tried.read { "" } else { "no rule reads it" };
        line(page, &row("", &[&escaped(&tried.attribute), &values(&tried.before), &values(&tried.after), unread]));
    }
    line(page, "</table>");
}

fn object(object: &ObjectTrace) -> String {
    let anchor = object.anchor.as_deref().unwrap_or("not made yet");
    let text = format!("{} · {} · {anchor} · {}", object.name, object.object_type, link(object));
    escaped(&text)
}

fn row(class: &str, cells: &[&str]) -> String {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    cells.iter().fold(format!("<tr{class}>"), |mut row, cell| {
        let _ = write!(row, "<td>{cell}</td>");
        row
    }) + "</tr>"
}

fn values(values: &[String]) -> String {
    if values.is_empty() {
        return "—".to_owned();
    }
    values.iter().map(|value| escaped(value)).collect::<Vec<_>>().join("<br>")
}

fn list(page: &mut String, class: &str, items: &[String]) {
    let items: String = items.iter().map(|item| format!("<li>{}</li>", escaped(item))).collect();
    line(page, &format!("<ul class=\"{class}\">{items}</ul>"));
}

fn rules(page: &mut String, traces: &[RuleTrace], join: &str) {
    if traces.is_empty() {
        return line(page, "<p class=\"soft\">No rule reads this type of object.</p>");
    }
    line(page, "<table><tr><th>Rule</th><th>Precedence</th><th>To</th><th>Scope</th></tr>");
    for trace in traces {
        let (class, mark) = match &trace.scope {
            ScopeTrace::In => ("new", "✓"),
            ScopeTrace::Out { .. } => ("soft", "✗"),
            ScopeTrace::Error { .. } => ("gone", "!"),
        };
        let joins: String =
            trace.joins.iter().map(|group| format!("<br>{}", escaped(&join_line(group, join)))).collect();
        let said = format!("<span class=\"{class}\">{}</span>{joins}", in_code(&scope(&trace.scope)));
        let name = format!("<span class=\"{class}\">{mark}</span> {}", escaped(&trace.rule));
        line(page, &row("", &[&name, &trace.precedence.to_string(), &escaped(&trace.to), &said]));
    }
    line(page, "</table>");
}

/// Text in which what stands in the outermost backticks is code.
fn in_code(text: &str) -> String {
    match (text.find('`'), text.rfind('`')) {
        (Some(start), Some(end)) if start < end => {
            let part = |range: std::ops::Range<usize>| escaped(text.get(range).unwrap_or_default());
            format!("{}<code>{}</code>{}", part(0..start), part(start + 1..end), part(end + 1..text.len()))
        }
        _ => escaped(text),
    }
}

fn class_of(now: &[String], after: &[String]) -> &'static str {
    match (now == after, now.is_empty(), after.is_empty()) {
        (true, ..) => "same",
        (false, true, _) => "new",
        (false, false, true) => "gone",
        (false, false, false) => "other",
    }
}

fn metaverse(page: &mut String, person: &PersonTrace) {
    let fate = match person.fate {
        Fate::New => " <span class=\"new\">would be made</span>",
        Fate::Stays => "",
        Fate::Ends => " <span class=\"gone\">would end</span>",
    };
    line(page, &format!("<h2>Metaverse: {}{fate}</h2>", escaped(&person.name)));
    line(page, &format!("<p class=\"soft\">{}</p>", escaped(&person.id)));
    if !person.others.is_empty() {
        list(page, "soft", &person.others.iter().map(|other| format!("also of {other}")).collect::<Vec<_>>());
    }
    line(page, "<table><tr><th>Attribute</th><th>Now</th><th>After</th><th>From</th></tr>");
    let (changed, same): (Vec<&AttributeTrace>, Vec<&AttributeTrace>) =
        person.attributes.iter().partition(|trace| trace.now != trace.after);
    for trace in changed.into_iter().chain(same) {
        let class = class_of(&trace.now, &trace.after);
        let winners: String = trace.from.iter().map(|origin| source(origin, false)).collect();
        let losers: String = trace.beats.iter().map(|origin| source(origin, true)).collect();
        let place = format!("{}{winners}{losers}", escaped(&from(trace, person.fate)));
        let after = format!("<span class=\"{class}\">{}</span>", values(&trace.after));
        let row_class = if class == "same" { "same" } else { "" };
        line(page, &row(row_class, &[&escaped(&trace.attribute), &values(&trace.now), &after, &place]));
    }
    line(page, "</table>");
}

/// The text of a flow; a loser with what it says.
fn source(origin: &Origin, loses: bool) -> String {
    let text = if origin.source.is_empty() { origin.rule.clone() } else { origin.source.clone() };
    let value = if loses { format!(" → {}", escaped(&origin.value)) } else { String::new() };
    let class = if loses { " class=\"soft\"" } else { "" };
    format!("<br><span{class}>{} <code>{}</code>{value}</span>", origin.line, escaped(&text))
}

fn target(page: &mut String, target: &TargetTrace) {
    let operation = match target.operation.as_deref() {
        Some("create") => " <span class=\"new\">would be made</span>",
        Some("delete") => " <span class=\"gone\">would be deleted</span>",
        Some(_) | None => "",
    };
    let connector = escaped(&target.object.connector);
    line(page, &format!("<h2>{connector}: {}{operation}</h2>", escaped(&target.object.name)));
    line(page, &format!("<p class=\"soft\">{}</p>", object(&target.object)));
    if !target.reason.is_empty() {
        line(page, &format!("<p>{}</p>", escaped(&target.reason)));
    }
    if !target.changes.is_empty() {
        line(page, "<table><tr><th>Attribute</th><th>Now</th><th>After</th><th>From</th></tr>");
        target.changes.iter().for_each(|found| change(page, found));
        line(page, "</table>");
    }
    for reference in &target.references {
        let (class, mark) = if reference.add { ("new", "+") } else { ("gone", "−") };
        line(page, &format!("<p class=\"{class}\">{mark} {}</p>", escaped(&reference_line(reference, target))));
    }
    if !target.held.is_empty() {
        list(page, "other", &target.held.iter().map(|held| format!("held: {held}")).collect::<Vec<_>>());
    }
    if !target.refused.is_empty() {
        list(page, "gone", &target.refused.iter().map(|why| format!("would be refused: {why}")).collect::<Vec<_>>());
    }
    if let Some(unsettled) = &target.unsettled {
        list(page, "other", std::slice::from_ref(unsettled));
    }
    for request in &target.requests {
        line(
            page,
            &format!("<pre>{}</pre><p class=\"soft\">not sent: this is a preview</p>", escaped(&request_line(request))),
        );
    }
    if target.operation.is_none() && target.references.is_empty() && target.unsettled.is_none() {
        line(page, "<p>Nothing to write.</p>");
    } else if !target.live {
        line(page, "<p class=\"other\">Staging: nothing is written before <code>syncline go-live</code>.</p>");
    }
}

fn change(page: &mut String, change: &ChangeTrace) {
    let class = class_of(&change.now, &change.after);
    let after = format!("<span class=\"{class}\">{}</span>", values(&change.after));
    let place = format!("{}:{}<br><code>{}</code>", escaped(&change.rule), change.line, escaped(&change.source));
    line(page, &row("", &[&escaped(&change.attribute), &values(&change.now), &after, &place]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_is_taken_for_markup() {
        assert_eq!(
            escaped("<script>alert(\"a\" & 'b')</script>\u{1b}[31m"),
            "&lt;script&gt;alert(&quot;a&quot; &amp; &#39;b&#39;)&lt;/script&gt;\u{fffd}[31m"
        );
        assert_eq!(in_code("scope: line 7  `a < `b`` → x"), "scope: line 7  <code>a &lt; `b`</code> → x");
        assert_eq!(in_code("`<b>"), "`&lt;b&gt;");
    }
}
