//! X.509 certificates: DER bytes, or their Base64 as text. What .NET's `X509Certificate2` says of them.

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rhai::{Array, Blob, Dynamic};
use x509_parser::asn1_rs::{FromDer as _, Oid, ToDer as _, Utf8String};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

use super::{Call, EntraFunction, EntraGroup, dates, plain};
use crate::rules::vocabulary::shape::{Outcome, bytes_of};
use crate::value::hex;

/// The name that Windows gives to a user principal name inside a certificate.
const UPN: &str = "1.3.6.1.4.1.311.20.2.3";

/// How .NET writes the kinds of name components; others are `OID.1.2.3`.
const KINDS: [(&str, &str); 15] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "S"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "T"),
    ("2.5.4.13", "Description"),
    ("2.5.4.42", "G"),
    ("2.5.4.43", "I"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "E"),
];

/// The bytes of bytes, or those that Base64 stands for.
fn der(call: &Call<'_>, value: &Dynamic) -> Outcome<Blob> {
    if value.is_blob() {
        return bytes_of(&call.name(), value);
    }
    let text = super::text_of(&call.name(), value)?;
    let digits: String =
        text.lines().filter(|line| !line.starts_with("-----")).flat_map(str::split_whitespace).collect();
    STANDARD.decode(digits).map_err(|_| call.error("neither bytes nor Base64"))
}

/// What `f` says of a certificate, or of each; nothing of nothing.
fn read(call: &Call<'_>, f: impl Fn(&X509Certificate<'_>) -> Outcome) -> Outcome {
    call.each(Dynamic::UNIT, |value| {
        let bytes = der(call, value)?;
        let (_, certificate) =
            X509Certificate::from_der(&bytes).map_err(|_| call.error("these bytes are not a certificate"))?;
        f(&certificate)
    })
}

/// The same, for what is text.
fn text(call: &Call<'_>, f: impl Fn(&X509Certificate<'_>) -> String) -> Outcome {
    read(call, |certificate| Ok(plain(f(certificate))))
}

fn print(call: &Call<'_>, algorithm: &'static Algorithm) -> Outcome {
    call.each(Dynamic::UNIT, |value| Ok(plain(hex(digest(algorithm, &der(call, value)?).as_ref()).to_uppercase())))
}

/// A thumbprint counts for certificates only.
fn thumbprint(call: &Call<'_>) -> Outcome {
    let checked = read(call, |_| Ok(Dynamic::UNIT));
    checked.and_then(|_| print(call, &SHA1_FOR_LEGACY_USE_ONLY))
}

fn oid(oid: &Oid<'_>) -> String {
    oid.to_id_string()
}

/// The most special component first, with quotation marks where they are needed.
fn name(name: &X509Name<'_>) -> String {
    let mut components: Vec<String> = name
        .iter()
        .map(|component| {
            let parts = component.iter().map(|part| {
                let id = oid(part.attr_type());
                let kind = KINDS.iter().find(|(known, _)| *known == id).map(|(_, kind)| (*kind).to_owned());
                format!("{}={}", kind.unwrap_or_else(|| format!("OID.{id}")), quoted(part.as_str().unwrap_or_default()))
            });
            parts.collect::<Vec<String>>().join(" + ")
        })
        .collect();
    components.reverse();
    components.join(", ")
}

fn quoted(value: &str) -> String {
    let special =
        value.is_empty() || value.trim() != value || value.contains([',', '+', '=', '"', '\n', '<', '>', '#', ';']);
    if special { format!("\"{}\"", value.replace('"', "\"\"")) } else { value.to_owned() }
}

fn time(call: &Call<'_>, time: ASN1Time) -> Outcome {
    Timestamp::from_second(time.timestamp()).map(dates::written).map_err(|_| call.error("that is beyond the calendar"))
}

/// The first component of a kind, the most special first.
fn component(name: &X509Name<'_>, kind: &str) -> Option<String> {
    let parts: Vec<_> = name.iter_attributes().filter(|part| oid(part.attr_type()) == kind).collect();
    parts.last().and_then(|part| part.as_str().ok()).map(str::to_owned)
}

