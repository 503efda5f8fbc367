//! The health of an LDAP source: everything that an import needs, looked at one by one.

use jiff::Timestamp;
use ldap3::Scope as Reach;
use ldap3::controls::RawControl;

use super::connection::Connection;
use super::{Flavour, Ldap, object_types, scope};
use crate::connector::{Finding, FindingLevel};

const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
/// A clock that differs by more than this makes Kerberos and certificates fail.
const CLOCK_TOLERANCE_SECONDS: i64 = 300;

/// Looks at everything.
pub(crate) async fn run(source: &Ldap) -> Vec<Finding> {
    let settings = &source.settings;
    let mut connection = match Connection::open(settings).await {
        Ok(connection) => connection,
        Err(error) => {
            let mut finding = Finding::new(FindingLevel::Error, "connection", error.message);
            finding.hint = error.hint;
            return vec![finding];
        }
    };
    let mut findings = vec![encryption(source), account(source)];
    findings.extend(bases(source, &mut connection).await);
    if source.flavour == Flavour::ActiveDirectory {
        findings.push(tombstones(&mut connection).await);
    }
    findings.extend(clock(&connection, Timestamp::now()));
    findings.push(schema(source, &mut connection).await);
    connection.close().await;
    findings
}

fn encryption(source: &Ldap) -> Finding {
    let url = &source.settings.url;
    if source.settings.is_encrypted() {
        return Finding::new(FindingLevel::Ok, "connection", format!("{url}, encrypted, certificate checked"));
    }
    Finding::new(FindingLevel::Warning, "connection", format!("{url} is not encrypted"))
        .hint("use ldaps://, or `start_tls = true`")
}

fn account(source: &Ldap) -> Finding {
    match &source.settings.bind_dn {
        Some(name) => Finding::new(FindingLevel::Ok, "bind", format!("as `{name}`")),
        None => Finding::new(FindingLevel::Warning, "bind", "anonymous").hint("set `bind_dn` and `password`"),
    }
}

async fn bases(source: &Ldap, connection: &mut Connection) -> Vec<Finding> {
    let covered = match scope::of(source, connection) {
        Ok(covered) => covered,
        Err(error) => return vec![failed("search bases", error)],
    };
    let types = source.object_types();
    let mut findings = Vec::new();
    for base in covered.bases.iter().chain(&covered.again) {
        let subject = format!("rights on {base}");
        if let Err(error) = scope::check_base(connection, base).await {
            findings.push(failed(&subject, error));
            continue;
        }
        let mut of_base = Vec::with_capacity(types.len());
        for name in &types {
            of_base.push(one_type(connection, base, name, &subject).await);
        }
        // A base for groups has no people. One that shows nothing at all is suspicious.
        if of_base.iter().any(|finding| finding.level == FindingLevel::Ok) {
            of_base.retain(|finding| finding.level != FindingLevel::Warning);
        }
        findings.extend(of_base);
    }
    findings
}

async fn one_type(connection: &mut Connection, base: &str, name: &str, subject: &str) -> Finding {
    /// More than this is not counted.
    const ENOUGH: i32 = 1000;
    let filter = object_types::filter(&[name]);
    let controls = Vec::new();
    match connection.search(base, Reach::Subtree, &filter, &["1.1"], controls, ENOUGH).await {
        Err(error) => failed(subject, error),
        Ok(found) if found.is_empty() => {
            Finding::new(FindingLevel::Warning, subject, format!("no `{name}` to be seen"))
                .hint("is the account allowed to read here? is the type the right one?")
        }
        Ok(found) if found.len() >= ENOUGH as usize => {
            Finding::new(FindingLevel::Ok, subject, format!("{ENOUGH} `{name}` or more"))
        }
        Ok(found) => Finding::new(FindingLevel::Ok, subject, format!("{} `{name}`", found.len())),
    }
}

async fn tombstones(connection: &mut Connection) -> Finding {
    let subject = "tombstones";
    let warning = |message: &str| {
        Finding::new(FindingLevel::Warning, subject, message).hint(
            "deletions cannot be told from lost rights without; let the account list and read `CN=Deleted Objects`",
        )
    };
    let Some(domain) = connection.root.default_naming_context.clone() else {
        return warning("the server does not name its domain");
    };
    if !connection.supports(SHOW_DELETED) {
        return warning("the server does not show deleted objects");
    }
    // The container may be seen by everybody; what lies in it is what counts.
    let control = RawControl { ctype: SHOW_DELETED.into(), crit: true, val: None };
    let container = format!("CN=Deleted Objects,{domain}");
    let found = connection.search(&container, Reach::OneLevel, "(isDeleted=TRUE)", &["1.1"], vec![control], 1).await;
    match found {
        Err(error) => failed(subject, error),
        Ok(found) if found.is_empty() => {
            warning("no deleted object is to be seen: there is none, or the account may not see them")
        }
        Ok(_) => Finding::new(FindingLevel::Ok, subject, "deleted objects can be seen"),
    }
}

fn clock(connection: &Connection, now: Timestamp) -> Option<Finding> {
    let server = generalised_time(connection.root.current_time.as_deref()?)?;
    let seconds = (now.as_second() - server.as_second()).abs();
    Some(if seconds > CLOCK_TOLERANCE_SECONDS {
        Finding::new(FindingLevel::Warning, "clock", format!("differs from the server's by {seconds} s"))
            .hint("let both follow the same time server")
    } else {
        Finding::new(FindingLevel::Ok, "clock", format!("within {} s of the server's", seconds.max(1)))
    })
}

/// Reads `20261123045500.0Z`.
fn generalised_time(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z')?;
    let digits = digits.split('.').next()?;
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    );
    text.parse().ok()
}

async fn schema(source: &Ldap, connection: &mut Connection) -> Finding {
    match source.read_schema(connection).await {
        Err(error) => failed("schema", error),
        Ok(schema) if schema.closed => {
            Finding::new(FindingLevel::Ok, "schema", format!("{} attributes", schema.attributes.len()))
        }
        Ok(_) => Finding::new(FindingLevel::Warning, "schema", "the server does not show its schema")
            .hint("a table of well-known attributes is used; let the account read the subschema entry"),
    }
}

fn failed(subject: &str, error: crate::connector::ConnectorError) -> Finding {
    let mut finding = Finding::new(FindingLevel::Error, subject, error.message);
    finding.hint = error.hint;
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_times_are_read() {
        assert_eq!(generalised_time("20261123045500.0Z"), "2026-11-23T04:55:00Z".parse().ok());
        for text in ["", "20261123045500", "2026112304550Z", "2026112304550xZ", "20261323045500Z"] {
            assert_eq!(generalised_time(text), None, "{text}");
        }
    }
}
