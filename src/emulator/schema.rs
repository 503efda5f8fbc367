//! What Graph says about the properties of users, groups and contacts: kind, size, who may write, what comes unasked.
//!
//! Facts only; `validate` applies them.

/// The kinds of objects the emulator keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    User,
    Group,
    OrgContact,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Kind; 3] = [Kind::User, Kind::Group, Kind::OrgContact];

    /// `user`
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Group => "group",
            Kind::OrgContact => "orgContact",
        }
    }

    /// `users`: the entity set.
    pub(crate) fn set(self) -> &'static str {
        match self {
            Kind::User => "users",
            Kind::Group => "groups",
            Kind::OrgContact => "contacts",
        }
    }

    /// `User`, as error messages say it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Kind::User => "User",
            Kind::Group => "Group",
            Kind::OrgContact => "Contact",
        }
    }

    /// `#microsoft.graph.user`
    pub(crate) fn odata_type(self) -> String {
        format!("#microsoft.graph.{}", self.name())
    }

    /// The kind that a cast such as `microsoft.graph.user` names.
    pub(crate) fn from_cast(cast: &str) -> Option<Kind> {
        let name = cast.strip_prefix("microsoft.graph.")?;
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The table of properties.
    pub(crate) fn properties(self) -> &'static [Property] {
        match self {
            Kind::User => USER,
            Kind::Group => GROUP,
            Kind::OrgContact => CONTACT,
        }
    }

    /// One property.
    pub(crate) fn property(self, name: &str) -> Option<&'static Property> {
        self.properties().iter().find(|property| property.name == name)
    }
}

/// The shape of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Boolean,
    Integer,
    /// RFC 3339.
    Time,
    TextList,
    /// A JSON object.
    Record,
    /// A list of JSON objects.
    RecordList,
    /// The fifteen texts of `onPremisesExtensionAttributes`.
    Extensions,
}

/// Who may write a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// At creation and later.
    Write,
    /// Only in the request that creates the object.
    CreateOnly,
    /// Only after creation.
    UpdateOnly,
    /// The service.
    Read,
    /// Kept outside the directory; 501.
    Elsewhere,
}

/// Facts about one property.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// The longest text, or the longest element of a list, in characters.
    pub(crate) max: usize,
    /// The most elements.
    pub(crate) items: usize,
    pub(crate) access: Access,
    pub(crate) required: bool,
    /// Returned without `$select`.
    pub(crate) default: bool,
    /// Cannot be cleared.
    pub(crate) kept: bool,
    /// Writing it on an administrator needs more than an app role.
    pub(crate) sensitive: bool,
}

const fn property(name: &'static str, shape: Shape) -> Property {
    Property {
        name,
        shape,
        max: usize::MAX,
        items: usize::MAX,
        access: Access::Write,
        required: false,
        default: false,
        kept: false,
        sensitive: false,
    }
}

const fn text(name: &'static str, max: usize) -> Property {
    property(name, Shape::Text).max(max)
}

impl Property {
    const fn max(self, max: usize) -> Self {
        Property { max, ..self }
    }
    const fn items(self, items: usize) -> Self {
        Property { items, ..self }
    }
    const fn access(self, access: Access) -> Self {
        Property { access, ..self }
    }
    const fn read(self) -> Self {
        self.access(Access::Read)
    }
    const fn required(self) -> Self {
        Property { required: true, kept: true, ..self }
    }
    const fn shown(self) -> Self {
        Property { default: true, ..self }
    }
    const fn kept(self) -> Self {
        Property { kept: true, ..self }
    }
    const fn sensitive(self) -> Self {
        Property { sensitive: true, ..self }
    }
}

use Access::{CreateOnly, Elsewhere, UpdateOnly};
use Shape::{Boolean, Extensions, Integer, Record, RecordList, TextList, Time};

const ANY: usize = usize::MAX;

