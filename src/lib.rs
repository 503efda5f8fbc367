//! Syncline keeps directories in step: identities in, scripted rules, differences out.

pub mod change;
pub mod cli;
pub mod config;
pub mod connector;
pub mod connector_space;
pub mod diagnostic;
pub mod dn;
pub mod emulator;
pub mod entra_connect;
pub mod metaverse;
pub mod observe;
pub mod reload;
pub mod rules;
pub mod run;
pub mod signature;
pub mod store;
pub mod sync;
pub mod testing;
pub mod value;
