//! What an import covers: search bases, what is left out below them, and the domains they lie in.

use super::connection::Connection;
use super::{Domain, Flavour, Ldap};
use crate::connector::{ConnectorError, ConnectorErrorKind};
use crate::dn;

/// Trees that servers keep for themselves beside the suffixes that hold people.
const SERVER_TREES: &[&str] = &["cn=accesslog", "cn=changelog", "cn=config", "cn=monitor", "cn=deltalog"];

/// The search bases and what is left out.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// As spelled; none lies below another.
    pub(crate) bases: Vec<String>,
    included: Vec<String>,
    excluded: Vec<String>,
}

impl Scope {
    pub(crate) fn new(bases: Vec<String>, exclude: &[String]) -> Scope {
        let normal: Vec<String> = bases.iter().map(|base| dn::normalise(base)).collect();
        let mut kept: Vec<(String, String)> = Vec::new();
        for (index, (base, name)) in bases.into_iter().zip(&normal).enumerate() {
            let covered = normal.iter().enumerate().any(|(other, above)| {
                other != index && dn::is_under_normalised(name, above) && (name != above || other < index)
            });
            if !covered {
                kept.push((base, name.clone()));
            }
        }
        let (bases, included) = kept.into_iter().unzip();
        Scope { bases, included, excluded: exclude.iter().map(|name| dn::normalise(name)).collect() }
    }

    /// Whether an entry of this name is covered.
    pub(crate) fn contains(&self, name: &str) -> bool {
        let name = dn::normalise(name);
        self.included.iter().any(|base| dn::is_under_normalised(&name, base)) && !self.is_excluded(&name)
    }

    /// Whether an entry found below a base is left out.
    pub(crate) fn leaves_out(&self, name: &str) -> bool {
        !self.excluded.is_empty() && self.is_excluded(&dn::normalise(name))
    }

    fn is_excluded(&self, normalised: &str) -> bool {
        self.excluded.iter().any(|base| dn::is_under_normalised(normalised, base))
    }
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
    fn the_domain_is_at_the_end() {
        assert_eq!(domain_part("OU=a,DC=contoso,DC=com"), "DC=contoso,DC=com");
        assert_eq!(domain_part("OU=a,O=x"), "OU=a,O=x");
    }
}
