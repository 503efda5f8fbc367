//! What `syncline doctor` looks at in a tenant.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::Value as Json;

use super::http::Client;
use super::read;
use crate::connector::{ConnectorError, Finding, FindingLevel};

/// Permission, and what serves instead.
const NEEDED: [(&str, &[&str]); 3] = [
    ("User.ReadWrite.All", &["Directory.ReadWrite.All"]),
    ("Group.ReadWrite.All", &["Directory.ReadWrite.All"]),
    ("Organization.Read.All", &["Organization.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"]),
];

/// A clock that is further off than this makes assertions invalid, in seconds.
const CLOCK: i64 = 240;

pub(super) async fn run(client: &Client) -> Vec<Finding> {
    let mut findings = Vec::new();
    let token = match client.bearer().await {
        Ok(token) => token,
        Err(error) => return vec![failed("token", error)],
    };
    findings.push(Finding::new(FindingLevel::Ok, "token", format!("from {}", client.settings.login_url)));
    findings.extend(rights(&token));
    match client.send_safely(Method::GET, "/users?$select=id&$top=1").await {
        Ok(reply) if reply.status == 200 => {
            findings.push(Finding::new(FindingLevel::Ok, "users", "can be read"));
            findings.extend(reply.date.as_deref().and_then(clock));
        }
        Ok(reply) => findings.push(failed("users", super::http::refusal("/users", reply.status, &reply.body))),
        Err(error) => findings.push(failed("users", error)),
    }
    match read::facts(client).await {
        Ok(facts) => {
            let domains = facts.verified_domains.join(", ");
            findings.push(Finding::new(
                FindingLevel::Ok,
                "tenant",
                format!("{}; verified domains: {domains}", facts.name),
            ));
            findings.push(match &facts.privileged {
                Some(holders) => {
                    Finding::new(FindingLevel::Ok, "roles", format!("{} accounts hold one", holders.len()))
                }
                None => Finding::new(FindingLevel::Warning, "roles", "who holds one is not known").hint(
                    "with RoleManagement.Read.Directory, accounts of administrators are never taken for somebody's",
                ),
            });
            let mastered = client.get("/users?$filter=onPremisesSyncEnabled eq true&$select=id&$top=1").await;
            let mastered = mastered.is_ok_and(|page| page.pointer("/value/0").is_some());
            findings.push(if facts.synced_by_microsoft || mastered {
                Finding::new(
                    FindingLevel::Warning,
                    "coexistence",
                    "Microsoft's synchronisation client is active in this tenant, or was: it has mastered objects here",
                )
                .hint("its objects are read and compared, and never written")
            } else {
                Finding::new(FindingLevel::Ok, "coexistence", "no synchronisation client of Microsoft's is active")
            });
        }
        Err(error) => findings.push(failed("tenant", error)),
    }
    findings
}

fn failed(subject: &str, error: ConnectorError) -> Finding {
    let finding = Finding::new(FindingLevel::Error, subject, error.message);
    match error.hint {
        Some(hint) => finding.hint(hint),
        None => finding,
    }
}

/// The roles in a token. It is not verified: this only explains refusals beforehand.
fn rights(token: &str) -> Vec<Finding> {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
    let claims: Option<Json> = claims.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(roles) = claims.as_ref().and_then(|claims| claims.get("roles")).and_then(Json::as_array) else {
        return vec![Finding::new(FindingLevel::Warning, "rights", "the token does not tell its roles")];
    };
    let has = |role: &str| roles.iter().any(|held| held.as_str() == Some(role));
    NEEDED
        .iter()
        .map(|(role, others)| {
            if has(role) || others.iter().any(|other| has(other)) {
                Finding::new(FindingLevel::Ok, *role, "granted")
            } else {
                Finding::new(FindingLevel::Error, *role, "not granted to the app")
                    .hint("add the application permission to the app registration, and let an administrator consent")
            }
        })
        .collect()
}

fn clock(date: &str) -> Option<Finding> {
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_second();
    let difference = jiff::Timestamp::now().as_second() - theirs;
    Some(if difference.abs() > CLOCK {
        Finding::new(FindingLevel::Error, "clock", format!("{difference} seconds off Graph's"))
            .hint("set the clock of this machine: assertions are refused when it is wrong")
    } else {
        Finding::new(FindingLevel::Ok, "clock", format!("{difference} seconds off Graph's"))
    })
}
