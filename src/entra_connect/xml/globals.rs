//! The metaverse and the settings of the whole server: `MV.xml`.
//!
//! Knows their names, not what they do.

use super::tree::Element;
use super::{Reading, parameters, schema};

/// The setting that says which version of the product wrote the configuration.
const VERSION: &str = "Microsoft.Synchronize.ServerConfigurationVersion";

/// Adds an `<mv-data>` to what was read.
pub(super) fn read(reading: &mut Reading, element: &Element) {
    let metaverse = schema::read(reading, element);
    reading.export.metaverse.extend(metaverse);
    for values in element.all("parameter-values") {
        reading.export.settings.extend(parameters::read(values).values);
    }
    if let Some(version) = reading.export.settings.get(VERSION).filter(|version| !version.is_empty()) {
        reading.export.version = Some(version.clone());
    }
}
