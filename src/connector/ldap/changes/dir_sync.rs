//! Active Directory's DirSync control: everything that was replicated since a cookie, deletions among it, and of lists of
//! references only what came and went.

use std::collections::BTreeMap;

use bytes::BytesMut;
use ldap3::LdapResult;
use ldap3::asn1::{ASNTag, Integer, OctetString, Sequence, Tag, parse_tag, write};
use ldap3::controls::{Control, RawControl};

use super::super::connection::{Connection, SUCCESS};
use super::super::entry::{self, RawEntry};
use super::super::{Ldap, scope, trouble};
use super::{Asking, DIR_SYNC, now};
use crate::connector::changes::{ChangeEvent, ChangesEnd, Hint, Watermark};
use crate::connector::{Anchor, ConnectorError, Target};
use crate::value::AttributeName;

/// The account sees what it may read, instead of everything, which is a right of its own.
const OBJECT_SECURITY: i64 = 0x1;
/// Parents come before what lies below them.
const ANCESTORS_FIRST: i64 = 0x800;
/// Of a list only what came and went. The highest bit of a signed number of 32 bits.
const INCREMENTAL_VALUES: i64 = -0x8000_0000;

/// Result code: the account may not.
const INSUFFICIENT_RIGHTS: u32 = 50;
/// Result code: a control cannot be carried out; a bad cookie ends so.
const UNAVAILABLE_CRITICAL_EXTENSION: u32 = 12;
/// Result code: the server will not.
const UNWILLING: u32 = 53;

fn is_bad_cookie(code: u32) -> bool {
    matches!(code, UNAVAILABLE_CRITICAL_EXTENSION | UNWILLING)
}

/// Attributes that say what happened to an entry; none of them is asked for by rules as such.
const ABOUT: [&str; 5] = ["objectClass", "isDeleted", "name", "parentGUID", "whenCreated"];

/// A cookie for each naming context, without reading what is in it. Nothing when the account may use the control in
/// neither way.
pub(super) async fn start(source: &Ldap, connection: &mut Connection) -> Result<Option<Watermark>, ConnectorError> {
    // Nothing is a user and no user.
    let nothing = "(&(objectClass=user)(!(objectClass=user)))";
    let contexts = contexts(source, connection).await?;
    'ways: for restricted in [false, true] {
        let mut cookies = BTreeMap::new();
        for context in &contexts {
            let mut cookie = Vec::new();
            loop {
                let page = page(connection, (context, nothing), &["1.1"], restricted, &cookie).await?;
                match page {
                    Page::Refused(result) if result.rc == INSUFFICIENT_RIGHTS => continue 'ways,
                    Page::Refused(result) => return Err(trouble::result(&connection.address, context, &result)),
                    Page::Entries { more, cookie: next, .. } => {
                        cookie = next;
                        if !more {
                            break;
                        }
                    }
                }
            }
            cookies.insert(context.clone(), cookie);
        }
        return Ok(Some(Watermark::DirSync { cookies, restricted, swept: now() }));
    }
    Ok(None)
}

/// The domains that the search bases lie in: the control takes no other base.
async fn contexts(source: &Ldap, connection: &mut Connection) -> Result<Vec<String>, ConnectorError> {
    Ok(scope::domains(source, connection).await?.into_iter().map(|domain| domain.dn).collect())
}

/// Reads on from the cookies.
pub(super) async fn read(
    asking: &Asking<'_>,
    connection: &mut Connection,
    cookies: &BTreeMap<String, Vec<u8>>,
    restricted: bool,
    swept: i64,
) -> Result<ChangesEnd, ConnectorError> {
    let names = asking.wanted.iter().map(|name| name.as_str()).chain(ABOUT);
    let names: Vec<&str> = names.collect();
    let mut reached = BTreeMap::new();
    for (context, cookie) in cookies {
        let mut cookie = cookie.clone();
        loop {
            let (entries, more) = match page(connection, (context, "(objectClass=*)"), &names, restricted, &cookie)
                .await?
            {
                Page::Refused(result) if is_bad_cookie(result.rc) => {
                    let why = trouble::described(&result);
                    return Ok(ChangesEnd::TooOld(format!("{} does not go on from there: {why}", connection.address)));
                }
                Page::Refused(result) => return Err(trouble::result(&connection.address, context, &result)),
                Page::Entries { entries, more, cookie: next } => {
                    let more = more && next != cookie;
                    cookie = next;
                    (entries, more)
                }
            };
            for entry in &entries {
                tell(asking, connection, entry).await?;
            }
            if !more {
                break;
            }
        }
        reached.insert(context.clone(), cookie);
    }
    let due = restricted && now() - swept >= asking.sweep;
    let present = if due { Some(asking.sweep(connection).await?) } else { None };
    let swept = if due { now() } else { swept };
    Ok(ChangesEnd::UpTo { watermark: Watermark::DirSync { cookies: reached, restricted, swept }, present })
}

