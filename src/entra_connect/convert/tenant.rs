//! The names of Entra Connect's tenant connector, and what Microsoft Graph calls the same: neither set is the other.

use super::code::Code;

/// What becomes of an attribute of the tenant connector that a rule writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Under the name that it has: no attribute of the tenant.
    Same,
    /// Graph has it under this name.
    As(&'static str),
    /// Graph has a list of it.
    List(&'static str),
    /// Written when the object is made, and never again.
    Once(&'static str),
    /// A user name, in a domain that the tenant owns.
    UserName,
    /// Graph does not let it be written: why, and what to do.
    Not(&'static str),
}

const EXCHANGE: &str = "belongs to Exchange Online: Exchange PowerShell, or Exchange hybrid";
const ADDRESSES: &str = "Graph makes the primary address of `mail`; further ones are written with Exchange PowerShell";
const CLIENT: &str = "only Microsoft's own clients write it; it stays as it is until they are removed";
const UNUSED: &str = "Graph has no such property; if something reads it, use an extension attribute";
const NAME: &str = "names the object in the connector of Entra Connect; Graph has no names";
const CERTIFICATE: &str = "Graph has `authorizationInfo` for sign-in certificates, and nothing for those of mail";

/// What becomes of an attribute of a type.
pub(crate) fn written(object_type: &str, name: &str) -> Written {
    let row =
        |rows: &[(&str, Written)]| rows.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|row| row.1);
    let known = match object_type {
        "user" => row(USER).or_else(|| extension(name)),
        "group" => row(GROUP),
        _ => None,
    };
    known.unwrap_or_else(|| lost(name))
}

const USER: &[(&str, Written)] = &[
    ("accountEnabled", Written::As("accountEnabled")),
    ("alias", Written::As("mailNickname")),
    ("city", Written::As("city")),
    ("company", Written::As("companyName")),
    ("country", Written::As("country")),
    ("department", Written::As("department")),
    ("displayName", Written::As("displayName")),
    ("employeeHireDate", Written::As("employeeHireDate")),
    ("employeeId", Written::As("employeeId")),
    ("employeeLeaveDateTime", Written::As("employeeLeaveDateTime")),
    ("employeeType", Written::As("employeeType")),
    ("facsimileTelephoneNumber", Written::As("faxNumber")),
    ("givenName", Written::As("givenName")),
    ("mail", Written::As("mail")),
    ("manager", Written::As("manager")),
    ("mobile", Written::As("mobilePhone")),
    ("physicalDeliveryOfficeName", Written::As("officeLocation")),
    ("postalCode", Written::As("postalCode")),
    ("preferredDataLocation", Written::As("preferredDataLocation")),
    ("preferredLanguage", Written::As("preferredLanguage")),
    ("sourceAnchor", Written::As("onPremisesImmutableId")),
    ("state", Written::As("state")),
    ("streetAddress", Written::As("streetAddress")),
    ("surname", Written::As("surname")),
    ("telephoneNumber", Written::List("businessPhones")),
    ("title", Written::As("jobTitle")),
    ("usageLocation", Written::As("usageLocation")),
    ("userPrincipalName", Written::UserName),
    ("userType", Written::As("userType")),
];

const GROUP: &[(&str, Written)] = &[
    ("alias", Written::As("mailNickname")),
    ("description", Written::As("description")),
    ("displayName", Written::As("displayName")),
    ("member", Written::As("members")),
    ("securityEnabled", Written::Once("securityEnabled")),
    ("sourceAnchor", Written::Once("uniqueName")),
    (
        "mail",
        Written::Not(
            "Graph makes the address of a Microsoft 365 group itself; other groups with mail belong to Exchange",
        ),
    ),
    (
        "managedBy",
        Written::Not("Graph has `owners`, who may change the group and its members; decide whether managers shall"),
    ),
];

/// `extensionAttribute7`, which Graph keeps in a property of its own.
fn extension(name: &str) -> Option<Written> {
    const NAMES: [&str; 15] = [
        "onPremisesExtensionAttributes.extensionAttribute1",
        "onPremisesExtensionAttributes.extensionAttribute2",
        "onPremisesExtensionAttributes.extensionAttribute3",
        "onPremisesExtensionAttributes.extensionAttribute4",
        "onPremisesExtensionAttributes.extensionAttribute5",
        "onPremisesExtensionAttributes.extensionAttribute6",
        "onPremisesExtensionAttributes.extensionAttribute7",
        "onPremisesExtensionAttributes.extensionAttribute8",
        "onPremisesExtensionAttributes.extensionAttribute9",
        "onPremisesExtensionAttributes.extensionAttribute10",
        "onPremisesExtensionAttributes.extensionAttribute11",
        "onPremisesExtensionAttributes.extensionAttribute12",
        "onPremisesExtensionAttributes.extensionAttribute13",
        "onPremisesExtensionAttributes.extensionAttribute14",
        "onPremisesExtensionAttributes.extensionAttribute15",
    ];
    let rest = name.to_ascii_lowercase();
    let number: usize = rest.strip_prefix("extensionattribute")?.parse().ok()?;
    NAMES.get(number.checked_sub(1)?).map(|name| Written::As(name))
}

/// Why Graph does not take an attribute.
fn lost(name: &str) -> Written {
    let lower = name.to_ascii_lowercase();
    let exchange =
        ["msexch", "authorig", "unauthorig", "dlmem", "publicdelegates", "targetaddress", "legacyexchangedn"];
    let more = ["hidedlmembership", "reportto", "oofreply", "msorg", "msdshab", "msrtcsip", "extensionattribute"];
    Written::Not(match lower.as_str() {
        "proxyaddresses" => ADDRESSES,
        "dn" => NAME,
        "usercertificate" | "usersmimecertificate" => CERTIFICATE,
        "thumbnailphoto" | "photo" => {
            "photos of users are written with `PUT /users/…/photo/$value`, which rules do not do"
        }
        lower
            if lower.starts_with("onpremis")
                || ["dnsdomainname", "netbiosname", "lastpasswordchangetimestamp"].contains(&lower) =>
        {
            CLIENT
        }
        lower if exchange.iter().chain(&more).any(|start| lower.starts_with(start)) => EXCHANGE,
        _ => UNUSED,
    })
}

/// What Graph shows in the place of an attribute of the tenant connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// The id, behind this.
    Id(&'static str),
    /// An attribute of this name.
    Attribute(&'static str),
}

/// What Graph shows in the place of an attribute that a rule reads; nothing where it does not show it.
pub(crate) fn shows(object_type: &str, name: &str) -> Option<Shows> {
    match (object_type, name.to_ascii_lowercase().as_str()) {
        ("user", "cloudanchor") => Some(Shows::Id("User_")),
        ("user", "sourceanchor") => Some(Shows::Attribute("onPremisesImmutableId")),
        ("group", "cloudanchor") => Some(Shows::Id("Group_")),
        ("group", "sourceanchor") => Some(Shows::Attribute("uniqueName")),
        ("user" | "group", _) => match written(object_type, name) {
            Written::As(ours) | Written::Once(ours) => Some(Shows::Attribute(ours)),
            Written::UserName if object_type == "user" => Some(Shows::Attribute("userPrincipalName")),
            Written::UserName | Written::Same | Written::List(_) | Written::Not(_) => None,
        },
        _ => None,
    }
}

/// What an attribute of the tenant connector is when a rule reads it; nothing where Graph does not show it.
pub(super) fn read(object_type: &str, name: &str, object: &str) -> Option<Code> {
    Some(match shows(object_type, name)? {
        Shows::Id(start) => Code::chain("+", [Code::text(start), Code::plain(format!("{object}.id"))]),
        Shows::Attribute(ours) if ours.contains('.') => super::emit::attribute(object, ours),
        Shows::Attribute(ours) => Code::plain(format!("{object}.{ours}")),
    })
}

/// Whether Graph lets an app make objects of a type: why not.
pub(crate) fn unmade(object_type: &str) -> Option<&'static str> {
    match object_type {
        "user" | "group" => None,
        "contact" => Some("Graph lets nobody make contacts: they belong to Exchange"),
        "device" => Some("devices register themselves; Graph lets no app write what Entra Connect wrote"),
        _ => Some("Graph has no objects of this type that rules can write"),
    }
}
