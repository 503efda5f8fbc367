//! What an import covers: search bases, what is left out below them, and the domains they lie in.

use super::connection::Connection;
use super::{Domain, Flavour, Ldap};
use crate::connector::{ConnectorError, ConnectorErrorKind};
use crate::dn;

/// Trees that servers keep for themselves beside the suffixes that hold people.
const SERVER_TREES: &[&str] = &["cn=accesslog", "cn=changelog", "cn=config", "cn=monitor", "cn=deltalog"];

/// The search bases and what is left out. The deepest name that an entry lies under decides: one that is included below
/// one that is excluded is read again. Of equal names the excluded one counts.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Where searches start, as spelled; none lies below another.
    pub(crate) bases: Vec<String>,
    /// Below a base, what is read again although something above it is left out; as spelled. No search starts here.
    pub(crate) again: Vec<String>,
    included: Vec<String>,
    excluded: Vec<String>,
}

impl Scope {
    pub(crate) fn new(include: Vec<String>, exclude: &[String]) -> Scope {
        let mut scope = Scope {
            bases: Vec::new(),
            again: Vec::new(),
            included: include.iter().map(|name| dn::normalise(name)).collect(),
            excluded: exclude.iter().map(|name| dn::normalise(name)).collect(),
        };
        for (index, base) in include.into_iter().enumerate() {
            let Some(name) = scope.included.get(index) else { break };
            let mut others = scope.included.iter().enumerate().filter(|(other, _)| *other != index);
            let outermost =
                !others.any(|(other, above)| dn::is_under_normalised(name, above) && (name != above || other < index));
            if outermost {
                scope.bases.push(base);
            } else if scope.reads_again(index, name) {
                scope.again.push(base);
            }
        }
        scope
    }

    /// Whether an included name lies below an excluded one that is deeper than all other included ones above it.
    fn reads_again(&self, index: usize, name: &str) -> bool {
        let repeated = self.included.iter().take(index).any(|earlier| earlier == name);
        let above = |names: &[String]| deepest(names.iter().filter(|above| *above != name), name);
        !repeated
            && !self.excluded.iter().any(|left_out| left_out == name)
            && above(&self.excluded) >= above(&self.included)
    }

    /// Whether an entry of this name is covered.
    pub(crate) fn contains(&self, name: &str) -> bool {
        let name = dn::normalise(name);
        deepest(self.included.iter(), &name) > deepest(self.excluded.iter(), &name)
    }

    /// Whether an entry found below a base is left out.
    pub(crate) fn leaves_out(&self, name: &str) -> bool {
        if self.excluded.is_empty() {
            return false;
        }
        let name = dn::normalise(name);
        let left_out = deepest(self.excluded.iter(), &name);
        left_out.is_some() && left_out >= deepest(self.included.iter(), &name)
    }

    /// Whether something that may lie at or below this name is covered.
    pub(crate) fn reaches(&self, name: &str) -> bool {
        let below = |place: &String| dn::is_under(place, name) && self.contains(place);
        self.contains(name) || self.bases.iter().chain(&self.again).any(below)
    }
}

/// How deep the deepest of some names is that an entry lies under: of names above one entry, the longer is the deeper.
fn deepest<'a>(names: impl Iterator<Item = &'a String>, entry: &str) -> Option<usize> {
    names.filter(|name| dn::is_under_normalised(entry, name)).map(String::len).max()
}

/// The scope of a source on this server.
pub(crate) fn of(source: &Ldap, connection: &Connection) -> Result<Scope, ConnectorError> {
    let mut bases = source.settings.include.clone();
    if bases.is_empty() {
        bases = suffixes(source.flavour, connection);
    }
    if bases.is_empty() {
        let message = format!("{} does not say which suffixes it has", connection.address);
        return Err(ConnectorError::new(ConnectorErrorKind::Settings, message).hint("name search bases in `include`"));
    }
    Ok(Scope::new(bases, &source.settings.exclude))
}

/// The suffixes of a server that may hold people.
pub(crate) fn suffixes(flavour: Flavour, connection: &Connection) -> Vec<String> {
    match (flavour, &connection.root.default_naming_context) {
        (Flavour::ActiveDirectory, Some(domain)) => vec![domain.clone()],
        (Flavour::ActiveDirectory, None) | (Flavour::OpenLdap, _) => {
            let contexts = connection.root.naming_contexts.iter();
            contexts.filter(|name| !SERVER_TREES.contains(&dn::normalise(name).as_str())).cloned().collect()
        }
    }
}