/// The first alternative name that `f` takes, of the subject or of the issuer.
fn alternative(
    certificate: &X509Certificate<'_>,
    issuer: bool,
    f: impl Fn(&GeneralName<'_>) -> Option<String>,
) -> Option<String> {
    use x509_parser::extensions::ParsedExtension;
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) if !issuer => names.general_names.iter().find_map(&f),
        ParsedExtension::IssuerAlternativeName(names) if issuer => names.general_names.iter().find_map(&f),
        _ => None,
    })
}

fn name_info(call: &Call<'_>) -> Outcome {
    let kind = call.needed_text(1)?;
    let issuer = call.value(2).as_bool().map_err(|_| call.needs("true or false", &call.value(2)))?;
    let known = ["SimpleName", "EmailName", "UpnName", "DnsName", "DnsFromAlternativeName", "UrlName"];
    if !known.contains(&kind.as_str()) {
        return Err(call.error(&format!("`{kind}` is none of {}", known.join(", "))));
    }
    text(call, |certificate| {
        let name = if issuer { certificate.issuer() } else { certificate.subject() };
        let email = || {
            alternative(certificate, issuer, |name| match name {
                GeneralName::RFC822Name(address) => Some((*address).to_owned()),
                _ => None,
            })
        };
        let dns = || {
            alternative(certificate, issuer, |name| match name {
                GeneralName::DNSName(host) => Some((*host).to_owned()),
                _ => None,
            })
        };
        let common = |kinds: &[&str]| kinds.iter().find_map(|kind| component(name, kind));
        let mail = "1.2.840.113549.1.9.1";
        let found = match kind.as_str() {
            "SimpleName" => common(&["2.5.4.3", "2.5.4.11", "2.5.4.10", mail]).or_else(email),
            "EmailName" => email().or_else(|| common(&[mail])),
            "UpnName" => alternative(certificate, issuer, |name| match name {
                GeneralName::OtherName(kind, value) if oid(kind) == UPN => principal_name(value),
                _ => None,
            }),
            "DnsName" => dns().or_else(|| common(&["2.5.4.3"])),
            "DnsFromAlternativeName" => dns(),
            _ => alternative(certificate, issuer, |name| match name {
                GeneralName::URI(address) => Some((*address).to_owned()),
                _ => None,
            }),
        };
        found.unwrap_or_default()
    })
}

/// A UTF-8 text inside its tag.
fn principal_name(value: &[u8]) -> Option<String> {
    let (_, any) = x509_parser::asn1_rs::Any::from_der(value).ok()?;
    let inner = if any.header.is_contextspecific() { any.data } else { value };
    let (_, text) = Utf8String::from_der(inner).ok()?;
    Some(text.string())
}

fn critical_extensions(call: &Call<'_>) -> Outcome {
    read(call, |certificate| {
        let critical = certificate.extensions().iter().filter(|extension| extension.critical);
        Ok(critical.map(|extension| plain(oid(&extension.oid))).collect::<Array>().into())
    })
}

fn key_parameters(call: &Call<'_>) -> Outcome {
    text(call, |certificate| {
        let parameters = certificate.public_key().algorithm.parameters.as_ref();
        let bytes = parameters.and_then(|parameters| parameters.to_der_vec().ok()).unwrap_or_default();
        hex(&bytes).to_uppercase()
    })
}

fn serial_number(call: &Call<'_>) -> Outcome {
    text(call, |certificate| hex(certificate.raw_serial()).to_uppercase())
}

fn key_algorithm(call: &Call<'_>) -> Outcome {
    text(call, |certificate| oid(&certificate.public_key().algorithm.algorithm))
}

/// What `certificate` stands for in the examples: self-signed, of `CN=Ana Test, O=Syncline Test, C=ES`.
pub const EXAMPLE: &str = "MIIBoDCCAUegAwIBAgIFAQIDBAUwCgYIKoZIzj0EAwIwODELMAkGA1UEBhMCRVMxFjAUBgNVBAoMDVN5bmNsaW5lIFRlc3QxETAPBgNVBAMMCEFuYSBUZXN0MB4XDTI0MDEwMTAwMDAwMFoXDTM0MDEwMTAwMDAwMFowODELMAkGA1UEBhMCRVMxFjAUBgNVBAoMDVN5bmNsaW5lIFRlc3QxETAPBgNVBAMMCEFuYSBUZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE+evkZBR8wQLZIyTQmdknwaUOQtV6CKEW/+wKKYGdjGVwuvfRKIiQKmoMHWet0QMSPIWatpv46UMck4STDUt+7qM+MDwwDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4AwHAYDVR0RBBUwE4ERYW5hQHN5bmNsaW5lLnRlc3QwCgYIKoZIzj0EAwIDRwAwRAIgEaTW7LuJg59AFovjPWUtJy3Z3Qif5gDX5idJIwnLQOYCICXoLVfxOlV9N5YeVA0sUXT+sGqVoFodMcTQDmxdPNrz";

