//! The rules that Entra Connect ships, by tag and content: whether one was changed.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;

use super::export::{Direction, FlowSource, Link, Merge, Rule};

/// How a rule stands to the one that the product shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Likeness {
    /// Not a rule of the product.
    Own,
    /// As it was shipped in the revision that is known here.
    Same,
    /// The revision that is known here, with another text.
    Changed,
    /// Another revision than the one that is known here.
    OtherRevision,
    /// A rule of the product that is not known here.
    Unknown,
}

/// Compares a rule with what was shipped.
pub(super) fn likeness(rule: &Rule) -> Likeness {
    let Some(tag) = rule.tag.as_deref() else { return Likeness::Own };
    let (name, revision) = tag.rsplit_once('.').unwrap_or((tag, ""));
    let Some((_, known, print)) = SHIPPED.iter().find(|(known, ..)| *known == name) else { return Likeness::Unknown };
    match (*known == revision, *print == fingerprint(rule)) {
        (true, true) => Likeness::Same,
        (true, false) => Likeness::Changed,
        (false, _) => Likeness::OtherRevision,
    }
}

/// A print of what a rule does, without names, ids and precedence.
pub fn fingerprint(rule: &Rule) -> String {
    let direction = match rule.direction {
        Direction::Inbound => "in",
        Direction::Outbound => "out",
    };
    let link = match rule.link {
        Link::Join => "join",
        Link::Provision => "provision",
        Link::StickyJoin => "sticky",
    };
    let mut lines = vec![format!("{direction} {} {} {link}", rule.directory_type, rule.metaverse_type)];
    for group in &rule.scope {
        let clauses = group.iter().map(|clause| format!("{} {} {}", clause.attribute, clause.operator, clause.value));
        lines.push(format!("scope {}", clauses.collect::<Vec<_>>().join(" & ")));
    }
    for group in &rule.joins {
        let keys = group.iter().map(|key| format!("{} {} {}", key.directory, key.metaverse, key.case_sensitive));
        lines.push(format!("join {}", keys.collect::<Vec<_>>().join(" & ")));
    }
    let mut flows: Vec<String> = rule
        .flows
        .iter()
        .map(|flow| {
            let from = match &flow.from {
                FlowSource::Direct(name) => format!("[{name}]"),
                FlowSource::Constant(text) => format!("'{text}'"),
                FlowSource::Expression(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
            };
            let merge = match flow.merge {
                Merge::Update => "",
                Merge::Merge => " merge",
                Merge::MergeCaseInsensitive => " merge-ci",
            };
            let once = if flow.once { " once" } else { "" };
            format!("flow {} {from}{merge}{once}", flow.to)
        })
        .collect();
    flows.sort();
    lines.extend(flows);
    let bytes = digest(&SHA256, lines.join("\n").as_bytes());
    bytes.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Tag without its revision, revision, print: the set of version 1.1.130.0, with Exchange, Lync and devices.
const SHIPPED: &[(&str, &str, &str)] = &[
    ("Microsoft.InfromAADContactExchangeHybrid", "003", "d7cc2d83f10abe63"),
    ("Microsoft.InfromAADContactJoin", "003", "29bb4a0ba8f6dd71"),
    ("Microsoft.InfromAADGroupExchangeHybrid", "003", "64d83d0a2c8572a8"),
    ("Microsoft.InfromAADGroupJoin", "004", "a7bb5f9ea94d4450"),
    ("Microsoft.InfromAADUserExchangeHybrid", "003", "418121e2bb48fda5"),
    ("Microsoft.InfromAADUserJoin", "004", "554b530cee495b9b"),
    ("Microsoft.InfromAADUserNGCKey", "001", "d7f56028d403acab"),
    ("Microsoft.InfromADComputerJoin", "002", "6bb54039caaf5d75"),
    ("Microsoft.InfromADContactCommon", "004", "be5563aef6c9ef80"),
    ("Microsoft.InfromADContactJoin", "003", "4f187346f9ea5171"),
    ("Microsoft.InfromADContactLync", "003", "2953f6be884d80a0"),
    ("Microsoft.InfromADDeviceCommon", "001", "a46cc7c2386f67be"),
    ("Microsoft.InfromADForeignSecurityPrincipalJoinUser", "001", "a060a7409e14b377"),
    ("Microsoft.InfromADGroupCommon", "004", "084fa4dba6d78929"),
    ("Microsoft.InfromADGroupExchange", "004", "acc6773b32fdc675"),
    ("Microsoft.InfromADGroupJoin", "003", "e33ef17758daddf5"),
    ("Microsoft.InfromADInetOrgPersonAccountEnabled", "003", "6bf1b1c11612e82a"),
    ("Microsoft.InfromADInetOrgPersonCommon", "004", "c17c18d87dde67b5"),
    ("Microsoft.InfromADInetOrgPersonCommonfromExchange", "004", "4263187bd0ecf785"),
    ("Microsoft.InfromADInetOrgPersonExchange", "003", "d13c84887042c46a"),
    ("Microsoft.InfromADInetOrgPersonJoin", "003", "4a066eda828562bf"),
    ("Microsoft.InfromADInetOrgPersonLync", "003", "20a772b0f5fd5600"),
    ("Microsoft.InfromADUserAccountEnabled", "004", "21d21502926f4b9e"),
    ("Microsoft.InfromADUserCommon", "004", "b3658b81da6db745"),
    ("Microsoft.InfromADUserCommonfromExchange", "004", "4bbd2231110409c4"),
    ("Microsoft.InfromADUserExchange", "003", "51debd2558e5b390"),
    ("Microsoft.InfromADUserJoin", "003", "6cd1317e31dab662"),
    ("Microsoft.InfromADUserLync", "004", "221fbef26f8d0866"),
    ("Microsoft.OuttoAADContactAzureRMS", "003", "0c380c97ef16a3da"),
    ("Microsoft.OuttoAADContactDynamicsCRM", "003", "ffeb50a9fe7a5392"),
    ("Microsoft.OuttoAADContactExchangeOnline", "003", "10881ee52a1b53d3"),
    ("Microsoft.OuttoAADContactIdentity", "003", "6d9fc737f1dc2118"),
    ("Microsoft.OuttoAADContactIntune", "003", "a570849015b969cb"),
    ("Microsoft.OuttoAADContactJoin", "003", "0a81de8b3da48c22"),
    ("Microsoft.OuttoAADContactLyncOnline", "003", "a7a9e26e78f9c68e"),
    ("Microsoft.OuttoAADContactSharePointOnline", "003", "e20c3173c894fc64"),
    ("Microsoft.OuttoAADGroupAzureRMS", "004", "16ce7c770873a8aa"),
    ("Microsoft.OuttoAADGroupDynamicsCRM", "004", "ec10894df12a00c0"),
    ("Microsoft.OuttoAADGroupExchangeOnline", "005", "c8b8f3e232a82177"),
    ("Microsoft.OuttoAADGroupIdentity", "004", "e68b3f1e0423aa50"),
    ("Microsoft.OuttoAADGroupIntune", "004", "7e523771b8c56156"),
    ("Microsoft.OuttoAADGroupJoin", "006", "f019a19959210013"),
    ("Microsoft.OuttoAADGroupLyncOnline", "004", "39c47c29c9c85dd9"),
    ("Microsoft.OuttoAADGroupSharePointOnline", "004", "054eaf163608610f"),
    ("Microsoft.OuttoAADJoinSOAInAD", "002", "537e180e475e9145"),
    ("Microsoft.OuttoAADUserAzureRMS", "004", "139f8cd969e9eb85"),
    ("Microsoft.OuttoAADUserDynamicsCRM", "004", "0787f3456fed6f5f"),
    ("Microsoft.OuttoAADUserExchangeOnline", "004", "4a30a306da5e5e8e"),
    ("Microsoft.OuttoAADUserIdentity", "005", "41f28196e81a85eb"),
    ("Microsoft.OuttoAADUserIntune", "004", "bcfa215d22945000"),
    ("Microsoft.OuttoAADUserJoin", "006", "962a4f94b5a5bf1e"),
    ("Microsoft.OuttoAADUserLyncOnline", "004", "c1db0a73c07fa08e"),
    ("Microsoft.OuttoAADUserOfficeProPlus", "004", "e0957c1b7808b4ed"),
    ("Microsoft.OuttoAADUserSharePointOnline", "004", "c91f6654424193f0"),
    ("Microsoft.OuttoADContactExchangeHybrid", "003", "73d481c46a85936e"),
    ("Microsoft.OuttoADContactJoin", "003", "966ee6a72b79412d"),
    ("Microsoft.OuttoADGroupExchangeHybrid", "004", "06505532e6c5ddc2"),
    ("Microsoft.OuttoADGroupJoin", "004", "e5bf446384fac220"),
    ("Microsoft.OuttoADInetOrgPersonExchangeHybrid", "003", "da8d72d8b9f711fd"),
    ("Microsoft.OuttoADInetOrgPersonJoin", "003", "ced4af3b2a30d7bb"),
    ("Microsoft.OuttoADUserExchangeHybrid", "003", "ebec8daf49d655e5"),
    ("Microsoft.OuttoADUserJoinSOAInAD", "004", "aba77937c821d849"),
];
