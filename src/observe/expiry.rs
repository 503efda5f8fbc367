//! When credentials and certificates end: asked once a day, on connections of its own, so that no run waits for it.

use std::time::Duration;

use super::alerts::Ending;
use crate::config::{Config, ConnectorSettings};
use crate::connector::ConnectorError;
use crate::connector::directory::Directory;
use crate::connector::expiry::Expiry;
use crate::connector::graph::Graph;
use crate::connector::ldap::Ldap;

/// How often it is asked.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Asks every connector that could tell. One that does not answer is another alert's business; what it said the last time
/// stands.
pub(super) async fn ask(config: &Config, known: &mut Vec<Ending>) {
    for (name, settings) in &config.connectors {
        let Ok(found) = of(settings).await else { continue };
        known.retain(|ending| ending.connector != *name);
        known.extend(found.into_iter().map(|Expiry { what, at }| Ending { connector: name.clone(), what, at }));
    }
}

async fn of(settings: &ConnectorSettings) -> Result<Vec<Expiry>, ConnectorError> {
    let directory = match settings {
        ConnectorSettings::Ldap(flavour, settings) => Directory::Ldap(Ldap::new(*flavour, settings.clone())?),
        ConnectorSettings::Entra(settings) => Directory::Entra(Graph::new(settings.clone())?),
        ConnectorSettings::Ldif(_) | ConnectorSettings::EmulatedEntra { .. } => return Ok(Vec::new()),
    };
    directory.expiries().await
}
