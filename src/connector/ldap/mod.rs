//! LDAP servers: Active Directory and OpenLDAP. Reads objects, looks single ones up, writes, describes schema and health.
//!
//! Reading order: this file (settings and the public face), [`connection`], [`entry`], [`import`], [`look_up`],
//! [`changes`], [`operations`], [`write`], [`doctor`]. Knows nothing of rules or store; writes only where the settings say so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::changes::Way;
use super::expiry::{Expiry, not_after};
use super::schema::Schema;
use super::secret::Secret;
use super::{
    Anchor, ConnectorError, ConnectorErrorKind, ExportItem, ExportOutcome, Finding, ImportEnd, ImportRequest,
    ImportSink, Presence, TenantFacts,
};
use crate::dn;
use crate::value::{AttributeName, AttributeType, Kind};
use connection::Connection;

mod changes;
mod connection;
mod doctor;
pub(crate) mod entry;
mod import;
mod kept;
mod look_up;
pub(crate) mod object_types;
mod operations;
mod places;
mod ranges;
mod referrers;
mod scope;
mod server_schema;
mod trouble;
mod validate;
pub(crate) mod well_known;
mod write;

pub use operations::render;
pub use places::{Anchors, Places};
pub use validate::{protected, unique_attributes, validate, validate_changes, validate_clearing};

/// Which kind of server: what its objects, anchors and defaults are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Active Directory, and Samba in its place.
    ActiveDirectory,
    /// OpenLDAP and others with `entryUUID`.
    OpenLdap,
}

/// The settings of an LDAP source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `ldaps://host[:port]` or `ldap://host[:port]`.
    pub url: String,
    /// Encrypts an `ldap://` connection before anything is said on it.
    #[serde(default)]
    pub start_tls: bool,
    /// Certificates (PEM) of the authorities to trust, instead of those of the system.
    pub ca_file: Option<PathBuf>,
    /// The account: a distinguished name; in Active Directory `user@domain` too. Anonymous without.
    pub bind_dn: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// Allows the password to be sent over a connection that anybody can read.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// The object types to read, by class name; the usual ones of the flavour without.
    pub objects: Option<Vec<String>>,
    /// What is read: distinguished names, or DNS names of domains. The whole domain or suffix without. One that lies
    /// below what is left out is read all the same: the deepest name of `include` and `exclude` decides.
    #[serde(default)]
    pub include: Vec<String>,
    /// Names of entries or domains that are left out with everything below them, as far as `include` names nothing there.
    /// Of equal names this one counts.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Whether rules may write to it.
    #[serde(default)]
    pub write: bool,
    /// Whether organizational units that are not there are made for new entries.
    #[serde(default)]
    pub create_parents: bool,
    /// How changes are asked for.
    #[serde(default)]
    pub changes: Way,
    /// Where a server does not tell what was deleted: how often all that is there is compared with what is known, in seconds.
    #[serde(default = "default_sweep")]
    pub sweep: u32,
    /// How many entries to ask for at a time.
    #[serde(default = "default_page_size")]
    pub page_size: u32,
    /// How long to wait for an answer, in seconds.
    #[serde(default = "default_timeout")]
    pub timeout: u64,
}

fn default_page_size() -> u32 {
    500
}

fn default_timeout() -> u64 {
    30
}

fn default_sweep() -> u32 {
    600
}

impl Settings {
    fn is_encrypted(&self) -> bool {
        self.start_tls || has_scheme(&self.url, "ldaps")
    }

