//! A plan as a comment on a pull request: what matters fits the first screen, groups follow in a table.

use super::text::{counts, effort, warning, worst};
use crate::run::plan::{Group, Plan, TargetPlan};

/// A comment takes 65,536 characters on the common platforms.
const LONGEST: usize = 60_000;
/// How long a cell is at most.
const CELL: usize = 120;

pub(super) fn comment(plan: &Plan) -> String {
    let mut out = format!("## Plan with rules `{}`\n\n", plan.rules);
    if !plan.incomplete.is_empty() {
        out.push_str("**This plan is not complete, and has no numbers.**\n\n");
        plan.incomplete.iter().for_each(|why| out.push_str(&format!("- {}\n", cell(why))));
        return out;
    }
    for exceeded in &plan.exceeded {
        out.push_str(&format!("> [!CAUTION]\n> A run would stop: it would {}\n\n", exceeded.deed()));
    }
    for (name, target) in &plan.targets {
        out.push_str(&section(name, target));
    }
    if !plan.sync.errors.is_empty() {
        out.push_str(&format!("### {} objects with errors\n\n", plan.sync.errors.len()));
        for (who, why) in plan.sync.errors.iter().take(10) {
            out.push_str(&format!("- {}: {}\n", cell(who), cell(why)));
        }
    }
    out
}

fn section(name: &str, target: &TargetPlan) -> String {
    let mut out = format!("### `{name}`: {}\n\n{}\n\n", worst(target), counts(target));
    if target.writes > 0 {
        out.push_str(&format!("{}.\n\n", effort(target)));
    }
    for found in &target.warnings {
        out.push_str(&format!("Warning: {}\n\n", escaped(&warning(found))));
    }
    if target.groups.is_empty() {
        return out;
    }
    out.push_str("| | objects | type | what | rule | for example |\n|---|--:|---|---|---|---|\n");
    let mut left = target.groups.iter();
    for group in left.by_ref() {
        out.push_str(&row(group));
        if out.len() > LONGEST {
            out.push_str(&format!("\n… {} more groups.\n", left.len()));
            break;
        }
    }
    out.push('\n');
    out
}

fn row(group: &Group) -> String {
    let sample = group.sample.change().unwrap_or_else(|| group.sample.name.clone());
    let kind =
        if matches!(group.kind, "delete" | "disable") { format!("**{}**", group.kind) } else { group.kind.into() };
    let cells = [&group.object_type, &group.what, &group.from, &sample].map(|text| cell(text));
    format!("| {kind} | {} | {} |\n", group.count, cells.join(" | "))
}

/// Text that is nothing but text in a table of Markdown.
fn cell(text: &str) -> String {
    escaped(&text.chars().take(CELL).collect::<String>())
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '|' | '*' | '_' | '[' | ']' | '<' | '>' | '\\' | '@' | '#' | '~' | '!' => {
                out.push_str(&format!("&#{};", u32::from(letter)));
            }
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_name_cannot_write_markdown_or_mention_anybody() {
        assert_eq!(cell("a|b @all <x>\n"), "a&#124;b &#64;all &#60;x&#62; ");
    }
}
