//! What the store knows of directories: their schemas, what was imported, and what targets said about themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::Session;
use crate::connector::{Anchor, Stock, TenantFacts};
use crate::rules::{Context, Schemas};
use crate::run::RunError;
use crate::sync::{Matching, Source, Sources, Target, Targets};
use crate::value::{AttributeName, Kind};

/// What the store knows of directories, put together: cycles that change little would spend their time with that.
pub(in crate::run) struct Known {
    pub(in crate::run) schemas: Schemas,
    pub(in crate::run) sources: Sources,
    pub(in crate::run) targets: Targets,
}

impl Session {
    /// The schemas of all connectors: as their servers said when they were asked last, or as shipped.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn schemas(&self) -> Result<Schemas, RunError> {
        let draft = self.store.draft();
        let mut schemas = BTreeMap::new();
        for (name, directory) in &self.directories {
            let stored = draft.fact(&format!("schema/{name}"))?;
            schemas.insert(name.clone(), stored.unwrap_or_else(|| directory.shipped_schema()));
        }
        Ok(schemas)
    }

    /// All that is known of directories, put together once.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(in crate::run) fn known(&self) -> Result<Arc<Known>, RunError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known {
            return Ok(Arc::clone(known));
        }
        let found = Known { schemas: self.schemas()?, sources: self.sources()?, targets: self.targets()? };
        Ok(Arc::clone(known.insert(Arc::new(found))))
    }

    /// Something about a directory was learned: what is known is put together anew.
    pub(in crate::run) fn forget(&mut self) {
        self.known = Mutex::new(None);
    }

    /// What rules may know about sources.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sources(&self) -> Result<Sources, RunError> {
        let draft = self.store.draft();
        let mut sources = Sources::new();
        for (name, schemas) in self.schemas()? {
            let mut source = Source::default();
            let imported: BTreeMap<String, BTreeSet<AttributeName>> =
                draft.fact(&format!("imported/{name}"))?.unwrap_or_default();
            for (object_type, schema) in schemas {
                let of_kind = |wanted| schema.attributes.iter().filter(move |(_, kind)| kind.kind == wanted);
                let references = of_kind(Kind::Reference).map(|(name, _)| name.clone()).collect();
                source.references.insert(object_type.clone(), references);
                let lists = schema.attributes.iter().filter(|(_, kind)| kind.multi && kind.kind != Kind::Reference);
                source.lists.insert(object_type, Arc::new(lists.map(|(name, _)| name.clone()).collect()));
            }
            source.imported = imported.into_iter().map(|(name, attributes)| (name, Arc::new(attributes))).collect();
            source.netbios = draft.fact(&format!("netbios/{name}"))?.unwrap_or_default();
            sources.insert(name, source);
        }
        Ok(sources)
    }

    /// What a target said about itself when it was asked last.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tenant(&self, connector: &str) -> Result<TenantFacts, RunError> {
        Ok(self.store.draft().fact(&format!("tenant/{connector}"))?.unwrap_or_default())
    }

    /// What a target had only so much of when it was asked last.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stock(&self, connector: &str) -> Result<Stock, RunError> {
        Ok(self.store.draft().fact(&format!("stock/{connector}"))?.unwrap_or_default())
    }

    /// What is known about targets.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn targets(&self) -> Result<Targets, RunError> {
        let schemas = self.schemas()?;
        let mut targets = Targets::new();
        for (name, kind) in self.target_kinds() {
            let facts = self.tenant(name)?;
            let settings = self.config.target(name);
            let anchors = |object_type: &String| {
                let anchors = kind.matching_attributes(object_type).iter().map(|name| AttributeName::from(*name));
                (object_type.clone(), anchors.collect())
            };
            let privileged = if settings.allow_privileged { None } else { facts.privileged };
            let matching = Matching {
                anchors: self
                    .object_types(name)
                    .iter()
                    .map(anchors)
                    .filter(|(_, names): &(_, Vec<_>)| !names.is_empty())
                    .collect(),
                soft: settings.soft_match,
                privileged: privileged.into_iter().flatten().map(Anchor).collect(),
            };
            let mut context = Context { name: "target", ..Context::default() };
            context.texts.insert("connector", name.clone());
            context.texts.insert("name", facts.name);
            context.texts.insert("initial_domain", facts.initial_domain);
            context.texts.insert("base_dn", facts.base_dn);
            context.lists.insert("verified_domains", facts.verified_domains);
            targets.insert(
                name.clone(),
                Target {
                    schemas: schemas.get(name).cloned().unwrap_or_default(),
                    context: Arc::new(context),
                    reports_drift: settings.reports_drift,
                    protected: kind.protected(),
                    matching,
                },
            );
        }
        Ok(targets)
    }
}
