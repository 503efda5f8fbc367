//! A full import: one paged search a base, entries to objects, and an honest word about how it ended.

use ldap3::asn1::parse_tag;
use ldap3::controls::{Control, PagedResults};
use ldap3::{LdapResult, ResultEntry};

use super::connection::{Connection, SUCCESS};
use super::entry::{self, Converted, Converter, RawEntry};
use super::scope::{self, Scope};
use super::{Flavour, Ldap, object_types, trouble};
use crate::connector::{ConnectorError, ImportEnd, ImportEvent, ImportRequest, ImportSink};

pub(super) const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";

/// Reads everything in scope into `sink`.
pub(crate) async fn run(
    source: &Ldap,
    connection: &mut Connection,
    request: &ImportRequest,
    sink: &ImportSink,
) -> Result<ImportEnd, ConnectorError> {
    if request.types.is_empty() {
        return Ok(ImportEnd::Complete);
    }
    let scope = scope::of(source, connection)?;
    scope::check(connection, &scope).await?;
    let schema = source.read_schema(connection).await?;
    let types: Vec<&str> = request.types.keys().map(String::as_str).collect();
    let mut reading = Reading {
        flavour: source.flavour,
        page_size: source.settings.page_size,
        filter: object_types::filter(&types),
        wanted: entry::attributes_to_ask(request, source.flavour),
        converter: Converter::new(request, &schema),
        scope: &scope,
        sink,
        delivered: 0,
        reasons: Vec::new(),
    };
    for base in &scope.bases {
        if let Err(stop) = reading.base(connection, base).await {
            let reason = match stop {
                Stop::Refused(reason) => reason,
                Stop::Broken(error) => error.message,
                Stop::NobodyReads => "the import was stopped".to_owned(),
            };
            reading.reasons.push(format!("{reason} (after {} objects)", reading.delivered));
            break;
        }
    }
    Ok(match reading.reasons {
        reasons if reasons.is_empty() => ImportEnd::Complete,
        reasons => ImportEnd::Incomplete(reasons),
    })
}

/// Why reading ended early.
enum Stop {
    /// The server says no, or enough.
    Refused(String),
    /// The connection is gone.
    Broken(ConnectorError),
    /// Nobody takes the objects.
    NobodyReads,
}

struct Reading<'a> {
    flavour: Flavour,
    page_size: u32,
    filter: String,
    wanted: Vec<String>,
    converter: Converter<'a>,
    scope: &'a Scope,
    sink: &'a ImportSink,
    delivered: u64,
    reasons: Vec<String>,
}

impl Reading<'_> {
    async fn base(&mut self, connection: &mut Connection, base: &str) -> Result<(), Stop> {
        let mut cookie = Vec::new();
        let mut first = true;
        loop {
            let result = self.page(connection, base, cookie).await?;
            if result.rc != SUCCESS {
                let why = trouble::described(&result);
                return Err(Stop::Refused(format!("{} cut off the search at `{base}`: {why}", connection.address)));
            }
            let Some((estimate, next)) = page_answer(&result.ctrls).map_err(Stop::Refused)? else { return Ok(()) };
            if first && estimate > 0 && self.scope.bases.len() == 1 {
                self.send(ImportEvent::Expected(estimate)).await?;
            }
            if next.is_empty() {
                return Ok(());
            }
            (cookie, first) = (next, false);
        }
    }

    async fn page(&mut self, connection: &mut Connection, base: &str, cookie: Vec<u8>) -> Result<LdapResult, Stop> {
        let address = connection.address.clone();
        let broken = |error| Stop::Broken(trouble::connection(&address, error));
        let controls = if connection.supports(PAGED_RESULTS) {
            let size = i32::try_from(self.page_size).unwrap_or(i32::MAX);
            vec![PagedResults { size, cookie }.into()]
        } else {
            Vec::new()
        };
        let wanted = self.wanted.clone();
        let ldap = connection.prepared(controls);
        let search = ldap.streaming_search(base, ldap3::Scope::Subtree, &self.filter, wanted).await;
        let mut stream = search.map_err(broken)?;
        while let Some(answer) = stream.next().await.map_err(broken)? {
            if answer.is_intermediate() {
                continue;
            }
            if answer.is_ref() {
                self.referral(answer);
                continue;
            }
            let Some(entry) = RawEntry::decode(answer) else { return Err(Stop::Broken(trouble::malformed(&address))) };
            self.entry(connection, entry).await?;
        }
        Ok(stream.finish().await)
    }

    async fn entry(&mut self, connection: &mut Connection, mut entry: RawEntry) -> Result<(), Stop> {
        if self.scope.leaves_out(&entry.dn) {
            return Ok(());
        }
        if entry.attributes.iter().any(|attribute| attribute.range.is_some()) {
            // By anchor, so that a rename meanwhile does not hide the rest.
            let by_anchor = match (self.flavour, entry::anchor_of(&entry)) {
                (Flavour::ActiveDirectory, Ok(Some(anchor))) => format!("<GUID={anchor}>"),
                (Flavour::ActiveDirectory | Flavour::OpenLdap, _) => entry.dn.clone(),
            };
            let completed = connection.complete(&mut entry, &by_anchor).await.map_err(Stop::Broken)?;
            if let Err(reason) = completed {
                return self.send(ImportEvent::Unreadable { who: entry.dn, reason }).await;
            }
        }
        match self.converter.convert(&entry) {
            Converted::Object(object) => {
                self.delivered += 1;
                self.send(ImportEvent::Object(object)).await
            }
            Converted::OtherType => Ok(()),
            Converted::Unreadable(reason) => self.send(ImportEvent::Unreadable { who: entry.dn, reason }).await,
        }
    }

    /// A part of the tree that another server holds.
    ///
    /// In Active Directory such a reference marks the border to another naming context (a child domain, the
    /// configuration, DNS zones), which is a source of its own: it takes nothing away from this one. Elsewhere the
    /// entries behind it belong to the search base and are missing.
    fn referral(&mut self, answer: ResultEntry) {
        if let Flavour::ActiveDirectory = self.flavour {
            return;
        }
        let urls = referral_urls(answer);
        let inside = urls.iter().all(|url| referred_name(url).is_none_or(|name| self.scope.reaches(&name)));
        if inside {
            let shown = urls.first().map_or("another server", String::as_str);
            self.reasons
                .push(format!("a part of the tree is at {shown}; leave it out with `exclude` or read it there"));
        }
    }

    async fn send(&self, event: ImportEvent) -> Result<(), Stop> {
        self.sink.send(event).await.map_err(|_| Stop::NobodyReads)
    }
}

