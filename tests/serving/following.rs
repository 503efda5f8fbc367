//! What is followed change by change is what a whole import of a new store shows: after every kind of change, on every
//! kind of server, in every way that it tells of them.

use std::time::Duration;

use syncline::run::changes::{self, News};

use crate::world::{BASE, Kind, World, follow, image, read_everything};

/// Steps, each of which is followed and compared. `{u7}` and `{g0}` are the names of people and groups.
fn steps(kind: Kind) -> Vec<(&'static str, String)> {
    let samba = matches!(kind, Kind::Samba(_));
    let group = if samba { "CN=0 New,OU=Groups" } else { "cn=0 New,OU=Groups" };
    let person = |number: usize, unit: &str| match samba {
        true => format!("CN=New {number},OU={unit},OU=People,{BASE}"),
        false => format!("uid=new{number},OU={unit},OU=People,{BASE}"),
    };
    let added = |number: usize, unit: &str| {
        let class = if samba {
            format!("objectClass: user\nsAMAccountName: new{number}\ncn: New {number}")
        } else {
            format!("objectClass: inetOrgPerson\nuid: new{number}\ncn: New {number}")
        };
        format!("dn: {}\nchangetype: add\n{class}\nsn: New\ndisplayName: New {number}\n\n", person(number, unit))
    };
    let class = if samba { "objectClass: group\nsAMAccountName: new-group" } else { "objectClass: groupOfNames" };
    let mut steps = vec![
        ("nothing", String::new()),
        (
            "people come, one of them where nobody looks",
            [added(1, "Sales"), added(2, "Finance"), added(3, "Legal")].concat(),
        ),
        (
            "values change, come and go",
            format!(
                "dn: {}\nchangetype: modify\nreplace: title\ntitle: Clerk\n-\nadd: givenName\ngivenName: Jo\n\n\
                 dn: {}\nchangetype: modify\ndelete: displayName\n-\nreplace: manager\nmanager: {}\n\n",
                person(1, "Sales"),
                person(2, "Finance"),
                person(1, "Sales"),
            ),
        ),
        (
            "a group comes with members",
            format!(
                "dn: {group},{BASE}\nchangetype: add\n{class}\ncn: 0 New\nmember: {}\nmember: {}\n\n",
                person(1, "Sales"),
                person(2, "Finance")
            ),
        ),
        (
            "a member goes, another comes, who is nobody here",
            format!(
                "dn: {group},{BASE}\nchangetype: modify\ndelete: member\nmember: {}\n-\nadd: member\nmember: {}\n\n",
                person(1, "Sales"),
                person(3, "Legal")
            ),
        ),
        (
            "somebody moves into sight, somebody out of it, somebody is called otherwise",
            format!(
                "dn: {}\nchangetype: modrdn\nnewrdn: {}\ndeleteoldrdn: 1\nnewsuperior: OU=Sales,OU=People,{BASE}\n\n\
                 dn: {}\nchangetype: modrdn\nnewrdn: {}\ndeleteoldrdn: 1\nnewsuperior: OU=Legal,OU=People,{BASE}\n\n",
                person(3, "Legal"),
                first(&person(3, "Legal")),
                person(2, "Finance"),
                first(&person(2, "Finance")),
            ),
        ),
        (
            "two exchange their names",
            format!(
                "dn: {one}\nchangetype: modrdn\nnewrdn: {away}\ndeleteoldrdn: 1\n\n\
                 dn: {three}\nchangetype: modrdn\nnewrdn: {one_rdn}\ndeleteoldrdn: 1\n\n\
                 dn: {away},OU=Sales,OU=People,{BASE}\nchangetype: modrdn\nnewrdn: {three_rdn}\ndeleteoldrdn: 1\n\n",
                one = person(1, "Sales"),
                three = person(3, "Sales"),
                one_rdn = first(&person(1, "Sales")),
                three_rdn = first(&person(3, "Sales")),
                away = if samba { "CN=Away" } else { "uid=away" },
            ),
        ),
    ];
    steps.extend([
        (
            "a unit is called otherwise",
            format!("dn: OU=Support,OU=People,{BASE}\nchangetype: modrdn\nnewrdn: OU=Help\ndeleteoldrdn: 1\n\n"),
        ),
        (
            "a unit moves out of sight, with everybody in it",
            format!(
                "dn: OU=Logistics,OU=People,{BASE}\nchangetype: modrdn\nnewrdn: OU=Logistics\ndeleteoldrdn: 1\n\
                 newsuperior: OU=Legal,OU=People,{BASE}\n\n"
            ),
        ),
        (
            "and back",
            format!(
                "dn: OU=Logistics,OU=Legal,OU=People,{BASE}\nchangetype: modrdn\nnewrdn: OU=Logistics\ndeleteoldrdn: 1\n\
                 newsuperior: OU=People,{BASE}\n\n"
            ),
        ),
        ("somebody is deleted, who was in a group", format!("dn: {}\nchangetype: delete\n\n", person(3, "Sales"))),
        ("a group is deleted", format!("dn: {group},{BASE}\nchangetype: delete\n\n")),
    ]);
    if kind == Kind::Samba("restricted") {
        steps.retain(|(what, _)| !what.contains("is deleted"));
    }
    if let Kind::Slapd(_) = kind {
        // Only Active Directory moves units with what is in them and keeps references; nothing here depends on that.
        steps.retain(|(what, _)| !what.starts_with("two exchange"));
    }
    steps
}

