//! How the textual formats spell ids, directions, links and the like. Knows words alone: neither files nor rules.

use super::export::{Direction, Link, Merge};

const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// An id as it is compared: small letters, no braces.
pub(super) fn guid(text: &str) -> String {
    let text = text.trim();
    text.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(text).trim().to_lowercase()
}

/// An id that names something: neither empty nor nil.
pub(super) fn named_guid(text: &str) -> Option<String> {
    Some(guid(text)).filter(|id| !id.is_empty() && id != NIL)
}

/// `Inbound`, in any case.
pub(super) fn direction(text: &str) -> Option<Direction> {
    match text.trim().to_lowercase().as_str() {
        "inbound" => Some(Direction::Inbound),
        "outbound" => Some(Direction::Outbound),
        _ => None,
    }
}

/// What the name of a rule says about its direction: `Out to AD - User Join`.
pub(super) fn direction_of_name(name: &str) -> Direction {
    if name.to_lowercase().contains("out to ") { Direction::Outbound } else { Direction::Inbound }
}

/// `Provision`, in any case.
pub(super) fn link(text: &str) -> Option<Link> {
    match text.trim().to_lowercase().as_str() {
        "join" => Some(Link::Join),
        "provision" => Some(Link::Provision),
        "stickyjoin" => Some(Link::StickyJoin),
        _ => None,
    }
}

/// `MergeCaseInsensitive`, in any case. `Replace` is another word for `Update`, and so is nothing.
pub(super) fn merge(text: &str) -> Option<Merge> {
    match text.trim().to_lowercase().as_str() {
        "" | "update" | "replace" => Some(Merge::Update),
        "merge" => Some(Merge::Merge),
        "mergecaseinsensitive" => Some(Merge::MergeCaseInsensitive),
        _ => None,
    }
}

/// `true`, and the other words for it.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A span of time, unless it is none: `0`, `00:00:00`.
pub(super) fn soft_delete(text: &str) -> Option<String> {
    let text = text.trim();
    let none = text.chars().all(|c| matches!(c, '0' | ':' | '.'));
    (!none).then(|| text.to_owned())
}

/// Whether an attribute holds passwords, whose values must go nowhere.
pub(super) fn is_secret(attribute: &str) -> bool {
    let name = attribute.trim().to_lowercase();
    name.ends_with("password") || name.ends_with("pwd")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lose_braces_and_case() {
        assert_eq!(guid(" {AE4DB4CC-B16B-4EB2-ACF5-837CA84E4D7D} "), "ae4db4cc-b16b-4eb2-acf5-837ca84e4d7d");
        assert_eq!(named_guid(NIL), None);
        assert_eq!(named_guid(""), None);
    }

    #[test]
    fn words_have_any_case() {
        assert_eq!(direction("INBOUND"), Some(Direction::Inbound));
        assert_eq!(link("stickyJoin"), Some(Link::StickyJoin));
        assert_eq!(merge("replace"), Some(Merge::Update));
        assert_eq!(truth("Yes"), Some(true));
        assert_eq!(direction("sideways"), None);
    }

    #[test]
    fn spans_of_nothing_are_nothing() {
        assert_eq!(soft_delete("0"), None);
        assert_eq!(soft_delete("00:00:00"), None);
        assert_eq!(soft_delete("7.00:00:00"), Some("7.00:00:00".into()));
    }

    #[test]
    fn passwords_are_known_by_name() {
        for name in ["unicodePwd", "userPassword", "export_password", "ms-Mcs-AdmPwd"] {
            assert!(is_secret(name), "{name}");
        }
        assert!(!is_secret("pwdLastSet"));
    }
}
