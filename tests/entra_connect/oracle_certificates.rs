//! The functions of the oracle for certificates: just enough of DER to read the fields of an X.509 certificate.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::oracle::{Value, list};
use crate::oracle_functions::{Arguments, decode_base64, hex};

/// A field of DER: its tag, its content, and all its bytes.
#[derive(Clone, Copy)]
struct Field<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

const SEQUENCE: u8 = 0x30;

fn fields(mut bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let (&[tag, short], rest) = bytes.split_first_chunk::<2>()?;
        let more = if short < 0x80 { 0 } else { usize::from(short & 0x7f) };
        let long = rest.get(..more).filter(|long| long.len() <= 4)?;
        let length = long.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let length = if more == 0 { usize::from(short) } else { length };
        let content = rest[more..].get(..length)?;
        let (whole, next) = bytes.split_at(2 + more + length);
        fields.push(Field { tag, content, whole });
        bytes = next;
    }
    Some(fields)
}

/// The parts of a certificate.
struct Certificate<'a> {
    version: u8,
    serial: &'a [u8],
    issuer: &'a [u8],
    validity: Vec<Field<'a>>,
    subject: &'a [u8],
    /// The identifier of the key's algorithm, then its parameters.
    key: Vec<Field<'a>>,
    extensions: Vec<Field<'a>>,
    signature: Vec<Field<'a>>,
}

fn certificate(bytes: &[u8]) -> Option<Certificate<'_>> {
    let [outer] = fields(bytes)?[..] else { return None };
    let [body, signature, _] = fields(outer.content)?[..] else { return None };
    let mut parts = fields(body.content)?;
    if outer.tag != SEQUENCE || body.tag != SEQUENCE {
        return None;
    }
    let mut version = 1;
    if parts.first()?.tag == 0xa0 {
        version = fields(parts.remove(0).content)?.first()?.content.last()? + 1;
    }
    let [serial, _, issuer, validity, subject, key, rest @ ..] = &parts[..] else { return None };
    let extensions = match rest.iter().find(|field| field.tag == 0xa3) {
        Some(field) => fields(fields(field.content)?.first()?.content)?,
        None => Vec::new(),
    };
    Some(Certificate {
        version,
        serial: serial.content,
        issuer: issuer.content,
        validity: fields(validity.content)?,
        subject: subject.content,
        key: fields(fields(key.content)?.first()?.content)?,
        extensions,
        signature: fields(signature.content)?,
    })
}

pub(crate) fn call(arguments: &Arguments) -> Result<Option<Value>, String> {
    if !arguments.name.starts_with("Cert") && arguments.name != "IsCert" {
        return Ok(None);
    }
    let bytes = match arguments.value(0) {
        Value::Bytes(bytes) => Some(bytes.clone()),
        Value::Text(text) => decode_base64(text),
        _ => None,
    };
    let certificate = bytes.as_deref().and_then(certificate);
    match (arguments.name, certificate) {
        ("IsCert", certificate) => Ok(Some(Value::Bool(certificate.is_some()))),
        _ if *arguments.value(0) == Value::Null => Ok(Some(Value::Null)),
        (_, None) => Err(arguments.fails("not a certificate")),
        ("CertNameInfo", Some(certificate)) => name_info(arguments, &certificate).map(Some),
        (name, Some(certificate)) => {
            let value = property(name, &certificate, bytes.as_deref().unwrap_or_default());
            value.map(Some).ok_or_else(|| arguments.fails("the field cannot be read"))
        }
    }
}

fn property(name: &str, certificate: &Certificate, bytes: &[u8]) -> Option<Value> {
    let text = match name {
        "CertExtensionOids" => return critical(certificate),
        "CertNotBefore" => return time(certificate.validity.first()?).map(Value::Time),
        "CertNotAfter" => return time(certificate.validity.get(1)?).map(Value::Time),
        "CertIssuerOid" | "CertSubjectNameOid" => return Some(Value::Null),
        "CertFormat" => "X509".into(),
        "CertFriendlyName" => String::new(),
        "CertHashString" | "CertThumbprint" => hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref()),
        "CertIssuer" | "CertIssuerDN" => distinguished(certificate.issuer)?,
        "CertSubject" | "CertSubjectNameDN" => distinguished(certificate.subject)?,
        "CertKeyAlgorithmParams" => hex(certificate.key.get(1)?.whole),
        "CertSerialNumber" => hex(certificate.serial),
        "CertSignatureAlgorithmOid" => identifier(certificate.signature.first()?.content)?,
        "CertVersion" => certificate.version.to_string(),
        _ => identifier(certificate.key.first()?.content)?,
    };
    Some(Value::Text(text))
}

