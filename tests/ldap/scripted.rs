//! What Windows does and Samba does not (lists in pieces, limits, references), and what only a broken server does:
//! a server that answers as a test tells it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use syncline::connector::changes::{ChangeEvent, ChangesEnd, Watermark};
use syncline::connector::ldap::{Flavour, Ldap};
use syncline::connector::{ConnectorError, ConnectorErrorKind, ImportEnd, Presence, Target};

use super::server::{import, request};

const BASE: &str = "DC=contoso,DC=com";
const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
const DIR_SYNC: &str = "1.2.840.113556.1.4.841";

/// What the connector asks for.
struct Search {
    base: String,
    attributes: Vec<String>,
    /// The cookie of the page, or of DirSync; empty for the first.
    cookie: String,
}

enum Reply {
    Entry(String, Vec<(String, Vec<Vec<u8>>)>),
    Reference(String),
    /// Result code, and the cookie for the next page.
    Done(u8, &'static str),
    /// An answer of DirSync: whether there is more, and the next cookie.
    Synced(bool, &'static str),
    HangUp,
    Noise,
}

/// Starts a server that answers root entry and search base itself and leaves the rest to `script`.
fn server(script: impl Fn(&Search) -> Vec<Reply> + Send + Sync + 'static) -> Ldap {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("url = 'ldap://{}'\ntimeout = 20", listener.local_addr().unwrap());
    let script = Arc::new(script);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let script = Arc::clone(&script);
            std::thread::spawn(move || serve(stream, script.as_ref()));
        }
    });
    Ldap::new(Flavour::ActiveDirectory, toml::from_str(&url).unwrap()).unwrap()
}

fn serve(mut stream: TcpStream, script: &dyn Fn(&Search) -> Vec<Reply>) -> Option<()> {
    loop {
        let message = read_message(&mut stream)?;
        let (_, id, rest) = take(&message)?;
        let (operation, body, controls) = take(rest)?;
        if operation != 0x63 {
            return None;
        }
        let search = parse(body, controls)?;
        let replies = match search.base.as_str() {
            "" => vec![root(), Reply::Done(0, "")],
            BASE if search.attributes == ["1.1"] => vec![Reply::Entry(BASE.into(), vec![]), Reply::Done(0, "")],
            _ => script(&search),
        };
        for reply in replies {
            stream.write_all(&encode(id, reply)?).ok()?;
        }
    }
}

fn root() -> Reply {
    let one = |name: &str, value: &str| (name.to_owned(), vec![value.as_bytes().to_vec()]);
    Reply::Entry(String::new(), vec![one("defaultNamingContext", BASE), one("supportedControl", PAGED_RESULTS)])
}

fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    let mut length = usize::from(head[1]);
    if length >= 0x80 {
        let mut long = vec![0; length - 0x80];
        stream.read_exact(&mut long).ok()?;
        length = long.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}

