//! One error as data: what is wished for, what is there already, and a neighbour that is fine. All are planned at once and
//! sent one by one.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::table::{Known, Row, Source};
use super::world::{Answer, World, anchor, entry, rule, settings};

/// What a rule flows: attribute and expression. `()` is no value.
pub(crate) type Flow = Vec<(&'static str, String)>;

/// One error.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) error: String,
    pub(crate) kind: &'static str,
    /// What the object has, if it is there already; then what its neighbour has.
    pub(crate) there: [Option<Json>; 2],
    /// Other objects of the tenant.
    pub(crate) others: Vec<Json>,
    pub(crate) wrong: Flow,
    pub(crate) fine: Flow,
    /// What is sent where Syncline sends nothing.
    pub(crate) by_hand: Option<Json>,
    pub(crate) source: Source,
}

impl Case {
    pub(crate) fn of(kind: &'static str, error: &str, wrong: Flow, fine: Flow) -> Case {
        let (there, others, by_hand) = ([None, None], Vec::new(), None);
        let source = Source::Documentation;
        Case { error: error.to_owned(), kind, there, others, wrong, fine, by_hand, source }
    }

    /// The object is there already, and its neighbour alike.
    pub(crate) fn there(self, there: Json) -> Case {
        self.there_and(there.clone(), there)
    }

    /// The object is there already, and its neighbour otherwise.
    pub(crate) fn there_and(self, there: Json, neighbour: Json) -> Case {
        Case { there: [Some(there), Some(neighbour)], ..self }
    }

    /// Somebody else is there.
    pub(crate) fn beside(self, other: Json) -> Case {
        Case { others: [self.others, vec![other]].concat(), ..self }
    }

    /// People have shown the answer.
    pub(crate) fn reported(self) -> Case {
        Case { source: Source::Reports, ..self }
    }

    /// Nothing is sent for it, so this is.
    pub(crate) fn by_hand(self, body: Json) -> Case {
        Case { by_hand: Some(body), ..self }
    }

    fn flow(&self, account: &str, special: &Flow) -> String {
        let text = |text: &str| format!("\"{text}\"");
        let usual: Flow = match self.kind {
            "user" => vec![
                ("onPremisesImmutableId", "it.anchor".into()),
                ("userPrincipalName", text(&format!("{account}@contoso.com"))),
                ("displayName", text(account)),
                ("mailNickname", text(account)),
                ("accountEnabled", "true".into()),
            ],
            _ => vec![
                ("uniqueName", "once(it.anchor)".into()),
                ("displayName", text(account)),
                ("mailNickname", text(account)),
            ],
        };
        let mut flow: BTreeMap<&str, String> = usual.into_iter().collect();
        flow.extend(special.iter().cloned());
        flow.iter().map(|(name, value)| format!("\"{name}\": {value}, ")).collect()
    }

    fn planted(&self, side: usize, account: &str, number: usize) -> Option<Json> {
        let mut object = match self.kind {
            "user" => json!({"type": "user", "onPremisesImmutableId": anchor(number), "accountEnabled": true,
                "userPrincipalName": format!("{account}@contoso.com")}),
            _ => json!({"type": "group", "uniqueName": anchor(number), "mailEnabled": false, "securityEnabled": true}),
        };
        object["displayName"] = account.into();
        object["mailNickname"] = account.into();
        for (name, value) in self.there[side].as_ref()?.as_object().unwrap() {
            object[name.as_str()] = value.clone();
        }
        Some(object)
    }
}

/// Domains of the greatest length, and of one letter more.
pub(crate) fn domain(length: usize) -> String {
    format!("{}.test", "d".repeat(length - 5))
}

/// What became of one object: what was said of it, and what the emulator answers.
struct Outcome {
    said: Option<String>,
    answer: Answer,
}