/// The entry of a function that takes a certificate and nothing else.
macro_rules! entry {
    ($name:literal -> $result:literal, $doc:literal, $shown:literal, $differs:literal, $call:expr) => {
        EntraFunction {
            name: $name,
            group: EntraGroup::Certificate,
            signature: concat!($name, "(certificate) -> ", $result),
            doc: $doc,
            documented: &[],
            examples: &[
                (concat!("entra::", $name, "(certificate)"), $shown),
                (concat!("entra::", $name, "(())"), "()"),
            ],
            differs: $differs,
            arity: (1, 1),
            call: $call,
        }
    };
}

pub(super) static FUNCTIONS: &[EntraFunction] = &[
    entry!(
        "CertExtensionOids" -> "list",
        "The identifiers of the critical extensions.",
        r#"["2.5.29.19", "2.5.29.15"]"#,
        "",
        critical_extensions
    ),
    entry!(
        "CertFormat" -> "text",
        "The name of the format, which is always the same.",
        r#""X509""#,
        "",
        |call| text(call, |_| "X509".into())
    ),
    entry!(
        "CertFriendlyName" -> "text",
        "Empty: Windows keeps this name beside a certificate, not in it.",
        r#""""#,
        "There it may be what the server's own certificate store says.",
        |call| text(call, |_| String::new())
    ),
    entry!(
        "CertHashString" -> "text",
        "The SHA-1 of the certificate in hexadecimal.",
        r#""E84D0EAA0FE4FD3D86CFC6875595486E0F94D059""#,
        "",
        thumbprint
    ),
    entry!(
        "CertIssuer" -> "text",
        "The name of the issuer, the most special component first.",
        r#""CN=Ana Test, O=Syncline Test, C=ES""#,
        "",
        |call| text(call, |certificate| name(certificate.issuer()))
    ),
    entry!(
        "CertIssuerDN" -> "text",
        "The name of the issuer, the most special component first.",
        r#""CN=Ana Test, O=Syncline Test, C=ES""#,
        "",
        |call| text(call, |certificate| name(certificate.issuer()))
    ),
    entry!(
        "CertIssuerOid" -> "text",
        "Nothing: a name has no identifier.",
        "()",
        "Not documented: what .NET gives, which is nothing.",
        |call| read(call, |_| Ok(Dynamic::UNIT))
    ),
    entry!(
        "CertKeyAlgorithm" -> "text",
        "The identifier of the public key's algorithm.",
        r#""1.2.840.10045.2.1""#,
        "",
        key_algorithm
    ),
    entry!(
        "CertKeyAlgorithmParams" -> "text",
        "The parameters of the public key's algorithm in hexadecimal.",
        r#""06082A8648CE3D030107""#,
        "",
        key_parameters
    ),
    EntraFunction {
        name: "CertNameInfo",
        group: EntraGroup::Certificate,
        signature: "CertNameInfo(certificate, kind, issuer) -> text",
        doc: "A name of the subject, or of the issuer: `SimpleName`, `EmailName`, `UpnName`, `DnsName`, `DnsFromAlternativeName`, `UrlName`; empty where there is none.",
        documented: &[],
        examples: &[
            (r#"entra::CertNameInfo(certificate, "EmailName", false)"#, r#""ana@syncline.test""#),
            (r#"entra::CertNameInfo(certificate, "SimpleName", true)"#, r#""Ana Test""#),
            (r#"entra::CertNameInfo(certificate, "UpnName", false)"#, r#""""#),
            (
                r#"entra::CertNameInfo(certificate, "Nickname", false)"#,
                r#"error("`entra::CertNameInfo`: `Nickname` is none of SimpleName, EmailName, UpnName, DnsName, DnsFromAlternativeName, UrlName")"#,
            ),
            (r#"entra::CertNameInfo((), "EmailName", false)"#, "()"),
        ],
        differs: "",
        arity: (3, 3),
        call: name_info,
    },
    entry!(
        "CertNotAfter" -> "time",
        "When it ends.",
        r#""2034-01-01T00:00:00Z""#,
        "There it is the server's local time, here UTC.",
        |call| read(call, |certificate| time(call, certificate.validity().not_after))
    ),
    entry!(
        "CertNotBefore" -> "time",
        "When it begins.",
        r#""2024-01-01T00:00:00Z""#,
        "There it is the server's local time, here UTC.",
        |call| read(call, |certificate| time(call, certificate.validity().not_before))
    ),
    entry!(
        "CertPublicKeyOid" -> "text",
        "The identifier of the public key.",
        r#""1.2.840.10045.2.1""#,
        "",
        key_algorithm
    ),
    entry!(
        "CertPublicKeyParametersOid" -> "text",
        "The identifier that .NET gives to the public key's parameters: that of the key.",
        r#""1.2.840.10045.2.1""#,
        "Not documented: what .NET gives.",
        key_algorithm
    ),
    entry!(
        "CertSerialNumber" -> "text",
        "The serial number in hexadecimal.",
        r#""0102030405""#,
        "",
        serial_number
    ),
    entry!(
        "CertSignatureAlgorithmOid" -> "text",
        "The identifier of the signature's algorithm.",
        r#""1.2.840.10045.4.3.2""#,
        "",
        |call| text(call, |certificate| oid(&certificate.signature_algorithm.algorithm))
    ),
    entry!(
        "CertSubject" -> "text",
        "The name of the subject, the most special component first.",
        r#""CN=Ana Test, O=Syncline Test, C=ES""#,
        "",
        |call| text(call, |certificate| name(certificate.subject()))
    ),
    entry!(
        "CertSubjectNameDN" -> "text",
        "The name of the subject, the most special component first.",
        r#""CN=Ana Test, O=Syncline Test, C=ES""#,
        "",
        |call| text(call, |certificate| name(certificate.subject()))
    ),
    entry!(
        "CertSubjectNameOid" -> "text",
        "Nothing: a name has no identifier.",
        "()",
        "Not documented: what .NET gives, which is nothing.",
        |call| read(call, |_| Ok(Dynamic::UNIT))
    ),
    entry!(
        "CertThumbprint" -> "text",
        "The SHA-1 of the certificate in hexadecimal.",
        r#""E84D0EAA0FE4FD3D86CFC6875595486E0F94D059""#,
        "",
        thumbprint
    ),
    entry!(
        "CertVersion" -> "text",
        "The version of X.509.",
        r#""3""#,
        "",
        |call| text(call, |certificate| (certificate.version().0 + 1).to_string())
    ),
    EntraFunction {
        name: "IsCert",
        group: EntraGroup::Certificate,
        signature: "IsCert(value) -> true or false",
        doc: "Whether it is a certificate; false for nothing.",
        documented: &[],
        examples: &[
            ("entra::IsCert(certificate)", "true"),
            (r#"entra::IsCert(from_hex("0102"))"#, "false"),
            (r#"entra::IsCert("Ana")"#, "false"),
            ("entra::IsCert(())", "false"),
        ],
        differs: "",
        arity: (1, 1),
        call: |call| {
            let bytes = der(call, &call.value(0)).unwrap_or_default();
            Ok(X509Certificate::from_der(&bytes).is_ok().into())
        },
    },
    EntraFunction {
        name: "Thumbprint",
        group: EntraGroup::Unlisted,
        signature: "Thumbprint(bytes) -> text",
        doc: "The SHA-256 of bytes in hexadecimal.",
        documented: &[],
        examples: &[
            (
                r#"entra::Thumbprint(from_hex("01"))"#,
                r#""4BF5122F344554C53BDE2EBB8CD2B7E3D1600AD631C385A5D7CCE23C7785459A""#,
            ),
            ("entra::Thumbprint(())", "()"),
        ],
        differs: "Seen in one rule that Entra Connect ships, described nowhere: that it is SHA-256 is a guess, from how Windows Hello names keys.",
        arity: (1, 1),
        call: |call| print(call, &SHA256),
    },
];
