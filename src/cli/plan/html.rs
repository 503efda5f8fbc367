//! A plan as one page that needs nothing else: its data lies in it as JSON, and a script of its own shows a stretch at a
//! time, so that a hundred thousand changes are no load. The page may fetch nothing.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::text::{counts, effort, warning, worst};
use crate::run::plan::{Plan, PlanLine};

const PAGE: &str = include_str!("page.html");
/// How lists of objects look, on every page that has one.
const STYLE: &str = include_str!("style.css");
/// The data of a page, and the words that its script begins with.
const BEGIN: &str = include_str!("begin.html");

/// The whole page.
pub(super) fn page(plan: &Plan) -> String {
    let mut words = Words::default();
    let mut lines = Vec::new();
    let mut targets = Vec::new();
    for (at, (name, target)) in plan.targets.iter().enumerate() {
        lines.extend(target.lines.iter().map(|line| row(at, line, &mut words)));
        let groups: Vec<Json> = target
            .groups
            .iter()
            .enumerate()
            .map(|(number, group)| {
                let name = &group.sample.name;
                let example = group.sample.change().map_or(name.clone(), |change| format!("{change} ({name})"));
                json!({ "number": number, "kind": group.kind, "object_type": group.object_type, "what": group.what,
                    "from": group.from, "count": group.count, "example": example })
            })
            .collect();
        let time = (target.writes > 0).then(|| effort(target));
        let warnings: Vec<String> = target.warnings.iter().map(warning).collect();
        targets.push(json!({ "name": name, "worst": worst(target), "counts": counts(target), "time": time,
            "warnings": warnings, "groups": groups }));
    }
    let exceeded: Vec<String> = plan.exceeded.iter().map(crate::run::guard::Exceeded::deed).collect();
    let data = json!({ "rules": plan.rules, "incomplete": plan.incomplete, "exceeded": exceeded, "targets": targets,
        "words": words.list, "lines": lines });
    filled(PAGE, &data)
}

/// A page with its data. Nothing in the data can end the element that it lies in.
pub(in crate::cli) fn filled(page: &str, data: &Json) -> String {
    // What the pages share comes first: nothing is looked for in the data.
    let page = page.replace("__STYLE__", STYLE).replace("__BEGIN__", BEGIN);
    page.replace("__DATA__", &data.to_string().replace('<', "\\u003c"))
}

fn row(target: usize, line: &PlanLine, words: &mut Words) -> Json {
    let changes: Vec<Json> = line
        .changes
        .iter()
        .map(|change| {
            json!([
                words.number(&change.attribute),
                change.before,
                change.after,
                words.number(&change.from),
                change.group
            ])
        })
        .collect();
    let references: Vec<Json> =
        line.references.iter().map(|change| json!([change.attribute, change.shown()])).collect();
    json!([target, line.kind, line.object_type, line.name, line.reason, changes, references, line.group])
}

/// Words that come again and again, once each.
#[derive(Default)]
pub(in crate::cli) struct Words {
    /// Each in its place.
    pub(in crate::cli) list: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Words {
    /// The place of a word.
    pub(in crate::cli) fn number(&mut self, word: &str) -> usize {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        self.list.push(word.to_owned());
        self.numbers.insert(word.to_owned(), self.list.len() - 1);
        self.list.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_the_data() {
        let name = "</script><script>alert(1)</script>";
        let line = PlanLine { name: name.into(), kind: "create", ..PlanLine::default() };
        let target = crate::run::plan::TargetPlan { lines: vec![line], ..Default::default() };
        let plan = Plan { targets: [("entra".to_owned(), target)].into(), ..Plan::default() };
        let page = page(&plan);
        assert!(!page.contains(name));
        let empty = filled(PAGE, &Json::Null);
        assert_eq!(page.matches("</script>").count(), empty.matches("</script>").count());
        assert!(!page.contains("__DATA__"));
    }
}