/// Refuses a scope with a place that is not there: below it, an empty answer is no empty directory.
pub(crate) async fn check(connection: &mut Connection, scope: &Scope) -> Result<(), ConnectorError> {
    for place in scope.bases.iter().chain(&scope.again) {
        check_base(connection, place).await?;
    }
    Ok(())
}

/// Refuses a search base that is not there, or not for this account: an empty answer is no empty directory.
pub(crate) async fn check_base(connection: &mut Connection, base: &str) -> Result<(), ConnectorError> {
    match connection.read(base, &["1.1"], Vec::new()).await? {
        Some(_) => Ok(()),
        None => Err(ConnectorError::new(
            ConnectorErrorKind::Settings,
            format!("search base `{base}` is not to be found on {}", connection.address),
        )
        .hint("check its spelling, that this server holds it, and that the account may read it")),
    }
}

/// The domains that the search bases lie in, with their short names where Active Directory tells.
pub(crate) async fn domains(source: &Ldap, connection: &mut Connection) -> Result<Vec<Domain>, ConnectorError> {
    let scope = of(source, connection)?;
    let short_names = match (source.flavour, &connection.root.configuration_naming_context) {
        (Flavour::ActiveDirectory, Some(configuration)) => {
            let partitions = format!("CN=Partitions,{configuration}");
            let filter = "(&(objectClass=crossRef)(nETBIOSName=*))";
            let wanted = ["nCName", "nETBIOSName"];
            connection.search(&partitions, ldap3::Scope::OneLevel, filter, &wanted, Vec::new(), 0).await?
        }
        (Flavour::ActiveDirectory, None) | (Flavour::OpenLdap, _) => Vec::new(),
    };
    let mut domains: Vec<Domain> = Vec::new();
    for base in &scope.bases {
        let fqdn = dn::domain(base);
        if domains.iter().any(|domain| domain.fqdn.eq_ignore_ascii_case(&fqdn)) {
            continue;
        }
        let entry = short_names.iter().find(|entry| {
            entry
                .text("nCName")
                .is_some_and(|name| dn::domain(&name).eq_ignore_ascii_case(&fqdn) && name_is_domain(&name))
        });
        let name = entry.and_then(|entry| entry.text("nCName"));
        let netbios = entry.and_then(|entry| entry.text("nETBIOSName"));
        domains.push(Domain { dn: name.unwrap_or_else(|| domain_part(base)), fqdn, netbios });
    }
    Ok(domains)
}

/// Whether a name consists of `DC` components.
fn name_is_domain(name: &str) -> bool {
    dn::normalise(name).split(',').all(|part| part.starts_with("dc="))
}

