//! The kinds of directories behind one name each: an enum, because the configuration names them all.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::{ChangeSink, ChangesEnd, Watermark};
use super::correlation::Correlation;
use super::expiry::Expiry;
use super::graph::Graph;
use super::ldap::Ldap;
use super::ldif::Ldif;
use super::schema::Schema;
use super::target::TargetKind;
use super::{
    Anchor, ConnectorError, ConnectorErrorKind, ExportItem, ExportOutcome, Finding, ImportEnd, ImportRequest,
    ImportSink, Pace, Presence, Stock, TenantFacts, Traffic,
};
use crate::value::AttributeName;
use tokio::sync::mpsc;
use uuid::Uuid;

/// A directory of some kind.
pub enum Directory {
    /// Active Directory or another LDAP server.
    Ldap(Ldap),
    /// LDIF files.
    Ldif(Ldif),
    /// Microsoft Entra ID.
    Entra(Graph),
}

impl Directory {
    /// How fast it may be written to; nothing where there is no limit.
    pub fn pace(&self) -> Option<Pace> {
        match self {
            Directory::Entra(graph) => Some(graph.pace()),
            Directory::Ldap(_) | Directory::Ldif(_) => None,
        }
    }

    /// Requests belong to this run from now on, where the directory writes down whose they are.
    pub fn correlate(&self, correlation: &Correlation) {
        match self {
            Directory::Entra(graph) => graph.correlate(correlation),
            Directory::Ldap(_) | Directory::Ldif(_) => {}
        }
    }

    /// What became of writes since the connection was made; nothing where they are not counted.
    pub fn traffic(&self) -> Option<Traffic> {
        match self {
            Directory::Entra(graph) => Some(graph.traffic()),
            Directory::Ldap(_) | Directory::Ldif(_) => None,
        }
    }

    /// Whether things can be written to it.
    pub fn is_target(&self) -> bool {
        self.target_kind().is_some()
    }

    /// The ways that it has as a target; nothing if nothing is written to it.
    pub fn target_kind(&self) -> Option<TargetKind> {
        match self {
            Directory::Entra(_) => Some(TargetKind::Entra),
            Directory::Ldap(ldap) => ldap.target_kind(),
            Directory::Ldif(_) => None,
        }
    }

    /// The object types that it offers.
    pub fn object_types(&self) -> Vec<String> {
        match self {
            Directory::Ldap(ldap) => ldap.object_types(),
            Directory::Ldif(ldif) => ldif.object_types(),
            Directory::Entra(_) => vec!["user".into(), "group".into()],
        }
    }

    /// Reads everything.
    ///
    /// # Errors
    /// When the directory could not be used at all.
    pub async fn import(&self, request: &ImportRequest, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        match self {
            Directory::Ldap(ldap) => ldap.import(request, sink).await,
            Directory::Ldif(ldif) => ldif.import(request, sink).await,
            Directory::Entra(graph) => graph.import(request, sink).await,
        }
    }

    /// From where it reads, and what part of it, as text: changes can be followed only as long as that stays the same.
    pub fn place(&self) -> String {
        match self {
            Directory::Ldap(ldap) => ldap.place(),
            Directory::Ldif(ldif) => ldif.place(),
            Directory::Entra(graph) => graph.place(),
        }
    }

