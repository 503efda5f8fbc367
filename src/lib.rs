//! Syncline keeps directories in step: identities in, scripted rules, differences out.

pub mod connector;
pub mod diagnostic;
pub mod dn;
pub mod emulator;
pub mod rules;
pub mod value;
