//! Errors about users.

use serde_json::{Value as Json, json};
use syncline::connector::graph::schema;
use syncline::value::Kind;

use super::cases::{Case, Flow, domain};

/// A text as an expression.
pub(crate) fn text(text: &str) -> String {
    Json::from(text).to_string()
}

fn one(name: &'static str, value: &str) -> Flow {
    vec![(name, value.to_owned())]
}

/// One property with a text that is refused, and one that is taken.
fn texts(error: &str, name: &'static str, wrong: &str, fine: &str) -> Case {
    Case::of("user", error, one(name, &text(wrong)), one(name, &text(fine)))
}

fn upn(error: &str, wrong: &str, fine: &str) -> Case {
    texts(error, "userPrincipalName", wrong, fine)
}

pub(crate) fn cases() -> Vec<Case> {
    let reported = [required(), names(), taken()].concat().into_iter().map(Case::reported);
    reported.chain([elsewhere(), letters(), lengths("user"), there()].concat()).collect()
}

/// "A value is required for property …", among the first errors of everybody who makes users by API.
fn required() -> Vec<Case> {
    let absent = |name: &'static str, fine: &str| {
        Case::of("user", &format!("a user is made without `{name}`"), one(name, "()"), one(name, fine))
    };
    vec![
        absent("displayName", &text("Zoë Müller")),
        absent("mailNickname", &text("zoe.m")),
        absent("accountEnabled", "false"),
        absent("userPrincipalName", &text("somebody.else@contoso.com")),
    ]
}

/// The user resource: the immutable id "must be specified" for a user of a federated domain.
fn elsewhere() -> Vec<Case> {
    vec![Case::of(
        "user",
        "a user of a federated domain is made without `onPremisesImmutableId`",
        vec![("onPremisesImmutableId", "()".into()), ("userPrincipalName", text("a.b@federated.test"))],
        vec![("userPrincipalName", text("a.c@federated.test"))],
    )]
}

/// "Property userPrincipalName is invalid", "The domain portion of the userPrincipalName property is invalid".
fn names() -> Vec<Case> {
    let (longest, longer) = ("a".repeat(64), "a".repeat(65));
    vec![
        upn("a user name with an accent", "zoë@contoso.com", "zoe@contoso.com"),
        upn("a user name with a blank", "zoe m@contoso.com", "zoe_m@contoso.com"),
        upn("a user name with a letter that it must not have", "zoe+x@contoso.com", "o'neil-a.b!d#e^f~g@contoso.com"),
        upn("a user name without a domain", "zoe.nowhere", "zoe.here@contoso.com"),
        upn("a user name with nothing before the domain", "@contoso.com", "z@contoso.com"),
        upn("a dot right before the `@`", "zoe.@contoso.com", ".zoe@contoso.com"),
        upn("more than 64 letters before the `@`", &format!("{longer}@contoso.com"), &format!("{longest}@contoso.com")),
        upn("a domain of more than 48 letters", &format!("d@{}", domain(49)), &format!("d@{}", domain(48))),
        upn("a domain that is not verified in the tenant", "zoe@fabrikam.test", "zoe.v@CONTOSO.test"),
    ]
}

/// "Another object with the same value for property … already exists", the commonest of all.
fn taken() -> Vec<Case> {
    let holder = |more: Json| {
        let mut object = json!({"type": "user", "displayName": "Holder"});
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    };
    vec![
        upn("the user name of somebody else", "Taken@contoso.com", "taken2@contoso.com")
            .beside(holder(json!({"userPrincipalName": "taken@contoso.com"}))),
        upn("two new users with one name", "twins@contoso.com", "twins@contoso.com"),
        texts("an address that another user has in `mail`", "mail", "held@contoso.com", "held2@contoso.com")
            .beside(holder(json!({"userPrincipalName": "h1@contoso.com", "mail": "Held@contoso.com"}))),
        texts(
            "an address that another user has among `proxyAddresses`",
            "mail",
            "alias@contoso.com",
            "alias2@contoso.com",
        )
        .beside(holder(json!({"userPrincipalName": "h2@contoso.com",
                "proxyAddresses": ["SMTP:h2@contoso.com", "smtp:alias@contoso.com"]}))),
        texts("the address of a Microsoft 365 group", "mail", "team@contoso.com", "team2@contoso.com").beside(json!({
            "type": "group", "displayName": "Team", "groupTypes": ["Unified"], "mailEnabled": true,
            "mail": "team@contoso.com", "proxyAddresses": ["SMTP:team@contoso.com"]})),
        texts("the address of a distribution list", "mail", "list@contoso.com", "list2@contoso.com").beside(json!({
            "type": "group", "displayName": "List", "mailEnabled": true, "securityEnabled": false,
            "mail": "list@contoso.com", "proxyAddresses": ["SMTP:list@contoso.com"]})),
        texts("two new users with one address", "mail", "pair@contoso.com", "pair@contoso.com"),
        texts("the immutable id of somebody else", "onPremisesImmutableId", "SomebodyElse=", "NobodyElse===")
            .beside(holder(json!({"userPrincipalName": "h3@contoso.com", "onPremisesImmutableId": "SomebodyElse="}))),
    ]
}

