//! Rules: text in, a rule out. The only place that knows Rhai.

pub mod vocabulary;
