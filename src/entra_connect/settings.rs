//! The settings of an export as a `syncline.toml`. What is not known says `CHANGE`; secrets are named, and never carried.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::convert::{Conversion, State};
use super::export::{Connector, ConnectorKind, Direction, Export, Partition};
use super::selection;
use super::written::{key, one_line, quoted};

/// Where the number of deletions stands that a server allows.
const THRESHOLD: &str = "Microsoft.OptionalFeature.ExportDeletionThresholdValue";
/// Whether it counts.
const THRESHOLD_ON: &str = "Microsoft.OptionalFeature.ExportDeletionThreshold";
const INTERVAL: &str = "Microsoft.Synchronize.TimeInterval";
const STAGING: &str = "Microsoft.Synchronize.StagingMode";

/// The configuration for a conversion.
pub fn settings(export: &Export, conversion: &Conversion) -> String {
    let mut text = String::from("# From the configuration of Entra Connect");
    if let Some(server) = &export.server {
        let _ = write!(text, " on {}", one_line(server));
    }
    if let Some(version) = &export.version {
        let _ = write!(text, " ({})", one_line(version));
    }
    text += ".\n# What has to be filled in says CHANGE. Passwords and keys do not stand here: they are read from where this file says.\n\n";
    text += "# Nothing is written before `syncline promote`: compare first, with `syncline compare --with entra`.\n";
    text += "staging = true\n\n";
    for connector in &export.connectors {
        let name = name_of(export, conversion, connector);
        match &connector.kind {
            ConnectorKind::ActiveDirectory => {
                let types = types(export, conversion, connector);
                let selection = selection::comment(connector, conversion, &name, &types);
                active_directory(&mut text, connector, &name, &types, &selection);
            }
            ConnectorKind::Entra => tenant(&mut text, connector, &name),
            ConnectorKind::Other(category) => {
                let _ = writeln!(
                    text,
                    "# `{}` is a connector of the kind {}, which is not read here.\n",
                    one_line(&connector.name),
                    one_line(category)
                );
            }
        }
    }
    text += "[rules]\nfolder = \"rules\"\n\n";
    if !conversion.settings.is_empty() {
        text += "# What rules ask for with `setting(…)`: parameters of Entra Connect.\n[rules.settings]\n";
        for (name, value) in &conversion.settings {
            let _ = writeln!(text, "{name} = {}", quoted(value.as_deref().unwrap_or("CHANGE")));
        }
        text.push('\n');
    }
    text += &limits(export);
    if let Some(seconds) = export.settings.get(INTERVAL).and_then(|span| seconds(span)) {
        let _ = write!(
            text,
            "# A cycle every so many seconds, with `syncline serve`, as there.\n[serve]\nevery = {seconds}\n\n"
        );
    }
    text + "[store]\nfolder = \"state\"\n"
}

fn name_of(export: &Export, conversion: &Conversion, connector: &Connector) -> String {
    let at = export.connectors.iter().position(|other| other.id == connector.id);
    let named = at.and_then(|at| conversion.connectors.get(at));
    named.map_or_else(|| "ad".to_owned(), |(_, name)| name.clone())
}

/// Types of objects that rules which run are about, in the order of the alphabet.
fn types(export: &Export, conversion: &Conversion, connector: &Connector) -> Vec<String> {
    let runs = |name: &str, place| {
        conversion
            .rules
            .iter()
            .any(|rule| rule.name == name && rule.place == place && !matches!(rule.state, State::SetAside(_)))
    };
    let rules =
        export.rules.iter().filter(|rule| rule.connector == connector.id && rule.direction == Direction::Inbound);
    let types: BTreeSet<String> =
        rules.filter(|rule| runs(&rule.name, rule.place.clone())).map(|rule| rule.directory_type.clone()).collect();
    types.into_iter().collect()
}

fn active_directory(text: &mut String, connector: &Connector, name: &str, types: &[String], selection: &str) {
    let selected: Vec<&Partition> = connector.partitions.iter().filter(|partition| partition.selected).collect();
    let root = selected.first().map_or("DC=CHANGE", |partition| partition.dn.as_str());
    let domain = crate::dn::domain(root);
    if !connector.name.is_empty() {
        let _ = writeln!(text, "# {}", one_line(&connector.name));
    }
    for account in &connector.accounts {
        let _ =
            writeln!(text, "# Entra Connect signs in as {}; give Syncline an account of its own.", one_line(account));
    }
    let _ = writeln!(text, "[connector.{}]", key(name));
    text.push_str("kind = \"active-directory\"\n");
    let host = if domain.is_empty() { "CHANGE".to_owned() } else { format!("CHANGE.{domain}") };
    let _ = writeln!(text, "url = {}", quoted(&format!("ldaps://{host}")));
    let _ = writeln!(text, "bind_dn = {}", quoted(&format!("CN=CHANGE,{root}")));
    let variable = name.to_uppercase().replace('-', "_");
    let _ = writeln!(text, "password = {}", quoted(&format!("env:SYNCLINE_{variable}_PASSWORD")));
    let _ = writeln!(text, "objects = {}", list(types.iter().map(String::as_str)));
    text.push_str(selection);
    let (includes, excludes) = places(&selected);
    if !includes.is_empty() {
        let _ = writeln!(text, "include = {}", lines(&includes));
    }
    if !excludes.is_empty() {
        let _ = writeln!(text, "exclude = {}", lines(&excludes));
    }
    text.push('\n');
}

