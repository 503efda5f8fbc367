//! Scripts as people keep them: exports, edited exports, pages of the web, and broken ones.

use std::path::Path;

use expect_test::{Expect, expect};

use super::read_text;
use crate::entra_connect::export::{Export, FlowSource};

mod broken;
mod edited;

fn read(text: &str) -> Export {
    read_text(text, Path::new("rules.ps1")).unwrap().unwrap()
}

/// One line for each thing that was read, with its line in the script.
fn told(export: &Export) -> String {
    let mut lines = Vec::new();
    for rule in &export.rules {
        let (direction, link) = (rule.direction, rule.link);
        lines.push(format!(
            "{}: {} {} {direction:?} {link:?} {} on {}: {} / {}{}",
            rule.place.line,
            rule.precedence,
            rule.name,
            rule.id,
            rule.connector,
            rule.directory_type,
            rule.metaverse_type,
            if rule.disabled { " disabled" } else { "" },
        ));
        for group in &rule.scope {
            let clauses: Vec<String> = group
                .iter()
                .map(|clause| format!("{} {} {:?}", clause.attribute, clause.operator, clause.value))
                .collect();
            lines.push(format!("  scope {}", clauses.join(" and ")));
        }
        for group in &rule.joins {
            let keys: Vec<String> = group
                .iter()
                .map(|key| {
                    format!("{} = {}{}", key.directory, key.metaverse, if key.case_sensitive { " exactly" } else { "" })
                })
                .collect();
            lines.push(format!("  join {}", keys.join(" and ")));
        }
        for flow in &rule.flows {
            let once = if flow.once { " once" } else { "" };
            lines.push(format!("  {}: {} <- {:?} {:?}{once}", flow.place.line, flow.to, flow.from, flow.merge));
        }
    }
    for remark in &export.remarks {
        lines.push(format!("! {}: {}", remark.place.line, remark.text));
    }
    lines.join("\n")
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&told(&read(text)));
}

const EXPORTED: &str = "New-ADSyncRule  `
-Name 'In from AD - O''Neill' `
-Identifier '{0B088913-b613-4d9d-9563-9988b7719ed6}' `
-Description '' `
-Direction 'Inbound' `
-Precedence 100 `
-PrecedenceAfter '00000000-0000-0000-0000-000000000000' `
-PrecedenceBefore '00000000-0000-0000-0000-000000000000' `
-SourceObjectType 'user' `
-TargetObjectType 'person' `
-Connector 'ae4db4cc-b16b-4eb2-acf5-837ca84e4d7d' `
-LinkType 'Provision' `
-SoftDeleteExpiryInterval 0 `
-ImmutableTag '' `
-EnablePasswordSync  `
-OutVariable syncRule


