//! What went wrong, in words: connection, TLS, bind and search errors. Never with a secret in them.

use ldap3::{LdapError, LdapResult};
use rustls::CertificateError;

use super::Settings;
use crate::connector::{ConnectorError, ConnectorErrorKind};

/// An error while the connection was being made.
pub(crate) fn connecting(settings: &Settings, error: LdapError) -> ConnectorError {
    let address = &settings.url;
    if let Some(tls) = tls_error(&error) {
        return tls_trouble(address, tls);
    }
    let unreachable =
        |what: String| ConnectorError::new(ConnectorErrorKind::Unreachable, format!("cannot reach {address}: {what}"));
    match error {
        LdapError::Timeout { .. } => {
            unreachable(format!("no answer within {} s", settings.timeout)).hint("check host name, port and firewall")
        }
        LdapError::Io { source } if settings.is_encrypted() && broke_off(&source) => {
            ConnectorError::new(ConnectorErrorKind::Tls, format!("{address} broke off the TLS handshake ({source})"))
                .hint("does that port speak TLS? ldaps:// is usually 636, ldap:// with `start_tls` 389")
        }
        LdapError::Io { source } => unreachable(source.to_string()).hint("check host name, port and firewall"),
        LdapError::LdapResult { result } => {
            ConnectorError::new(ConnectorErrorKind::Tls, format!("{address} refuses StartTLS: {}", described(&result)))
                .hint("use ldaps://, or give the server a certificate")
        }
        LdapError::DNSName { .. } => ConnectorError::new(
            ConnectorErrorKind::Settings,
            format!("the host in {address} is not a name that a certificate can be checked against"),
        ),
        other => unreachable(other.to_string()),
    }
}

/// An error on a connection that was there.
pub(crate) fn connection(address: &str, error: LdapError) -> ConnectorError {
    let what = match &error {
        LdapError::Timeout { .. } => "it did not answer in time".to_owned(),
        LdapError::EndOfStream | LdapError::OpSend { .. } | LdapError::ResultRecv { .. } => {
            "the server closed it".to_owned()
        }
        LdapError::FilterParsing => {
            return ConnectorError::new(ConnectorErrorKind::Settings, format!("cannot ask {address}: bad filter"));
        }
        other => other.to_string(),
    };
    ConnectorError::new(ConnectorErrorKind::Unreachable, format!("lost the connection to {address}: {what}"))
}

/// A search that the server refuses.
pub(crate) fn result(address: &str, base: &str, result: &LdapResult) -> ConnectorError {
    let kind = match result.rc {
        // operationsError is what Active Directory answers without a bind.
        1 | 50 => ConnectorErrorKind::Rights,
        34 => ConnectorErrorKind::Settings,
        51 | 52 => ConnectorErrorKind::Unreachable,
        _ => ConnectorErrorKind::Protocol,
    };
    let at = if base.is_empty() { String::new() } else { format!(" at `{base}`") };
    let error = ConnectorError::new(kind, format!("{address} refuses to search{at}: {}", described(result)));
    match kind {
        ConnectorErrorKind::Rights => error.hint("give the account read rights, or set `bind_dn` and `password`"),
        _ => error,
    }
}

/// An answer that is not LDAP.
pub(crate) fn malformed(address: &str) -> ConnectorError {
    ConnectorError::new(ConnectorErrorKind::Protocol, format!("{address} sent an entry that cannot be read"))
}

/// A bind that the server refuses.
pub(crate) fn bind(address: &str, name: &str, result: &LdapResult) -> ConnectorError {
    let refused = |kind, why: &str| ConnectorError::new(kind, format!("{address} refuses `{name}`: {why}"));
    match result.rc {
        49 => {
            let (why, hint) = active_directory_reason(&result.text)
                .unwrap_or(("the name or the password is wrong", "check `bind_dn` and where `password` points to"));
            refused(ConnectorErrorKind::Credentials, why).hint(hint)
        }
        8 | 13 => refused(ConnectorErrorKind::Settings, "it takes passwords only over an encrypted connection")
            .hint("use ldaps://, or ldap:// with `start_tls = true`"),
        34 => refused(ConnectorErrorKind::Settings, "`bind_dn` is not a name that it understands"),
        _ => refused(ConnectorErrorKind::Credentials, &described(result)),
    }
}

/// The server's words on one line, with the code's name.
pub(crate) fn described(result: &LdapResult) -> String {
    let name = match result.rc {
        1 => "operations error",
        2 => "protocol error",
        3 => "time limit exceeded",
        4 => "size limit exceeded",
        8 => "stronger authentication required",
        10 => "referral",
        11 => "administrative limit exceeded",
        12 => "critical extension unavailable",
        16 => "no such attribute",
        17 => "undefined attribute type",
        19 => "constraint violation",
        20 => "attribute or value exists",
        21 => "invalid attribute syntax",
        32 => "no such object",
        34 => "invalid name",
        49 => "invalid credentials",
        50 => "insufficient access rights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwilling to perform",
        64 => "naming violation",
        65 => "object class violation",
        66 => "not allowed on an entry with others below it",
        67 => "not allowed on the value in the name",
        68 => "entry already exists",
        71 => "the entries are on different servers",
        122 => "assertion failed",
        80 => "internal error",
        _ => "",
    };
    let words: Vec<&str> = result.text.split(|c: char| c.is_control() || c == ' ').filter(|w| !w.is_empty()).collect();
    let text = words.join(" ");
    match (name, text.as_str()) {
        ("", "") => format!("result code {}", result.rc),
        ("", text) => format!("result code {} ({text})", result.rc),
        (name, "") => name.to_owned(),
        (name, text) => format!("{name} ({text})"),
    }
}