/// The identifiers of the critical extensions.
fn critical(certificate: &Certificate) -> Option<Value> {
    let mut found = Vec::new();
    for extension in &certificate.extensions {
        let parts = fields(extension.content)?;
        if parts.get(1)?.tag == 1 {
            found.push(Value::Text(identifier(parts.first()?.content)?));
        }
    }
    Some(list(found))
}

fn identifier(bytes: &[u8]) -> Option<String> {
    let mut arcs = Vec::new();
    let mut arc = 0u64;
    for byte in bytes {
        arc = arc.checked_mul(128)? + u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            arcs.push(arc);
            arc = 0;
        }
    }
    let first = *arcs.first()?;
    let root = (first / 40).min(2);
    let rest: String = arcs[1..].iter().map(|arc| format!(".{arc}")).collect();
    Some(format!("{root}.{}{rest}", first - root * 40))
}

fn time(field: &Field) -> Option<Timestamp> {
    let text = std::str::from_utf8(field.content).ok()?;
    let century = match (field.tag, text.get(..2)?) {
        (0x17, year) if year < "50" => "20",
        (0x17, _) => "19",
        _ => "",
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", format!("{century}{text}")).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The identifiers and texts of a name, the most general first.
fn attributes(name: &[u8]) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    for set in fields(name)? {
        for pair in fields(set.content)? {
            let [kind, value] = fields(pair.content)?[..] else { return None };
            found.push((identifier(kind.content)?, String::from_utf8(value.content.to_vec()).ok()?));
        }
    }
    Some(found)
}

fn distinguished(name: &[u8]) -> Option<String> {
    let short = |kind: &str| match kind {
        "2.5.4.3" => "CN".into(),
        "2.5.4.6" => "C".into(),
        "2.5.4.7" => "L".into(),
        "2.5.4.8" => "S".into(),
        "2.5.4.10" => "O".into(),
        "2.5.4.11" => "OU".into(),
        "0.9.2342.19200300.100.1.25" => "DC".into(),
        "1.2.840.113549.1.9.1" => "E".into(),
        other => format!("OID.{other}"),
    };
    let mut parts: Vec<String> =
        attributes(name)?.iter().map(|(kind, value)| format!("{}={value}", short(kind))).collect();
    parts.reverse();
    Some(parts.join(", "))
}

/// `CertNameInfo`; of the alternative names, those of the subject only.
fn name_info(arguments: &Arguments, certificate: &Certificate) -> Result<Value, String> {
    let issuer = crate::oracle::truth(arguments.value(2))?;
    let name = attributes(if issuer { certificate.issuer } else { certificate.subject });
    let name = name.ok_or_else(|| arguments.fails("the name cannot be read"))?;
    let named = |kind: &str| name.iter().rev().find(|(each, _)| each == kind).map(|(_, value)| value.clone());
    let other = |tag| if issuer { None } else { alternative(certificate, tag) };
    let found = match arguments.word(1)?.as_str() {
        "simplename" => named("2.5.4.3"),
        "emailname" => other(0x81).or_else(|| named("1.2.840.113549.1.9.1")),
        "upnname" => None,
        "dnsname" => other(0x82).or_else(|| named("2.5.4.3")),
        "dnsfromalternativename" => other(0x82),
        "urlname" => other(0x86),
        _ => return Err(arguments.fails("no such kind of name")),
    };
    Ok(Value::Text(found.unwrap_or_default()))
}

fn alternative(certificate: &Certificate, tag: u8) -> Option<String> {
    let mut extensions = certificate.extensions.iter().filter_map(|each| fields(each.content));
    let parts = extensions.find(|parts| parts.first().is_some_and(|kind| kind.content == [0x55, 0x1d, 0x11]))?;
    let names = fields(fields(parts.last()?.content)?.first()?.content)?;
    let found = names.iter().find(|name| name.tag == tag)?;
    String::from_utf8(found.content.to_vec()).ok()
}