Add-ADSyncAttributeFlowMapping  `
-SynchronizationRule $syncRule[0] `
-Source @('givenName','sn') `
-Destination 'displayName' `
-FlowType 'Expression' `
-ValueMergeType 'Update' `
-Expression '
   IIF(IsPresent([sn]),
       [givenName] & \" \" & [sn],NULL)' `
-OutVariable syncRule


Add-ADSyncAttributeFlowMapping  `
-SynchronizationRule $syncRule[0] `
-Source @('True') `
-Destination 'cloudCreated' `
-FlowType 'Constant' `
-ValueMergeType 'Update' `
-ExecuteOnce  `
-OutVariable syncRule


Add-ADSyncAttributeFlowMapping  `
-SynchronizationRule $syncRule[0] `
-Source @('proxyAddresses') `
-Destination 'proxyAddresses' `
-FlowType 'Direct' `
-ValueMergeType 'MergeCaseInsensitive' `
-OutVariable syncRule


New-Object  `
-TypeName 'Microsoft.IdentityManagement.PowerShell.ObjectModel.ScopeCondition' `
-ArgumentList 'adminDescription','User_','NOTSTARTSWITH' `
-OutVariable condition0


New-Object  `
-TypeName 'Microsoft.IdentityManagement.PowerShell.ObjectModel.ScopeCondition' `
-ArgumentList 'mail','','ISNOTNULL' `
-OutVariable condition1


Add-ADSyncScopeConditionGroup  `
-SynchronizationRule $syncRule[0] `
-ScopeConditions @($condition0[0],$condition1[0]) `
-OutVariable syncRule


New-Object  `
-TypeName 'Microsoft.IdentityManagement.PowerShell.ObjectModel.JoinCondition' `
-ArgumentList 'objectSid','objectSid',$true `
-OutVariable condition0


Add-ADSyncJoinConditionGroup  `
-SynchronizationRule $syncRule[0] `
-JoinConditions @($condition0[0]) `
-OutVariable syncRule


Add-ADSyncRule  `
-SynchronizationRule $syncRule[0]


Get-ADSyncRule  `
-Identifier '0b088913-b613-4d9d-9563-9988b7719ed6'
";

#[test]
fn an_export_is_read_whole() {
    let expected = expect![[r#"
        1: 100 In from AD - O'Neill Inbound Provision 0b088913-b613-4d9d-9563-9988b7719ed6 on ae4db4cc-b16b-4eb2-acf5-837ca84e4d7d: user / person
          scope adminDescription NOTSTARTSWITH "User_" and mail ISNOTNULL ""
          join objectSid = objectSid exactly
          26: displayName <- Expression("\n   IIF(IsPresent([sn]),\n       [givenName] & \" \" & [sn],NULL)") Update
          31: cloudCreated <- Constant("True") Update once
          41: proxyAddresses <- Direct("proxyAddresses") MergeCaseInsensitive"#]];
    check(EXPORTED, expected);
    assert!(read(EXPORTED).rules.first().unwrap().password_sync);
}

#[test]
fn line_ends_of_windows_change_nothing() {
    assert_eq!(told(&read(EXPORTED)), told(&read(&EXPORTED.replace('\n', "\r\n"))));
}

#[test]
fn lost_back_ticks_change_nothing() {
    assert_eq!(told(&read(EXPORTED)), told(&read(&EXPORTED.replace('`', ""))));
    assert_eq!(told(&read(EXPORTED)), told(&read(&EXPORTED.replace('`', "`   "))));
}

#[test]
fn typographic_signs_are_read() {
    check(
        "New\u{2013}ADSyncRule \u{2013}Name \u{2018}In from AD \u{2013} Fran\u{e7}ois\u{2019} -Direction \u{201c}Inbound\u{201d} -Precedence 5 -Connector x -LinkType Join
Add-ADSyncAttributeFlowMapping -Destination a -FlowType Expression -Expression 'IIF([a]=\u{201c}x\u{201d},1,2)'
",
        expect![[r#"
            1: 5 In from AD – François Inbound Join  on x:  / 
              2: a <- Expression("IIF([a]=“x”,1,2)") Update
            ! 1: typographic quotes are read as plain ones
            ! 1: typographic dashes before parameters are read as plain ones"#]],
    );
}

#[test]
fn rules_come_by_precedence() {
    let rule = |name: &str, number: u8, connector: &str| {
        format!(
            "New-ADSyncRule -Name '{name}' -Direction Inbound -Precedence {number} -Connector {connector} -LinkType Join\n"
        )
    };
    let export = read(&[rule("b", 2, "y"), rule("c", 1, "y"), rule("a", 2, "y"), rule("z", 2, "x")].concat());
    let names: Vec<&str> = export.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["c", "z", "a", "b"]);
}

#[test]
fn passwords_are_left_out() {
    let export = read(
        "New-ADSyncRule -Name 'Out to AD - P' -Direction Outbound -Precedence 5 -Connector x -LinkType Join
Add-ADSyncAttributeFlowMapping -Destination unicodePwd -FlowType Constant -Source 'Geheim-1'
Add-ADSyncAttributeFlowMapping -Destination export_password -FlowType Expression -Expression '\"Geheim-2\"'
",
    );
    assert!(!format!("{export:?}").contains("Geheim"));
    let flows = &export.rules.first().unwrap().flows;
    assert!(flows.iter().all(|flow| flow.from == FlowSource::Constant(String::new())));
    assert_eq!(export.remarks.len(), 2);
    let hidden = read(
        "New-ADSyncRule -Name 'Out to AD - P' -Direction Outbound -Precedence 5 -Connector x -LinkType Join
Add-ADSyncAttributeFlowMapping -Destination unicodePwd -FlowType Constant -Source (Protect 'Geheim-3') 'Geheim-4' 'Geheim-5'
",
    );
    assert!(!format!("{hidden:?}").contains("Geheim"));
}

#[test]
fn a_target_that_is_written_twice_is_remarked_on() {
    let flow = "Add-ADSyncAttributeFlowMapping -Destination mail -FlowType Direct -Source mail\n";
    let export = read(&format!(
        "New-ADSyncRule -Name a -Direction Inbound -Precedence 5 -Connector x -LinkType Join\n{flow}{flow}"
    ));
    assert_eq!(export.remarks.first().unwrap().text, "the rule `a` writes `mail` more than once");
}

#[test]
fn other_scripts_are_none_of_ours() {
    for text in ["Get-Process | Out-Null", "# New-ADSyncRule\nWrite-Host \"New-ADSyncRule\"", "", "it's New-Something"]
    {
        assert!(read_text(text, Path::new("other.ps1")).unwrap().is_none(), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_much(text in "(New-ADSyncRule|Add-ADSyncAttributeFlowMapping|[-@$'\"`(){}\\[\\],;|=+.:#<> \n]|-Name|[a-z0-9]|\u{2019}|é){0,60}") {
        let _ = read_text(&format!("New-ADSyncRule {text}"), Path::new("rules.ps1"));
    }
}
