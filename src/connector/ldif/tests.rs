//! LDIF files as a source, from settings to objects.

use std::io::Write as _;

use super::*;

struct World {
    source: Ldif,
    file: tempfile::NamedTempFile,
}

fn world(text: &[u8], settings: &str) -> World {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    let settings = format!("file = '{}'\n{settings}", file.path().display());
    World { source: Ldif::new(toml::from_str(&settings).unwrap()).unwrap(), file }
}

fn request(types: &[(&str, &[&str])]) -> ImportRequest {
    let types = types
        .iter()
        .map(|(name, wanted)| ((*name).to_owned(), wanted.iter().map(|name| (*name).into()).collect()))
        .collect();
    ImportRequest { types }
}

async fn import(source: &Ldif, request: &ImportRequest) -> (Vec<ImportEvent>, Result<ImportEnd, ConnectorError>) {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let collecting = async move {
        let mut events = Vec::new();
        while let Some(event) = receiver.recv().await {
            events.push(event);
        }
        events
    };
    let (end, events) = tokio::join!(source.import(request, sender), collecting);
    (events, end)
}

fn shown(events: &[ImportEvent], file: &Path) -> Vec<String> {
    let line = |event: &ImportEvent| match event {
        ImportEvent::Object(object) => format!("{} {}", object.object_type, object.anchor),
        ImportEvent::Unreadable { who, reason } => {
            format!("{}: {reason}", who.replace(&file.display().to_string(), "FILE"))
        }
        ImportEvent::Expected(count) => format!("expected {count}"),
    };
    events.iter().map(line).collect()
}

const JANE: &str = "dn: CN=Jane,DC=x\nobjectClass: top\nobjectClass: user\nobjectGUID:: AQIDBAUGBwhhYmNkZWZnaA==\n\
                    givenName: Jane\nmanager: CN=Boss,DC=x\n\n";
const JANE_ANCHOR: &str = "04030201-0605-0807-6162-636465666768";
const STAFF: &str = "dn: CN=Staff, DC=x\nobjectClass: group\nmember: CN=Jane,DC=x\nmember: CN=Boss,DC=x\n\n";