/// What one entry of the answer means.
async fn tell(asking: &Asking<'_>, connection: &mut Connection, entry: &RawEntry) -> Result<(), ConnectorError> {
    let Ok(Some(anchor)) = entry::anchor_of(entry) else { return Ok(()) };
    if entry.text("isDeleted").is_some_and(|flag| flag.eq_ignore_ascii_case("true")) {
        return asking.touched(anchor, Hint::Gone).await;
    }
    let has = |name: &str| entry.attributes.iter().any(|attribute| attribute.name.eq_ignore_ascii_case(name));
    let is_new = has("whenCreated");
    let own = ["objectGUID", "instanceType"];
    let news =
        entry.attributes.iter().filter(|attribute| !own.iter().any(|own| attribute.name.eq_ignore_ascii_case(own)));
    let (links, others): (Vec<_>, Vec<_>) = news.partition(|attribute| attribute.range.is_some());
    if is_new || !others.is_empty() {
        asking.touched(anchor, asking.hint(entry)).await?;
        if !is_new && (has("name") || has("parentGUID")) {
            asking.below(connection, &entry.dn).await?;
        }
        return Ok(());
    }
    let mut by_name: BTreeMap<AttributeName, Vec<(Target, bool)>> = BTreeMap::new();
    for link in links {
        // `range=1-1` lists what came, `range=0-0` what went.
        let there = link.range.is_some_and(|range| range.first > 0);
        let targets = link.values.iter().filter_map(|value| String::from_utf8(value.clone()).ok());
        let name = AttributeName::from(link.name.as_str());
        by_name.entry(name).or_default().extend(targets.map(|name| (Target::Dn(name), there)));
    }
    for (attribute, targets) in by_name.into_iter().filter(|(name, _)| asking.wanted.contains(name)) {
        asking.send(ChangeEvent::References { anchor: Anchor(anchor.0.clone()), attribute, targets }).await?;
    }
    Ok(())
}

enum Page {
    Entries { entries: Vec<RawEntry>, more: bool, cookie: Vec<u8> },
    Refused(LdapResult),
}

async fn page(
    connection: &mut Connection,
    (context, filter): (&str, &str),
    names: &[&str],
    restricted: bool,
    cookie: &[u8],
) -> Result<Page, ConnectorError> {
    let flags = INCREMENTAL_VALUES | ANCESTORS_FIRST | if restricted { OBJECT_SECURITY } else { 0 };
    let control = RawControl { ctype: DIR_SYNC.into(), crit: true, val: Some(request(flags, cookie)) };
    let (entries, result) = connection.answer(context, filter, names, vec![control]).await?;
    if result.rc != SUCCESS {
        return Ok(Page::Refused(result));
    }
    let (more, cookie) = answer(&result.ctrls).ok_or_else(|| trouble::malformed(&connection.address))?;
    Ok(Page::Entries { entries, more, cookie })
}

/// Flags, the most bytes of an answer (0 lets the server decide), and the cookie.
fn request(flags: i64, cookie: &[u8]) -> Vec<u8> {
    let number = |inner| Tag::Integer(Integer { inner, ..Default::default() });
    let cookie = Tag::OctetString(OctetString { inner: cookie.to_vec(), ..Default::default() });
    let sequence = Sequence { inner: vec![number(flags), number(0), cookie], ..Default::default() };
    let mut bytes = BytesMut::new();
    // Memory is all that it needs.
    let _ = write::encode_into(&mut bytes, Tag::Sequence(sequence).into_structure());
    bytes.to_vec()
}

/// Whether there is more, and the next cookie.
fn answer(controls: &[Control]) -> Option<(bool, Vec<u8>)> {
    let Control(_, control) = controls.iter().find(|Control(_, control)| control.ctype == DIR_SYNC)?;
    let (_, tag) = parse_tag(control.val.as_deref()?).ok()?;
    let mut parts = tag.expect_constructed()?.into_iter();
    let more = parts.next()?.expect_primitive()?.iter().any(|byte| *byte != 0);
    let cookie = parts.nth(1)?.expect_primitive()?;
    Some((more, cookie))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_spelled_as_servers_expect_it() {
        assert_eq!(request(0, b""), b"\x30\x08\x02\x01\x00\x02\x01\x00\x04\x00");
        assert_eq!(request(INCREMENTAL_VALUES, b"c"), b"\x30\x0c\x02\x04\x80\x00\x00\x00\x02\x01\x00\x04\x01c");
    }

    #[test]
    fn answers_are_read_without_trust() {
        let control = |value: Option<&[u8]>| {
            vec![Control(None, RawControl { ctype: DIR_SYNC.into(), crit: false, val: value.map(<[u8]>::to_vec) })]
        };
        let whole = b"\x30\x0a\x02\x01\x01\x02\x01\x00\x04\x02ab";
        assert_eq!(answer(&control(Some(whole))), Some((true, b"ab".to_vec())));
        for cut in 0..whole.len() {
            assert_eq!(answer(&control(whole.get(..cut))), None, "{cut}");
        }
        assert_eq!(answer(&[]), None);
    }
}
