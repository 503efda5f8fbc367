//! What an LDAP server would refuse, known beforehand, and what must not be written at all.

use super::Flavour;
use super::operations::NAME;
use crate::dn;
use crate::value::{AttributeName, Attributes, Value};

/// Attributes whose values no two entries of a server share; the name is one.
pub fn unique_attributes(flavour: Flavour) -> &'static [&'static str] {
    match flavour {
        Flavour::ActiveDirectory => &[NAME, "sAMAccountName", "userPrincipalName"],
        Flavour::OpenLdap => &[NAME],
    }
}

/// Why an entry, by its image, must not be written.
pub fn protected(_object_type: &str, image: &Attributes) -> Option<&'static str> {
    let critical = image.get(&AttributeName::from("isCriticalSystemObject")).and_then(|values| values.first());
    (critical == Some(&Value::Boolean(true))).then_some("a system object of Active Directory")
}

/// Attributes that an entry of a type cannot be without.
fn required(flavour: Flavour, object_type: &str) -> &'static [&'static str] {
    match (flavour, object_type.to_ascii_lowercase().as_str()) {
        (Flavour::ActiveDirectory, "user" | "inetorgperson" | "group") => &[NAME, "sAMAccountName"],
        (Flavour::OpenLdap, "inetorgperson") => &[NAME, "sn"],
        (Flavour::ActiveDirectory | Flavour::OpenLdap, _) => &[NAME],
    }
}

/// What is wrong with an entry that is to be made.
pub fn validate(flavour: Flavour, object_type: &str, attributes: &Attributes) -> Vec<String> {
    let missing = required(flavour, object_type).iter().filter(|name| !attributes.contains_key(&(**name).into()));
    let mut wrong: Vec<String> =
        missing.map(|name| format!("`{name}` is required and no rule gives it a value")).collect();
    wrong.extend(validate_changes(flavour, object_type, attributes));
    wrong
}

/// What is wrong with values that are to be set on an entry that is there.
pub fn validate_changes(flavour: Flavour, object_type: &str, attributes: &Attributes) -> Vec<String> {
    let text = |name: &str| attributes.get(&AttributeName::from(name))?.first()?.as_text();
    let mut wrong = Vec::new();
    wrong.extend(text(NAME).filter(|name| !dn::is_dn(name)).map(|name| {
        format!("`dn` `{name}` is not a distinguished name; `escape_dn(…)` escapes a value that stands in one")
    }));
    if let (Flavour::ActiveDirectory, Some(account)) = (flavour, text("sAMAccountName")) {
        wrong.extend(wrong_account(object_type, account));
    }
    wrong
}

/// What is wrong with clearing an attribute.
pub fn validate_clearing(name: &AttributeName) -> Option<String> {
    let fixed = [NAME, "sAMAccountName", "objectClass", "userAccountControl"];
    let is_fixed = fixed.iter().any(|fixed| *name == AttributeName::from(*fixed));
    is_fixed.then(|| format!("`{name}` cannot be cleared; a rule must give it a value or `keep()`"))
}

fn wrong_account(object_type: &str, account: &str) -> Option<String> {
    let longest = if object_type.eq_ignore_ascii_case("group") { 256 } else { 20 };
    let length = account.chars().count();
    if length > longest {
        return Some(format!("`sAMAccountName` has {length} characters; Active Directory takes {longest}"));
    }
    let bad = account.chars().find(|c| "\"@/\\[]:;|=,+*?<>".contains(*c) || c.is_control());
    let bad = bad.or_else(|| account.ends_with('.').then_some('.'));
    bad.map(|c| format!("`sAMAccountName` `{account}` has `{c}`, which Active Directory refuses"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(object_type: &str, attributes: &[(&str, &str)]) -> Vec<String> {
        let attributes = attributes.iter().map(|(name, text)| ((*name).into(), vec![Value::Text((*text).into())]));
        validate(Flavour::ActiveDirectory, object_type, &attributes.collect())
    }

    #[test]
    fn a_new_account_needs_names_that_are_names() {
        assert_eq!(
            wrong("user", &[("cn", "x")]),
            [
                "`dn` is required and no rule gives it a value",
                "`sAMAccountName` is required and no rule gives it a value"
            ]
        );
        let dn = ("dn", "CN=x,DC=y");
        for (account, complaint) in [
            ("jroe", None),
            ("jane.roe.the.very.long", Some("`sAMAccountName` has 22 characters; Active Directory takes 20")),
            ("a:b", Some("`sAMAccountName` `a:b` has `:`, which Active Directory refuses")),
            ("a.", Some("`sAMAccountName` `a.` has `.`, which Active Directory refuses")),
        ] {
            let found = wrong("user", &[dn, ("sAMAccountName", account)]);
            assert_eq!(found.first().map(String::as_str), complaint, "{account}");
        }
        assert!(wrong("group", &[dn, ("sAMAccountName", "a group with a very long name")]).is_empty());
        assert!(wrong("contact", &[("dn", "Jane")])[0].contains("is not a distinguished name"));
    }

    #[test]
    fn system_objects_are_left_alone() {
        let image = [("isCriticalSystemObject".into(), vec![Value::Boolean(true)])].into();
        assert!(protected("user", &image).is_some() && protected("user", &Attributes::new()).is_none());
    }
}