/// What `data 52e` and its like in a refused bind mean, with advice.
fn active_directory_reason(text: &str) -> Option<(&'static str, &'static str)> {
    let (_, after) = text.split_once("data ")?;
    let code = after.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    Some(match code.to_ascii_lowercase().as_str() {
        "525" => ("there is no such account", "write it as user@domain, DOMAIN\\user or a distinguished name"),
        "52e" => ("the name or the password is wrong", "check `bind_dn` and where `password` points to"),
        "530" => ("the account may not log on at this time", "change its logon hours"),
        "531" => ("the account may not log on from this machine", "change its list of workstations"),
        "532" => ("its password has expired", "set a new password and let it not expire"),
        "533" => ("the account is disabled", "enable it"),
        "701" => ("the account has expired", "change its expiry date"),
        "773" => ("its password must be changed first", "clear \"user must change password at next logon\""),
        "775" => ("the account is locked", "unlock it; somebody may be trying passwords"),
        _ => return None,
    })
}

fn tls_error(error: &LdapError) -> Option<&rustls::Error> {
    match error {
        LdapError::Io { source } => source.get_ref()?.downcast_ref(),
        LdapError::Rustls { source } => Some(source),
        _ => None,
    }
}

fn broke_off(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

fn tls_trouble(address: &str, error: &rustls::Error) -> ConnectorError {
    let (what, hint) = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => (
                "its certificate was issued by an authority that is not trusted".to_owned(),
                "put the authority's certificate (PEM) into a file and name it in `ca_file`",
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                format!("its certificate is for another name ({error})"),
                "use the server's name as it stands in its certificate in `url`",
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                ("its certificate has expired".to_owned(), "renew it; or is the clock of this machine wrong?")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                ("its certificate is not valid yet".to_owned(), "is the clock of this machine right?")
            }
            other => (format!("its certificate is not acceptable ({other:?})"), "look at it with `openssl s_client`"),
        },
        rustls::Error::InvalidMessage(_) => {
            ("it does not speak TLS on that port".to_owned(), "ldaps:// is usually 636; ldap:// with `start_tls` 389")
        }
        other => (other.to_string(), "TLS 1.2 or 1.3 is needed; look with `openssl s_client`"),
    };
    ConnectorError::new(ConnectorErrorKind::Tls, format!("cannot trust {address}: {what}")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(rc: u32, text: &str) -> LdapResult {
        LdapResult { rc, matched: String::new(), text: text.into(), refs: vec![], ctrls: vec![] }
    }

    #[test]
    fn active_directory_says_why_it_refuses() {
        for (data, word) in [
            ("525", "no such account"),
            ("52e", "wrong"),
            ("532", "has expired"),
            ("533", "disabled"),
            ("701", "account has expired"),
            ("773", "must be changed"),
            ("775", "locked"),
        ] {
            let text =
                format!("80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data {data}, v4563");
            let error = bind("ldaps://dc1", "svc@contoso.com", &refused(49, &text));
            assert_eq!(error.kind, ConnectorErrorKind::Credentials);
            assert!(error.message.contains(word), "{data}: {}", error.message);
            assert!(error.hint.is_some());
        }
        let plain = bind("ldaps://x", "cn=admin", &refused(49, ""));
        assert_eq!(plain.message, "ldaps://x refuses `cn=admin`: the name or the password is wrong");
    }

    #[test]
    fn tls_errors_say_what_to_do() {
        let settings: Settings = toml::from_str("url = 'ldaps://dc1'").unwrap();
        for (error, words, hint) in [
            (rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer), "not trusted", "ca_file"),
            (rustls::Error::InvalidCertificate(CertificateError::NotValidForName), "another name", "url"),
            (rustls::Error::InvalidCertificate(CertificateError::Expired), "expired", "renew"),
            (rustls::Error::InvalidCertificate(CertificateError::NotValidYet), "not valid yet", "clock"),
            (rustls::Error::InvalidCertificate(CertificateError::BadSignature), "not acceptable", "openssl"),
            (rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType), "does not speak TLS", "636"),
        ] {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
            let shown = connecting(&settings, LdapError::Io { source });
            assert_eq!(shown.kind, ConnectorErrorKind::Tls);
            assert!(
                shown.message.starts_with("cannot trust ldaps://dc1: ") && shown.message.contains(words),
                "{shown}"
            );
            assert!(shown.hint.unwrap().contains(hint));
        }
    }

    #[test]
    fn words_of_the_server_fit_on_a_line() {
        assert_eq!(described(&refused(4, "")), "size limit exceeded");
        assert_eq!(described(&refused(53, "a\n  b\0")), "unwilling to perform (a b)");
        assert_eq!(described(&refused(77, "")), "result code 77");
    }
}