const USER: &[Property] = &[
    text("id", ANY).read().shown(),
    property("deletedDateTime", Time).read(),
    property("accountEnabled", Boolean).required().sensitive(),
    text("ageGroup", ANY),
    property("assignedLicenses", RecordList).read(),
    property("assignedPlans", RecordList).read(),
    property("authorizationInfo", Record),
    property("businessPhones", TextList).items(1).shown().sensitive(),
    text("city", 128),
    text("companyName", 64),
    text("consentProvidedForMinor", ANY),
    text("country", 128),
    property("createdDateTime", Time).read(),
    text("creationType", ANY).read(),
    property("customSecurityAttributes", Record),
    text("department", 64),
    text("displayName", 256).required().shown(),
    property("employeeHireDate", Time),
    text("employeeId", 16),
    property("employeeLeaveDateTime", Time),
    property("employeeOrgData", Record),
    text("employeeType", ANY),
    text("externalUserState", ANY),
    property("externalUserStateChangeDateTime", Time),
    text("faxNumber", 64),
    text("givenName", 64).shown(),
    property("identities", RecordList),
    property("imAddresses", TextList).read(),
    property("isManagementRestricted", Boolean).read(),
    property("isResourceAccount", Boolean),
    text("jobTitle", 128).shown(),
    property("lastPasswordChangeDateTime", Time).read(),
    text("legalAgeGroupClassification", ANY).read(),
    property("licenseAssignmentStates", RecordList).read(),
    text("mail", 256).shown(),
    text("mailNickname", 64).required(),
    text("mobilePhone", 64).shown().sensitive(),
    text("officeLocation", 128).shown(),
    text("onPremisesDistinguishedName", ANY).read(),
    text("onPremisesDomainName", ANY).read(),
    property("onPremisesExtensionAttributes", Extensions).max(1024),
    text("onPremisesImmutableId", 64).sensitive(),
    property("onPremisesLastSyncDateTime", Time).read(),
    property("onPremisesProvisioningErrors", RecordList).read(),
    text("onPremisesSamAccountName", ANY).read(),
    text("onPremisesSecurityIdentifier", ANY).read(),
    property("onPremisesSyncEnabled", Boolean).read(),
    text("onPremisesUserPrincipalName", ANY).read(),
    property("otherMails", TextList).max(250).items(250).sensitive(),
    text("passwordPolicies", ANY),
    property("passwordProfile", Record).required().sensitive(),
    text("postalCode", 40),
    text("preferredDataLocation", ANY),
    text("preferredLanguage", ANY).shown(),
    property("provisionedPlans", RecordList).read(),
    property("proxyAddresses", TextList).read(),
    text("securityIdentifier", ANY).read(),
    property("serviceProvisioningErrors", RecordList).read(),
    property("showInAddressList", Boolean),
    property("signInActivity", Record).read(),
    property("signInSessionsValidFromDateTime", Time).read(),
    text("state", 128),
    text("streetAddress", 1024),
    text("surname", 64).shown(),
    text("usageLocation", 2).kept(),
    text("userPrincipalName", 113).required().shown().sensitive(),
    text("userType", ANY),
    text("aboutMe", ANY).access(Elsewhere),
    property("birthday", Time).access(Elsewhere),
    property("hireDate", Time).access(Elsewhere),
    property("interests", TextList).access(Elsewhere),
    property("mailboxSettings", Record).access(Elsewhere),
    text("mySite", ANY).access(Elsewhere),
    property("pastProjects", TextList).access(Elsewhere),
    text("preferredName", ANY).access(Elsewhere),
    property("responsibilities", TextList).access(Elsewhere),
    property("schools", TextList).access(Elsewhere),
    property("skills", TextList).access(Elsewhere),
];

const GROUP: &[Property] = &[
    text("id", ANY).read().shown(),
    property("deletedDateTime", Time).read().shown(),
    property("allowExternalSenders", Boolean).access(UpdateOnly),
    property("assignedLabels", RecordList).read(),
    property("assignedLicenses", RecordList).read(),
    property("autoSubscribeNewMembers", Boolean).access(UpdateOnly),
    text("classification", ANY).shown(),
    property("createdDateTime", Time).read().shown(),
    text("creationOptions", ANY).read(),
    text("description", 1024).shown(),
    text("displayName", 256).required().shown(),
    property("expirationDateTime", Time).read().shown(),
    property("groupTypes", TextList).shown(),
    property("hasMembersWithLicenseErrors", Boolean).read(),
    property("hideFromAddressLists", Boolean).access(UpdateOnly),
    property("hideFromOutlookClients", Boolean).access(UpdateOnly),
    property("isArchived", Boolean).read(),
    property("isAssignableToRole", Boolean).access(CreateOnly).shown(),
    property("isManagementRestricted", Boolean).read(),
    property("isSubscribedByMail", Boolean).access(UpdateOnly),
    property("licenseProcessingState", Record).read(),
    text("mail", ANY).read().shown(),
    property("mailEnabled", Boolean).required().shown(),
    text("mailNickname", 64).required().shown(),
    text("membershipRule", ANY).shown(),
    text("membershipRuleProcessingState", ANY).shown(),
    text("onPremisesDomainName", ANY).read().shown(),
    property("onPremisesExtensionAttributes", Extensions).read(),
    property("onPremisesLastSyncDateTime", Time).read().shown(),
    text("onPremisesNetBiosName", ANY).read().shown(),
    property("onPremisesProvisioningErrors", RecordList).read().shown(),
    text("onPremisesSamAccountName", ANY).read().shown(),
    text("onPremisesSecurityIdentifier", ANY).read().shown(),
    property("onPremisesSyncEnabled", Boolean).read().shown(),
    text("organizationId", ANY).read(),
    text("preferredDataLocation", ANY).shown(),
    text("preferredLanguage", ANY).shown(),
    property("proxyAddresses", TextList).read().shown(),
    property("renewedDateTime", Time).read().shown(),
    property("resourceBehaviorOptions", TextList).access(CreateOnly),
    property("resourceProvisioningOptions", TextList).shown(),
    property("securityEnabled", Boolean).required().shown(),
    text("securityIdentifier", ANY).read().shown(),
    property("serviceProvisioningErrors", RecordList).read(),
    text("theme", ANY).shown(),
    text("uniqueName", ANY).access(CreateOnly),
    property("unseenCount", Integer).access(UpdateOnly),
    text("visibility", ANY).shown(),
];

const CONTACT: &[Property] = &[
    text("id", ANY).read().shown(),
    property("deletedDateTime", Time).read(),
    property("addresses", RecordList).read().shown(),
    text("companyName", ANY).read().shown(),
    text("department", ANY).read().shown(),
    text("displayName", 256).read().shown(),
    text("givenName", ANY).read().shown(),
    text("jobTitle", ANY).read().shown(),
    text("mail", ANY).read().shown(),
    text("mailNickname", ANY).read().shown(),
    property("onPremisesLastSyncDateTime", Time).read().shown(),
    property("onPremisesSyncEnabled", Boolean).read().shown(),
    property("phones", RecordList).read().shown(),
    property("proxyAddresses", TextList).read().shown(),
    text("surname", ANY).read().shown(),
];
