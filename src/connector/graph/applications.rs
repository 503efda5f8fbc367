//! Which properties each cloud application reads, as Entra Connect bundles them. Facts only: its rule for each workload,
//! with Graph's names for what Graph can write.

use std::collections::BTreeSet;

use super::schema;
use crate::value::AttributeName;

/// What everybody needs, whatever the application: who it is, and how people sign in.
const ALWAYS: [&[&str]; 2] = [
    &[
        "accountEnabled",
        "displayName",
        "givenName",
        "id",
        "mail",
        "mailNickname",
        "onPremisesImmutableId",
        "passwordProfile.password",
        "surname",
        "usageLocation",
        "userPrincipalName",
        "userType",
    ],
    &["displayName", "groupTypes", "mailEnabled", "mailNickname", "members", "owners", "securityEnabled", "uniqueName"],
];

/// Where people work, and how they are reached: read by every application with a directory of its own.
const PEOPLE: &[&str] = &[
    "businessPhones",
    "city",
    "companyName",
    "country",
    "faxNumber",
    "jobTitle",
    "manager",
    "mobilePhone",
    "officeLocation",
    "postalCode",
    "state",
    "streetAddress",
];

/// A cloud application: the lists of properties of users, and those of groups.
struct Application {
    name: &'static str,
    users: &'static [&'static [&'static str]],
    groups: &'static [&'static str],
    /// The fifteen extension attributes, too.
    extensions: bool,
}

const DESCRIPTION: &[&str] = &["description"];

const APPLICATIONS: [Application; 7] = [
    Application { name: "exchange-online", users: &[PEOPLE, &["department"]], groups: DESCRIPTION, extensions: true },
    Application {
        name: "sharepoint-online",
        users: &[PEOPLE, &["department", "preferredLanguage"]],
        groups: DESCRIPTION,
        extensions: true,
    },
    Application {
        name: "teams",
        users: &[PEOPLE, &["department", "preferredLanguage"]],
        groups: DESCRIPTION,
        extensions: false,
    },
    Application {
        name: "dynamics-365",
        users: &[PEOPLE, &["preferredLanguage"]],
        groups: DESCRIPTION,
        extensions: false,
    },
    Application { name: "intune", users: &[], groups: DESCRIPTION, extensions: false },
    Application { name: "azure-rms", users: &[], groups: &[], extensions: false },
    Application { name: "microsoft-365-apps", users: &[], groups: &[], extensions: false },
];

/// What no application reads, and Entra ID has all the same: employee data, visibility, further addresses.
const DIRECTORY: &str = "entra-id";

/// The names of all bundles.
pub fn applications() -> impl Iterator<Item = &'static str> {
    APPLICATIONS.iter().map(|application| application.name).chain([DIRECTORY])
}

/// Properties of a type that none of the applications reads.
pub fn unread(applications: &[String], object_type: &str) -> BTreeSet<AttributeName> {
    let Some(schema) = schema::schema(object_type) else { return BTreeSet::new() };
    let all = || schema.attributes.keys().cloned();
    let directory = || {
        let known: BTreeSet<AttributeName> = APPLICATIONS.iter().flat_map(|each| read(each, object_type)).collect();
        all().filter(move |name| !known.contains(name)).collect::<Vec<_>>()
    };
    let mut managed = always(object_type);
    for name in applications {
        match APPLICATIONS.iter().find(|application| application.name == name) {
            Some(application) => managed.extend(read(application, object_type)),
            None if name == DIRECTORY => managed.extend(directory()),
            None => {}
        }
    }
    all().filter(|name| !managed.contains(name)).collect()
}

fn always(object_type: &str) -> BTreeSet<AttributeName> {
    let [users, groups] = ALWAYS;
    let names = if object_type == "group" { groups } else { users };
    names.iter().map(|name| AttributeName::from(*name)).collect()
}

fn read(application: &Application, object_type: &str) -> Vec<AttributeName> {
    let names = match object_type {
        "group" => application.groups.to_vec(),
        _ => application.users.concat(),
    };
    let mut names: Vec<AttributeName> = names.into_iter().map(AttributeName::from).collect();
    if application.extensions && object_type == "user" {
        names.extend((1..=15).map(|number| format!("onPremisesExtensionAttributes.extensionAttribute{number}").into()));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_of_a_bundle_is_one_of_graphs() {
        for object_type in ["user", "group"] {
            let schema = schema::schema(object_type).unwrap();
            let named = APPLICATIONS.iter().flat_map(|application| read(application, object_type));
            let unknown: Vec<_> = named.chain(always(object_type)).filter(|name| schema.get(name).is_none()).collect();
            assert_eq!(unknown, Vec::<AttributeName>::new(), "{object_type}");
        }
    }

    #[test]
    fn more_applications_read_more_and_all_of_them_everything() {
        let unread_by = |names: &[&str], name: &str| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            unread(&names, "user").contains(&name.into())
        };
        let extension = "onPremisesExtensionAttributes.extensionAttribute7";
        assert!(!unread_by(&["exchange-online"], extension) && unread_by(&["teams"], extension));
        assert!(unread_by(&["exchange-online"], "preferredLanguage") && !unread_by(&["teams"], "preferredLanguage"));
        assert!(unread_by(&["intune"], "department") && !unread_by(&["intune"], "userPrincipalName"));
        assert!(unread_by(&["teams"], "employeeId") && !unread_by(&["entra-id"], "employeeId"));
        let all: Vec<String> = applications().map(str::to_owned).collect();
        assert_eq!((unread(&all, "user"), unread(&all, "group")), Default::default());
    }
}
