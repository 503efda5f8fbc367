//! What Graph would refuse, known beforehand: what is required, lengths, characters, domains. Uniqueness only Graph knows.

use super::schema::schema;
use crate::connector::TenantFacts;
use crate::value::{AttributeName, Attributes, Value};

/// What is wrong with an object that is to be made; one sentence each.
pub fn validate(object_type: &str, attributes: &Attributes, facts: &TenantFacts) -> Vec<String> {
    let required: &[&str] = match object_type {
        "user" => &["accountEnabled", "displayName", "mailNickname", "userPrincipalName"],
        "group" => &["displayName", "mailNickname"],
        _ => return vec![format!("Graph does not make objects of type `{object_type}`")],
    };
    let absent = required.iter().filter(|name| !attributes.contains_key(&AttributeName::from(**name)));
    let mut wrong: Vec<String> =
        absent.map(|name| format!("`{name}` is required and no rule gives it a value")).collect();
    wrong.extend(wrong_values(object_type, attributes, facts));
    match object_type {
        "group" => wrong.extend(wrong_group(attributes).map(str::to_owned)),
        _ => wrong.extend(without_anchor(attributes, facts)),
    }
    wrong
}

fn text<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.get(&AttributeName::from(name)).and_then(|values| values.first()).and_then(Value::as_text)
}

/// Graph makes security groups without a mail address, and Microsoft 365 groups with one.
fn wrong_group(attributes: &Attributes) -> Option<&'static str> {
    let all = |name: &str| attributes.get(&AttributeName::from(name)).map_or(&[][..], Vec::as_slice);
    let flag = |name: &str| all(name).first().map(|value| *value == Value::Boolean(true));
    let unified = all("groupTypes").iter().any(|value| value.as_text() == Some("Unified"));
    match (unified, flag("mailEnabled").unwrap_or(false), flag("securityEnabled").unwrap_or(true)) {
        (true, false, _) => Some("`mailEnabled` must be `true` for a Microsoft 365 group"),
        (false, true, _) => Some("`mailEnabled` must be `false` for a group that is no Microsoft 365 group"),
        (false, false, false) => Some("`securityEnabled` must be `true` for a group that is no Microsoft 365 group"),
        _ => None,
    }
}

/// Who signs in elsewhere is known there by the anchor.
fn without_anchor(attributes: &Attributes, facts: &TenantFacts) -> Option<String> {
    let (_, domain) = text(attributes, "userPrincipalName")?.rsplit_once('@')?;
    let federated = facts.federated_domains.iter().any(|known| known.eq_ignore_ascii_case(domain));
    let lacking = federated && text(attributes, "onPremisesImmutableId").is_none();
    lacking.then(|| format!("`onPremisesImmutableId` is required, for `{domain}` is a federated domain"))
}

/// What is wrong with changing properties of an object that was imported like this.
pub fn validate_against<'a>(
    object_type: &str,
    image: &Attributes,
    changed: impl Iterator<Item = &'a AttributeName>,
) -> Vec<String> {
    // Nobody ever synchronised it: there is no value. Somebody does: it is protected.
    let formerly = image.get(&AttributeName::from("onPremisesSyncEnabled")).and_then(|values| values.first());
    if object_type != "user" || formerly != Some(&Value::Boolean(false)) {
        return Vec::new();
    }
    let extension = |name: &&AttributeName| {
        let outer = name.as_str().split('.').next().unwrap_or_default();
        outer.eq_ignore_ascii_case("onPremisesExtensionAttributes")
    };
    let why = "Graph keeps the extension attributes of an account that Microsoft's client synchronised once";
    changed.filter(extension).map(|name| format!("`{name}` cannot be changed: {why}")).collect()
}

/// Properties that Graph does not let go of.
const NOT_CLEARABLE: [&str; 6] =
    ["accountEnabled", "displayName", "mailNickname", "uniqueName", "usageLocation", "userPrincipalName"];

/// What is wrong with clearing a property.
pub fn validate_clearing(name: &AttributeName) -> Option<String> {
    let fixed = NOT_CLEARABLE.iter().any(|fixed| *name == AttributeName::from(*fixed));
    fixed.then(|| format!("`{name}` cannot be cleared; a rule must give it a value or `keep()`"))
}

