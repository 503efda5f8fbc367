//! OpenLDAP.

use syncline::connector::ldap::Flavour;
use syncline::connector::{Anchor, ConnectorErrorKind, FindingLevel, ImportEnd, Presence, Target};
use syncline::value::{Kind, Value};

use super::server::{Imported, Server, import, request};

const OPENLDAP: Flavour = Flavour::OpenLdap;
const BASE: &str = "dc=contoso,dc=test";
/// The administrator is not bound by these. `reader` has lost `ou=hidden` and what is in `ou=half`.
const ACCESS: &str = "access to attrs=userPassword by anonymous auth by * none
access to dn.subtree=\"ou=hidden,dc=contoso,dc=test\" by * none
access to dn.children=\"ou=half,dc=contoso,dc=test\" by * none
access to * by * read
";

fn directory() -> String {
    let mut text = format!("dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Contoso\ndc: contoso\n\n");
    for ou in ["people", "groups", "hidden", "half", "away"] {
        text.push_str(&format!("dn: ou={ou},{BASE}\nobjectClass: organizationalUnit\nou: {ou}\n\n"));
    }
    for (ou, count) in [("people", 25), ("hidden", 1), ("half", 1)] {
        for number in 1..=count {
            text.push_str(&format!(
                "dn: uid={ou}{number},ou={ou},{BASE}\nobjectClass: inetOrgPerson\nobjectClass: posixAccount\n\
                 uid: {ou}{number}\ncn: Person {number}\nsn: Person\nuidNumber: {number}\ngidNumber: 1\n\
                 homeDirectory: /home/{number}\nmail: {number}@a.test\nmail: {number}@b.test\njpegPhoto:: /9j/4A==\n\n"
            ));
        }
    }
    text.push_str(&format!(
        "dn: uid=reader,{BASE}\nobjectClass: inetOrgPerson\ncn: r\nsn: r\nuserPassword: reader\n\n"
    ));
    text.push_str(&format!("dn: cn=all,ou=groups,{BASE}\nobjectClass: groupOfNames\n"));
    for number in 1..=25 {
        text.push_str(&format!("member: uid=people{number},ou=people,{BASE}\n"));
    }
    text.push_str(&format!("\ndn: ou=branch,ou=away,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\n"));
    text.push_str("ou: branch\nref: ldap://elsewhere.test/ou=branch,ou=away,dc=contoso,dc=test\n");
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slapd() {
    let files = tempfile::tempdir().unwrap();
    let (ldif, access) = (files.path().join("directory.ldif"), files.path().join("access"));
    std::fs::write(&ldif, directory()).unwrap();
    std::fs::write(&access, ACCESS).unwrap();
    let environment = [("SLAPD_SIZELIMIT", "20"), ("SLAPD_ACCESS", access.to_str().unwrap())];
    let server = Server::start("slapd", 11, &[ldif.to_str().unwrap()], &environment);
    let imported = imports_what_is_in_scope(&server).await;
    says_what_was_cut_off(&server).await;
    proves_deletions(&server, &imported).await;
    tells_schema_and_health(&server).await;
    says_when_its_certificate_ends(&server).await;
}

async fn imports_what_is_in_scope(server: &Server) -> Imported {
    let person = ["uid", "mail", "uidNumber", "jpegPhoto"];
    let wanted = request(&[("inetOrgPerson", &person), ("groupOfNames", &["member"])]);
    let settings = format!("page_size = 4\nexclude = ['ou=away,{BASE}']");
    let imported = import(&server.source(OPENLDAP, &settings), &wanted).await;
    assert_eq!(imported.end, Ok(ImportEnd::Complete));
    assert_eq!(imported.objects.len(), 29, "{:?}", imported.names());
    let second = imported.by_name("uid=people2,");
    assert_eq!(second.object_type, "inetOrgPerson");
    let value = |name: &str| second.attributes.get(&name.into()).map(Vec::as_slice);
    assert_eq!(value("uidNumber"), Some([Value::Integer(2)].as_slice()));
    assert_eq!(value("jpegPhoto"), Some([Value::Bytes(vec![0xff, 0xd8, 0xff, 0xe0])].as_slice()));
    assert_eq!(value("mail").map(<[Value]>::len), Some(2));
    let members = imported.by_name("cn=all,").references.get(&"member".into()).unwrap();
    assert_eq!(members.len(), 25);
    assert!(members.contains(&Target::Dn(second.dn.clone().unwrap())));
    imported
}

async fn says_what_was_cut_off(server: &Server) {
    let wanted = request(&[("inetOrgPerson", &["uid"])]);
    let with_referral = import(&server.source(OPENLDAP, ""), &wanted).await;
    let Ok(ImportEnd::Incomplete(reasons)) = with_referral.end else { panic!("{:?}", with_referral.end) };
    assert!(reasons[0].starts_with("a part of the tree is at ldap://elsewhere.test/ou=branch"), "{reasons:?}");
    assert_eq!(with_referral.objects.len(), 28);

    let exclude = format!("exclude = ['ou=away,{BASE}']");
    let limited = import(&server.source_as(OPENLDAP, &format!("uid=reader,{BASE}"), "reader", &exclude), &wanted).await;
    let Ok(ImportEnd::Incomplete(reasons)) = limited.end else { panic!("{:?}", limited.end) };
    assert!(reasons[0].contains("size limit exceeded"), "{reasons:?}");
    assert_eq!(limited.objects.len(), 20, "what came before the end stays");

    let wrong = server.source_as(OPENLDAP, &format!("uid=reader,{BASE}"), "nonsense", "");
    assert_eq!(import(&wrong, &wanted).await.end.unwrap_err().kind, ConnectorErrorKind::Credentials);
    let plain = format!("url = '{}'\nbind_dn = 'cn=a'\npassword = 'env:NOBODY'", server.fact("LDAP_URL"));
    assert_eq!(server.try_source(OPENLDAP, &plain).unwrap_err().kind, ConnectorErrorKind::Settings);
    let encrypted = format!("url = '{}'\nstart_tls = true\n{exclude}", server.fact("LDAP_URL"));
    assert_eq!(import(&server.source(OPENLDAP, &encrypted), &wanted).await.end, Ok(ImportEnd::Complete));
}

async fn proves_deletions(server: &Server, imported: &Imported) {
    let known = |start: &str| {
        let object = imported.by_name(start);
        (object.anchor.clone(), object.dn.clone())
    };
    for number in [23, 25] {
        server.client("ldapdelete", &[&format!("uid=people{number},ou=people,{BASE}")], "");
    }
    let successor =
        format!("dn: uid=people23,ou=people,{BASE}\nobjectClass: inetOrgPerson\ncn: Another\nsn: Another\n");
    server.client("ldapadd", &[], &successor);
    let renamed =
        format!("dn: uid=people24,ou=people,{BASE}\nchangetype: modrdn\nnewrdn: uid=moved\ndeleteoldrdn: 1\n");
    server.client("ldapmodify", &[], &format!("{renamed}newsuperior: ou=groups,{BASE}\n"));
    let asked = [
        known("uid=people1,"),
        known("uid=people24,"),
        known("uid=people25,"),
        (known("uid=people25,").0, None),
        known("uid=hidden1,"),
        known("uid=half1,"),
        (Anchor("00000000-0000-4000-8000-000000000000".into()), Some(format!("uid=x,ou=nowhere,{BASE}"))),
        known("cn=all,"),
        known("uid=people23,"),
    ];
    let people = format!("include = ['ou=people,{BASE}', 'ou=hidden,{BASE}', 'ou=half,{BASE}', 'ou=nowhere,{BASE}']");
    let wanted = request(&[("inetOrgPerson", &["uid"])]);
    let reader = |settings: &str| server.source_as(OPENLDAP, &format!("uid=reader,{BASE}"), "reader", settings);
    let found = reader("").look_up(&wanted, &asked).await.unwrap();
    let presences: Vec<&Presence> = found.iter().map(|(_, presence)| presence).collect();
    assert!(matches!(presences[0], Presence::Present(_)));
    assert!(
        matches!(presences[1], Presence::Present(object) if object.dn.as_deref() == Some(&format!("uid=moved,ou=groups,{BASE}")))
    );
    assert_eq!(presences[2], &Presence::Deleted);
    assert_eq!(presences[3], &Presence::NotFound, "without its last name nothing is proved");
    assert_eq!(presences[4], &Presence::NotFound, "the account has lost the whole branch");
    assert_eq!(presences[5], &Presence::NotFound, "the account sees the branch, not what is in it");
    assert_eq!(presences[6], &Presence::NotFound, "the entry above is unknown");
    assert_eq!(presences[7], &Presence::OutOfScope(format!("cn=all,ou=groups,{BASE} (of another type)")));
    assert_eq!(presences[8], &Presence::Deleted, "another entry has taken its name");

    let narrow = reader(&format!("include = ['ou=people,{BASE}']")).look_up(&wanted, &asked[1..2]).await.unwrap();
    assert_eq!(narrow[0].1, Presence::OutOfScope(format!("uid=moved,ou=groups,{BASE}")));
    let error = reader(&people).look_up(&wanted, &asked).await.unwrap_err();
    assert_eq!(error.kind, ConnectorErrorKind::Settings, "a search base that is not to be seen proves nothing at all");
}

/// The scripts of the tests make certificates for some days.
async fn says_when_its_certificate_ends(server: &Server) {
    let found = server.source(OPENLDAP, "").expiries().await.unwrap();
    let [expiry] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(expiry.what, "server certificate");
    assert!(expiry.at > jiff::Timestamp::now().as_second(), "{expiry:?}");
}

async fn tells_schema_and_health(server: &Server) {
    let source = server.source(OPENLDAP, "");
    let schemas = source.schema().await.unwrap();
    let person = &schemas["inetOrgPerson"];
    let shown = |name: &str| person.get(&name.into()).map(|one| (one.kind, one.multi));
    assert_eq!(shown("cn"), Some((Kind::Text, true)));
    assert_eq!(shown("member"), Some((Kind::Reference, true)));
    assert_eq!(shown("uidNumber"), Some((Kind::Integer, false)));
    assert_eq!(shown("jpegPhoto"), Some((Kind::Bytes, true)));
    assert_eq!(shown("entryUUID"), Some((Kind::Text, false)));
    let domains = source.domains().await.unwrap();
    assert_eq!(domains.iter().map(|domain| domain.fqdn.as_str()).collect::<Vec<_>>(), ["contoso.test"]);
    let findings = source.doctor().await;
    assert!(findings.iter().all(|finding| finding.level == FindingLevel::Ok), "{findings:?}");
}