fn first(name: &str) -> &str {
    name.split(',').next().unwrap()
}

fn is_followed(kind: Kind, number: u32) {
    let world = World::start(kind, number, &World::generated(kind, 60, 5));
    let mut session = world.session("state");
    let report = read_everything(&mut session);
    assert!(report.imports.iter().all(|import| import.incomplete.is_empty()), "{:?}", report.imports);
    assert!(report.exports[0].created > 40, "{:?}", report.exports);
    session.close().unwrap();
    for (at, (what, ldif)) in steps(kind).iter().enumerate() {
        if !ldif.is_empty() {
            world.modify(ldif);
        }
        let mut session = world.session("state");
        let (report, whole) = follow(&mut session, &["ldap", "entra"]);
        assert_eq!(whole, [], "{kind:?}: {what}");
        let followed = (image(&session, "ldap"), image(&session, "entra"));
        session.close().unwrap();
        let mut fresh = world.session(&format!("fresh-{at}"));
        read_everything(&mut fresh);
        let shown = (image(&fresh, "ldap"), image(&fresh, "entra"));
        fresh.close().unwrap();
        differ(&format!("{kind:?}: {what}, in the source ({:?})", report.imports), &followed.0, &shown.0);
        differ(&format!("{kind:?}: {what}, in the target ({:?})", report.exports), &followed.1, &shown.1);
    }
}

fn differ(
    what: &str,
    followed: &std::collections::BTreeMap<String, Vec<String>>,
    shown: &std::collections::BTreeMap<String, Vec<String>>,
) {
    for (anchor, lines) in shown {
        assert_eq!(followed.get(anchor), Some(lines), "{what}");
    }
    for (anchor, lines) in followed {
        assert!(shown.contains_key(anchor), "{what}: {lines:?} is not there");
    }
}

#[test]
fn active_directory_by_dir_sync() {
    is_followed(Kind::Samba("dirsync"), 60);
}

#[test]
fn active_directory_by_update_sequence_numbers() {
    is_followed(Kind::Samba("usn"), 61);
}

/// An account that may only read, and not replicate, sees what it may read. What was deleted it cannot prove.
#[test]
fn active_directory_by_an_account_of_few_rights() {
    is_followed(Kind::Samba("restricted"), 70);
}

#[test]
fn openldap_by_times_of_modification() {
    is_followed(Kind::Slapd("timestamps"), 71);
}

#[test]
fn openldap_by_content_synchronisation() {
    is_followed(Kind::Slapd("syncrepl"), 62);
}

/// Once a week everything is read again. What was asked before that and waits to be taken in is of no use afterwards, and the
/// changes go on from there.
#[test]
fn a_whole_import_at_its_time_does_not_disturb_the_stream() {
    let kind = Kind::Slapd("syncrepl");
    let world = World::start(kind, 72, &World::generated(kind, 60, 5));
    let mut session = world.session("state");
    read_everything(&mut session);
    let steps = steps(kind);
    world.modify(&steps[1].1);
    let News::Changes(waiting) = changes::collect(&mut session, "ldap").unwrap() else { panic!("nobody came") };
    world.modify(&steps[2].1);
    let week = std::mem::replace(&mut session.config.serving.whole, Duration::from_secs(1));
    std::thread::sleep(Duration::from_millis(1_100));
    let (report, whole) = follow(&mut session, &["ldap", "entra"]);
    let whole: Vec<(&str, &str)> = whole.iter().map(|(name, why)| (name.as_str(), why.as_str())).collect();
    assert_eq!(whole, [("ldap", "it is time to"), ("entra", "it is time to")]);
    assert_eq!(report.exports[0].created, 2, "{:?}", report.exports);
    session.config.serving.whole = week;
    let late = changes::take_in(&mut session, *waiting).unwrap();
    assert_eq!((late.objects, late.new, late.changed), (0, 0, 0));
    world.modify(&steps[3].1);
    let (report, whole) = follow(&mut session, &["ldap", "entra"]);
    assert_eq!((report.exports[0].created, whole.len()), (1, 0), "{:?}", report.exports);
    let followed = (image(&session, "ldap"), image(&session, "entra"));
    session.close().unwrap();
    let mut fresh = world.session("fresh");
    read_everything(&mut fresh);
    differ("the source", &followed.0, &image(&fresh, "ldap"));
    differ("the target", &followed.1, &image(&fresh, "entra"));
    fresh.close().unwrap();
}
