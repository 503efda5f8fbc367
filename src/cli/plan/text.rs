//! A plan for people: the worst first in a sentence, then what is alike, or every object.

use std::collections::BTreeMap;

use super::super::output::{plural, print, say, thousands};
use crate::run::plan::{Group, Plan, PlanLine, TargetPlan, Warning};

/// How many groups of a kind, and errors, are shown.
const SHOWN: usize = 20;

pub(super) fn tell(plan: &Plan, in_detail: bool) {
    if !plan.incomplete.is_empty() {
        print("This plan is NOT complete, and its numbers say nothing:");
        plan.incomplete.iter().for_each(|why| print(&format!("  {why}")));
        return;
    }
    consequences(plan, in_detail);
    errors(&plan.sync.errors);
    say(&format!(
        "{} objects and {} metaverse objects evaluated in {}.{} s. See every object: `syncline plan --detail`",
        plan.sync.objects,
        plan.sync.metaverse,
        plan.milliseconds / 1_000,
        plan.milliseconds % 1_000 / 100
    ));
}

/// What would be written, and where that would stop.
pub(in crate::cli) fn consequences(plan: &Plan, in_detail: bool) {
    for (name, target) in &plan.targets {
        print(&format!("{name}: {}", worst(target)));
        print(&format!("  {}", counts(target)));
        if !target.live {
            let how = if plan.standby { "promote" } else { "go-live" };
            print(&format!("  staging: nothing is written before `syncline {how}`"));
        }
        if in_detail {
            target.lines.iter().for_each(line);
        } else {
            groups(&target.groups);
        }
        target.warnings.iter().for_each(|found| print(&format!("  warning: {}", warning(found))));
        if target.writes > 0 {
            print(&format!("  {}", effort(target)));
        }
    }
    for exceeded in &plan.exceeded {
        say(&format!("a run would stop: it would {}", exceeded.deed()));
    }
}

pub(in crate::cli) fn counts(target: &TargetPlan) -> String {
    let counts = [
        ("delete", target.delete),
        ("disable", target.disable),
        ("create", target.create),
        ("update", target.update),
        ("members", target.references),
        ("refused", target.refused),
        ("held", target.held),
    ];
    counts.map(|(what, count)| format!("{what} {}", thousands(count))).join("   ")
}

/// Who, and what would come of it.
pub(super) fn warning(found: &Warning) -> String {
    format!("{} {}; e.g. {}", plural(found.count, "user"), found.what, found.sample.join(", "))
}

fn errors(errors: &[(String, String)]) {
    if errors.is_empty() {
        return;
    }
    say(&format!("{} objects could not be synchronised and stay as they are:", errors.len()));
    for (who, why) in errors.iter().take(SHOWN) {
        say(&format!("  {who}: {why}"));
    }
    if errors.len() > SHOWN {
        say(&format!("  … {} more: `--format json` has them", errors.len() - SHOWN));
    }
}

/// The worst consequence in one sentence.
pub(in crate::cli) fn worst(target: &TargetPlan) -> String {
    let changes = target.create + target.update + target.references;
    let refused = match target.refused {
        0 => String::new(),
        refused => format!(" {} would be refused.", plural(refused, "write")),
    };
    let worst = match (target.delete, target.disable, changes) {
        (0, 0, 0) => "nothing would change.".to_owned(),
        (0, 0, changes) => format!("nobody would be deleted or disabled; {}.", plural(changes, "change")),
        (0, disabled, _) => format!("{} would be DISABLED.", plural(disabled, "account")),
        (deleted, 0, _) => format!("{} would be DELETED.", plural(deleted, "object")),
        (deleted, disabled, _) => {
            let accounts = plural(disabled, "account");
            format!("{} would be DELETED and {accounts} DISABLED.", plural(deleted, "object"))
        }
    };
    format!("{worst}{refused}")
}

/// What it takes: `1,204 writes, 1 min 05 s at least`.
pub(super) fn effort(target: &TargetPlan) -> String {
    let writes = plural(target.writes, "write");
    match target.seconds {
        Some(seconds) if seconds > 0 => format!("{writes}, {} at least", duration(seconds)),
        Some(_) | None => writes,
    }
}

/// `45 s`, `1 min 05 s`, `4 h 10 min`.
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

fn groups(groups: &[Group]) {
    let mut shown: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for group in groups {
        let (count, objects) = shown.entry(group.kind).or_default();
        *count += 1;
        if *count > SHOWN {
            *objects += group.count;
            continue;
        }
        print(&group_line(group));
    }
    for (kind, (count, objects)) in shown.into_iter().filter(|(_, (count, _))| *count > SHOWN) {
        let more = plural(count - SHOWN, "group");
        print(&format!("  … {more} more of {kind}, {objects} in all: `syncline plan --kind {kind} --detail`"));
    }
}

fn group_line(group: &Group) -> String {
    let name = &group.sample.name;
    let sample = group.sample.change().map_or(name.clone(), |change| format!("{change}   {name}"));
    let from = if group.from.is_empty() { String::new() } else { format!("   {}", group.from) };
    let what = if group.what.is_empty() { String::new() } else { format!("   {}", group.what) };
    format!("  {:<8} {:>7}  {:<6}{from}{what}   e.g. {sample}", group.kind, group.count, group.object_type)
}

fn line(line: &PlanLine) {
    print(format!("  {:<8} {:<6} {}   {}", line.kind, line.object_type, line.name, line.reason).trim_end());
    if line.kind != "create" && line.kind != "delete" {
        for change in &line.changes {
            print(&format!(
                "             {}: {} → {}   {}",
                change.attribute, change.before, change.after, change.from
            ));
        }
    }
    for change in &line.references {
        print(&format!("             {}: {}", change.attribute, change.shown()));
    }
}

#[cfg(test)]
mod tests {
    use super::{duration, warning};
    use crate::run::plan::Warning;

    #[test]
    fn a_warning_names_some_of_whom_it_is_about() {
        let sample = vec!["a@contoso.com".to_owned(), "b@contoso.com".to_owned()];
        let found = Warning { what: "made without a place".into(), count: 12, sample };
        assert_eq!(warning(&found), "12 users made without a place; e.g. a@contoso.com, b@contoso.com");
    }

    #[test]
    fn durations_are_as_people_say_them() {
        assert_eq!([45, 65, 3_600, 15_000].map(duration), ["45 s", "1 min 05 s", "1 h 00 min", "4 h 10 min"]);
    }
}
