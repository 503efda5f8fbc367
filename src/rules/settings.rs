//! What the configuration says to rules: the values of `setting(…)`, connectors that stand in for others, and attributes
//! that are left alone.

use std::collections::{BTreeMap, BTreeSet};

use super::Rule;
use super::header::{ConnectorType, Direction, State};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::value::AttributeName;

/// See above.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `[rules.settings]`.
    pub values: BTreeMap<String, String>,
    /// By the name that rules use, the connectors that they mean: two forests, both as `ad`. A name that is not here means
    /// the connector itself.
    pub stand_ins: BTreeMap<String, Vec<String>>,
    /// Rules that are on or off, whatever their files say.
    pub switched: BTreeMap<String, State>,
    /// Attributes that no rule writes, whatever it says, by connector.
    pub left_alone: BTreeMap<String, LeftAlone>,
}

/// Attributes by object type.
pub type LeftAlone = BTreeMap<String, BTreeSet<AttributeName>>;

impl From<BTreeMap<String, String>> for Settings {
    fn from(values: BTreeMap<String, String>) -> Settings {
        Settings { values, ..Settings::default() }
    }
}

impl Settings {
    /// Rules that are to be switched, and are not there.
    pub(super) fn unknown_switches(&self, rules: &[Rule]) -> Vec<Diagnostic> {
        // By their files: a rule for several connectors is several rules.
        let files: BTreeSet<String> = rules.iter().map(|rule| super::stem(&rule.source.path)).collect();
        let unknown = self.switched.keys().filter(|name| !files.contains(*name));
        let say = |name: &String| {
            let problem = Diagnostic::error("E136", format!("`[rules]` switches `{name}`, and there is no such rule"));
            match did_you_mean(name, files.iter().map(String::as_str)) {
                Some(hint) => problem.hint(hint),
                None => problem,
            }
        };
        unknown.map(say).collect()
    }

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
        if let Some(state) = self.switched.get(&rule.name) {
            rule.header.state = *state;
        }
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
                    let types = self.left_alone.get(&meant.connector);
                    rule.muted
                        .extend(types.and_then(|types| types.get(&meant.object_type)).into_iter().flatten().cloned());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SourceText;
    use crate::rules::RuleSet;

    #[test]
    fn a_rule_for_several_connectors_is_several_and_is_switched_by_its_file() {
        let text = r#"const rule = #{ from: "metaverse/person", to: "entra/user", link: "provision", precedence: 1 };"#;
        let file = SourceText { path: "rules/out.rhai".into(), text: text.into() };
        let meant = vec!["one".to_owned(), "two".to_owned()];
        let mut settings = Settings { stand_ins: [("entra".to_owned(), meant)].into(), ..Settings::default() };
        settings.switched.insert("out".into(), State::Off);
        let (set, _) = RuleSet::compile(vec![file.clone()], settings.clone()).unwrap();
        let names: Vec<(&str, State)> =
            set.rules().iter().map(|rule| (rule.name.as_str(), rule.header.state)).collect();
        assert_eq!(names, [("out@one", State::Off), ("out@two", State::Off)]);
        settings.switched.insert("ot".into(), State::Off);
        let problems = RuleSet::compile(vec![file], settings).unwrap_err();
        assert_eq!(problems[0].code, "E136");
    }
}
