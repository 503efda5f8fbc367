//! Scripts that people have edited: variables, tables, blocks, and what only a run would tell.

use expect_test::expect;

use super::{check, read};

#[test]
fn what_a_script_says_plainly_is_filled_in() {
    check(
        r#"#requires -Version 5
<# Own rules
   New-ADSyncRule of the comment #>
Import-Module ADSync
#region settings
$Prefix = "Contoso"
$connectorId = [guid]'AE4DB4CC-B16B-4EB2-ACF5-837CA84E4D7D'
[int]$prec = 40
$mark = "cut`tby `"tabs`" for `$1"
#endregion
$rule = New-ADSyncRule -name "In from AD - ${prefix} $prec" -ident 'A1' -Description $mark -Direction inbound `
    -Precedence $Prec -SourceObjectType user -TargetObjectType person -Connector $CONNECTORID -LinkType Join -Disabled:$false |
    Out-Null
$text = @'

IIF([c] = "it''s", $null,
  [c])
'@
Add-ADSyncAttributeFlowMapping -SynchronizationRule $rule -Destination c -FlowType Expression -Expression $text
Add-ADSyncAttributeFlowMapping -Destination co -FlowType Expression -Expression ('IIF([a]="x",' + "'$Prefix'" + ')')
Add-ADSyncAttributeFlowMapping -Destination l -FlowType Expression -Expression @"
"$Prefix" & [l]
"@
Add-ADSyncAttributeFlowMapping -Destination forest -FlowType Constant -ConstantValue $prefix
Add-ADSyncAttributeFlowMapping -Destination mail -FlowType Direct -Source mail; Start-ADSyncSyncCycle -PolicyType Delta
$conditions = @()
$conditions += New-Object Microsoft.IdentityManagement.PowerShell.ObjectModel.ScopeCondition('c', 'DE', 'EQUAL')
$conditions += [Microsoft.IdentityManagement.PowerShell.ObjectModel.ScopeCondition]::new('co', '', 'ISNOTNULL')
$rule | Add-ADSyncScopeConditionGroup -ScopeConditions $conditions | Out-Null
Add-ADSyncJoinConditionGroup $rule -JoinConditions @((New-Object -Arg 'a','b',$false -Type x.JoinCondition))
$rule.Disabled = $true
"#,
        expect![[r#"
            11: 40 In from AD - Contoso 40 Inbound Join a1 on ae4db4cc-b16b-4eb2-acf5-837ca84e4d7d: user / person disabled
              scope c EQUAL "DE" and co ISNOTNULL ""
              join a = b
              16: c <- Expression("\nIIF([c] = \"it''s\", $null,\n  [c])") Update
              20: co <- Expression("IIF([a]=\"x\",'Contoso')") Update
              22: l <- Expression("\"Contoso\" & [l]") Update
              24: forest <- Constant("Contoso") Update
              25: mail <- Direct("mail") Update
            ! 4: commands of other kinds, 2 in all, are not read: `Import-Module`, `Start-ADSyncSyncCycle`"#]],
    );
}

#[test]
fn tables_stand_for_parameters() {
    check(
        "$p = @{
    Name = 'Out to AAD - Own'  # mine
    'Direction' = 'Outbound'; Precedence = 7
    SourceObjectType = 'person'
    TargetObjectType = 'user'
    Connector = 'b891884f-051e-4a83-95af-2544101c9083'
}
$p.LinkType = 'StickyJoin'
$p['PrecedenceAfter'] = '00000000-0000-0000-0000-000000000000'
New-ADSyncRule @p
",
        expect!["10: 7 Out to AAD - Own Outbound StickyJoin  on b891884f-051e-4a83-95af-2544101c9083: user / person"],
    );
}

#[test]
fn places_next_to_other_rules_are_kept() {
    let export = read(
        "New-ADSyncRule -Name 'In from AD - A' -Direction Inbound -Precedence 0 -PrecedenceBefore '{0B088913-B613-4D9D-9563-9988B7719ED6}' -PrecedenceAfter '00000000-0000-0000-0000-000000000000' -Connector x -LinkType Join -SoftDelete '1.00:00:00'",
    );
    let rule = export.rules.first().unwrap();
    assert_eq!(rule.before.as_deref(), Some("0b088913-b613-4d9d-9563-9988b7719ed6"));
    assert_eq!(rule.after, None);
    assert_eq!(rule.soft_delete.as_deref(), Some("1.00:00:00"));
    assert_eq!(export.remarks, Vec::new());
}

#[test]
fn what_only_a_run_would_tell_gets_a_placeholder() {
    check(
        "$connector = Get-ADSyncConnector | Where-Object { $_.Type -eq \"AD\" }
New-ADSyncRule -Name \"Block $(hostname)\" -Identifier ([guid]::NewGuid()) -Direction $way `
  -Precedence $p -SourceObjectType user -TargetObjectType person -Connector $connector.Identifier -LinkType $l
Add-ADSyncAttributeFlowMapping -Destination a -FlowType Expression -Expression \"IIF($condition, 1, 2)\"
Add-ADSyncAttributeFlowMapping -Destination b -FlowType Direct -Source ($names -join ',')
Add-ADSyncAttributeFlowMapping -Destination c -FlowType $type -Source 'd'
New-Object x.ScopeCondition -ArgumentList 'a',$value,'EQUAL' -OutVariable c0
Add-ADSyncScopeConditionGroup -ScopeConditions @($c0[0], $c1[0])
Add-ADSyncJoinConditionGroup -JoinConditions $lost
",
        expect![[r#"
            2: 99 Block $(hostname) Inbound Join  on $connector.identifier: user / person
              scope a EQUAL "$value" and $c1 EQUAL "$c1"
              join $lost = $lost
              4: a <- Expression("Error(\"not read: -Expression 'IIF($condition, 1, 2)'\")") Update
              5: b <- Expression("Error(\"not read: -Source ($names -join ',')\")") Update
              6: c <- Expression("Error(\"not read: -FlowType $type\")") Update
            ! 2: `-Name` of the rule `Block $(hostname)` is `"Block $(hostname)"`, which only a run would tell; `Block $(hostname)` stands for it
            ! 2: `-Identifier` of the rule `Block $(hostname)` is `([guid]::NewGuid())`, which only a run would tell; it is left empty
            ! 2: `-Direction` of the rule `Block $(hostname)` is `$way`, a variable that has no plain value here; `Inbound` stands for it
            ! 2: `-Connector` of the rule `Block $(hostname)` is `$connector.Identifier`, which only a run would tell; `$connector.identifier` stands for it
            ! 2: `-LinkType` of the rule `Block $(hostname)` is `$l`, a variable that has no plain value here; `Join` stands for it
            ! 2: `-Precedence` of the rule `Block $(hostname)` is `$p`, a variable that has no plain value here; `99` stands for it
            ! 4: `-Expression` of the flow to `a` of the rule `Block $(hostname)` is `"IIF($condition, 1, 2)"`, and the variable `$condition` has no plain value here; it fails instead
            ! 5: `-Source` of the flow to `b` of the rule `Block $(hostname)` is `($names -join ',')`, which only a run would tell; it fails instead
            ! 6: `-FlowType` of the flow to `c` of the rule `Block $(hostname)` is `$type`, a variable that has no plain value here; it fails instead
            ! 7: `-ArgumentList` of a scope condition has `$value`, a variable that has no plain value here; it stands there as it is written
            ! 8: `-ScopeConditions` of the rule `Block $(hostname)` has `$c1`, a variable that has no plain value here; it stands there as it is written
            ! 9: `-JoinConditions` of the rule `Block $(hostname)` has `$lost`, a variable that has no plain value here; it stands there as it is written
            ! 1: commands of other kinds, 1 in all, are not read: `Get-ADSyncConnector`"#]],
    );
}

#[test]
fn a_value_set_in_a_block_is_not_known_after_it() {
    check(
        "if ($production) { $n = 'In from AD - P' } else { $n = 'In from AD - T' }
New-ADSyncRule -Name $n -Direction Inbound -Precedence 1 -Connector x -LinkType Join
function Add-Own {
  param([string]$Name, [int]$Number = 12)
  New-ADSyncRule -Name 'In from AD - Own' -Direction Inbound -Precedence $Number -Connector x -LinkType Join
}
",
        expect![[r#"
            2: 1 $n Inbound Join  on x:  / 
            5: 12 In from AD - Own Inbound Join  on x:  / 
            ! 2: `-Name` of the rule `$n` is `$n`, a variable that has no plain value here; `$n` stands for it
            ! 4: `$number` is a parameter of the script; what it has without an argument is taken
            ! 5: the rule `In from AD - Own` is made in a block; it is read as if that ran once"#]],
    );
}

#[test]
fn doubling_does_no_harm() {
    let mut text = String::from("$a = 'x'\n$b = @('x')\n$t = @{ k = 'x' }\n");
    for _ in 0..60 {
        text.push_str("$a = \"$a$a\"\n$b = @($b, $b)\n$c += $b\n$t.k = $t\n");
    }
    text.push_str("New-ADSyncRule @t -Name $a -Direction Inbound -Precedence 1 -Connector $b -LinkType $c\n");
    assert_eq!(read(&text).rules.len(), 1);
}

#[test]
fn rules_in_brackets_are_read() {
    let export = read(
        "$r = (New-ADSyncRule -Name a -Direction Inbound -Precedence 1 -Connector x -LinkType Join)\n$r.Precedence = 2\n",
    );
    let remarks: Vec<&str> = export.remarks.iter().map(|remark| remark.text.as_str()).collect();
    assert_eq!(remarks, ["`$r.Precedence` is set after the rule was made, which is not followed"]);
}