    fn check(&self) -> Result<(), ConnectorError> {
        let refused = |what: String| ConnectorError::new(ConnectorErrorKind::Settings, what);
        let encrypted_scheme = has_scheme(&self.url, "ldaps");
        if !encrypted_scheme && !has_scheme(&self.url, "ldap") {
            return Err(
                refused(format!("`{}` is not an LDAP address", self.url)).hint("write `ldaps://dc1.contoso.com`")
            );
        }
        if encrypted_scheme && self.start_tls {
            return Err(refused(format!("{} is encrypted already; `start_tls` is for ldap://", self.url))
                .hint("leave `start_tls` out"));
        }
        if self.password.is_some() && !self.is_encrypted() && !self.allow_plaintext {
            return Err(refused(format!("refusing to send a password to {} in plain text", self.url))
                .hint("use ldaps://, or `start_tls = true`; or, if you must, `allow_plaintext = true`"));
        }
        if self.bind_dn.is_some() != self.password.is_some() {
            return Err(refused("`bind_dn` and `password` come together".into()));
        }
        for name in self.include.iter().chain(&self.exclude) {
            if !dn::is_dn(name) {
                return Err(
                    refused(format!("`{name}` is not a distinguished name")).hint("write `OU=Sales,DC=contoso,DC=com`")
                );
            }
        }
        if self.page_size == 0 || self.page_size > 100_000 {
            return Err(refused(format!("`page_size` {} is not between 1 and 100000", self.page_size)));
        }
        if self.timeout == 0 {
            return Err(refused("`timeout` must be at least one second".into()));
        }
        if self.objects.as_ref().is_some_and(Vec::is_empty) {
            return Err(refused("`objects` is empty, so nothing would be read".into()));
        }
        Ok(())
    }
}

fn has_scheme(url: &str, scheme: &str) -> bool {
    url.split_once("://").is_some_and(|(found, host)| found.eq_ignore_ascii_case(scheme) && !host.is_empty())
}

/// A domain or suffix of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Its distinguished name: `DC=contoso,DC=com`.
    pub dn: String,
    /// Its DNS name: `contoso.com`.
    pub fqdn: String,
    /// Its short name in Active Directory: `CONTOSO`.
    pub netbios: Option<String>,
}

/// An LDAP server. Long work makes a connection of its own; small questions share one that is kept for a while.
#[derive(Clone, Debug)]
pub struct Ldap {
    flavour: Flavour,
    settings: Settings,
    kept: kept::Place,
}

impl Ldap {
    /// A source with these settings.
    ///
    /// # Errors
    /// `Settings` when they cannot work or would send a password in plain text.
    pub fn new(flavour: Flavour, mut settings: Settings) -> Result<Ldap, ConnectorError> {
        settings.include.iter_mut().chain(&mut settings.exclude).for_each(dn::name_domain);
        settings.check()?;
        Ok(Ldap { flavour, settings, kept: kept::Place::default() })
    }

    /// The object types that it reads.
    pub fn object_types(&self) -> Vec<String> {
        self.settings.objects.clone().unwrap_or_else(|| object_types::default_types(self.flavour))
    }

    /// Reads all objects of the requested types below the search bases into `sink`. References to other servers and
    /// naming contexts are not followed: in Active Directory they only mark where the next domain or partition begins;
    /// elsewhere one inside a search base makes the import incomplete.
    ///
    /// # Errors
    /// When the directory could not be used at all. What breaks off later ends as [`ImportEnd::Incomplete`].
    pub async fn import(&self, request: &ImportRequest, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        self.check_request(request)?;
        let mut connection = Connection::open(&self.settings).await?;
        let end = import::run(self, &mut connection, request, &sink).await?;
        connection.close().await;
        Ok(end)
    }

