//! Tests for converted rules: one for each branch of each converted expression.

use std::collections::BTreeMap;

use super::convert::Conversion;
use super::export::Export;

/// Files of tests, by their paths below the folder of a conversion.
pub fn tests(export: &Export, conversion: &Conversion) -> BTreeMap<String, String> {
    let _ = (export, conversion);
    BTreeMap::new()
}