/// "Property … is invalid", "One or more properties contains invalid values".
fn letters() -> Vec<Case> {
    let many = |count: usize| -> Flow {
        let list: Vec<String> = (0..count).map(|number| text(&format!("n{number}@example.com"))).collect();
        one("otherMails", &format!("[{}]", list.join(", ")))
    };
    let long = |count: usize| one("otherMails", &format!("[{}]", text(&format!("{}@example.com", "a".repeat(count)))));
    let case = |error: &str, wrong, fine| Case::of("user", error, wrong, fine);
    vec![
        texts("a nickname with a blank", "mailNickname", "zoe m", "zoe-m"),
        texts("a nickname with an `@`", "mailNickname", "zoe@contoso", "zoe.contoso"),
        texts("a nickname with an accent", "mailNickname", "zoë", "zoe"),
        texts("an address with an accent", "mail", "zoë.m@contoso.com", "zoe.m@contoso.com"),
        texts("an address without a domain", "mail", "zoe.nowhere", "zoe.somewhere@contoso.com"),
        texts("a country by its name", "usageLocation", "Germany", "DE"),
        texts("a country in small letters", "usageLocation", "de", "FR"),
        texts("an immutable id with an underscore", "onPremisesImmutableId", "a_b", "a+b/=="),
        texts("a policy of passwords that there is not", "passwordPolicies", "Never", "DisablePasswordExpiration"),
        texts("a type of user that there is not", "userType", "Contractor", "Guest"),
        case("two business phones", one("businessPhones", "[\"1\", \"2\"]"), one("businessPhones", "[\"1\"]")),
        case(
            "another address that is none",
            one("otherMails", "[\"zoe\"]"),
            one("otherMails", "[\"zoe@example.com\"]"),
        ),
        case("another address of more than 250 letters", long(239), long(238)),
        case("more than 250 other addresses", many(251), many(250)),
    ]
}

/// Each property that has a greatest length: "employeeId" with AD's longer numbers and "jobTitle" are those that people meet.
pub(crate) fn lengths(kind: &'static str) -> Vec<Case> {
    let special = ["userPrincipalName", "usageLocation", "onPremisesImmutableId"];
    let mut cases = Vec::new();
    for (name, known) in &schema(kind).unwrap().attributes {
        let (Some(longest), Kind::Text, false, true) = (known.max_length, known.kind, known.multi, known.writable)
        else {
            continue;
        };
        let fifteen = name.as_str().contains("extensionAttribute") && !name.as_str().ends_with("extensionAttribute1");
        if special.contains(&name.as_str()) || fifteen {
            continue;
        }
        let name: &'static str = Box::leak(name.as_str().to_owned().into_boxed_str());
        let filled = |length: usize| match name {
            "mail" => format!("{}@contoso.com", "a".repeat(length - 12)),
            _ => "a".repeat(length),
        };
        let error = format!("`{name}` of more than {longest} characters");
        let [wrong, fine] = [longest + 1, longest].map(|length| one(name, &text(&filled(length))));
        cases.push(Case::of(kind, &error, wrong, fine));
    }
    cases
}

/// Writes to users who are there.
fn there() -> Vec<Case> {
    let clearing = |name: &'static str, there: &str, fine: &str| {
        let error = format!("`{name}` is cleared");
        Case::of("user", &error, one(name, "absent()"), one(name, &text(fine))).there(json!({name: there}))
    };
    let title = |there: Json, error: &str| {
        Case::of("user", error, one("jobTitle", &text("Head")), one("jobTitle", &text("Head")))
            .there_and(there, json!({}))
    };
    let extension = "onPremisesExtensionAttributes.extensionAttribute1";
    vec![
        clearing("displayName", "Zoe", "Zoë"),
        clearing("mailNickname", "nick", "nick2"),
        clearing("usageLocation", "DE", "FR"),
        // Issues of several synchronisation tools: "originated within an external service".
        Case::of(
            "user",
            "an extension attribute of an account that Microsoft's client synchronised once",
            one(extension, &text("x")),
            one("jobTitle", &text("Head")),
        )
        .there(json!({"onPremisesSyncEnabled": false}))
        .reported(),
        // Refused since the middle of 2024, say those who leave Microsoft's client.
        Case::of(
            "user",
            "the immutable id of an account that Microsoft's client synchronised once is cleared",
            one("onPremisesImmutableId", "absent()"),
            one("jobTitle", &text("Head")),
        )
        .there(json!({"onPremisesSyncEnabled": false})),
        title(json!({"onPremisesSyncEnabled": true}), "a write to an account that Microsoft's client synchronises")
            .by_hand(json!({"jobTitle": "Head"}))
            .reported(),
        Case::of(
            "user",
            "a telephone number of an administrator",
            one("mobilePhone", &text("1")),
            one("mobilePhone", &text("1")),
        )
        .there_and(json!({"protected": true}), json!({}))
        .by_hand(json!({"mobilePhone": "1"}))
        .reported(),
    ]
}
