//! Active Directory, with Samba in its place.

use std::collections::BTreeSet;

use syncline::connector::ldap::{Domain, Flavour};
use syncline::connector::{Anchor, ConnectorErrorKind, FindingLevel, ImportEnd, Presence, Target};
use syncline::value::{Kind, Value};

use super::server::{Imported, Server, import, import_and, request};

const AD: Flavour = Flavour::ActiveDirectory;
const BASE: &str = "DC=contoso,DC=test";
const STAFF: &str = "include = ['OU=Staff,DC=contoso,DC=test']\nexclude = ['OU=Left,OU=Staff,DC=contoso,DC=test']\n";
const PASSWORD: &str = "Pa55.word-Pa55";

/// Thirty people, groups, a contact and a computer.
fn directory() -> String {
    use base64::Engine as _;
    let quoted: Vec<u8> = format!("\"{PASSWORD}\"").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let password = base64::engine::general_purpose::STANDARD.encode(quoted);
    let mut text = String::new();
    for ou in ["OU=Staff", "OU=Left,OU=Staff", "OU=Back,OU=Left,OU=Staff", "OU=Elsewhere"] {
        text.push_str(&format!("dn: {ou},{BASE}\nobjectClass: organizationalUnit\n\n"));
    }
    for number in 1..=30 {
        text.push_str(&format!(
            "dn: CN=User\\, {number:02},OU=Staff,{BASE}\nobjectClass: user\nsAMAccountName: user{number:02}\n\
             givenName: Üser {number}\nunicodePwd:: {password}\nuserAccountControl: 512\n\
             description: one of thirty\nthumbnailPhoto:: /9j/4A==\nproxyAddresses: SMTP:u{number}@contoso.test\n\
             proxyAddresses: smtp:user{number}@contoso.test\n\n"
        ));
    }
    text.push_str(&format!("dn: CN=Gone,OU=Left,OU=Staff,{BASE}\nobjectClass: user\nsAMAccountName: gone\n\n"));
    text.push_str(&format!("dn: CN=Back,OU=Back,OU=Left,OU=Staff,{BASE}\nobjectClass: user\nsAMAccountName: back\n\n"));
    text.push_str(&format!("dn: CN=PC1,OU=Staff,{BASE}\nobjectClass: computer\nsAMAccountName: PC1$\n\n"));
    text.push_str(&format!("dn: CN=Partner,OU=Staff,{BASE}\nobjectClass: contact\nmail: p@partner.test\n\n"));
    text.push_str(&format!("dn: CN=All,OU=Staff,{BASE}\nobjectClass: group\nsAMAccountName: all\n"));
    for number in 1..=30 {
        text.push_str(&format!("member: CN=User\\, {number:02},OU=Staff,{BASE}\n"));
    }
    text.push_str(&format!("\ndn: CN=User\\, 02,OU=Staff,{BASE}\nchangetype: modify\nreplace: manager\n"));
    text.push_str(&format!("manager: CN=User\\, 01,OU=Staff,{BASE}\n\n"));
    text.push_str(&format!("dn: CN=User\\, 03,OU=Staff,{BASE}\nchangetype: modify\nreplace: userAccountControl\n"));
    text.push_str("userAccountControl: 514\n\n");
    for (number, attribute, value) in [(4, "pwdLastSet", "0"), (5, "accountExpires", "132000000000000000")] {
        text.push_str(&format!("dn: CN=User\\, {number:02},OU=Staff,{BASE}\nchangetype: modify\n"));
        text.push_str(&format!("replace: {attribute}\n{attribute}: {value}\n\n"));
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samba() {
    let server = Server::start("samba-ad", 10, &[], &[]);
    server.client("ldapmodify", &["-a"], &directory());
    let everything = imports_what_is_in_scope(&server).await;
    looks_up_by_guid(&server, &everything).await;
    tells_its_schema_and_domain(&server).await;
    doctor_sees_what_is_missing(&server).await;
    explains_what_is_wrong(&server).await;
    a_server_that_goes_away_leaves_the_import_incomplete(&server).await;
}

async fn imports_what_is_in_scope(server: &Server) -> Imported {
    let person =
        ["givenName", "description", "userAccountControl", "thumbnailPhoto", "proxyAddresses", "manager", "objectSid"];
    let wanted = request(&[("user", &person), ("group", &["member"]), ("contact", &["mail"])]);
    let imported = import(&server.source(AD, &format!("{STAFF}page_size = 7")), &wanted).await;
    assert_eq!(imported.end, Ok(ImportEnd::Complete));
    assert_eq!(imported.unreadable, Vec::<String>::new());
    assert_eq!(imported.objects.len(), 32, "{:?}", imported.names());
    let anchors: BTreeSet<&Anchor> = imported.objects.iter().map(|object| &object.anchor).collect();
    assert_eq!(anchors.len(), 32);

    let second = imported.by_name("CN=User\\, 02,");
    assert_eq!(second.object_type, "user");
    let value = |name: &str| second.attributes.get(&name.into()).map(Vec::as_slice);
    assert_eq!(value("givenName"), Some([Value::Text("Üser 2".into())].as_slice()));
    assert_eq!(value("userAccountControl"), Some([Value::Integer(512)].as_slice()));
    assert_eq!(value("thumbnailPhoto"), Some([Value::Bytes(vec![0xff, 0xd8, 0xff, 0xe0])].as_slice()));
    assert_eq!(value("proxyAddresses").map(<[Value]>::len), Some(2));
    assert!(matches!(value("objectSid"), Some([Value::Bytes(sid)]) if sid.len() == 28));
    assert_eq!(value("sAMAccountName"), None, "it was not asked for");
    let manager = second.references.get(&"manager".into());
    assert_eq!(manager, Some(&vec![Target::Dn(format!("CN=User\\, 01,OU=Staff,{BASE}"))]));

    let all = imported.by_name("CN=All,");
    assert_eq!(all.object_type, "group");
    assert_eq!(all.references.get(&"member".into()).map(Vec::len), Some(30));
    assert_eq!(imported.by_name("CN=Partner,").object_type, "contact");

    let whole_domain = import(&server.source(AD, ""), &request(&[("user", &[])])).await;
    assert_eq!(whole_domain.end, Ok(ImportEnd::Complete), "references to other partitions are no gaps");
    assert!(whole_domain.objects.len() > 31);
    reads_again_below_what_is_left_out(server).await;
    imported
}

async fn reads_again_below_what_is_left_out(server: &Server) {
    let [staff, left, back] =
        ["OU=Staff", "OU=Left,OU=Staff", "OU=Back,OU=Left,OU=Staff"].map(|ou| format!("{ou},{BASE}"));
    let wanted = request(&[("user", &[])]);
    let settings = format!("include = ['{staff}', '{back}']\nexclude = ['{left}', '{BASE}']");
    let again = import(&server.source(AD, &settings), &wanted).await;
    assert_eq!(again.end, Ok(ImportEnd::Complete));
    assert_eq!(again.objects.len(), 31, "each once: {:?}", again.names());
    let anchor = again.by_name("CN=Back,").anchor.clone();
    for (settings, is_in) in [(settings.as_str(), true), (STAFF, false)] {
        let found = server.source(AD, settings).look_up(&wanted, &[(anchor.clone(), None)]).await.unwrap();
        assert_eq!(matches!(found[0].1, Presence::Present(_)), is_in, "{found:?}");
    }
    let missing = format!("include = ['{staff}', 'OU=No,{left}']\nexclude = ['{left}']");
    let error = import(&server.source(AD, &missing), &wanted).await.end.unwrap_err();
    assert!(error.message.contains("search base `OU=No,OU=Left,"), "what is read again must be there: {error}");
}

async fn looks_up_by_guid(server: &Server, imported: &Imported) {
    let anchor = |start: &str| (imported.by_name(start).anchor.clone(), None);
    let deleted = format!("CN=User\\, 30,OU=Staff,{BASE}");
    server.client("ldapdelete", &[&deleted], "");
    let moved = format!("dn: CN=User\\, 29,OU=Staff,{BASE}\nchangetype: modrdn\nnewrdn: CN=Moved\ndeleteoldrdn: 1\n");
    server.client("ldapmodify", &[], &format!("{moved}newsuperior: OU=Elsewhere,{BASE}\n"));
    let asked = [
        anchor("CN=User\\, 01,"),
        anchor("CN=User\\, 29,"),
        anchor("CN=User\\, 30,"),
        anchor("CN=All,"),
        (Anchor("00000000-0000-4000-8000-000000000000".into()), None),
        (Anchor("no guid".into()), None),
    ];
    let wanted = request(&[("user", &["givenName"])]);
    let found = server.source(AD, STAFF).look_up(&wanted, &asked).await.unwrap();
    assert_eq!(
        found.iter().map(|(anchor, _)| anchor).collect::<Vec<_>>(),
        asked.iter().map(|a| &a.0).collect::<Vec<_>>()
    );
    let presences: Vec<&Presence> = found.iter().map(|(_, presence)| presence).collect();
    let Presence::Present(first) = presences[0] else { panic!("{:?}", presences[0]) };
    assert_eq!(first.anchor, asked[0].0);
    assert_eq!(first.attributes.len(), 1);
    assert_eq!(presences[1], &Presence::OutOfScope(format!("CN=Moved,OU=Elsewhere,{BASE}")));
    assert_eq!(presences[2], &Presence::Deleted);
    assert_eq!(presences[3], &Presence::OutOfScope(format!("CN=All,OU=Staff,{BASE} (of another type)")));
    assert_eq!(presences[4..], [&Presence::NotFound, &Presence::NotFound]);

    let ordinary = server.source_as(AD, "user01@contoso.test", PASSWORD, STAFF);
    let found = ordinary.look_up(&wanted, &asked[2..3]).await.unwrap();
    assert_eq!(found[0].1, Presence::NotFound, "who may not see tombstones proves nothing");
}

async fn tells_its_schema_and_domain(server: &Server) {
    let source = server.source(AD, STAFF);
    let schemas = source.schema().await.unwrap();
    assert_eq!(schemas.keys().collect::<Vec<_>>(), ["contact", "group", "inetOrgPerson", "user"]);
    let user = &schemas["user"];
    assert!(user.closed && user.attributes.len() > 1000, "{}", user.attributes.len());
    let shown = |name: &str| user.get(&name.into()).map(|one| (one.kind, one.multi, one.writable));
    assert_eq!(shown("member"), Some((Kind::Reference, true, true)));
    assert_eq!(shown("manager"), Some((Kind::Reference, false, true)));
    assert_eq!(shown("accountExpires"), Some((Kind::Integer, false, true)));
    assert_eq!(shown("isDeleted"), Some((Kind::Boolean, false, false)));
    assert_eq!(shown("thumbnailPhoto"), Some((Kind::Bytes, false, true)));
    assert_eq!(shown("objectGUID").map(|shown| shown.0), Some(Kind::Bytes));
    assert_eq!(shown("distinguishedName").map(|shown| shown.0), Some(Kind::Text));
    assert_eq!(shown("proxyAddresses"), Some((Kind::Text, true, true)));
    assert_eq!(shown("whenCreated").map(|shown| shown.0), Some(Kind::Text));
    assert_eq!(shown("nonsense"), None);

    let domain = Domain { dn: BASE.into(), fqdn: "contoso.test".into(), netbios: Some("CONTOSO".into()) };
    assert_eq!(source.domains().await.unwrap(), [domain]);
}

async fn doctor_sees_what_is_missing(server: &Server) {
    let findings = server.source(AD, STAFF).doctor().await;
    let bad: Vec<_> = findings.iter().filter(|finding| finding.level != FindingLevel::Ok).collect();
    assert!(bad.is_empty(), "{bad:?}");
    let subjects: Vec<&str> = findings.iter().map(|finding| finding.subject.as_str()).collect();
    for subject in ["connection", "bind", "rights on OU=Staff,DC=contoso,DC=test", "tombstones", "clock", "schema"] {
        assert!(subjects.contains(&subject), "{subjects:?}");
    }
    let ordinary = server.source_as(AD, "user01@contoso.test", PASSWORD, STAFF).doctor().await;
    let tombstones = ordinary.iter().find(|finding| finding.subject == "tombstones").unwrap();
    assert_eq!(tombstones.level, FindingLevel::Warning);
}

async fn explains_what_is_wrong(server: &Server) {
    let wanted = request(&[("user", &[])]);
    let admin = server.fact("BIND_DN");
    let account = "user01@contoso.test";
    let plain_port = format!("url = '{}:389'", server.fact("LDAPS_URL"));
    let closed_port = format!("url = '{}:1'", server.fact("LDAPS_URL"));
    let other_base = "include = ['OU=Nowhere,DC=contoso,DC=test']";
    let other_authority = tempfile::NamedTempFile::new().unwrap();
    let authority = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
    std::fs::write(other_authority.path(), authority.cert.pem()).unwrap();
    let other_authority = format!("ca_file = '{}'", other_authority.path().display());
    let start_tls = format!("url = '{}'\nstart_tls = true", server.fact("LDAP_URL"));
    for (source, kind, words) in [
        (
            server.source_as(AD, account, "wrong", ""),
            ConnectorErrorKind::Credentials,
            "the name or the password is wrong",
        ),
        (
            server.source_as(AD, "user03@contoso.test", PASSWORD, ""),
            ConnectorErrorKind::Credentials,
            "the account is disabled",
        ),
        (
            server.source_as(AD, "user04@contoso.test", PASSWORD, ""),
            ConnectorErrorKind::Credentials,
            "must be changed first",
        ),
        (
            server.source_as(AD, "user05@contoso.test", PASSWORD, ""),
            ConnectorErrorKind::Credentials,
            "the account has expired",
        ),
        (server.source(AD, &other_authority), ConnectorErrorKind::Tls, "an authority that is not trusted"),
        (server.source(AD, &plain_port), ConnectorErrorKind::Tls, "TLS"),
        (server.source(AD, &closed_port), ConnectorErrorKind::Unreachable, "cannot reach"),
        (server.source(AD, other_base), ConnectorErrorKind::Settings, "search base `OU=Nowhere,DC=contoso,DC=test`"),
        (server.source(AD, "ca_file = '/dev/null'"), ConnectorErrorKind::Settings, "it holds no certificate"),
        (server.try_source(AD, "").unwrap(), ConnectorErrorKind::Rights, "refuses to search"),
    ] {
        let error = import(&source, &wanted).await.end.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(words), "{error}");
        assert!(error.hint.is_some(), "{error}");
        assert!(!error.message.contains(PASSWORD) && !error.message.contains("wrong\""), "{error}");
    }
    let good = import(&server.source_as(AD, admin, server.fact("BIND_PASSWORD"), &start_tls), &wanted).await;
    assert_eq!(good.end, Ok(ImportEnd::Complete));
}

async fn a_server_that_goes_away_leaves_the_import_incomplete(server: &Server) {
    let source = server.source(AD, &format!("{STAFF}page_size = 1"));
    let stop = |count| {
        if count == 5 {
            server.stop();
        }
    };
    let imported = import_and(&source, &request(&[("user", &["givenName"])]), stop).await;
    let Ok(ImportEnd::Incomplete(reasons)) = imported.end else { panic!("{:?}", imported.end) };
    assert!(imported.objects.len() >= 5 && imported.objects.len() < 28, "{}", imported.objects.len());
    assert!(reasons[0].starts_with("lost the connection to ldaps://"), "{reasons:?}");
    let error = import(&source, &request(&[("user", &[])])).await.end.unwrap_err();
    assert_eq!(error.kind, ConnectorErrorKind::Unreachable);
}