#[tokio::test]
async fn objects_come_with_what_was_asked_for() {
    let world = world(format!("version: 1\n\n{JANE}{STAFF}").as_bytes(), "");
    let wanted = request(&[("user", &["givenName", "manager"]), ("group", &["member"])]);
    let (events, end) = import(&world.source, &wanted).await;
    assert_eq!(end, Ok(ImportEnd::Complete));
    assert_eq!(shown(&events, world.file.path()), [format!("user {JANE_ANCHOR}"), "group cn=staff,dc=x".into()]);
    let [ImportEvent::Object(jane), ImportEvent::Object(staff)] = events.as_slice() else { panic!() };
    assert_eq!(jane.dn.as_deref(), Some("CN=Jane,DC=x"));
    assert_eq!(format!("{:?}", jane.attributes), r#"{"givenName": [Text("Jane")]}"#);
    assert_eq!(jane.references.len(), 1);
    assert_eq!(staff.references.values().map(Vec::len).sum::<usize>(), 2);
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_line() {
    let text = [JANE.as_bytes(), b"dn: CN=Joe,DC=x\nobjectClass: user\ngivenName: \xff\n\nnonsense\n\n"].concat();
    let world = world(&text, "");
    let (events, end) = import(&world.source, &request(&[("user", &["givenName"])])).await;
    assert_eq!(
        shown(&events, world.file.path()),
        [
            format!("user {JANE_ANCHOR}"),
            "FILE line 8 (CN=Joe,DC=x): `givenName` in line 10 is not text in UTF-8: set `charset`".into(),
            "FILE line 12: a line without a colon".into(),
        ]
    );
    let Ok(ImportEnd::Incomplete(reasons)) = end else { panic!("{end:?}") };
    assert_eq!(reasons.len(), 1);
}

#[tokio::test]
async fn a_file_that_is_not_whole_is_never_complete() {
    for text in ["", "version: 1\n", &JANE[..JANE.len() - 5]] {
        let world = world(text.as_bytes(), "");
        let (_, end) = import(&world.source, &request(&[("user", &[])])).await;
        assert!(matches!(end, Ok(ImportEnd::Incomplete(_))), "{text:?}: {end:?}");
    }
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_not_complete() {
    let mut world = world(JANE.repeat(20_000).as_bytes(), "");
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let wanted = request(&[("user", &[])]);
    let World { source, file } = &mut world;
    let growing = async move {
        let mut count = 0;
        while receiver.recv().await.is_some() {
            count += 1;
            if count == 10 {
                file.write_all(STAFF.as_bytes()).unwrap();
                file.flush().unwrap();
            }
        }
    };
    let (end, ()) = tokio::join!(source.import(&wanted, sender), growing);
    let Ok(ImportEnd::Incomplete(reasons)) = end else { panic!("{end:?}") };
    assert!(reasons.iter().any(|reason| reason.ends_with("changed while it was read")), "{reasons:?}");
}

#[tokio::test]
async fn files_that_cannot_be_read_are_errors() {
    let missing = Ldif::new(toml::from_str("file = ['/nowhere/a.ldif']").unwrap()).unwrap();
    let (_, end) = import(&missing, &request(&[("user", &[])])).await;
    assert_eq!(end.unwrap_err().kind, ConnectorErrorKind::Settings);

    let changes = world(b"dn: CN=a,O=x\nchangetype: delete\n", "");
    let (_, end) = import(&changes.source, &request(&[("user", &[])])).await;
    let error = end.unwrap_err();
    assert!(error.message.ends_with("line 2: `changetype: delete` is a change, not an entry"), "{error}");
    assert!(error.hint.is_some());

    let (_, end) = import(&changes.source, &request(&[("computer", &[])])).await;
    assert!(end.unwrap_err().message.starts_with("object type `computer` is not read"));
    assert!(Ldif::new(toml::from_str("file = []").unwrap()).is_err());
}

#[tokio::test]
async fn absence_is_proved_by_a_whole_file_only() {
    let anchors = |names: &[&str]| -> Vec<(Anchor, Option<String>)> {
        names.iter().map(|name| (Anchor((*name).to_owned()), None)).collect()
    };
    let whole = world(format!("{JANE}{STAFF}").as_bytes(), "");
    let wanted = request(&[("user", &["givenName"])]);
    let found = whole.source.look_up(&wanted, &anchors(&[JANE_ANCHOR, "cn=staff,dc=x", "gone"])).await.unwrap();
    assert!(matches!(&found[0].1, Presence::Present(object) if object.attributes.len() == 1));
    assert_eq!(found[1].1, Presence::OutOfScope("CN=Staff, DC=x (of another type)".into()));
    assert_eq!(found[2].1, Presence::Deleted);

    let cut = world(format!("{JANE}{}", STAFF.trim_end()).as_bytes(), "");
    let found = cut.source.look_up(&wanted, &anchors(&["gone"])).await.unwrap();
    assert_eq!(found[0].1, Presence::NotFound);
}

#[tokio::test]
async fn the_other_table_and_the_doctor() {
    let text =
        "dn: uid=jane,o=x\nobjectClass: inetOrgPerson\nentryUUID: 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0\nmail: a@x\n";
    let world = world(text.as_bytes(), "schema = 'inetorgperson'");
    assert_eq!(world.source.object_types(), ["inetOrgPerson", "groupOfNames"]);
    assert!(world.source.schema()["inetOrgPerson"].get(&"mail".into()).unwrap().multi);
    let findings = world.source.doctor().await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].message, "0 `groupOfNames`, 1 `inetOrgPerson`");
    assert_eq!(findings[0].level, FindingLevel::Ok);
}

#[tokio::test]
async fn files_in_other_charsets() {
    let text = "dn: CN=Zoë,DC=x\nobjectClass: user\nobjectGUID:: AQIDBAUGBwhhYmNkZWZnaA==\ngivenName: Zoë – ½\n\
                sn:: TcO8bGxlcg==\nmanager: CN=Jürgen,DC=x\n\n";
    let old = |text: &str| encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    let wide: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let old_base64 = old(&text.replace("TcO8bGxlcg==", "TfxsbGVy"));
    let wanted = request(&[("user", &["givenName", "sn", "manager"])]);
    for (bytes, settings) in [
        (text.as_bytes(), ""),
        (&old(text), "charset = 'windows-1252'"),
        (&old(text), "charset = 'ISO-8859-1'"),
        (&old_base64, "charset = 'windows-1252'"),
        (&wide, ""),
        (&wide, "charset = 'utf-16'"),
    ] {
        let world = world(bytes, settings);
        let (events, end) = import(&world.source, &wanted).await;
        assert_eq!(end, Ok(ImportEnd::Complete), "{settings}");
        let [ImportEvent::Object(zoe)] = events.as_slice() else { panic!("{settings}: {events:?}") };
        assert_eq!(zoe.anchor.0, JANE_ANCHOR);
        assert_eq!(zoe.dn.as_deref(), Some("CN=Zoë,DC=x"));
        assert_eq!(format!("{:?}", zoe.attributes), r#"{"givenName": [Text("Zoë – ½")], "sn": [Text("Müller")]}"#);
        assert_eq!(format!("{:?}", zoe.references.values().next().unwrap()), r#"[Dn("CN=Jürgen,DC=x")]"#);
    }
}

#[tokio::test]
async fn what_is_not_in_the_charset_is_told_with_line_and_attribute() {
    let wanted = request(&[("user", &["givenName", "sn"])]);
    let start = "dn: CN=a,DC=x\nobjectClass: user\nsn: b\n".as_bytes();
    for (value, settings, reason) in [
        (b"givenName: Zo\xeb\n".as_slice(), "", "in line 4 is not text in UTF-8: set `charset`"),
        (b"givenName:: Wm/r\n", "", "in line 4 is not text in UTF-8: set `charset`"),
        (
            b"givenName: Zo\xeb\n",
            "charset = 'shift_jis'",
            "in line 4 is not text in Shift_JIS: is that the right `charset`?",
        ),
    ] {
        let world = world(&[start, value].concat(), settings);
        let (events, end) = import(&world.source, &wanted).await;
        assert_eq!(shown(&events, world.file.path()), [format!("FILE line 1 (CN=a,DC=x): `givenName` {reason}")]);
        assert_eq!(end, Ok(ImportEnd::Complete));
        // Nobody asked for it: it does not matter.
        let (events, _) = import(&world.source, &request(&[("user", &["sn"])])).await;
        assert_eq!(shown(&events, world.file.path()), ["user cn=a,dc=x"]);
    }
    let unknown = toml::from_str::<Settings>("file = 'x'\ncharset = 'ebcdic'").unwrap_err();
    assert!(unknown.message().starts_with("there is no charset `ebcdic`; there are utf-8, "), "{unknown}");
    assert!(toml::from_str::<Settings>("file = 'x'\ncharset = 'iso-2022-jp'").is_err());
}