    /// Where its changes stand now: whoever reads everything after this, and then the changes since, has missed nothing.
    /// Nothing when it has no way to tell.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn watermark(&self, request: &ImportRequest) -> Result<Option<Watermark>, ConnectorError> {
        match self {
            Directory::Ldap(ldap) => ldap.watermark().await,
            Directory::Ldif(ldif) => ldif.watermark().map(Some),
            Directory::Entra(graph) => graph.watermark(request).await.map(Some),
        }
    }

    /// Which objects changed since a watermark.
    ///
    /// # Errors
    /// When the directory could not be asked; then the watermark stands.
    pub async fn changes(
        &self,
        request: &ImportRequest,
        since: &Watermark,
        sink: ChangeSink,
    ) -> Result<ChangesEnd, ConnectorError> {
        match self {
            Directory::Ldap(ldap) => ldap.changes(request, since, sink).await,
            Directory::Ldif(ldif) => ldif.changes(since),
            Directory::Entra(graph) => graph.changes(request, since, sink).await,
        }
    }

    /// Says that something happened, each time, until the connection breaks or nobody listens any more. Gives `false` when
    /// it has no way to tell: then it has to be asked every so often.
    ///
    /// # Errors
    /// When the directory could not be asked, or the connection broke.
    pub async fn watch(&self, woken: mpsc::Sender<()>) -> Result<bool, ConnectorError> {
        match self {
            Directory::Ldap(ldap) => ldap.watch(woken).await,
            Directory::Ldif(ldif) => {
                ldif.watch(woken).await;
                Ok(true)
            }
            Directory::Entra(_) => Ok(false),
        }
    }

    /// Looks objects up by anchor; with each goes the name it was last seen under.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn look_up(
        &self,
        request: &ImportRequest,
        anchors: &[(Anchor, Option<String>)],
    ) -> Result<Vec<(Anchor, Presence)>, ConnectorError> {
        match self {
            Directory::Ldap(ldap) => ldap.look_up(request, anchors).await,
            Directory::Ldif(ldif) => ldif.look_up(request, anchors).await,
            Directory::Entra(graph) => {
                let anchors: Vec<Anchor> = anchors.iter().map(|(anchor, _)| anchor.clone()).collect();
                graph.look_up(request, &anchors).await
            }
        }
    }

    /// Names of objects that refer to each of these (anchor and name) by name, and by which attribute; none where references
    /// do not go by name.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn referrers(
        &self,
        attributes: &BTreeSet<AttributeName>,
        objects: &[(Anchor, String)],
    ) -> Result<Vec<(Anchor, AttributeName, Vec<String>)>, ConnectorError> {
        match self {
            Directory::Ldap(ldap) => ldap.referrers(attributes, objects).await,
            Directory::Ldif(_) | Directory::Entra(_) => Ok(Vec::new()),
        }
    }

    /// What it says about its attributes, by object type.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn schema(&self) -> Result<BTreeMap<String, Schema>, ConnectorError> {
        match self {
            Directory::Ldap(ldap) => ldap.schema().await,
            Directory::Ldif(_) | Directory::Entra(_) => Ok(self.shipped_schema()),
        }
    }

    /// What is known without asking it.
    pub fn shipped_schema(&self) -> BTreeMap<String, Schema> {
        match self {
            Directory::Ldap(ldap) => ldap.shipped_schema(),
            Directory::Ldif(ldif) => ldif.schema(),
            Directory::Entra(_) => super::graph::schemas(),
        }
    }

    /// NetBIOS names by DNS name, where there are any.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn netbios_names(&self) -> Result<BTreeMap<String, String>, ConnectorError> {
        match self {
            Directory::Ldap(ldap) => {
                let domains = ldap.domains().await?;
                Ok(domains.into_iter().filter_map(|domain| Some((domain.fqdn, domain.netbios?))).collect())
            }
            Directory::Ldif(_) | Directory::Entra(_) => Ok(BTreeMap::new()),
        }
    }

    /// What a target knows about itself.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn facts(&self) -> Result<TenantFacts, ConnectorError> {
        match self {
            Directory::Entra(graph) => graph.facts().await,
            Directory::Ldap(ldap) => ldap.facts().await,
            Directory::Ldif(_) => Ok(TenantFacts::default()),
        }
    }

    /// What a target has only so much of.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn stock(&self) -> Result<Stock, ConnectorError> {
        match self {
            Directory::Entra(graph) => graph.stock().await,
            Directory::Ldap(_) | Directory::Ldif(_) => Ok(Stock::default()),
        }
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
        match self {
            Directory::Entra(graph) => graph.export(items, outcomes).await,
            Directory::Ldap(ldap) => ldap.export(items, outcomes).await,
            Directory::Ldif(_) => {
                Err(ConnectorError::new(ConnectorErrorKind::Settings, "this kind of connector is not written to"))
            }
        }
    }

    /// When its credentials and certificates end, as far as that can be known.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn expiries(&self) -> Result<Vec<Expiry>, ConnectorError> {
        match self {
            Directory::Ldap(ldap) => ldap.expiries().await,
            Directory::Entra(graph) => graph.expiries().await,
            Directory::Ldif(_) => Ok(Vec::new()),
        }
    }

    /// Looks at everything a run needs.
    pub async fn doctor(&self) -> Vec<Finding> {
        match self {
            Directory::Ldap(ldap) => ldap.doctor().await,
            Directory::Ldif(ldif) => ldif.doctor().await,
            Directory::Entra(graph) => graph.doctor().await,
        }
    }
}
