//! What was asked: counts of requests and a log of writes, for tests and demonstrations.
//!
//! Passwords never get here.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value as Json, json};

use super::exchange::{Call, Segment};

/// The most writes kept in the log.
const KEPT: usize = 20_000;

/// Counts and log.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// By method and kind of path.
    counts: BTreeMap<String, u64>,
    /// By status.
    statuses: BTreeMap<u16, u64>,
    writes: u64,
    log: VecDeque<Json>,
    /// Numbers the log; goes on over resets.
    number: u64,
}

impl Record {
    /// Counts a request that is no Graph request of its own.
    pub(crate) fn count(&mut self, kind: &str) {
        *self.counts.entry(kind.to_owned()).or_default() += 1;
    }

    /// Counts a Graph request, and logs it if it writes. Status 0: the connection was broken.
    pub(crate) fn note(&mut self, call: &Call, status: u16) {
        self.count(&format!("{} {}", call.method, call.kind()));
        *self.statuses.entry(status).or_default() += 1;
        if !call.writes() {
            return;
        }
        self.writes += 1;
        self.number += 1;
        if self.log.len() == KEPT {
            self.log.pop_front();
        }
        let path: Vec<String> = call.path.iter().map(Segment::to_string).collect();
        self.log.push_back(json!({
            "n": self.number,
            "method": call.method.as_str(),
            "path": format!("/{}", path.join("/")),
            "body": call.body.as_ref().map(masked),
            "status": status,
            "client-request-id": call.client.as_deref(),
        }));
    }

    /// Counts as JSON.
    pub(crate) fn stats(&self) -> Json {
        let statuses: BTreeMap<String, u64> =
            self.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect();
        json!({"requests": self.counts, "statuses": statuses, "writes": self.writes, "logged": self.number})
    }

    /// Forgets the counts, not the log.
    pub(crate) fn reset(&mut self) {
        self.counts.clear();
        self.statuses.clear();
        self.writes = 0;
    }

    /// Writes after a number.
    pub(crate) fn since(&self, number: u64) -> Vec<Json> {
        let after = |entry: &&Json| entry.get("n").and_then(Json::as_u64).is_some_and(|n| n > number);
        self.log.iter().filter(after).cloned().collect()
    }
}

/// A body without its passwords.
fn masked(body: &Json) -> Json {
    match body {
        Json::Object(map) => Json::Object(
            map.iter()
                .map(|(name, value)| {
                    let secret = name.to_ascii_lowercase().contains("password")
                        && value.is_string()
                        && name != "passwordPolicies";
                    (name.clone(), if secret { "***".into() } else { masked(value) })
                })
                .collect(),
        ),
        Json::Array(list) => Json::Array(list.iter().map(masked).collect()),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => body.clone(),
    }
}
