//! What a file says of a flow, and what that means. Knows neither the rule around it nor any format.

use super::super::export::FlowSource;

/// What a file says of a flow, word for word.
#[derive(Default)]
pub(in crate::entra_connect) struct Mapping {
    /// The attribute that it writes.
    pub(in crate::entra_connect) to: String,
    /// `Direct`, `Constant`, `Expression`; empty: to be told from the rest.
    pub(in crate::entra_connect) kind: String,
    /// The attributes that it reads; the value of a constant.
    pub(in crate::entra_connect) sources: Vec<String>,
    /// The value of a constant, where it has a place of its own.
    pub(in crate::entra_connect) constant: Option<String>,
    /// The expression; empty for none.
    pub(in crate::entra_connect) expression: String,
    /// Only when the object is made.
    pub(in crate::entra_connect) once: bool,
    /// `Update`, `Replace`, `Merge`, `MergeCaseInsensitive`; may be empty.
    pub(in crate::entra_connect) merge: String,
    /// Where it begins.
    pub(in crate::entra_connect) line: usize,
    /// Where its expression begins.
    pub(in crate::entra_connect) expression_line: usize,
}

/// An expression that does nothing but fail, and says why.
pub(in crate::entra_connect) fn failing(why: &str) -> String {
    format!("Error(\"not read: {}\")", why.replace(['"', '`'], "'"))
}

/// What a flow takes its value from, or else what is wrong with it, as the rest of a sentence.
pub(super) fn source(mapping: &Mapping) -> Result<FlowSource, String> {
    let sources: Vec<&String> = mapping.sources.iter().filter(|source| !source.is_empty()).collect();
    let kind = mapping.kind.trim().to_lowercase();
    let expression = mapping.expression.replace("\r\n", "\n");
    match (kind.as_str(), sources.as_slice()) {
        ("expression", _) if expression.trim().is_empty() => Err("is an expression, but has none".into()),
        ("expression", _) => Ok(FlowSource::Expression(expression)),
        ("", _) if !expression.trim().is_empty() => Ok(FlowSource::Expression(expression)),
        ("constant", []) => Ok(FlowSource::Constant(mapping.constant.clone().unwrap_or_default())),
        ("constant", [value]) => Ok(FlowSource::Constant(mapping.constant.clone().unwrap_or_else(|| (*value).clone()))),
        ("constant", _) => mapping
            .constant
            .clone()
            .map(FlowSource::Constant)
            .ok_or_else(|| "is constant, but has several values".into()),
        ("direct", [attribute]) | ("", [attribute]) => Ok(FlowSource::Direct((*attribute).clone())),
        ("direct", []) => Err("is direct, but has no source".into()),
        ("direct", _) | ("", [_, _, ..]) => Err("has several sources and no expression".into()),
        ("", []) => mapping.constant.clone().map(FlowSource::Constant).ok_or_else(|| "has no source".into()),
        _ => Err(format!("is of the type `{}`, which is not known", mapping.kind)),
    }
}

/// Whether a source holds text of its own, which for a password is the password or a part of it.
pub(in crate::entra_connect) fn holds_text(from: &FlowSource) -> bool {
    match from {
        FlowSource::Direct(_) => false,
        FlowSource::Constant(text) => !text.is_empty(),
        FlowSource::Expression(text) => {
            text.contains(['"', '\u{201c}', '\u{201d}']) && !text.starts_with("Error(\"not read: ")
        }
    }
}
