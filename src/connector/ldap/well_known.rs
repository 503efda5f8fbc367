//! The shipped table of well-known attributes: for files, which have no schema, and for servers that do not show theirs.

use std::collections::BTreeMap;

use super::Flavour;
use crate::connector::schema::Schema;
use crate::value::{AttributeName, AttributeType, Kind};

/// The shipped table of a flavour. Not closed: names it lacks are single-valued text.
pub(crate) fn schema(flavour: Flavour) -> Schema {
    let mut attributes = BTreeMap::new();
    let tables = match flavour {
        Flavour::ActiveDirectory => ACTIVE_DIRECTORY,
        Flavour::OpenLdap => INET_ORG_PERSON,
    };
    for (kind, multi, names) in tables {
        for name in names.split_whitespace() {
            let entry = AttributeType { kind: *kind, multi: *multi, writable: true, max_length: None };
            attributes.insert(AttributeName::from(name), entry);
        }
    }
    if let Flavour::ActiveDirectory = flavour {
        for number in 1..=20 {
            let entry = AttributeType { kind: Kind::Text, multi: false, writable: true, max_length: None };
            attributes.insert(AttributeName::from(format!("msDS-cloudExtensionAttribute{number}")), entry.clone());
            if number <= 15 {
                attributes.insert(AttributeName::from(format!("extensionAttribute{number}")), entry);
            }
        }
    }
    Schema { attributes, ..Schema::default() }
}

type Table = &'static [(Kind, bool, &'static str)];

const ACTIVE_DIRECTORY: Table = &[
    (
        Kind::Text,
        false,
        "adminDescription adminDisplayName assistantName c canonicalName cn co comment company department displayName
         displayNamePrintable distinguishedName division dNSHostName employeeID employeeNumber employeeType
         facsimileTelephoneNumber generationQualifier givenName homeDirectory homeDrive homePhone homePostalAddress info
         initials ipPhone l legacyExchangeDN lastKnownParent location mail mailNickname middleName mobile
         msDS-ExternalDirectoryObjectId msDS-preferredDataLocation msDS-PhoneticDisplayName msDS-PhoneticFirstName
         msDS-PhoneticLastName msDS-PhoneticDepartment msDS-PhoneticCompanyName msExchAssistantName msExchUsageLocation
           msExchELCExpirySuspensionEnd msExchELCExpirySuspensionStart msExchImmutableId msExchResourceDisplay
         msExchRetentionComment msExchRetentionURL msRTCSIP-DeploymentLocator msRTCSIP-OwnerUrn
         msRTCSIP-PrimaryUserAddress msRTCSIP-Line name objectCategory operatingSystem
         operatingSystemVersion pager personalTitle physicalDeliveryOfficeName postalCode
         preferredLanguage primaryInternationalISDNNumber primaryTelexNumber profilePath sAMAccountName scriptPath sn st
         street streetAddress targetAddress telephoneAssistant telephoneNumber textEncodedORAddress title unixHomeDirectory
         userPrincipalName userWorkstations wWWHomePage whenChanged whenCreated gecos loginShell
              ",
    ),
    (
        Kind::Text,
        true,
        "carLicense businessCategory departmentNumber description objectClass otherFacsimileTelephoneNumber otherHomePhone otherIpPhone
         otherLoginWorkstations otherMailbox otherMobile otherPager otherTelephone ou o postalAddress postOfficeBox proxyAddresses
         registeredAddress roomNumber servicePrincipalName uid url  
         msExchExtensionCustomAttribute1 msExchExtensionCustomAttribute2 msExchExtensionCustomAttribute3
         msExchExtensionCustomAttribute4 msExchExtensionCustomAttribute5 msDS-KeyCredentialLink memberUid labeledURI
         msExchArchiveName msExchPoliciesExcluded msExchPoliciesIncluded msExchResourceMetaData msExchResourceSearchProperties
         msExchSenderHintTranslations msExchUMDtmfMap msExchUserHoldPolicies internationalISDNNumber",
    ),
    (
        Kind::Integer,
        false,
        "accountExpires adminCount badPasswordTime badPwdCount codePage countryCode gidNumber groupType instanceType
         lastLogoff lastLogon lastLogonTimestamp lockoutTime logonCount msDS-SupportedEncryptionTypes
         msDS-HABSeniorityIndex msDS-User-Account-Control-Computed msExchELCMailboxFlags msExchGroupDepartRestriction
         msExchGroupJoinRestriction msExchModerationFlags msExchResourceCapacity msRTCSIP-ApplicationOptions msRTCSIP-OptionFlags msExchRecipientDisplayType
         msExchRecipientTypeDetails msExchRemoteRecipientType msExchVersion primaryGroupID pwdLastSet sAMAccountType
         uidNumber userAccountControl uSNChanged uSNCreated",
    ),
    (
        Kind::Boolean,
        false,
        "hideDLMembership isCriticalSystemObject isDeleted isRecycled mDBUseDefaults msRTCSIP-UserEnabled
           msExchEnableModeration msExchHideFromAddressLists msExchRequireAuthToSendTo
           oOFReplyToOriginator reportToOriginator reportToOwner showInAdvancedViewOnly",
    ),
    (
        Kind::Bytes,
        false,
        "jpegPhoto logonHours mS-DS-ConsistencyGuid mS-DS-CreatorSID msExchArchiveGUID msExchBlockedSendersHash msExchMailboxGuid
         msExchMasterAccountSid msExchSafeRecipientsHash msExchSafeSendersHash nTSecurityDescriptor objectGUID objectSid
         thumbnailLogo thumbnailPhoto parentGUID msDS-CloudAnchor msDS-DeviceID msRTCSIP-OriginatorSid",
    ),
    (Kind::Bytes, true, "sIDHistory tokenGroups userCertificate userSMIMECertificate userPKCS12 photo"),
    (Kind::Reference, false, "assistant homeMDB managedBy manager "),
    (
        Kind::Reference,
        true,
        "authOrig directReports dLMemRejectPerms dLMemSubmitPerms managedObjects member memberOf
         msDS-HABSeniorityLink msExchBypassModerationFromDLMembersBL msExchBypassModerationFromDLMembersLink
         msExchBypassModerationLink msExchCoManagedByLink msExchDelegateListLink
         msExchModeratedByLink owner publicDelegates publicDelegatesBL secretary seeAlso showInAddressBook unauthOrig",
    ),
];

