//! What is known of attributes without asking a server: kinds, and whether there are many values. A table that ships says
//! it first, so that one configuration gives the same rules whatever it was exported as; then the schema of the export.

use std::collections::BTreeMap;

use crate::connector::ldap::{Flavour, well_known};
use crate::entra_connect::export::{AttributeSchema, Connector, ConnectorKind, Export};
use crate::value::{AttributeName, Kind};

/// One value of text.
const TEXT: AttributeSchema = AttributeSchema { kind: Kind::Text, multi: false };

/// Attributes of the metaverse of Entra Connect that are not single texts.
const METAVERSE: &[(Kind, bool, &str)] = &[
    (
        Kind::Boolean,
        false,
        "accountEnabled cloudFiltered cloudMastered cloudSOAExchMailbox cloudCreated mailEnabled isProvisionedInAD
         hideDLMembership msExchBypassAudit msExchEnableModeration msExchHideFromAddressLists msExchMailboxAuditEnable
         msExchRequireAuthToSendTo msOrg-IsOrganizational msRTCSIP-UserEnabled oOFReplyToOriginator proxyAddressesIsValid
         reportToOriginator reportToOwner securityEnabled",
    ),
    (
        Kind::Integer,
        false,
        "cloudMSExchArchiveStatus cloudMSExchRecipientDisplayType countryCode memberCount msDS-HABSeniorityIndex
         msExchAuditAdmin msExchAuditDelegate msExchAuditDelegateAdmin msExchAuditOwner msExchELCMailboxFlags
         msExchGroupDepartRestriction msExchGroupJoinRestriction msExchMailboxAuditLogAgeLimit msExchModerationFlags
         msExchRecipientDisplayType msExchRecipientTypeDetails msExchRemoteRecipientType msExchResourceCapacity
         msRTCSIP-OptionFlags",
    ),
    (
        Kind::Bytes,
        false,
        "cloudMSExchBlockedSendersHash cloudMSExchSafeRecipientsHash cloudMSExchSafeSendersHash deviceId
         msExchArchiveGUID msExchBlockedSendersHash msExchMailboxGuid msExchMasterAccountSid msExchSafeRecipientsHash
         msExchSafeSendersHash msRTCSIP-OriginatorSid objectSid photo sourceAnchorBinary thumbnailPhoto",
    ),
    (Kind::Bytes, true, "deviceKey searchableDeviceKey sIDHistory userCertificate userSMIMECertificate"),
    (
        Kind::Text,
        true,
        "cloudMSExchUserHoldPolicies msExchArchiveName msExchExtensionCustomAttribute1 msExchExtensionCustomAttribute2
         msExchExtensionCustomAttribute3 msExchExtensionCustomAttribute4 msExchExtensionCustomAttribute5
         msExchResourceMetaData msExchResourceSearchProperties msExchSenderHintTranslations msExchUserHoldPolicies
         otherFacsimileTelephoneNumber otherHomePhone otherIpPhone otherMobile otherPager otherTelephone proxyAddresses",
    ),
    (
        Kind::Reference,
        false,
        "assistant managedBy manager msExchTeamMailboxSharePointLinkedBy registeredOwnerReference secretary seeAlso",
    ),
    (
        Kind::Reference,
        true,
        "altRecipient authOrig cloudMSExchDelegateListLink cloudMSExchTeamMailboxOwners cloudPublicDelegates
         dLMemRejectPerms dLMemSubmitPerms member msExchBypassModerationFromDLMembersLink msExchBypassModerationLink
         msExchCoManagedByLink msExchDelegateListLink msExchModeratedByLink msExchTeamMailboxOwners owner publicDelegates
         registeredUsersReference unauthOrig",
    ),
];

type Table = BTreeMap<AttributeName, AttributeSchema>;

/// Kinds of the attributes of a whole export.
pub(crate) struct Attributes {
    metaverse: Table,
    directories: BTreeMap<String, Table>,
}

impl Attributes {
    pub(super) fn of(export: &Export) -> Attributes {
        let mut metaverse: Table = named(&export.metaverse);
        for (kind, multi, names) in METAVERSE {
            let schema = AttributeSchema { kind: *kind, multi: *multi };
            metaverse.extend(names.split_whitespace().map(|name| (name.into(), schema)));
        }
        let directories = export.connectors.iter().map(|connector| (connector.id.clone(), directory(connector)));
        Attributes { metaverse, directories: directories.collect() }
    }

    pub(crate) fn of_metaverse(&self, name: &str) -> AttributeSchema {
        self.metaverse.get(&AttributeName::from(name)).copied().unwrap_or(TEXT)
    }

    pub(crate) fn of_directory(&self, connector: &str, name: &str) -> AttributeSchema {
        let table = self.directories.get(connector);
        table.and_then(|table| table.get(&AttributeName::from(name))).copied().unwrap_or(TEXT)
    }
}

fn named(schema: &BTreeMap<String, AttributeSchema>) -> Table {
    schema.iter().map(|(name, schema)| (AttributeName::from(name.as_str()), *schema)).collect()
}

fn directory(connector: &Connector) -> Table {
    let mut table = named(&connector.schema);
    match connector.kind {
        ConnectorKind::ActiveDirectory => {
            let known = well_known::schema(Flavour::ActiveDirectory).attributes;
            let schemas =
                known.into_iter().map(|(name, known)| (name, AttributeSchema { kind: known.kind, multi: known.multi }));
            table.extend(schemas);
        }
        // The connector of the tenant names its attributes as the metaverse does.
        ConnectorKind::Entra => {
            for (kind, multi, names) in METAVERSE {
                let schema = AttributeSchema { kind: *kind, multi: *multi };
                table.extend(names.split_whitespace().map(|name| (AttributeName::from(name), schema)));
            }
        }
        ConnectorKind::Other(_) => {}
    }
    table
}
