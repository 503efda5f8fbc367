//! What Graph's users and groups are made of, as far as synchronisation goes. Facts only.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::value::{AttributeName, AttributeType, Attributes, Kind, Refusal, Schema, Value};

/// Name, kind, multi, writable, longest.
type Row = (&'static str, Kind, bool, bool, Option<usize>);

const fn text(name: &'static str, longest: usize) -> Row {
    (name, Kind::Text, false, true, Some(longest))
}

const fn free(name: &'static str, kind: Kind) -> Row {
    (name, kind, false, true, None)
}

const fn fixed(name: &'static str, kind: Kind) -> Row {
    (name, kind, false, false, None)
}

const USER: &[Row] = &[
    free("accountEnabled", Kind::Boolean),
    free("ageGroup", Kind::Text),
    // The ids of the licences alone.
    ("assignedLicenses", Kind::Text, true, false, None),
    ("businessPhones", Kind::Text, true, true, Some(1)),
    text("city", 128),
    text("companyName", 64),
    free("consentProvidedForMinor", Kind::Text),
    text("country", 128),
    fixed("createdDateTime", Kind::Time),
    fixed("creationType", Kind::Text),
    text("department", 64),
    text("displayName", 256),
    free("employeeHireDate", Kind::Time),
    text("employeeId", 16),
    free("employeeLeaveDateTime", Kind::Time),
    free("employeeOrgData.costCenter", Kind::Text),
    free("employeeOrgData.division", Kind::Text),
    free("employeeType", Kind::Text),
    fixed("externalUserState", Kind::Text),
    text("faxNumber", 64),
    text("givenName", 64),
    fixed("id", Kind::Text),
    ("imAddresses", Kind::Text, true, false, None),
    text("jobTitle", 128),
    fixed("lastPasswordChangeDateTime", Kind::Time),
    text("mail", 256),
    text("mailNickname", 64),
    free("manager", Kind::Reference),
    text("mobilePhone", 64),
    text("officeLocation", 128),
    fixed("onPremisesDistinguishedName", Kind::Text),
    fixed("onPremisesDomainName", Kind::Text),
    text("onPremisesImmutableId", 64),
    fixed("onPremisesLastSyncDateTime", Kind::Time),
    fixed("onPremisesSamAccountName", Kind::Text),
    fixed("onPremisesSecurityIdentifier", Kind::Text),
    fixed("onPremisesSyncEnabled", Kind::Boolean),
    fixed("onPremisesUserPrincipalName", Kind::Text),
    ("otherMails", Kind::Text, true, true, Some(250)),
    free("passwordPolicies", Kind::Text),
    free("passwordProfile.password", Kind::Password),
    text("postalCode", 40),
    free("preferredDataLocation", Kind::Text),
    free("preferredLanguage", Kind::Text),
    ("proxyAddresses", Kind::Text, true, false, None),
    fixed("securityIdentifier", Kind::Text),
    text("state", 128),
    text("streetAddress", 1024),
    text("surname", 64),
    text("usageLocation", 2),
    text("userPrincipalName", 113),
    free("userType", Kind::Text),
];

const GROUP: &[Row] = &[
    ("assignedLicenses", Kind::Text, true, false, None),
    free("classification", Kind::Text),
    fixed("createdDateTime", Kind::Time),
    text("description", 1024),
    text("displayName", 256),
    ("groupTypes", Kind::Text, true, true, None),
    fixed("id", Kind::Text),
    fixed("mail", Kind::Text),
    free("mailEnabled", Kind::Boolean),
    text("mailNickname", 64),
    ("members", Kind::Reference, true, true, None),
    fixed("onPremisesSecurityIdentifier", Kind::Text),
    fixed("onPremisesSyncEnabled", Kind::Boolean),
    ("owners", Kind::Reference, true, true, Some(100)),
    free("preferredLanguage", Kind::Text),
    ("proxyAddresses", Kind::Text, true, false, None),
    free("securityEnabled", Kind::Boolean),
    free("uniqueName", Kind::Text),
    free("visibility", Kind::Text),
];

/// Built once: every object that is written is looked at by one.
static SCHEMAS: LazyLock<BTreeMap<String, Schema>> = LazyLock::new(|| {
    let types = ["user", "group", "contact", "orgContact"];
    types.into_iter().filter_map(|name| Some((name.to_owned(), built(name)?))).collect()
});

/// What can be flowed to a type of object. Nested properties have dotted names.
pub fn schema(object_type: &str) -> Option<&'static Schema> {
    SCHEMAS.get(object_type)
}

fn built(object_type: &str) -> Option<Schema> {
    let rows = match object_type {
        "user" => USER,
        "group" => GROUP,
        "contact" | "orgContact" => {
            let why = "Graph lets nobody make organizational contacts: they belong to Exchange".to_owned();
            return Some(Schema {
                closed: true,
                refusals: vec![Refusal { flow: None, unless: None, why }],
                ..Schema::default()
            });
        }
        _ => return None,
    };
    let mut schema = Schema { closed: true, ..Schema::default() };
    for (name, kind, multi, writable, max_length) in rows {
        let known = AttributeType { kind: *kind, multi: *multi, writable: *writable, max_length: *max_length };
        schema.attributes.insert(AttributeName::from(*name), known);
    }
    if object_type == "group" {
        schema.refusals.push(Refusal {
            flow: Some(("mailEnabled".into(), Value::Boolean(true))),
            unless: Some("groupTypes".into()),
            why: "Graph makes no distribution lists and no mail-enabled security groups: they belong to Exchange"
                .into(),
        });
    }
    if object_type == "user" {
        for number in 1..=15 {
            let known = AttributeType { kind: Kind::Text, multi: false, writable: true, max_length: Some(1024) };
            schema.attributes.insert(format!("onPremisesExtensionAttributes.extensionAttribute{number}").into(), known);
        }
    }
    Some(schema)
}

