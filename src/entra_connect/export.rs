//! The configuration of an Entra Connect server, whatever it was read from. Plain data: neither formats nor Rhai.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::value::Kind;

/// The id that the connector to the tenant has in every installation.
pub const TENANT_CONNECTOR: &str = "b891884f-051e-4a83-95af-2544101c9083";

/// What an export was written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// The folder of XML that `Get-ADSyncServerConfiguration` writes, or one of its files.
    Xml,
    /// PowerShell of the rule editor.
    PowerShell,
    /// The JSON policy of the wizard.
    Policy,
    /// YAML of configuration as code.
    Yaml,
}

/// A whole configuration, as far as a file had it.
#[derive(Clone, Debug)]
pub struct Export {
    /// What it was read from.
    pub format: Format,
    /// The server, where it is named.
    pub server: Option<String>,
    /// The version of its configuration.
    pub version: Option<String>,
    /// Settings of the whole server, by their names there. Never a secret.
    pub settings: BTreeMap<String, String>,
    /// The metaverse: attributes of all its types, by name.
    pub metaverse: BTreeMap<String, AttributeSchema>,
    /// Its connectors.
    pub connectors: Vec<Connector>,
    /// Its rules, as they stand in the files.
    pub rules: Vec<Rule>,
    /// What was odd, and what was left out, a sentence each.
    pub remarks: Vec<Remark>,
}

/// Something that a reader wants to be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// One sentence, without a full stop.
    pub text: String,
    /// Where.
    pub place: Place,
}

/// A line of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// What a schema says about an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AttributeSchema {
    /// What its values are.
    pub kind: Kind,
    /// Whether it may have several.
    pub multi: bool,
}

/// What a connector leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectorKind {
    /// A forest of Active Directory.
    ActiveDirectory,
    /// The tenant.
    Entra,
    /// Something else, by its category.
    Other(String),
}

/// A connector.
#[derive(Clone, Debug)]
pub struct Connector {
    /// A GUID in small letters without braces; its name where a format has no ids.
    pub id: String,
    /// What people call it: `contoso.com`, `contoso.onmicrosoft.com - AAD`.
    pub name: String,
    /// What it leads to.
    pub kind: ConnectorKind,
    /// Parameters for the whole connector: `Forest.FQDN`. Never a secret, never an account.
    pub parameters: BTreeMap<String, String>,
    /// Accounts that it signs in with, to be mentioned.
    pub accounts: Vec<String>,
    /// Its domains.
    pub partitions: Vec<Partition>,
    /// Attributes of its schema.
    pub schema: BTreeMap<String, AttributeSchema>,
    /// Attributes that it imports; empty where a format does not say.
    pub selected: Vec<String>,
    /// Features that are switched on for it, such as password hash synchronisation: names and values.
    pub features: BTreeMap<String, String>,
}

/// A domain, or another part of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its distinguished name; `default` for a tenant.
    pub dn: String,
    /// Whether it is synchronised.
    pub selected: bool,
    /// Classes of objects that are imported.
    pub object_classes: Vec<String>,
    /// Containers that are imported with all below them.
    pub includes: Vec<String>,
    /// Containers that are left out.
    pub excludes: Vec<String>,
    /// Parameters of this part: `Domain.FQDN`.
    pub parameters: BTreeMap<String, String>,
}

/// Which way a rule goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From a directory into the metaverse.
    Inbound,
    /// From the metaverse to a directory.
    Outbound,
}

/// What a rule does about objects without a partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// Flows to a partner that is there.
    Join,
    /// Makes one.
    Provision,
    /// Makes none, but keeps it alive.
    StickyJoin,
}

/// A synchronisation rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// A GUID in small letters without braces; empty where a format has none.
    pub id: String,
    /// What people call it. Not unique.
    pub name: String,
    /// What people wrote about it.
    pub description: String,
    /// `Microsoft.InfromADUserJoin.003` on rules that the product ships.
    pub tag: Option<String>,
    /// Only a name and whether it is on: the rule itself is one that the product ships.
    pub by_reference: bool,
    /// Which way it goes.
    pub direction: Direction,
    /// Whether it is switched off.
    pub disabled: bool,
    /// The id of its connector.
    pub connector: String,
    /// The class in the directory.
    pub directory_type: String,
    /// The class in the metaverse; `*` for any.
    pub metaverse_type: String,
    /// What it does about objects without a partner.
    pub link: Link,
    /// Lower wins.
    pub precedence: i64,
    /// The id of the rule that it goes before, where its precedence is relative.
    pub before: Option<String>,
    /// The id of the rule that it goes after, where its precedence is relative.
    pub after: Option<String>,
    /// Time before a deletion, as it stands there; nothing for none.
    pub soft_delete: Option<String>,
    /// Whether hashes of passwords go with it.
    pub password_sync: bool,
    /// Groups, one of which must hold; all clauses of a group must. None: everybody.
    pub scope: Vec<Vec<Clause>>,
    /// Groups, tried in order; all keys of a group must agree.
    pub joins: Vec<Vec<JoinKey>>,
    /// What it writes.
    pub flows: Vec<Flow>,
    /// Where it begins.
    pub place: Place,
}

/// One condition on an attribute of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The attribute.
    pub attribute: String,
    /// `EQUAL`, as it stands there.
    pub operator: String,
    /// What it is compared with; may be empty.
    pub value: String,
}

/// One pair of attributes that must agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinKey {
    /// On the side of the directory.
    pub directory: String,
    /// On the side of the metaverse.
    pub metaverse: String,
    /// Whether letter case counts.
    pub case_sensitive: bool,
}

/// Where a flow takes its value from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowSource {
    /// An attribute, as it is.
    Direct(String),
    /// Always the same text; its type is that of what is written.
    Constant(String),
    /// An expression, as it stands there.
    Expression(String),
}

/// How the values of several rules become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merge {
    /// The rule of the lowest precedence wins. `Replace` says the same.
    Update,
    /// All values of all rules.
    Merge,
    /// The same; values that differ in letter case alone are one.
    MergeCaseInsensitive,
}

/// What a rule writes to one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The attribute.
    pub to: String,
    /// Where its value comes from.
    pub from: FlowSource,
    /// Only when the object is made.
    pub once: bool,
    /// How values of several rules become one.
    pub merge: Merge,
    /// Where it stands: the line of the expression's first character for an expression.
    pub place: Place,
}

/// Why a file cannot be read. The message is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Unreadable {
    /// Where.
    pub place: Place,
    /// What is wrong: a sentence, without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}