/// What is wrong with values that are to be set on an object that is there.
pub fn validate_changes(object_type: &str, attributes: &Attributes, facts: &TenantFacts) -> Vec<String> {
    let mut wrong = wrong_values(object_type, attributes, facts);
    if object_type == "group" && attributes.contains_key(&AttributeName::from("uniqueName")) {
        wrong.push("`uniqueName` can only be set in the request that makes the group; flow it with `once`".into());
    }
    if text(attributes, "visibility") == Some("HiddenMembership") {
        wrong.push("`visibility` can only be `HiddenMembership` from the beginning; flow it with `once`".into());
    }
    wrong
}

fn wrong_values(object_type: &str, attributes: &Attributes, facts: &TenantFacts) -> Vec<String> {
    let Some(schema) = schema(object_type) else { return Vec::new() };
    let mut wrong = Vec::new();
    for (name, values) in attributes {
        let Some(longest) = schema.get(name).and_then(|known| known.max_length.map(|longest| (longest, known.multi)))
        else {
            continue;
        };
        match longest {
            (most, true) if values.len() > most => {
                wrong.push(format!("`{name}` has {} values; Graph takes {most}", values.len()))
            }
            (_, true) => {}
            (longest, false) => wrong.extend(values.iter().filter_map(|value| too_long(name, value, longest))),
        }
    }
    let text = |name: &str| text(attributes, name);
    wrong.extend(text("userPrincipalName").and_then(|upn| wrong_upn(upn, facts)));
    wrong.extend(text("mailNickname").and_then(wrong_nickname));
    let mail = text("mail").filter(|mail| !is_address(mail));
    wrong.extend(mail.map(|mail| format!("`mail` `{mail}` is no address that Graph takes")));
    wrong.extend(attributes.get(&AttributeName::from("otherMails")).into_iter().flatten().filter_map(wrong_other_mail));
    let location =
        text("usageLocation").filter(|code| code.len() != 2 || !code.bytes().all(|byte| byte.is_ascii_uppercase()));
    wrong.extend(location.map(|code| format!("`usageLocation` `{code}` is not a country code of two capital letters")));
    let immutable = text("onPremisesImmutableId").filter(|id| id.contains(['$', '_']));
    wrong.extend(immutable.map(|id| format!("`onPremisesImmutableId` `{id}` must not contain `$` or `_`")));
    let user_type = text("userType").filter(|kind| !["Member", "Guest"].contains(kind));
    wrong.extend(user_type.map(|kind| format!("`userType` `{kind}` is neither `Member` nor `Guest`")));
    let policies = text("passwordPolicies").into_iter().flat_map(|policies| policies.split(','));
    let unknown = policies.map(str::trim).filter(|policy| !POLICIES.contains(policy));
    wrong.extend(unknown.map(|policy| format!("`passwordPolicies` `{policy}` is unknown to Graph")));
    wrong
}

/// What `passwordPolicies` may say.
const POLICIES: [&str; 3] = ["None", "DisableStrongPassword", "DisablePasswordExpiration"];

fn wrong_other_mail(value: &Value) -> Option<String> {
    let mail = value.as_text()?;
    match mail.chars().count() {
        length @ 251.. => Some(format!("an address of `otherMails` has {length} characters; Graph takes 250")),
        _ if is_address(mail) => None,
        _ => Some(format!("`otherMails` `{mail}` is no address that Graph takes")),
    }
}

/// Letters of ASCII around one `@`, without blanks, and a domain with a dot.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let plain = text.is_ascii() && !text.contains(char::is_whitespace);
    plain && !local.is_empty() && domain.contains('.') && !domain.contains('@') && !domain.ends_with('.')
}

fn too_long(name: &AttributeName, value: &Value, longest: usize) -> Option<String> {
    let length = value.as_text()?.chars().count();
    (length > longest).then(|| format!("`{name}` has {length} characters; Graph takes {longest}"))
}

