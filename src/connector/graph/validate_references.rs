//! Which references Graph would refuse: the kinds of both ends, and how many there may be.

use crate::value::{AttributeName, Attributes};

/// Why an object cannot be referred to by an attribute of another; both by their types and what they have.
pub fn validate_reference(
    (from, image): (&str, &Attributes),
    attribute: &AttributeName,
    (to, other): (&str, &Attributes),
) -> Option<&'static str> {
    let is = |name: &str| *attribute == AttributeName::from(name);
    match (from, to) {
        ("user", "group") if is("manager") => Some("a group is nobody's manager"),
        ("group", "group") if is("owners") => Some("a group owns no group"),
        ("group", "group") if is("members") && is_unified(image) => Some("a Microsoft 365 group has users alone"),
        ("group", "group") if is("members") && is_unified(other) => Some("a Microsoft 365 group is nobody's member"),
        _ => None,
    }
}

fn is_unified(image: &Attributes) -> bool {
    let types = image.get(&AttributeName::from("groupTypes"));
    types.is_some_and(|types| types.iter().any(|value| value.as_text() == Some("Unified")))
}

/// How many references of an attribute an object holds at most.
pub fn most_references(object_type: &str, attribute: &AttributeName) -> Option<usize> {
    (object_type == "group" && *attribute == AttributeName::from("owners")).then_some(100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn both_ends_of_a_reference_are_looked_at() {
        let (plain, team) =
            (Attributes::new(), Attributes::from([("groupTypes".into(), vec![Value::Text("Unified".into())])]));
        let why = |from, attribute: &str, to| validate_reference(from, &attribute.into(), to);
        assert!(why(("user", &plain), "manager", ("group", &plain)).is_some());
        assert!(why(("user", &plain), "manager", ("user", &plain)).is_none());
        assert!(why(("group", &plain), "OWNERS", ("group", &plain)).is_some());
        assert!(why(("group", &team), "members", ("group", &plain)).is_some());
        assert!(why(("group", &plain), "members", ("group", &team)).is_some());
        assert!(why(("group", &plain), "members", ("group", &plain)).is_none());
        assert!(why(("group", &team), "members", ("user", &plain)).is_none());
        assert_eq!(most_references("group", &"owners".into()), Some(100));
        assert_eq!(most_references("group", &"members".into()), None);
    }
}