/// Tag, content, and what follows.
fn take(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, length, rest) = (*bytes.first()?, usize::from(*bytes.get(1)?), bytes.get(2..)?);
    let (length, rest) = match length.checked_sub(0x80) {
        None => (length, rest),
        Some(count) => {
            let (long, rest) = rest.split_at_checked(count)?;
            (long.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn parts(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some((_, content, rest)) = take(bytes) {
        found.push(content);
        bytes = rest;
    }
    found
}

fn parse(body: &[u8], controls: &[u8]) -> Option<Search> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields = parts(body);
    let mut cookie = String::new();
    for control in take(controls).map(|(_, list, _)| parts(list)).unwrap_or_default() {
        let fields = parts(control);
        let place = match fields.first() {
            Some(name) if *name == PAGED_RESULTS.as_bytes() => 1,
            Some(name) if *name == DIR_SYNC.as_bytes() => 2,
            _ => continue,
        };
        let (_, value, _) = take(fields.last()?)?;
        cookie = text(parts(value).get(place)?);
    }
    let attributes = parts(fields.get(7)?).into_iter().map(text).collect();
    Some(Search { base: text(fields.first()?), attributes, cookie })
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag, 0x84];
    bytes.extend((content.len() as u32).to_be_bytes());
    bytes.extend(content);
    bytes
}

/// The end of an answer, with a control.
fn done(code: u8, control: &str, value: &[u8]) -> Vec<u8> {
    let control = tlv(0x30, &[tlv(0x04, control.as_bytes()), tlv(0x04, value)].concat());
    let result = tlv(0x65, &[tlv(0x0a, &[code]), tlv(0x04, b""), tlv(0x04, b"")].concat());
    [result, tlv(0xa0, &control)].concat()
}

/// The reply's bytes; nothing to hang up.
fn encode(id: &[u8], reply: Reply) -> Option<Vec<u8>> {
    let mut message = tlv(0x02, id);
    match reply {
        Reply::HangUp => return None,
        Reply::Noise => return Some(b"\x04\x03xyz".to_vec()),
        Reply::Reference(url) => message.extend(tlv(0x73, &tlv(0x04, url.as_bytes()))),
        Reply::Done(code, cookie) => {
            let page = tlv(0x30, &[tlv(0x02, &[0]), tlv(0x04, cookie.as_bytes())].concat());
            message.extend(done(code, PAGED_RESULTS, &page));
        }
        Reply::Synced(more, cookie) => {
            let page = [tlv(0x02, &[u8::from(more)]), tlv(0x02, &[0]), tlv(0x04, cookie.as_bytes())].concat();
            message.extend(done(0, DIR_SYNC, &tlv(0x30, &page)));
        }
        Reply::Entry(name, attributes) => {
            let attribute = |(name, values): (String, Vec<Vec<u8>>)| {
                let values: Vec<u8> = values.iter().flat_map(|value| tlv(0x04, value)).collect();
                tlv(0x30, &[tlv(0x04, name.as_bytes()), tlv(0x31, &values)].concat())
            };
            let attributes: Vec<u8> = attributes.into_iter().flat_map(attribute).collect();
            message.extend(tlv(0x64, &[tlv(0x04, name.as_bytes()), tlv(0x30, &attributes)].concat()));
        }
    }
    Some(tlv(0x30, &message))
}

fn object(class: &str, number: u8, more: Vec<(String, Vec<Vec<u8>>)>) -> Reply {
    let mut attributes = vec![
        ("objectClass".to_owned(), vec![class.as_bytes().to_vec()]),
        ("objectGUID".to_owned(), vec![vec![number; 16]]),
    ];
    attributes.extend(more);
    Reply::Entry(format!("CN={class} {number},{BASE}"), attributes)
}

fn member(number: usize) -> Vec<u8> {
    format!("CN=Person {number},{BASE}").into_bytes()
}

/// A piece of a list of members, as Windows gives it: at most 1,500 values.
fn piece(first: usize, total: usize) -> (String, Vec<Vec<u8>>) {
    let end = (first + 1500).min(total);
    let last = if end == total { "*".to_owned() } else { (end - 1).to_string() };
    (format!("member;range={first}-{last}"), (first..end).map(member).collect())
}

/// The answer to a request for a group's pieces, with a version that tells changes.
fn group_answer(search: &Search, total: usize, version: usize) -> Vec<Reply> {
    let mut attributes = vec![("uSNChanged".to_owned(), vec![version.to_string().into_bytes()])];
    let asked = search.attributes.iter().find_map(|name| name.strip_prefix("member;range="));
    if let Some(first) = asked.and_then(|range| range.split('-').next()).and_then(|first| first.parse().ok()) {
        attributes.push(piece(first, total));
    }
    vec![Reply::Entry(format!("CN=group 7,{BASE}"), attributes), Reply::Done(0, "")]
}

fn large_group(search: &Search, total: usize, version: usize) -> Vec<Reply> {
    if search.base == "<GUID=07070707-0707-0707-0707-070707070707>" {
        return group_answer(search, total, version);
    }
    vec![object("group", 7, vec![("member".into(), vec![]), piece(0, total)]), Reply::Done(0, "")]
}

#[tokio::test]
async fn a_list_in_pieces_becomes_whole() {
    for total in [1501, 3000, 4000] {
        let source = server(move |search| large_group(search, total, 1));
        let imported = import(&source, &request(&[("group", &["member"])])).await;
        assert_eq!(imported.end, Ok(ImportEnd::Complete));
        let members = imported.objects[0].references.get(&"member".into()).unwrap();
        let expected: Vec<Target> =
            (0..total).map(|number| Target::Dn(String::from_utf8(member(number)).unwrap())).collect();
        assert_eq!(members, &expected);
    }
}

#[tokio::test]
async fn a_list_that_changes_while_it_is_read_is_read_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    // The version changes with the second question only.
    let source = server(move |search| {
        let count = if search.base.starts_with('<') { counter.fetch_add(1, Ordering::SeqCst) } else { 0 };
        large_group(search, 2000, usize::from(count > 0))
    });
    let imported = import(&source, &request(&[("group", &["member"])])).await;
    assert_eq!(imported.objects[0].references.get(&"member".into()).map(Vec::len), Some(2000));
    assert_eq!(asked.load(Ordering::SeqCst), 6, "twice two pieces and a look at the version");

    let always = AtomicUsize::new(0);
    let source = server(move |search| large_group(search, 2000, always.fetch_add(1, Ordering::SeqCst)));
    let imported = import(&source, &request(&[("group", &["member"])])).await;
    assert!(imported.objects.is_empty());
    let expected = format!("CN=group 7,{BASE}: `member` changed each of the 3 times it was read");
    assert_eq!(imported.unreadable, [expected]);
    assert_eq!(imported.end, Ok(ImportEnd::Complete), "it is there, so nothing is absent");
}