fn wrong_upn(upn: &str, facts: &TenantFacts) -> Option<String> {
    let refused = |why: &str| Some(format!("`userPrincipalName` `{upn}` {why}"));
    let Some((local, domain)) = upn.rsplit_once('@') else { return refused("has no `@`") };
    let fine = |c: char| c.is_ascii_alphanumeric() || "'.-_!#^~".contains(c);
    if local.is_empty() || local.len() > 64 || !local.chars().all(fine) {
        return refused("has characters before the `@` that Graph refuses, or none, or more than 64");
    }
    if local.ends_with('.') {
        return refused("has a dot right before the `@`");
    }
    if domain.len() > 48 {
        return refused("has more than 48 characters behind the `@`");
    }
    let verified = facts.verified_domains.iter().any(|known| known.eq_ignore_ascii_case(domain));
    if verified || facts.verified_domains.is_empty() {
        return None;
    }
    Some(format!("`userPrincipalName` `{upn}`: the domain is not verified in the tenant"))
}

fn wrong_nickname(nickname: &str) -> Option<String> {
    let bad = |c: char| !c.is_ascii() || c.is_ascii_control() || "@()\\[]\";:<>, ".contains(c);
    nickname.contains(bad).then(|| format!("`mailNickname` `{nickname}` has characters that Graph refuses"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, text: &str, expected: &[&str]) {
        let attributes = Attributes::from([(name.into(), vec![Value::Text(text.into())])]);
        let facts = TenantFacts { verified_domains: vec!["contoso.com".into()], ..TenantFacts::default() };
        assert_eq!(validate_changes("user", &attributes, &facts), expected);
    }

    #[test]
    fn what_graph_refuses_is_refused_beforehand() {
        check("userPrincipalName", "zoe@CONTOSO.com", &[]);
        check(
            "userPrincipalName",
            "zoe@other.test",
            &["`userPrincipalName` `zoe@other.test`: the domain is not verified in the tenant"],
        );
        check("employeeId", "12345678901234567", &["`employeeId` has 17 characters; Graph takes 16"]);
        check(
            "usageLocation",
            "Germany",
            &[
                "`usageLocation` has 7 characters; Graph takes 2",
                "`usageLocation` `Germany` is not a country code of two capital letters",
            ],
        );
        check("mailNickname", "a b", &["`mailNickname` `a b` has characters that Graph refuses"]);
    }

    #[test]
    fn what_a_creation_needs_is_asked_for() {
        let facts = TenantFacts::default();
        let group = Attributes::from([("uniqueName".into(), vec![Value::Text("x".into())])]);
        let absent = |name: &str| format!("`{name}` is required and no rule gives it a value");
        assert_eq!(validate("group", &group, &facts), [absent("displayName"), absent("mailNickname")]);
        let once = "`uniqueName` can only be set in the request that makes the group; flow it with `once`";
        assert_eq!(validate_changes("group", &group, &facts), [once]);
        let user = ["accountEnabled", "displayName", "mailNickname", "userPrincipalName"].map(absent);
        assert_eq!(validate("user", &Attributes::new(), &facts), user);
        assert_eq!(validate("device", &Attributes::new(), &facts).len(), 1);
    }

    #[test]
    fn user_names_are_looked_at_letter_by_letter() {
        let letters = "has characters before the `@` that Graph refuses, or none, or more than 64";
        let dot = "has a dot right before the `@`";
        for (upn, why) in [("zoë@contoso.com", letters), ("@contoso.com", letters), ("a.@contoso.com", dot)] {
            check("userPrincipalName", upn, &[&format!("`userPrincipalName` `{upn}` {why}")]);
        }
        let long = format!("{}@contoso.com", "a".repeat(65));
        check("userPrincipalName", &long, &[&format!("`userPrincipalName` `{long}` {letters}")]);
        check("userPrincipalName", "nobody", &["`userPrincipalName` `nobody` has no `@`"]);
        check("userPrincipalName", "o'neil_a-b.c!d#e^f~g@contoso.com", &[]);
        check("onPremisesImmutableId", "a_b", &["`onPremisesImmutableId` `a_b` must not contain `$` or `_`"]);
        for mail in ["zoë@contoso.com", "zoe", "zoe a@contoso.com", "zoe@contoso", "@contoso.com", "a@b@contoso.com"] {
            check("mail", mail, &[&format!("`mail` `{mail}` is no address that Graph takes")]);
        }
        check("mail", "zoe@contoso.com", &[]);
    }
}