/// The `DC` components at the end of a name; the whole name when there are none.
fn domain_part(name: &str) -> String {
    let mut rest = name;
    while !name_is_domain(rest) {
        match dn::parent(rest) {
            Some(above) => rest = above,
            None => return name.to_owned(),
        }
    }
    rest.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_below_others_are_covered_by_them() {
        let bases = ["OU=A,DC=x", "DC=y", "ou=a, dc=x", "OU=B,OU=A,DC=x"].map(str::to_owned).to_vec();
        let scope = Scope::new(bases, &["OU=Gone,DC=y".into()]);
        assert_eq!(scope.bases, ["OU=A,DC=x", "DC=y"]);
        assert!(scope.contains("CN=1,OU=B,OU=A,DC=x"));
        assert!(!scope.contains("CN=1,OU=C,DC=x"));
        assert!(!scope.contains("CN=1,OU=gone,DC=y"));
        assert!(scope.leaves_out("OU=Gone,DC=y"));
        assert!(!scope.leaves_out("CN=1,DC=y"));
    }

    #[test]
    fn what_is_included_again_is_read_without_a_search_of_its_own() {
        let include = ["OU=A,DC=x", "ou=Again, ou=Out, ou=a, dc=x", "OU=B,OU=A,DC=x", "OU=C,OU=Else,DC=x"];
        let exclude = ["OU=Out,OU=A,DC=x", "OU=Not,OU=Again,OU=Out,OU=A,DC=x", "OU=Else,DC=x"].map(str::to_owned);
        let scope = Scope::new(include.map(str::to_owned).to_vec(), &exclude);
        assert_eq!(scope.bases, ["OU=A,DC=x", "OU=C,OU=Else,DC=x"], "below nothing that is read, it is just a base");
        assert_eq!(scope.again, ["ou=Again, ou=Out, ou=a, dc=x"]);
        for (name, is_read) in [
            ("CN=1,OU=A,DC=x", true),
            ("CN=1,OU=Out,OU=A,DC=x", false),
            ("OU=Again,OU=Out,OU=A,DC=x", true),
            ("CN=1,OU=Again,OU=Out,OU=A,DC=x", true),
            ("CN=1,OU=Not,OU=Again,OU=Out,OU=A,DC=x", false),
            ("CN=1,OU=C,OU=Else,DC=x", true),
            ("CN=1,OU=Else,DC=x", false),
        ] {
            assert_eq!((scope.contains(name), scope.leaves_out(name)), (is_read, !is_read), "{name}");
        }
        assert!(scope.reaches("OU=Out,OU=A,DC=x") && !scope.reaches("OU=Not,OU=Again,OU=Out,OU=A,DC=x"));
    }

    #[test]
    fn of_equal_names_the_excluded_one_counts() {
        let scope = Scope::new(vec!["OU=A,DC=x".into(), "OU=B,OU=A,DC=x".into()], &["ou=b,ou=a,dc=x".into()]);
        assert!(scope.again.is_empty() && !scope.contains("CN=1,OU=B,OU=A,DC=x"));
        assert!(scope.contains("CN=1,OU=A,DC=x"));
    }

    /// All units down to a depth of four, two in each.
    fn tree() -> Vec<String> {
        let mut names = vec!["DC=x".to_owned()];
        for depth in 0..4 {
            let level: Vec<String> =
                names.iter().filter(|name| name.split(',').count() == depth + 1).cloned().collect();
            names.extend(level.iter().flat_map(|above| ["A", "B"].map(|unit| format!("OU={unit},{above}"))));
        }
        names
    }

    /// From an entry upwards: the first name that the settings know says whether it is read.
    fn walked(name: &str, include: &[String], exclude: &[String]) -> bool {
        let mut place = Some(name);
        while let Some(name) = place {
            let known = |names: &[String]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
            match (known(exclude), known(include)) {
                (true, _) => return false,
                (false, true) => return true,
                (false, false) => place = dn::parent(name),
            }
        }
        false
    }

    proptest::proptest! {
        #[test]
        fn the_deepest_name_decides(
            include in proptest::sample::subsequence(tree(), 0..7),
            exclude in proptest::sample::subsequence(tree(), 0..7),
            turn in 0..7_usize,
        ) {
            let mut include: Vec<String> = include;
            let turn = turn.min(include.len());
            include.rotate_left(turn);
            let small: Vec<String> = exclude.iter().map(|name| name.to_lowercase()).collect();
            let scope = Scope::new(include.clone(), &small);
            let needed = Scope::new(scope.bases.iter().chain(&scope.again).cloned().collect(), &small);
            let names = tree();
            for name in &names {
                let is_read = walked(name, &include, &exclude);
                assert_eq!(scope.contains(name), is_read, "{name}");
                assert_eq!(needed.contains(name), is_read, "{name}: the rest of the includes says nothing");
                let searched = scope.bases.iter().filter(|base| dn::is_under(name, base)).count();
                assert!(searched <= 1 && (searched == 1 || !is_read), "{name} is found once, if it is read");
                if searched == 1 {
                    assert_eq!(scope.leaves_out(name), !is_read, "{name}");
                }
                let below = names.iter().any(|below| dn::is_under(below, name) && scope.contains(below));
                assert_eq!(scope.reaches(name), below, "{name}");
            }
        }
    }

    #[test]
    fn the_domain_is_at_the_end() {
        assert_eq!(domain_part("OU=a,DC=contoso,DC=com"), "DC=contoso,DC=com");
        assert_eq!(domain_part("OU=a,O=x"), "OU=a,O=x");
    }
}