#[tokio::test]
async fn pages_follow_the_cookie_and_references_mark_borders() {
    let source = server(|search| match search.cookie.as_str() {
        "" => {
            let border = Reply::Reference(format!("ldap://emea.contoso.com/DC=emea,{BASE}"));
            vec![object("user", 1, vec![]), border, Reply::Done(0, "next")]
        }
        "next" => vec![object("user", 2, vec![]), Reply::Done(0, "")],
        other => panic!("unexpected cookie {other}"),
    });
    let imported = import(&source, &request(&[("user", &[])])).await;
    assert_eq!(imported.end, Ok(ImportEnd::Complete));
    assert_eq!(imported.names(), [format!("CN=user 1,{BASE}"), format!("CN=user 2,{BASE}")]);
}

#[tokio::test]
async fn line_12_whatever_cuts_an_import_off_makes_it_incomplete() {
    for (ending, words) in [
        (4, "size limit exceeded (after 2 objects)"),
        (3, "time limit exceeded (after 2 objects)"),
        (51, "busy (after 2 objects)"),
        (0xff, "the server closed it (after 2 objects)"),
        (0xfe, "the server closed it (after 2 objects)"),
    ] {
        let source = server(move |search| match search.cookie.as_str() {
            "" => vec![object("user", 1, vec![]), Reply::Done(0, "next")],
            _ => {
                let end = match ending {
                    0xff => Reply::HangUp,
                    0xfe => Reply::Noise,
                    code => Reply::Done(code, ""),
                };
                vec![object("user", 2, vec![]), end]
            }
        });
        let imported = import(&source, &request(&[("user", &[])])).await;
        let Ok(ImportEnd::Incomplete(reasons)) = imported.end else { panic!("{:?}", imported.end) };
        assert!(reasons.len() == 1 && reasons[0].ends_with(words), "{reasons:?}");
        assert_eq!(imported.objects.len(), 2);
    }
}