/// The schemas of all types, those that nobody can make too.
pub fn schemas() -> BTreeMap<String, Schema> {
    SCHEMAS.clone()
}

/// Properties whose values no two objects may share.
pub fn unique_attributes(object_type: &str) -> &'static [&'static str] {
    match object_type {
        "user" => &["userPrincipalName", "mail", "onPremisesImmutableId", "proxyAddresses"],
        "group" => &["uniqueName", "proxyAddresses"],
        _ => &[],
    }
}

/// Properties that are read though no rule may ask for them: who else has a value, and who has a licence.
pub fn also_read(object_type: &str) -> impl Iterator<Item = &'static str> {
    unique_attributes(object_type).iter().copied().chain(["assignedLicenses"])
}

/// The address among those of everybody that a value takes, as property and folded text: that of `mail`.
pub fn claimed_address(name: &AttributeName, value: &Value) -> Option<(AttributeName, String)> {
    let is_mail = *name == AttributeName::from("mail");
    is_mail.then(|| ("proxyAddresses".into(), Value::Text(format!("smtp:{value}")).folded()))
}

/// The property whose change changes another one, too.
pub fn source_of(name: &AttributeName) -> Option<AttributeName> {
    (*name == AttributeName::from("proxyAddresses")).then(|| "mail".into())
}

/// The addresses of a user when `mail` is written: it takes the place of the primary one, the others stay. What becomes
/// of the primary address that was is not documented: should a tenant keep it, who claims it is refused, and tried again.
pub fn addresses_with(addresses: &[Value], mail: &[Value]) -> Vec<Value> {
    let secondary = addresses.iter().filter(|address| !address.to_string().starts_with("SMTP:"));
    let primary = mail.iter().map(|mail| Value::Text(format!("SMTP:{mail}")));
    primary.chain(secondary.cloned()).collect()
}

/// Properties that say whose object it is: they are written once.
pub fn anchor_attributes(object_type: &str) -> &'static [&'static str] {
    match object_type {
        "user" => &["onPremisesImmutableId"],
        "group" => &["uniqueName"],
        _ => &[],
    }
}

/// Properties by which an object says whose it is.
pub fn matching_attributes(object_type: &str) -> &'static [&'static str] {
    match object_type {
        "user" => &["onPremisesImmutableId", "onPremisesSecurityIdentifier"],
        "group" => &["uniqueName", "onPremisesSecurityIdentifier"],
        _ => &[],
    }
}

/// Why an object, by its imported properties, must not be written.
pub fn protected(object_type: &str, image: &Attributes) -> Option<&'static str> {
    let is = |name: &str| {
        image.get(&AttributeName::from(name)).and_then(|values| values.first()) == Some(&Value::Boolean(true))
    };
    let types = image.get(&AttributeName::from("groupTypes")).map_or(&[][..], Vec::as_slice);
    let has_type = |wanted: &str| types.iter().any(|value| value.as_text() == Some(wanted));
    if is("onPremisesSyncEnabled") {
        Some("mastered by Microsoft's synchronisation client")
    } else if object_type == "group" && is("mailEnabled") && !has_type("Unified") {
        Some("a mail-enabled group, which Graph cannot write")
    } else if object_type == "group" && has_type("DynamicMembership") {
        Some("a group with dynamic membership")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_microsofts_client_and_of_exchange_are_left_alone() {
        let yes = || vec![Value::Boolean(true)];
        let types = |name: &str| ("groupTypes".into(), vec![Value::Text(name.into())]);
        let why = |object_type: &str, image: &[(AttributeName, Vec<Value>)]| {
            protected(object_type, &image.iter().cloned().collect())
        };
        let synced = Some("mastered by Microsoft's synchronisation client");
        assert_eq!(why("user", &[("onPremisesSyncEnabled".into(), yes())]), synced);
        assert_eq!(why("user", &[("onPremisesSyncEnabled".into(), vec![Value::Boolean(false)])]), None);
        let mail = ("mailEnabled".into(), yes());
        assert_eq!(why("group", std::slice::from_ref(&mail)), Some("a mail-enabled group, which Graph cannot write"));
        assert_eq!(why("group", &[mail, types("Unified")]), None);
        assert_eq!(why("group", &[types("DynamicMembership")]), Some("a group with dynamic membership"));
        assert_eq!(why("group", &[]), None);
    }

    #[test]
    fn the_schema_knows_nested_names_and_what_only_the_service_writes() {
        let user = schema("user").unwrap();
        let known = |name: &str| user.get(&name.into()).map(|known| (known.kind, known.multi, known.writable));
        assert_eq!(known("onPremisesExtensionAttributes.extensionAttribute15"), Some((Kind::Text, false, true)));
        assert_eq!(known("onPremisesExtensionAttributes.extensionAttribute16"), None);
        assert_eq!(known("EMPLOYEEORGDATA.COSTCENTER"), Some((Kind::Text, false, true)));
        assert_eq!(known("proxyAddresses"), Some((Kind::Text, true, false)));
        assert_eq!(known("manager"), Some((Kind::Reference, false, true)));
        // Rules say how long a password is; no text is one.
        assert_eq!(known("passwordProfile.password"), Some((Kind::Password, false, true)));
        assert!(user.closed && schema("device").is_none());
    }
}