    /// Looks objects up by their anchors, tombstones too. With each anchor goes the name under which the object was
    /// last seen; only with it can a server without tombstones show that an object is gone.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn look_up(
        &self,
        request: &ImportRequest,
        anchors: &[(Anchor, Option<String>)],
    ) -> Result<Vec<(Anchor, Presence)>, ConnectorError> {
        self.check_request(request)?;
        match self.look_up_once(request, anchors).await {
            Err(error) if kept::is_stale(&error) => self.look_up_once(request, anchors).await,
            found => found,
        }
    }

    /// Names of entries that refer to each of these (anchor and name), and by which attribute.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn referrers(
        &self,
        attributes: &BTreeSet<AttributeName>,
        entries: &[(Anchor, String)],
    ) -> Result<Vec<(Anchor, AttributeName, Vec<String>)>, ConnectorError> {
        let mut kept = self.take().await?;
        let found = referrers::find(self, &mut kept.connection, attributes, entries).await?;
        self.keep(kept).await;
        Ok(found)
    }

    async fn look_up_once(
        &self,
        request: &ImportRequest,
        anchors: &[(Anchor, Option<String>)],
    ) -> Result<Vec<(Anchor, Presence)>, ConnectorError> {
        let mut kept = self.take().await?;
        let found = look_up::run(self, &mut kept, request, anchors).await?;
        self.keep(kept).await;
        Ok(found)
    }

    /// What the server says about its attributes, by object type. The shipped table when it does not show its schema.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn schema(&self) -> Result<BTreeMap<String, Schema>, ConnectorError> {
        let mut connection = Connection::open(&self.settings).await?;
        let schema = self.with_own_attributes(self.read_schema(&mut connection).await?);
        connection.close().await;
        Ok(self.object_types().into_iter().map(|name| (name, schema.clone())).collect())
    }

    /// What is known about attributes without asking the server.
    pub fn shipped_schema(&self) -> BTreeMap<String, Schema> {
        let schema = self.with_own_attributes(well_known::schema(self.flavour));
        self.object_types().into_iter().map(|name| (name, schema.clone())).collect()
    }

    /// The domains that the search bases lie in.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn domains(&self) -> Result<Vec<Domain>, ConnectorError> {
        let mut connection = Connection::open(&self.settings).await?;
        let domains = scope::domains(self, &mut connection).await?;
        connection.close().await;
        Ok(domains)
    }

    /// When the server's certificate ends; nothing where the connection is not encrypted.
    ///
    /// # Errors
    /// When the server could not be reached.
    pub async fn expiries(&self) -> Result<Vec<Expiry>, ConnectorError> {
        if !self.settings.is_encrypted() {
            return Ok(Vec::new());
        }
        let mut connection = Connection::open(&self.settings).await?;
        // A server that shows none has been refused already.
        let certificate = connection.ldap.get_peer_certificate().await.ok().flatten();
        connection.close().await;
        let at = certificate.and_then(|certificate| not_after(&certificate));
        Ok(at.map(|at| Expiry { what: "server certificate".into(), at }).into_iter().collect())
    }

    /// Looks at everything that an import needs.
    pub async fn doctor(&self) -> Vec<Finding> {
        doctor::run(self).await
    }

    /// Where the search bases lie now. `known` are their anchors, as the last answer gave them.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn places(&self, known: &Anchors) -> Result<Places, ConnectorError> {
        let mut connection = Connection::open(&self.settings).await?;
        let places = places::find(self, &mut connection, known).await?;
        connection.close().await;
        Ok(places)
    }

    /// The same server, with its search bases where they are now.
    #[must_use]
    pub fn at(&self, places: &Places) -> Ldap {
        let (include, exclude) = (places.include.clone(), places.exclude.clone());
        let settings = Settings { include, exclude, ..self.settings.clone() };
        Ldap { flavour: self.flavour, settings, kept: kept::Place::default() }
    }

    /// Which server's ways it has, if it is written to.
    pub fn target_kind(&self) -> Option<super::target::TargetKind> {
        self.settings.write.then_some(super::target::TargetKind::Ldap(self.flavour))
    }

    /// What rules may know of it as a target.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn facts(&self) -> Result<TenantFacts, ConnectorError> {
        let domain = self.domains().await?.into_iter().next();
        let (base_dn, fqdn) = domain.map(|domain| (domain.dn, domain.fqdn)).unwrap_or_default();
        let verified_domains = Some(fqdn.clone()).filter(|fqdn| !fqdn.is_empty()).into_iter().collect();
        Ok(TenantFacts { name: fqdn.clone(), verified_domains, initial_domain: fqdn, base_dn, ..Default::default() })
    }

    /// Writes. Outcomes carry the place of their item.
    ///
    /// # Errors
    /// When nothing (more) can be written.
    pub async fn export(
        &self,
        items: Vec<ExportItem>,
        outcomes: mpsc::Sender<(Uuid, usize, ExportOutcome)>,
    ) -> Result<(), ConnectorError> {
        if !self.settings.write {
            return Err(ConnectorError::new(ConnectorErrorKind::Settings, "this connector is not written to")
                .hint("`write = true` in its section allows it"));
        }
        write::export(self, items, outcomes).await
    }

    /// The anchor of the entry with a name, if there is one.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn anchor_of(&self, name: &str) -> Result<Option<Anchor>, ConnectorError> {
        let mut connection = Connection::open(&self.settings).await?;
        let wanted = entry::anchor_attribute(self.flavour);
        let found = connection.read(name, &[wanted], Vec::new()).await?;
        connection.close().await;
        Ok(found.and_then(|entry| entry::anchor_of(&entry).ok().flatten()))
    }

    /// What rules flow to a target and no schema knows: the name of an entry, and a password to be made.
    fn with_own_attributes(&self, mut schema: Schema) -> Schema {
        if self.settings.write {
            let own = |kind| AttributeType { kind, multi: false, writable: true, max_length: None };
            let password = match self.flavour {
                Flavour::ActiveDirectory => "unicodePwd",
                Flavour::OpenLdap => "userPassword",
            };
            schema.attributes.insert(operations::NAME.into(), own(Kind::Text));
            schema.attributes.remove(&password.into());
            schema.attributes.insert(password.into(), own(Kind::Password));
        }
        schema
    }

    async fn read_schema(&self, connection: &mut Connection) -> Result<Schema, ConnectorError> {
        let Some(place) = connection.root.subschema.clone() else { return Ok(well_known::schema(self.flavour)) };
        let Some(mut entry) = connection.read(&place, &["attributeTypes"], Vec::new()).await? else {
            return Ok(well_known::schema(self.flavour));
        };
        if connection.complete(&mut entry, &place).await?.is_err() {
            return Ok(well_known::schema(self.flavour));
        }
        let types = entry.texts("attributeTypes");
        if types.is_empty() {
            return Ok(well_known::schema(self.flavour));
        }
        Ok(server_schema::parse(types.iter().map(String::as_str)))
    }

    fn check_request(&self, request: &ImportRequest) -> Result<(), ConnectorError> {
        check_types(request, &self.object_types())
    }
}