#[tokio::test]
async fn a_look_up_that_breaks_off_proves_nothing() {
    let anchor = [(syncline::connector::Anchor("01010101-0101-0101-0101-010101010101".into()), None)];
    let wanted = request(&[("user", &[])]);
    let refused = server(|_| vec![Reply::Done(51, "")]).look_up(&wanted, &anchor).await;
    assert_eq!(refused.unwrap_err().kind, ConnectorErrorKind::Unreachable);
    let broken = server(|_| vec![Reply::HangUp]).look_up(&wanted, &anchor).await;
    assert_eq!(broken.unwrap_err().kind, ConnectorErrorKind::Unreachable);
    let elsewhere = server(|_| vec![Reply::Done(10, "")]).look_up(&wanted, &anchor).await.unwrap();
    assert_eq!(elsewhere[0].1, Presence::NotFound);
    let unreadable = server(|_| vec![Reply::Entry(format!("CN=x,{BASE}"), vec![]), Reply::Done(0, "")]);
    assert_eq!(unreadable.look_up(&wanted, &anchor).await.unwrap()[0].1, Presence::NotFound);
}

/// What DirSync tells from a cookie on: anchors, and the end.
async fn follow(source: &Ldap, cookie: &str) -> (Vec<String>, Result<ChangesEnd, ConnectorError>) {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(100);
    let cookies = [(BASE.to_owned(), cookie.as_bytes().to_vec())].into();
    let since = Watermark::DirSync { cookies, restricted: false, swept: 0 };
    let end = source.changes(&request(&[("user", &["title"])]), &since, sender).await;
    let mut anchors = Vec::new();
    while let Ok(ChangeEvent::Touched { anchor, .. } | ChangeEvent::References { anchor, .. }) = receiver.try_recv() {
        anchors.push(anchor.0.get(..2).unwrap().to_owned());
    }
    (anchors, end)
}

/// An entry that DirSync shows because its title changed.
fn changed(number: u8) -> Reply {
    object("user", number, vec![("title".into(), vec![b"x".to_vec()])])
}

#[tokio::test]
async fn dir_sync_is_asked_until_there_is_no_more() {
    let source = server(|search| match search.cookie.as_str() {
        "begin" => vec![changed(1), changed(2), Reply::Synced(true, "one")],
        // A page may hold nothing, and yet there is more.
        "one" => vec![Reply::Synced(true, "two")],
        "two" => vec![changed(3), Reply::Synced(false, "end")],
        other => panic!("unexpected cookie {other}"),
    });
    let (anchors, end) = follow(&source, "begin").await;
    assert_eq!(anchors, ["01", "02", "03"]);
    let Ok(ChangesEnd::UpTo { watermark: Watermark::DirSync { cookies, .. }, present: None }) = end else {
        panic!("{end:?}")
    };
    assert_eq!(cookies[BASE], b"end");
}

#[tokio::test]
async fn dir_sync_that_breaks_off_or_turns_in_circles_does_not_move_on() {
    let source = server(|search| match search.cookie.as_str() {
        "begin" => vec![changed(1), Reply::Synced(true, "one")],
        _ => vec![changed(2), Reply::HangUp],
    });
    let (_, end) = follow(&source, "begin").await;
    assert_eq!(end.unwrap_err().kind, ConnectorErrorKind::Unreachable);
    // It says that there is more, and goes nowhere.
    let source = server(|_| vec![changed(1), Reply::Synced(true, "begin")]);
    let (anchors, end) = follow(&source, "begin").await;
    assert_eq!((anchors.len(), end.is_ok()), (1, true));
    for refusal in [12, 53] {
        let (_, end) = follow(&server(move |_| vec![Reply::Done(refusal, "")]), "begin").await;
        assert!(matches!(end, Ok(ChangesEnd::TooOld(_))), "{end:?}");
    }
}
