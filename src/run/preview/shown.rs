//! Values and references as a preview shows them: bytes in short, large sets by what differs, and nothing that is secret.

use std::collections::BTreeSet;

use crate::connector_space::ObjectId;
use crate::sync::ledger::{LedgerError, View};
use crate::value::{AttributeName, Value};

/// Attributes that hold passwords or keys, whichever directory they come from.
const SECRET: [&str; 9] = [
    "userPassword",
    "unicodePwd",
    "dBCSPwd",
    "ntPwdHistory",
    "lmPwdHistory",
    "supplementalCredentials",
    "ms-Mcs-AdmPwd",
    "msLAPS-Password",
    "sambaNTPassword",
];

/// Longer bytes are cut: so many letters of base64.
const BYTES_SHOWN: usize = 44;

/// Whether an attribute's values are never shown.
pub(super) fn is_secret(name: &AttributeName) -> bool {
    let name = name.as_str();
    name.to_ascii_lowercase().starts_with("passwordprofile")
        || SECRET.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

/// The values of an attribute as text.
pub(super) fn texts(name: &AttributeName, values: &[Value]) -> Vec<String> {
    if is_secret(name) {
        return values.iter().map(|_| "(secret)".to_owned()).collect();
    }
    values.iter().map(text).collect()
}

fn text(value: &Value) -> String {
    let whole = value.to_string();
    match value {
        Value::Bytes(bytes) if whole.len() > BYTES_SHOWN => {
            let start: String = whole.chars().take(BYTES_SHOWN - 12).collect();
            format!("{start}… ({} bytes)", bytes.len())
        }
        Value::Bytes(_)
        | Value::Text(_)
        | Value::Integer(_)
        | Value::Boolean(_)
        | Value::Time(_)
        | Value::Password(_) => whole,
    }
}

/// More references than this are counted, not named.
const NAMED: usize = 5;

/// What an attribute of an object refers to, as the last import showed it.
pub(super) fn seen(
    view: &dyn View,
    object: ObjectId,
    attribute: &AttributeName,
) -> Result<BTreeSet<ObjectId>, LedgerError> {
    let edges = view.edges(object, attribute)?;
    Ok(edges.into_iter().filter(|(_, edge)| edge.seen).map(|(to, _)| to).collect())
}

/// Two sets of references as text, each with the view that knows the names: names, or where there are many, how many
/// there are and what differs.
pub(super) fn both_references(
    (before, there): (&dyn View, &BTreeSet<ObjectId>),
    (after, then): (&dyn View, &BTreeSet<ObjectId>),
) -> Result<(Vec<String>, Vec<String>), LedgerError> {
    if there.len().max(then.len()) <= NAMED {
        return Ok((titles(before, there.iter())?, titles(after, then.iter())?));
    }
    let count = |references: &BTreeSet<ObjectId>| vec![format!("{} references", references.len())];
    let mut later = count(then);
    later.extend(titles(after, then.difference(there))?.into_iter().map(|added| format!("+ {added}")));
    later.extend(titles(before, there.difference(then))?.into_iter().map(|lost| format!("- {lost}")));
    Ok((count(there), later))
}

/// The names of the first of some objects.
fn titles<'a>(view: &dyn View, ids: impl Iterator<Item = &'a ObjectId>) -> Result<Vec<String>, LedgerError> {
    let ids: Vec<&ObjectId> = ids.collect();
    let mut names = Vec::new();
    for id in ids.iter().take(NAMED) {
        names.push(view.object(**id)?.map_or_else(|| "(something not imported)".to_owned(), |to| to.title()));
    }
    if ids.len() > NAMED {
        names.push(format!("{} more", ids.len() - NAMED));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_pictures_are_not_shown() {
        let secret = texts(&"USERPASSWORD".into(), &[Value::Text("hunter2".into())]);
        assert_eq!(secret, ["(secret)"]);
        assert_eq!(texts(&"passwordProfile.password".into(), &[Value::Text("hunter2".into())]), ["(secret)"]);
        let picture = texts(&"thumbnailPhoto".into(), &[Value::Bytes(vec![0; 5_000])]);
        assert!(picture[0].ends_with("… (5000 bytes)") && picture[0].len() < 60, "{picture:?}");
        assert_eq!(texts(&"objectGUID".into(), &[Value::Bytes(vec![0; 16])]), ["AAAAAAAAAAAAAAAAAAAAAA=="]);
    }
}