/// The estimate and the cookie in the answer to a page; nothing when there was no paging.
pub(super) fn page_answer(controls: &[Control]) -> Result<Option<(u64, Vec<u8>)>, String> {
    let Some(Control(_, control)) = controls.iter().find(|Control(_, control)| control.ctype == PAGED_RESULTS) else {
        return Ok(None);
    };
    let parsed = control.val.as_deref().and_then(|value| {
        let (_, tag) = parse_tag(value).ok()?;
        let mut parts = tag.expect_constructed()?.into_iter();
        let size = parts.next()?.expect_primitive()?;
        let cookie = parts.next()?.expect_primitive()?;
        let size = size.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        Some((size, cookie))
    });
    parsed.map(Some).ok_or_else(|| "the server's answer to a page cannot be read".to_owned())
}

fn referral_urls(answer: ResultEntry) -> Vec<String> {
    let urls = answer.0.expect_constructed().unwrap_or_default().into_iter();
    urls.filter_map(|url| String::from_utf8(url.expect_primitive()?).ok()).collect()
}

/// The name in `ldap://host/OU=x,DC=y??sub`; nothing when there is none.
fn referred_name(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    let name = path.split('?').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'%', [high, low, behind @ ..]) => {
                let pair = [*high, *low];
                let code = std::str::from_utf8(&pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())?;
                bytes.push(code);
                rest = behind;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ldap3::controls::RawControl;

    fn control(value: Option<&[u8]>) -> Vec<Control> {
        vec![Control(None, RawControl { ctype: PAGED_RESULTS.into(), crit: false, val: value.map(<[u8]>::to_vec) })]
    }

    #[test]
    fn page_answers_are_read_without_trust() {
        assert_eq!(page_answer(&[]), Ok(None));
        assert_eq!(page_answer(&control(Some(b"\x30\x07\x02\x01\x05\x04\x02ab"))), Ok(Some((5, b"ab".to_vec()))));
        assert_eq!(page_answer(&control(Some(b"\x30\x06\x02\x02\x01\x00\x04\x00"))), Ok(Some((256, vec![]))));
        for bad in [None, Some(b"".as_slice()), Some(b"\x30\x02\x02"), Some(b"\x04\x00"), Some(b"\x30\x00")] {
            assert!(page_answer(&control(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn referrals_name_a_place() {
        assert_eq!(referred_name("ldap://other/ou=a%20b,dc=x??sub").as_deref(), Some("ou=a b,dc=x"));
        assert_eq!(referred_name("ldap://other/"), None);
        assert_eq!(referred_name("ldap://other"), None);
    }
}
