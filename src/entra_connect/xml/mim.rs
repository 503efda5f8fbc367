//! How the files of Microsoft Identity Manager are told from those of Entra Connect. The formats are the same, but the
//! rules of that product stand in its connectors and its metaverse, where nobody here looks: to read them would lose them.
//!
//! Knows no more of that product than that.

use super::tree::Element;

/// Why a file is refused.
pub(super) struct Refusal {
    /// A sentence, without a full stop.
    pub(super) message: String,
    /// Where that is to be seen.
    pub(super) line: usize,
}

/// Why a file is not one of Entra Connect, if it is not.
pub(super) fn refusal(root: &Element) -> Option<Refusal> {
    let found = root.everything().find_map(|element| match element.name.as_str() {
        "sync-rule-mapping" => Some((element, "has a `<sync-rule-mapping>`".to_owned())),
        "ma-data" => Some((element, connector(element)?)),
        "mv-data" => Some((element, metaverse(element)?)),
        _ => None,
    });
    found.map(|(element, why)| Refusal {
        message: format!("this file is of Microsoft Identity Manager, which is not read: it {why}"),
        line: element.line,
    })
}

fn connector(element: &Element) -> Option<String> {
    let category = element.text_of("category");
    if category.eq_ignore_ascii_case("FIM") {
        return Some(format!("has a connector of the category `{category}`"));
    }
    flows(element)
}

/// In Entra Connect all settings of the server are parameters of the metaverse.
fn metaverse(element: &Element) -> Option<String> {
    let parameters = element.all("parameter-values").flat_map(|values| values.all("parameter"));
    let own = parameters.filter_map(|parameter| parameter.attribute("name")).any(|name| name.starts_with("Microsoft."));
    if own { flows(element) } else { Some("has a metaverse without parameters `Microsoft.*`".to_owned()) }
}

fn flows(element: &Element) -> Option<String> {
    ["import-attribute-flow", "export-attribute-flow"]
        .into_iter()
        .find(|name| element.child(name).is_some_and(|flows| !flows.children.is_empty()))
        .map(|name| format!("has flows in `<{name}>`"))
}
