//! The way over from Entra Connect: what converted rules give, against a direct evaluator of the original expressions
//! (`oracle`), which shares no code with the converter.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper of tests fails like a test")]

mod corpus;
mod engine;
mod oracle;
mod oracle_certificates;
mod oracle_dates;
mod oracle_functions;
mod oracle_parser;
mod oracle_scope;
mod oracle_tests;
mod oracle_text;
mod population;
mod random;
mod real;
mod report;
#[path = "../ldap/server.rs"]
#[expect(dead_code, reason = "the tests of connectors use more of it")]
mod server;
