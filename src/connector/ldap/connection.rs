//! One connection: TLS, bind, small reads. Knows the protocol, not what the entries mean.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ldap3::controls::{PagedResults, RawControl};
use ldap3::{LdapConnAsync, LdapConnSettings, LdapResult, ResultEntry, Scope, SearchOptions};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::entry::RawEntry;
use super::import::{PAGED_RESULTS, page_answer};
use super::ranges::{RangeReader, Step};
use super::{Settings, trouble};
use crate::connector::{ConnectorError, ConnectorErrorKind};

/// Result code: success.
pub(crate) const SUCCESS: u32 = 0;
/// Result code: the entry lies on another server.
pub(crate) const REFERRAL: u32 = 10;
/// Result code: no such entry, or none that the account may see.
pub(crate) const NO_SUCH_OBJECT: u32 = 32;

/// How often a large list is read again when it changes meanwhile.
const RANGE_ATTEMPTS: usize = 3;

/// What a server says about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct RootDse {
    pub(crate) naming_contexts: Vec<String>,
    pub(crate) default_naming_context: Option<String>,
    pub(crate) configuration_naming_context: Option<String>,
    pub(crate) subschema: Option<String>,
    pub(crate) controls: Vec<String>,
    pub(crate) current_time: Option<String>,
}

/// An open connection, bound.
pub(crate) struct Connection {
    pub(crate) ldap: ldap3::Ldap,
    /// The address as configured, for messages.
    pub(crate) address: String,
    pub(crate) root: RootDse,
    timeout: Duration,
}

impl Connection {
    /// Connects, makes the connection safe, binds, and reads the root entry.
    pub(crate) async fn open(settings: &Settings) -> Result<Connection, ConnectorError> {
        let password = match (&settings.bind_dn, &settings.password) {
            (Some(_), Some(secret)) => Some(secret.fetch().await?),
            (Some(_), None) | (None, Some(_)) | (None, None) => None,
        };
        let mut connection = Connection::connect(settings).await?;
        if let (Some(name), Some(password)) = (&settings.bind_dn, password) {
            // A bind with a name and no password succeeds without proving anything.
            if name.is_empty() || password.is_empty() {
                return Err(ConnectorError::new(
                    ConnectorErrorKind::Settings,
                    format!("refusing to bind to {} with an empty name or password", settings.url),
                ));
            }
            let timeout = connection.timeout;
            let bound = connection.ldap.with_timeout(timeout).simple_bind(name, &password).await;
            let result = bound.map_err(|error| trouble::connection(&settings.url, error))?;
            if result.rc != SUCCESS {
                return Err(trouble::bind(&settings.url, name, &result));
            }
        }
        connection.root = connection.read_root().await?;
        Ok(connection)
    }

    async fn connect(settings: &Settings) -> Result<Connection, ConnectorError> {
        let timeout = Duration::from_secs(settings.timeout);
        let mut options = LdapConnSettings::new().set_conn_timeout(timeout).set_starttls(settings.start_tls);
        if settings.is_encrypted() {
            options = options.set_config(tls(settings.ca_file.as_deref())?);
        }
        let opened = LdapConnAsync::with_settings(options, &settings.url).await;
        let (driver, ldap) = opened.map_err(|error| trouble::connecting(settings, error))?;
        // When the connection breaks, whoever waits for an answer hears of it there.
        tokio::spawn(async move {
            let _ = driver.drive().await;
        });
        Ok(Connection { ldap, address: settings.url.clone(), root: RootDse::default(), timeout })
    }

    async fn read_root(&mut self) -> Result<RootDse, ConnectorError> {
        let wanted = [
            "namingContexts",
            "defaultNamingContext",
            "configurationNamingContext",
            "subschemaSubentry",
            "supportedControl",
            "currentTime",
        ];
        let Some(root) = self.read("", &wanted, Vec::new()).await? else {
            return Err(ConnectorError::new(
                ConnectorErrorKind::Protocol,
                format!("{} does not show its root entry", self.address),
            ));
        };
        Ok(RootDse {
            naming_contexts: root.texts("namingContexts"),
            default_naming_context: root.text("defaultNamingContext"),
            configuration_naming_context: root.text("configurationNamingContext"),
            subschema: root.text("subschemaSubentry"),
            controls: root.texts("supportedControl"),
            current_time: root.text("currentTime"),
        })
    }