const INET_ORG_PERSON: Table = &[
    (
        Kind::Text,
        false,
        "c createTimestamp displayName employeeNumber entryUUID gecos homeDirectory loginShell modifyTimestamp
         preferredLanguage entryCSN sambaSID entryDN structuralObjectClass",
    ),
    (
        Kind::Text,
        true,
        "businessCategory carLicense cn dc departmentNumber description destinationIndicator employeeType
         facsimileTelephoneNumber generationQualifier givenName homePhone homePostalAddress host houseIdentifier initials
         internationaliSDNNumber l labeledURI mail mailAlternateAddress memberUid mobile o objectClass ou pager
         physicalDeliveryOfficeName postalAddress postalCode postOfficeBox registeredAddress roomNumber sn sshPublicKey st
         street telephoneNumber teletexTerminalIdentifier telexNumber title uid x121Address  
         eduPersonAffiliation eduPersonEntitlement eduPersonScopedAffiliation",
    ),
    (
        Kind::Integer,
        false,
        "gidNumber shadowExpire shadowFlag shadowInactive shadowLastChange shadowMax shadowMin shadowWarning uidNumber",
    ),
    (Kind::Boolean, false, "hasSubordinates"),
    (Kind::Bytes, true, "audio jpegPhoto photo userCertificate userPassword userPKCS12 userSMIMECertificate x500UniqueIdentifier"),
    (Kind::Reference, false, "creatorsName modifiersName"),
    (Kind::Reference, true, "manager member memberOf owner roleOccupant secretary seeAlso uniqueMember"),
];
