//! Which objects are read: from object classes to object types and back to search filters. Pure.

use super::Flavour;

/// Classes with the class they are derived from, where both may be asked for. In Active Directory the order of
/// `objectClass` says the same; other servers give it in any order.
const DERIVED: &[(&str, &str)] = &[
    ("organizationalPerson", "person"),
    ("inetOrgPerson", "organizationalPerson"),
    ("user", "organizationalPerson"),
    ("contact", "organizationalPerson"),
    ("computer", "user"),
    ("msDS-GroupManagedServiceAccount", "computer"),
    ("msDS-ManagedServiceAccount", "computer"),
    ("groupOfURLs", "groupOfNames"),
];

/// The object types read when the settings name none.
pub(crate) fn default_types(flavour: Flavour) -> Vec<String> {
    let types: &[&str] = match flavour {
        Flavour::ActiveDirectory => &["user", "inetOrgPerson", "group", "contact"],
        Flavour::OpenLdap => &["inetOrgPerson", "groupOfNames"],
    };
    types.iter().map(|name| (*name).to_owned()).collect()
}

/// The most specific of the wanted types that these object classes make; nothing when it is none of them.
///
/// A computer is a user by its classes and is never taken for one.
pub(crate) fn type_of<'a>(classes: &[String], wanted: &[&'a str]) -> Option<&'a str> {
    let has = |name: &str| classes.iter().any(|class| class.eq_ignore_ascii_case(name));
    let matching: Vec<&str> =
        wanted.iter().copied().filter(|name| has(name) && !excluded_class(name).is_some_and(has)).collect();
    let position = |name: &str| classes.iter().position(|class| class.eq_ignore_ascii_case(name));
    matching
        .iter()
        .copied()
        .filter(|name| !matching.iter().any(|other| is_derived(other, name)))
        .max_by_key(|name| position(name))
}

/// The filter that finds all objects of these types.
pub(crate) fn filter(wanted: &[&str]) -> String {
    let one = |name: &&str| {
        let class = format!("(objectClass={})", ldap3::ldap_escape(*name));
        match excluded_class(name) {
            Some(not) => format!("(&{class}(!(objectClass={not})))"),
            None => class,
        }
    };
    match wanted {
        [] => "(!(objectClass=*))".into(),
        [only] => one(only),
        several => format!("(|{})", several.iter().map(one).collect::<String>()),
    }
}

fn excluded_class(name: &str) -> Option<&'static str> {
    name.eq_ignore_ascii_case("user").then_some("computer")
}

fn is_derived(class: &str, from: &str) -> bool {
    let mut current = class;
    while let Some((_, above)) = DERIVED.iter().find(|(below, _)| below.eq_ignore_ascii_case(current)) {
        if above.eq_ignore_ascii_case(from) {
            return true;
        }
        current = above;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(classes: &str, wanted: &[&str], expected: Option<&str>) {
        let classes: Vec<String> = classes.split(' ').map(str::to_owned).collect();
        assert_eq!(type_of(&classes, wanted), expected, "{classes:?} {wanted:?}");
    }

    #[test]
    fn the_most_specific_wanted_type_counts() {
        let user = "top person organizationalPerson user";
        check(user, &["user", "group"], Some("user"));
        check(user, &["group"], None);
        check(user, &["person", "user"], Some("user"));
        check("top person organizationalPerson user computer", &["user"], None);
        check("top person organizationalPerson user computer", &["user", "computer"], Some("computer"));
        check("top person organizationalPerson user inetOrgPerson", &["user"], Some("user"));
        check("top person organizationalPerson user inetOrgPerson", &["inetOrgPerson", "user"], Some("inetOrgPerson"));
        check("inetOrgPerson person top", &["person", "inetOrgPerson"], Some("inetOrgPerson"));
        check("INETORGPERSON posixAccount", &["inetOrgPerson"], Some("inetOrgPerson"));
        check("groupOfNames", &[], None);
    }

    #[test]
    fn filters_find_what_the_types_say() {
        assert_eq!(filter(&["group"]), "(objectClass=group)");
        assert_eq!(
            filter(&["contact", "user"]),
            "(|(objectClass=contact)(&(objectClass=user)(!(objectClass=computer))))"
        );
        assert_eq!(filter(&["a)b"]), r"(objectClass=a\29b)");
    }
}
