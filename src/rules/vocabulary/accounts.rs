//! What Entra ID accepts as names of accounts and mailboxes.

use rhai::Dynamic;

use super::ascii::to_ascii;
use super::shape::{Outcome, each_text, text, text_of, text_to_text, values_of};
use super::{Function, Group};

const LONGEST_NICKNAME: usize = 64;
const LONGEST_UPN: usize = 113;
/// What stands before the `@` of a user name.
const LONGEST_LOCAL_PART: usize = 64;

fn mail_nickname(value: &str) -> String {
    let allowed = |c: &char| c.is_ascii_graphic() && !r#"@()\[]";:<>,"#.contains(*c);
    let nickname: String = to_ascii(value).chars().filter(allowed).take(LONGEST_NICKNAME).collect();
    nickname.trim_matches('.').to_owned()
}

/// Whether the local part of a user name may have this character.
fn is_upn_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || "'.-_!#^~".contains(c)
}

/// Whether Entra ID takes the user name as it is.
fn is_upn(upn: &str) -> bool {
    let Some((local, domain)) = upn.split_once('@') else { return false };
    !local.is_empty()
        && !domain.is_empty()
        && !domain.contains('@')
        && local.len() <= LONGEST_LOCAL_PART
        && upn.len() <= LONGEST_UPN
        && local.chars().all(is_upn_letter)
        && !local.starts_with('.')
        && !local.ends_with('.')
}

fn verified_upn(upn: Dynamic, nickname: Dynamic, domains: Dynamic, initial_domain: &str) -> Outcome {
    let name = "verified_upn";
    let optional = |value: &Dynamic| if value.is_unit() { Ok("".into()) } else { text_of(name, value) };
    let (upn, nickname) = (optional(&upn)?, optional(&nickname)?);
    let (local, suffix) = upn.split_once('@').unwrap_or((&upn, ""));
    if is_upn(&upn) {
        for domain in values_of(domains) {
            if text_of(name, &domain)?.eq_ignore_ascii_case(suffix) {
                return Ok(text(upn));
            }
        }
    }
    let longest = LONGEST_UPN.saturating_sub(initial_domain.len() + 1).min(LONGEST_LOCAL_PART);
    for candidate in [&nickname, local] {
        let letters: String = to_ascii(candidate).chars().filter(|c| is_upn_letter(*c)).take(longest).collect();
        let name = letters.trim_matches('.');
        if !name.is_empty() {
            return Ok(text(format!("{name}@{initial_domain}")));
        }
    }
    Ok(Dynamic::UNIT)
}

/// The address that `SMTP:` in capitals marks, without the mark.
fn primary_smtp(addresses: Dynamic) -> Outcome {
    for address in values_of(addresses) {
        if let Some(address) = text_of("primary_smtp", &address)?.strip_prefix("SMTP:") {
            return Ok(text(address.trim()));
        }
    }
    Ok(Dynamic::UNIT)
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "mail_nickname",
        group: Group::Accounts,
        signature: "mail_nickname(text) -> text",
        doc: "What Graph accepts as `mailNickname`: ASCII without blanks and the signs of addresses, 64 characters.",
        examples: &[
            (r#"mail_nickname("Jörg (Sales) Roe")"#, r#""JoergSalesRoe""#),
            (r#"mail_nickname("jane.roe")"#, r#""jane.roe""#),
            (r#"mail_nickname("@")"#, "()"),
            ("mail_nickname(())", "()"),
        ],
        register: |engine| text_to_text(engine, "mail_nickname", mail_nickname),
    },
    Function {
        name: "verified_upn",
        group: Group::Accounts,
        signature: "verified_upn(upn, nickname, verified_domains, initial_domain) -> text",
        doc: "The user name where Entra ID takes it and its domain is verified, else nickname@initial domain.",
        examples: &[
            (
                r#"verified_upn("jane@Contoso.com", "jroe", ["contoso.com"], "contoso.onmicrosoft.com")"#,
                r#""jane@Contoso.com""#,
            ),
            (
                r#"verified_upn("jane@contoso.test", "jroe", ["contoso.com"], "contoso.onmicrosoft.com")"#,
                r#""jroe@contoso.onmicrosoft.com""#,
            ),
            (
                r#"verified_upn("jane roe@contoso.com", (), ["contoso.com"], "contoso.onmicrosoft.com")"#,
                r#""janeroe@contoso.onmicrosoft.com""#,
            ),
            (
                r#"verified_upn("aoi@contoso.test", "葵", ["contoso.com"], "contoso.onmicrosoft.com")"#,
                r#""aoi@contoso.onmicrosoft.com""#,
            ),
            (r#"verified_upn((), (), ["contoso.com"], "contoso.onmicrosoft.com")"#, "()"),
        ],
        register: |engine| {
            engine.register_fn("verified_upn", verified_upn);
        },
    },
    Function {
        name: "primary_smtp",
        group: Group::Accounts,
        signature: "primary_smtp(proxyAddresses) -> text",
        doc: "The primary address, which `SMTP:` in capitals marks.",
        examples: &[
            (r#"primary_smtp(["smtp:b@contoso.com", "SMTP:a@contoso.com"])"#, r#""a@contoso.com""#),
            (r#"primary_smtp(["smtp:b@contoso.com"])"#, "()"),
            ("primary_smtp(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("primary_smtp", primary_smtp);
        },
    },
    Function {
        name: "proxy_addresses",
        group: Group::Accounts,
        signature: "proxy_addresses(list, kind) -> list",
        doc: "The addresses of one kind, such as `smtp` or `sip`, without the kind.",
        examples: &[
            (r#"proxy_addresses(["sip:j@b.c", "SMTP:a@b.c", "smtp:d@b.c"], "smtp")"#, r#"["a@b.c", "d@b.c"]"#),
            (r#"proxy_addresses((), "smtp")"#, "()"),
        ],
        register: |engine| {
            engine.register_fn("proxy_addresses", |addresses: Dynamic, kind: &str| {
                each_text("proxy_addresses", &addresses, |address| {
                    let found = address.split_once(':').filter(|(of, _)| of.eq_ignore_ascii_case(kind));
                    Ok(text(found.map_or("", |(_, address)| address.trim())))
                })
            });
        },
    },
];