/// Containers to read and to leave out, as they are ticked: here as there the deepest decides. Without a ticked container
/// the domain is meant, unless it is left out itself.
fn places(partitions: &[&Partition]) -> (Vec<String>, Vec<String>) {
    let (mut includes, mut excludes) = (Vec::new(), Vec::new());
    for partition in partitions {
        let proper = |places: &[String]| -> Vec<String> {
            places.iter().filter(|place| crate::dn::is_dn(place)).cloned().collect()
        };
        let (ticked, unticked) = (proper(&partition.includes), proper(&partition.excludes));
        let nothing = unticked.iter().any(|place| crate::dn::is_under(&partition.dn, place));
        if ticked.is_empty() && !nothing {
            includes.push(partition.dn.clone());
        }
        includes.extend(ticked);
        excludes.extend(unticked);
    }
    (includes, excludes)
}

fn tenant(text: &mut String, connector: &Connector, name: &str) {
    let tenant = connector.name.split(' ').next().filter(|name| name.contains('.')).unwrap_or("CHANGE.onmicrosoft.com");
    if !connector.name.is_empty() {
        let _ = writeln!(text, "# {}", one_line(&connector.name));
    }
    text.push_str("# An app registration of its own: `syncline doctor` says which permissions it lacks.\n");
    let _ = writeln!(text, "[connector.{}]", key(name));
    text.push_str("kind = \"entra\"\n");
    let _ = writeln!(text, "tenant = {}", quoted(tenant));
    text.push_str("client_id = \"00000000-0000-0000-0000-000000000000\"   # CHANGE\n");
    let variable = name.to_uppercase().replace('-', "_");
    let _ = writeln!(text, "client_secret = {}\n", quoted(&format!("env:SYNCLINE_{variable}_SECRET")));
}

/// `00:30:00` in seconds.
fn seconds(span: &str) -> Option<u32> {
    let parts: Vec<u32> = span.trim().split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    match parts.as_slice() {
        [hours, minutes, seconds] => {
            Some(hours.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(*seconds)?)
                .filter(|seconds| *seconds > 0)
        }
        _ => None,
    }
}

fn limits(export: &Export) -> String {
    let is_on = export.settings.get(THRESHOLD_ON).is_none_or(|value| value.eq_ignore_ascii_case("true"));
    let count = export.settings.get(THRESHOLD).and_then(|value| value.trim().parse::<u32>().ok());
    let (count, why) = match (is_on, count) {
        (true, Some(count)) => (count, "as the threshold of Entra Connect was; here it counts 24 hours"),
        (false, _) => (500, "Entra Connect had its threshold switched off; this is the usual one"),
        (true, None) => (500, "the usual threshold of Entra Connect; here it counts 24 hours"),
    };
    format!("# Deletions: {why}.\n[limits]\ndeletes = {count}\n\n")
}

/// Settings that have no place in the configuration: name, value, and what to know about it.
pub(super) fn unconverted(export: &Export) -> Vec<(String, String, &'static str)> {
    let known = [THRESHOLD, THRESHOLD_ON, INTERVAL];
    let word = |name: &str| match name {
        STAGING => "the new installation stages anyway, until `syncline promote`",
        name if name.contains("PasswordHashSync") => {
            "hashes of passwords cannot be synchronised: no documented interface takes them"
        }
        name if name.contains("PasswordWriteBack")
            || name.contains("UserWriteBack")
            || name.contains("DeviceWriteUp") =>
        {
            "what flows back from the tenant is not taken over"
        }
        name if name.contains("GroupFiltering") => {
            "a pilot group: a scope with `is_member_of(user, \"…\")` does the same"
        }
        name if name.contains("AttributeExclusionList") => "attributes that were left out: strike them from the rules",
        name if name.contains("DirectoryExtension") => "directory extensions: rules write attributes by their names",
        _ => "nothing corresponds to it",
    };
    let settings = export.settings.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    settings.map(|(name, value)| (name.clone(), value.clone(), word(name))).collect()
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", names.map(quoted).collect::<Vec<_>>().join(", "))
}

fn lines(names: &[String]) -> String {
    match names {
        [one] => format!("[{}]", quoted(one)),
        names => {
            let lines: String = names.iter().map(|name| format!("    {},\n", quoted(name))).collect();
            format!("[\n{lines}]")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(includes: &[&str], excludes: &[&str]) -> (Vec<String>, Vec<String>) {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let partition = Partition {
            dn: "DC=contoso,DC=com".into(),
            selected: true,
            object_classes: Vec::new(),
            includes: names(includes),
            excludes: names(excludes),
            parameters: Default::default(),
        };
        places(&[&partition])
    }

    #[test]
    fn what_is_ticked_is_carried_over_as_it_is() {
        let root = "DC=contoso,DC=com";
        let [staff, left, back] = [
            "OU=Staff,DC=contoso,DC=com",
            "OU=Left,OU=Staff,DC=contoso,DC=com",
            "OU=Back,OU=Left,OU=Staff,DC=contoso,DC=com",
        ];
        assert_eq!(
            read(&[staff, back], &[root, left]),
            (vec![staff.into(), back.into()], vec![root.into(), left.into()])
        );
        assert_eq!(read(&["", root], &[]), (vec![root.into()], vec![]));
        assert_eq!(read(&[""], &[left]), (vec![root.into()], vec![left.into()]));
        assert_eq!(read(&[], &[root]), (vec![], vec![root.into()]), "nothing is read");
    }
}