    /// Whether the server lists a control. An unlisted one, sent as critical, may cost the connection.
    pub(crate) fn supports(&self, control: &str) -> bool {
        self.root.controls.iter().any(|listed| listed == control)
    }

    /// The handle, ready for one operation.
    pub(crate) fn prepared(&mut self, controls: Vec<RawControl>) -> &mut ldap3::Ldap {
        let timeout = self.timeout;
        self.ldap.with_timeout(timeout);
        if !controls.is_empty() {
            self.ldap.with_controls(controls);
        }
        &mut self.ldap
    }

    /// One entry, or nothing when there is none to be seen.
    pub(crate) async fn read(
        &mut self,
        base: &str,
        attributes: &[&str],
        controls: Vec<RawControl>,
    ) -> Result<Option<RawEntry>, ConnectorError> {
        Ok(self.search(base, Scope::Base, "(objectClass=*)", attributes, controls, 0).await?.into_iter().next())
    }

    /// The entries of a small search; none when the base is not to be seen. `limit` 0 is no limit; when it is reached,
    /// the entries up to it are given.
    pub(crate) async fn search(
        &mut self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &[&str],
        controls: Vec<RawControl>,
        limit: i32,
    ) -> Result<Vec<RawEntry>, ConnectorError> {
        const SIZE_LIMIT_EXCEEDED: u32 = 4;
        let address = self.address.clone();
        let broken = |error| trouble::connection(&address, error);
        let ldap = self.prepared(controls).with_search_options(SearchOptions::new().sizelimit(limit));
        let mut stream = ldap.streaming_search(base, scope, filter, attributes.to_vec()).await.map_err(broken)?;
        let mut entries = Vec::new();
        while let Some(answer) = stream.next().await.map_err(broken)? {
            if answer.is_ref() || answer.is_intermediate() {
                continue;
            }
            let entry = RawEntry::decode(answer);
            entries.push(entry.ok_or_else(|| trouble::malformed(&address))?);
        }
        let result = stream.finish().await;
        match result.rc {
            SUCCESS => Ok(entries),
            SIZE_LIMIT_EXCEEDED if limit > 0 => Ok(entries),
            NO_SUCH_OBJECT | REFERRAL => Ok(Vec::new()),
            _ => Err(trouble::result(&self.address, base, &result)),
        }
    }

    /// All entries below a base, page by page; none when the base is not to be seen.
    pub(crate) async fn paged(
        &mut self,
        base: &str,
        filter: &str,
        attributes: &[&str],
        (size, also): (u32, &[RawControl]),
    ) -> Result<Vec<RawEntry>, ConnectorError> {
        if !self.supports(PAGED_RESULTS) {
            return self.search(base, Scope::Subtree, filter, attributes, also.to_vec(), 0).await;
        }
        let (mut entries, mut cookie) = (Vec::new(), Vec::new());
        let size = i32::try_from(size).unwrap_or(i32::MAX);
        loop {
            let mut controls = also.to_vec();
            controls.push(PagedResults { size, cookie }.into());
            let (page, result) = self.answer(base, filter, attributes, controls).await?;
            match result.rc {
                SUCCESS => entries.extend(page),
                NO_SUCH_OBJECT | REFERRAL => return Ok(entries),
                _ => return Err(trouble::result(&self.address, base, &result)),
            }
            match page_answer(&result.ctrls) {
                Ok(Some((_, next))) if !next.is_empty() => cookie = next,
                Ok(_) => return Ok(entries),
                Err(_) => return Err(trouble::malformed(&self.address)),
            }
        }
    }

    /// The entries of one search below a base, and how it ended, whatever that means.
    pub(crate) async fn answer(
        &mut self,
        base: &str,
        filter: &str,
        attributes: &[&str],
        controls: Vec<RawControl>,
    ) -> Result<(Vec<RawEntry>, LdapResult), ConnectorError> {
        let address = self.address.clone();
        let (answers, result) = self.raw_answer(base, filter, attributes, controls).await?;
        let entries = answers.into_iter().filter(|answer| !answer.is_ref() && !answer.is_intermediate());
        let entries = entries.map(|answer| RawEntry::decode(answer).ok_or_else(|| trouble::malformed(&address)));
        Ok((entries.collect::<Result<_, _>>()?, result))
    }

