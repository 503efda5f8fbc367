//! A comparison as one page that needs nothing else, as a plan's: its data lies in it as JSON, and a script of its own
//! shows a stretch at a time. The page may fetch nothing.

use serde_json::{Value as Json, json};

use super::text::{counts, loss, mastered, notes};
use super::wholes;
use crate::cli::plan::html::{Words, filled};
use crate::run::compare::{Comparison, Different, DifferentValue};

const PAGE: &str = include_str!("page.html");

/// The whole page.
pub(super) fn page(comparison: &Comparison) -> String {
    let mut words = Words::default();
    let mut lines: Vec<Json> = comparison.different.iter().map(|object| different(object, &mut words)).collect();
    for (kind, list) in wholes(comparison) {
        lines.extend(list.iter().map(|found| json!([kind, found.object_type, found.name, found.id, found.reason, []])));
    }
    lines.extend(comparison.errors.iter().map(|(name, why)| json!(["error", "", name, "", why, []])));
    let sums: Vec<Json> = comparison
        .by_attribute
        .iter()
        .map(|sum| json!([words.number(&sum.attribute), words.number(&sum.from()), sum.count]))
        .collect();
    let alike: Vec<Json> = comparison
        .alike
        .iter()
        .map(|found| {
            let how = if found.how.is_empty() { "references" } else { &found.how };
            json!({ "attribute": words.number(&found.attribute), "from": words.number(&found.value.from()), "how": how,
                "count": found.count, "example": found.example, "value": value(&found.value, &mut Words::default()) })
        })
        .collect();
    let lost = comparison
        .lost
        .as_ref()
        .map(|lost| json!({ "mastered": mastered(lost), "losses": lost.losses.iter().map(loss).collect::<Vec<_>>() }));
    let data = json!({ "connector": comparison.connector, "rules": comparison.rules, "verdict": comparison.verdict,
        "safe": comparison.safe, "counts": counts(comparison), "notes": notes(comparison), "sums": sums, "alike": alike,
        "lost": lost, "words": words.list, "lines": lines });
    filled(PAGE, &data)
}

fn different(object: &Different, words: &mut Words) -> Json {
    let values: Vec<Json> = object.values.iter().map(|found| value(found, words)).collect();
    json!(["different", object.object_type, object.name, object.id, "", values])
}

/// Attribute, there, ours, rule and line, the place of what is alike, and what becomes of references, or why it stays.
fn value(found: &DifferentValue, words: &mut Words) -> Json {
    let (attribute, from) = (words.number(&found.attribute), words.number(&found.from()));
    let more = match found.references {
        Some(counts) => json!([counts.go, counts.come, found.goes(), found.held]),
        None if found.held.is_empty() => Json::Null,
        None => found.held.as_str().into(),
    };
    json!([attribute, found.there, found.ours, from, found.alike, more])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::compare::Whole;

    #[test]
    fn a_name_cannot_leave_the_data() {
        let name = "</script><script>alert(1)</script>".to_owned();
        let value =
            DifferentValue { attribute: name.clone(), there: name.as_str().into(), ..DifferentValue::default() };
        let different =
            vec![Different { name: name.clone(), id: name.clone(), object_type: name.clone(), values: vec![value] }];
        let whole = Whole { name: name.clone(), id: name.clone(), object_type: name.clone(), reason: name.clone() };
        let errors = vec![(name.clone(), name.clone())];
        let comparison =
            Comparison { verdict: name.clone(), different, missing: vec![whole], errors, ..Comparison::default() };
        let page = page(&comparison);
        assert!(!page.contains(&name));
        let empty = filled(PAGE, &Json::Null);
        assert_eq!(page.matches("</script>").count(), empty.matches("</script>").count());
        assert!(!page.contains("__DATA__"));
    }

    #[test]
    fn the_page_asks_nobody_for_anything() {
        assert!(PAGE.contains("default-src 'none'"));
        for wrong in ["http:", "https:", "src=", "href=", "@import", "url(", "innerHTML", "fetch("] {
            assert!(!PAGE.contains(wrong), "{wrong}");
        }
    }
}
