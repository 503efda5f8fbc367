//! Changes that are followed: what real servers say about them, and how long it takes until the tenant shows it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails where something is not as it must be, and says what it measured"
)]

#[path = "../ldap/server.rs"]
#[expect(dead_code, reason = "shared with the tests of the connector, which need more of it")]
mod server;

#[path = "../common/sign_in.rs"]
mod sign_in;

mod burst;
mod chaos;
mod entra;
mod following;
mod lag;
mod world;