    /// The messages of one search below a base as they came, and how it ended. A server may need long for the first.
    pub(crate) async fn raw_answer(
        &mut self,
        base: &str,
        filter: &str,
        attributes: &[&str],
        controls: Vec<RawControl>,
    ) -> Result<(Vec<ResultEntry>, LdapResult), ConnectorError> {
        let address = self.address.clone();
        let broken = |error| trouble::connection(&address, error);
        let patience = self.timeout.saturating_mul(10);
        let ldap = self.prepared(controls).with_timeout(patience);
        let search = ldap.streaming_search(base, Scope::Subtree, filter, attributes.to_vec()).await;
        let mut stream = search.map_err(broken)?;
        let mut answers = Vec::new();
        while let Some(answer) = stream.next().await.map_err(broken)? {
            answers.push(answer);
        }
        Ok((answers, stream.finish().await))
    }

    /// Fetches the rest of attributes of which the server has given only a first piece. `base` names the entry.
    ///
    /// The inner error is about this entry alone: its lists could not be read as one whole.
    pub(crate) async fn complete(
        &mut self,
        entry: &mut RawEntry,
        base: &str,
    ) -> Result<Result<(), String>, ConnectorError> {
        let partial: Vec<String> = entry
            .attributes
            .iter()
            .filter(|attribute| attribute.range.is_some_and(|range| range.first > 0 || range.last.is_some()))
            .map(|attribute| attribute.name.clone())
            .collect();
        for name in partial {
            let values = match self.read_whole(base, &name).await? {
                Ok(values) => values,
                Err(reason) => return Ok(Err(reason)),
            };
            entry.attributes.retain(|attribute| attribute.range.is_some() || attribute.name != name);
            for attribute in entry.attributes.iter_mut().filter(|attribute| attribute.name == name) {
                attribute.values.clone_from(&values);
                attribute.range = None;
            }
        }
        Ok(Ok(()))
    }

    /// A whole list, read while nothing changed in the entry: a value removed between two pieces would hide another.
    async fn read_whole(&mut self, base: &str, name: &str) -> Result<Result<Vec<Vec<u8>>, String>, ConnectorError> {
        for _ in 0..RANGE_ATTEMPTS {
            let mut reader = RangeReader::new(name);
            let mut version: Option<Option<String>> = None;
            let mut ask = reader.ask();
            loop {
                let Some(entry) = self.read(base, &[&ask, "uSNChanged"], Vec::new()).await? else {
                    return Ok(Err(format!("it vanished while `{name}` was read")));
                };
                version.get_or_insert_with(|| entry.text("uSNChanged"));
                let mut pieces = entry.attributes.into_iter().filter(|piece| piece.name.eq_ignore_ascii_case(name));
                let piece =
                    pieces.by_ref().find(|piece| piece.range.is_some()).map(|piece| (piece.range, piece.values));
                match reader.accept(piece) {
                    Step::Ask(next) => ask = next,
                    Step::Done => break,
                    Step::Broken(reason) => return Ok(Err(reason)),
                }
            }
            let after = self.read(base, &["uSNChanged"], Vec::new()).await?.and_then(|entry| entry.text("uSNChanged"));
            if version == Some(after) {
                return Ok(Ok(reader.values));
            }
        }
        Ok(Err(format!("`{name}` changed each of the {RANGE_ATTEMPTS} times it was read")))
    }

    /// Says goodbye. Not doing so does no harm.
    pub(crate) async fn close(mut self) {
        let _ = self.prepared(Vec::new()).unbind().await;
    }
}

/// A configuration that trusts the authorities in `ca_file`, or those of the system when there is none.
fn tls(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, ConnectorError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => add_file(&mut roots, path)?,
        None => {
            let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if added == 0 {
                return Err(ConnectorError::new(ConnectorErrorKind::Tls, "the system has no certificate authorities")
                    .hint("install `ca-certificates`, or name your authority's certificate in `ca_file`"));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectorError::new(ConnectorErrorKind::Tls, format!("cannot set up TLS: {error}")))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), ConnectorError> {
    let failed = |what: String| {
        ConnectorError::new(ConnectorErrorKind::Settings, format!("cannot use `ca_file` `{}`: {what}", path.display()))
    };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed("it holds no certificate".into()).hint("it must be in PEM form (`BEGIN CERTIFICATE`)"));
    }
    Ok(())
}
