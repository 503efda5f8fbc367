//! What directories say about their attributes.

pub use crate::value::Schema;
