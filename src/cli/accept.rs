//! `syncline rules`, `go-live`, `adopt` and `gone`: decisions that people make.

use clap::{Args, Subcommand};

use super::explain::time;
use super::output::{plural, print, print_json, say};
use super::{Exit, Format};
use crate::config::Config;
use crate::connector_space::ObjectId;
use crate::run::RunError;
use crate::run::audit::{self, Deed};
use crate::run::rules_in_use;
use crate::run::session::Session;
use crate::store::Draft;
use crate::sync::by_hand::{self, Adopted};
use crate::sync::ledger::View;
use crate::sync::{deprovision, title};
use crate::value::AttributeName;

/// The rules in use.
#[derive(Subcommand)]
pub(super) enum RulesCommand {
    /// Lists them with direction, link and precedence.
    #[command(after_help = "Examples:\n  syncline rules list\n  syncline rules list --format json")]
    List,
    /// Where own rules depart from those that they lie over, and what has changed since the last run.
    #[command(after_help = "Examples:\n  syncline rules diff")]
    Diff,
    /// Says that rules which vanished are meant to be gone.
    #[command(
        after_help = "Examples:\n  syncline plan                what would become of their objects\n  syncline rules accept"
    )]
    Accept,
}

/// Lets runs write to a target that was not empty when it was first seen.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline plan                        what runs would write\n  syncline go-live entra"
)]
pub(super) struct GoLiveArguments {
    /// The connector.
    connector: String,
}

/// Lets an installation write that is staging: it did everything but export so far (`staging = true`).
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline promote\n  syncline promote --back      the other installation writes again"
)]
pub(super) struct PromoteArguments {
    /// Makes it staging again.
    #[arg(long)]
    back: bool,
}

/// Takes over objects that exist in a target, so that rules may disable and delete them.
#[derive(Args)]
#[command(
    group = clap::ArgGroup::new("what").args(["objects", "all"]),
    after_help = "Examples:\n  syncline adopt entra                 what rules have matched, or think that it is somebody's\n  \
                  syncline adopt entra --all --yes\n  syncline adopt entra zoe@contoso.com --yes"
)]
pub(super) struct AdoptArguments {
    /// The connector.
    connector: String,
    /// Objects, as in `show`.
    objects: Vec<String>,
    /// Every object that a rule has matched.
    #[arg(long, conflicts_with = "objects")]
    all: bool,
    /// Does it; without, only lists.
    #[arg(long, requires = "what")]
    yes: bool,
}

/// Says that objects which imports no longer show are gone, though nothing proves it: what was made for them is let go.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline gone ad\n  syncline gone ad \"CN=Zoe,OU=Sales,DC=contoso,DC=test\" --yes"
)]
pub(super) struct GoneArguments {
    /// The connector.
    connector: String,
    /// Objects, as in `show`; without, every one that imports no longer show is listed.
    objects: Vec<String>,
    /// Does it; without, only lists.
    #[arg(long, requires = "objects")]
    yes: bool,
}

pub(super) fn gone(mut session: Session, arguments: &GoneArguments) -> Result<Exit, RunError> {
    let mut missing = Vec::new();
    {
        let draft = session.store.draft();
        for object_type in session.directory(&arguments.connector)?.object_types() {
            draft.each_object(&arguments.connector, &object_type, |object| {
                if object.missing {
                    missing.push((object.id, object.title()));
                }
            })?;
        }
        if !arguments.objects.is_empty() {
            let mut meant = Vec::new();
            for name in &arguments.objects {
                meant.extend(super::show::find(&session, &arguments.connector, name)?);
            }
            missing.retain(|(id, _)| meant.contains(id));
        }
    }
    let mut draft = session.store.draft();
    for (id, title) in &missing {
        print(title);
        deprovision::gone(&mut draft, *id, "somebody said that it is gone")?;
    }
    let writes = draft.finish();
    if arguments.yes {
        let ids: Vec<ObjectId> = missing.iter().map(|(id, _)| *id).collect();
        let subject = audit::objects(&arguments.connector, &ids);
        audit::commit(&mut session, writes, Deed::Gone, subject)?;
        say(&format!("{} objects are taken for gone; `syncline plan` shows what the next run does", missing.len()));
    } else {
        say(&format!(
            "{} objects are held, for nothing proves that they are gone; name them and say `--yes`",
            missing.len()
        ));
    }
    session.close()?;
    Ok(Exit::Success)
}

pub(super) fn rules(mut session: Session, command: &RulesCommand, format: Format) -> Result<Exit, RunError> {
    let store_folder = session.config.store_folder.clone();
    let mut accepted = None;
    match command {
        RulesCommand::List => {
            let rules: Vec<_> = session
                .rules
                .rules()
                .iter()
                .map(|rule| {
                    let link = serde_json::to_value(rule.header.link).unwrap_or_default();
                    serde_json::json!({ "name": rule.name, "link": link, "precedence": rule.header.precedence })
                })
                .collect();
            match format {
                Format::Json => print_json(&rules),
                Format::Text => {
                    for rule in session.rules.rules() {
                        print(&format!(
                            "{:>6}  {:<10} {}",
                            rule.header.precedence,
                            format!("{:?}", rule.header.link).to_lowercase(),
                            rule.name
                        ));
                    }
                }
            }
        }
        // Needs no store.
        RulesCommand::Diff => {}
        RulesCommand::Accept => {
            let fingerprint = session.rules.fingerprint().to_owned();
            let mut draft = session.store.draft();
            draft.put_fact("accepted", &fingerprint)?;
            let writes = draft.finish();
            audit::commit(&mut session, writes, Deed::AcceptRules, format!("rules {fingerprint}"))?;
            say(&format!("rules {fingerprint} are accepted; `syncline plan` shows what the next run does"));
            accepted = Some(fingerprint);
        }
    }
    session.close()?;
    // Who serves opens the store at once.
    if let Some(Err(error)) = accepted.map(|accepted| rules_in_use::tell_accepted(&store_folder, &accepted)) {
        say(&format!("a process that serves takes them with its next run: {error}"));
    }
    Ok(Exit::Success)
}