/// Plans all cases together, sends all of it, and asserts of each that what was said is what happens.
pub(crate) fn rows(cases: Vec<Case>) -> Vec<Row> {
    let mut emulated = settings();
    emulated.domains.extend([domain(48), domain(49), "federated.test".into()]);
    emulated.federated = vec!["federated.test".into()];
    let world = World::new(emulated);
    let mut file = "version: 1\n".to_owned();
    let mut ids = BTreeMap::new();
    for (at, case) in cases.iter().enumerate() {
        for (side, flow) in [&case.wrong, &case.fine].into_iter().enumerate() {
            let (account, number) = (account(at, side), 2 * at + side);
            file += &entry(case.kind, number, &account);
            world.write(&format!("rules/out-{account}.rhai"), &rule(case.kind, &account, &case.flow(&account, flow)));
            if let Some(object) = case.planted(side, &account, number) {
                ids.insert(account, world.seed(&[object]).remove(0));
            }
        }
        world.seed(&case.others);
    }
    world.write("people.ldif", &file);
    let outcomes = outcomes(&world, &cases, &ids);
    let row = |(at, case): (usize, &Case)| {
        let [wrong, fine] = [0, 1].map(|side| &outcomes[&account(at, side)]);
        for outcome in [wrong, fine] {
            assert_eq!(
                outcome.said.is_some(),
                outcome.answer.refused(),
                "{}: {:?} but {}",
                case.error,
                outcome.said,
                outcome.answer.said()
            );
        }
        // Of two who want the same, either may be first.
        let (bad, good) = if wrong.said.is_some() { (wrong, fine) } else { (fine, wrong) };
        assert!(good.said.is_none(), "{}: false alarm: {:?}", case.error, good.said);
        let said = bad.said.clone().unwrap_or_else(|| panic!("{}: nothing is said", case.error));
        Row { error: case.error.clone(), source: case.source, answer: bad.answer.said(), known: Known::Said(said) }
    };
    cases.iter().enumerate().map(row).collect()
}

fn account(at: usize, side: usize) -> String {
    format!("c{at:03}{}", ["w", "f"][side])
}

fn outcomes(world: &World, cases: &[Case], ids: &BTreeMap<String, String>) -> BTreeMap<String, Outcome> {
    let (plan, requests) = world.plan();
    let lines = &plan.targets["entra"].lines;
    let mut answers: BTreeMap<String, Answer> = BTreeMap::new();
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for (object, request) in requests {
        let account = object.link.unwrap().rule.trim_start_matches("out-").to_owned();
        let answer = world.send(request.method, &request.path, request.body.as_ref());
        assert!(answers.insert(account.clone(), answer).is_none(), "{account} is sent twice");
        let refused = lines.iter().find(|line| line.id == object.id && line.kind == "refused");
        said.extend(refused.map(|line| (account, line.reason.clone())));
    }
    for (account, id) in ids {
        let held = lines.iter().find(|line| line.kind == "held" && line.name.split('@').next() == Some(account));
        if let Some(line) = held {
            said.insert(account.clone(), format!("held: {}", line.reason));
        }
        let case = &cases[account[1..4].parse::<usize>().unwrap()];
        if let (false, Some(body), Some(_)) = (answers.contains_key(account), &case.by_hand, held) {
            let path = format!("/{}s/{id}", case.kind);
            answers.insert(account.clone(), world.send("PATCH", &path, Some(body)));
        }
    }
    for (_, why) in &plan.sync.errors {
        let account = ids.keys().find(|account| why.contains(&format!("`out-{account}`"))).unwrap();
        let case = &cases[account[1..4].parse::<usize>().unwrap()];
        let path = format!("/{}s/{}", case.kind, ids[account]);
        said.insert(account.clone(), why.clone());
        answers.insert(account.clone(), world.send("PATCH", &path, case.by_hand.as_ref()));
    }
    let outcome = |(account, answer): (String, Answer)| {
        let said = said.get(&account).cloned();
        (account, Outcome { said, answer })
    };
    answers.into_iter().map(outcome).collect()
}