/// Refuses object types that a source does not read: a look-up would take their objects for out of scope.
pub(crate) fn check_types(request: &ImportRequest, read: &[String]) -> Result<(), ConnectorError> {
    match request.types.keys().find(|name| !read.contains(name)) {
        None => Ok(()),
        Some(name) => Err(ConnectorError::new(
            ConnectorErrorKind::Settings,
            format!("object type `{name}` is not read from this source (it reads {})", read.join(", ")),
        )
        .hint(format!("add `{name}` to `objects`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Settings, String> {
        toml::from_str::<Settings>(text).map_err(|error| error.message().to_owned())
    }

    fn refusal(text: &str) -> String {
        match Ldap::new(Flavour::OpenLdap, settings(text).unwrap()) {
            Ok(_) => "fine".into(),
            Err(error) => error.message,
        }
    }

    #[test]
    fn settings_are_checked() {
        let account = "bind_dn = 'cn=a'\npassword = 'env:X'\n";
        for (text, expected) in [
            ("url = 'ldaps://x'", "fine"),
            ("url = 'ldap://x'", "fine"),
            ("url = 'http://x'", "`http://x` is not an LDAP address"),
            ("url = 'ldaps://x'\nstart_tls = true", "ldaps://x is encrypted already; `start_tls` is for ldap://"),
            ("url = 'ldaps://x'\nbind_dn = 'cn=a'", "`bind_dn` and `password` come together"),
            ("url = 'ldaps://x'\ninclude = ['emea.contoso.test', 'OU=Sales,DC=contoso,DC=test']", "fine"),
            ("url = 'ldaps://x'\ninclude = ['Sales']", "`Sales` is not a distinguished name"),
            ("url = 'ldaps://x'\npage_size = 0", "`page_size` 0 is not between 1 and 100000"),
            ("url = 'ldaps://x'\nobjects = []", "`objects` is empty, so nothing would be read"),
        ] {
            assert_eq!(refusal(text), expected);
        }
        assert_eq!(
            refusal(&format!("{account}url = 'ldap://127.0.0.1'")),
            "refusing to send a password to ldap://127.0.0.1 in plain text"
        );
        assert_eq!(refusal(&format!("{account}url = 'ldap://x'\nallow_plaintext = true")), "fine");
        assert_eq!(refusal(&format!("{account}url = 'ldap://x'\nstart_tls = true")), "fine");
        assert!(settings("url = 'ldap://x'\npasswort = 1").unwrap_err().contains("unknown field"));
    }

    #[test]
    fn a_type_that_is_not_read_is_refused() {
        let request = ImportRequest { types: BTreeMap::from([("computer".into(), Default::default())]) };
        let error = check_types(&request, &["user".into(), "group".into()]).unwrap_err();
        assert_eq!(error.message, "object type `computer` is not read from this source (it reads user, group)");
    }
}