/// How rules stand while Syncline serves: in use, waiting, refused. Needs no store.
pub(super) fn status(config: &Config, format: Format) -> Result<Exit, RunError> {
    let status = rules_in_use::status(&config.store_folder).unwrap_or_default();
    let exit = if status.refused.is_some() || status.waiting.is_some() { Exit::Rules } else { Exit::Success };
    if format == Format::Json {
        print_json(&status);
        return Ok(exit);
    }
    match &status.in_use {
        Some(in_use) => print(&format!(
            "in use    {} since {} (fingerprint {})",
            plural(in_use.rules, "rule"),
            time(in_use.since),
            in_use.fingerprint
        )),
        None => {
            say("nobody serves from here: `syncline run` takes the rules of the folder, `syncline check` checks them")
        }
    }
    if let Some(waiting) = &status.waiting {
        print(&format!("waiting   {} since {}: {}", waiting.fingerprint, time(waiting.since), waiting.why));
        say("  look: `syncline plan`; take them: `syncline rules accept`");
    }
    if let Some(refused) = &status.refused {
        print(&format!("refused   what was saved {}:", time(refused.since)));
        refused.problems.iter().for_each(|problem| print(problem));
    }
    Ok(exit)
}

pub(super) fn go_live(mut session: Session, arguments: &GoLiveArguments) -> Result<Exit, RunError> {
    if !session.directory(&arguments.connector)?.is_target() {
        return Err(RunError::Unknown(format!("nothing is written to `{}` anyway", arguments.connector)));
    }
    let mut draft = session.store.draft();
    draft.put_fact(&format!("live/{}", arguments.connector), &true)?;
    let writes = draft.finish();
    audit::commit(&mut session, writes, Deed::GoLive, arguments.connector.clone())?;
    session.close()?;
    say(&format!("`{}` is live: the next run writes to it", arguments.connector));
    Ok(Exit::Success)
}

pub(super) fn promote(mut session: Session, arguments: &PromoteArguments) -> Result<Exit, RunError> {
    if !session.config.staging {
        return Err(RunError::Unknown(
            "this installation is not staging: `staging = true` is not in the configuration".into(),
        ));
    }
    let mut draft = session.store.draft();
    draft.put_fact("promoted", &!arguments.back)?;
    let writes = draft.finish();
    let deed = if arguments.back { Deed::PromoteBack } else { Deed::Promote };
    audit::commit(&mut session, writes, deed, "installation".into())?;
    session.close()?;
    say(if arguments.back {
        "staging again: runs do everything but export"
    } else {
        "promoted: the next run writes. Make sure that no other installation does"
    });
    Ok(Exit::Success)
}

/// What is said of an object that is adopted.
fn adopted_line(draft: &Draft<'_>, name: &str, before: &Adopted) -> Result<String, RunError> {
    Ok(match before {
        Adopted::Matched(link) => format!("{name}   matched by {}", link.rule),
        Adopted::Proposed(proposal) => {
            let person = draft.metaverse(proposal.metaverse)?.map(|person| title(&person)).unwrap_or_default();
            let by: Vec<&str> = proposal.by.iter().map(AttributeName::as_str).collect();
            format!("{name}   looks like {person} by {} ({})", by.join(", "), proposal.rule)
        }
    })
}

pub(super) fn adopt(mut session: Session, arguments: &AdoptArguments) -> Result<Exit, RunError> {
    let mut ids = Vec::new();
    {
        let draft = session.store.draft();
        if arguments.all || arguments.objects.is_empty() {
            for object_type in session.directory(&arguments.connector)?.object_types() {
                draft.each_object(&arguments.connector, &object_type, |object| ids.push(object.id))?;
            }
        }
        for name in &arguments.objects {
            ids.extend(super::show::find(&session, &arguments.connector, name)?);
        }
    }
    let mut draft = session.store.draft();
    let mut adopted = Vec::new();
    for id in ids {
        let Some(object) = draft.object(id)? else { continue };
        let name = object.title();
        if object.outbound.held.contains_key(&"*".into()) {
            say(&format!("not adopted: `{name}`, which must not be written"));
            continue;
        }
        if let Some(before) = by_hand::adopt(&mut draft, object)? {
            print(&adopted_line(&draft, &name, &before)?);
            adopted.push(id);
        }
    }
    let writes = draft.finish();
    if arguments.yes {
        let subject = audit::objects(&arguments.connector, &adopted);
        audit::commit(&mut session, writes, Deed::Adopt, subject)?;
        say(&format!("{} objects adopted: rules may now disable and delete them", adopted.len()));
    } else if arguments.all || !arguments.objects.is_empty() {
        say(&format!("{} objects would be adopted; `--yes` does it", adopted.len()));
    } else {
        say(&format!("{} objects may be adopted: name them, or say `--all`", adopted.len()));
    }
    session.close()?;
    Ok(Exit::Success)
}
