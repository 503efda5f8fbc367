//! What the configuration says to rules: the values of `setting(…)`, and connectors that stand in for others.

use std::collections::BTreeMap;

use super::Rule;
use super::header::{ConnectorType, Direction};

/// See above.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `[rules.settings]`.
    pub values: BTreeMap<String, String>,
    /// By the name that rules use, the connectors that they mean: two forests, both as `ad`. A name that is not here means
    /// the connector itself.
    pub stand_ins: BTreeMap<String, Vec<String>>,
}

impl From<BTreeMap<String, String>> for Settings {
    fn from(values: BTreeMap<String, String>) -> Settings {
        Settings { values, ..Settings::default() }
    }
}

impl Settings {
    fn meant(&self, side: &ConnectorType) -> Vec<ConnectorType> {
        match self.stand_ins.get(&side.connector) {
            None => vec![side.clone()],
            Some(names) => {
                let meant = names.iter().map(|name| ConnectorType { connector: name.clone(), ..side.clone() });
                meant.collect()
            }
        }
    }

    /// A rule for the connectors that it means. One that reads reads from all of them; one that writes becomes one for
    /// each, named `rule@connector` where there are several.
    pub(super) fn stand_in(&self, mut rule: Rule) -> Vec<Rule> {
        match &mut rule.header.direction {
            Direction::Inbound { from, .. } => {
                *from = from.iter().flat_map(|side| self.meant(side)).collect();
                vec![rule]
            }
            Direction::Outbound { to, .. } => {
                let meant = self.meant(to);
                let several = meant.len() > 1;
                let one = |meant: ConnectorType| {
                    let mut rule = rule.clone();
                    if several {
                        rule.name = format!("{}@{}", rule.name, meant.connector);
                    }
                    if let Direction::Outbound { to, .. } = &mut rule.header.direction {
                        *to = meant;
                    }
                    rule
                };
                meant.into_iter().map(one).collect()
            }
        }
    }
}
