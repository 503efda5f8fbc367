//! What a plan says is what a run does: random edits of the rules that ship, on a random company that changes under them.
//! After each edit a plan is made, then a run; what the emulated tenant then holds is compared with the plan, object by
//! object and attribute by attribute; and what a plan says that evaluates what an edit can touch, one says that evaluates
//! everything. `PLAN_CASES=5000 cargo test --test plan_is_run` tries more, `PLAN_COMPANY=78` one company alone.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use syncline::config::Config;
use syncline::connector_space::ExportState;
use syncline::emulator::{self, Emulator};
use syncline::run::plan::{self, PlanLine, TargetPlan};
use syncline::run::session::Session;
use syncline::run::{RunError, Silent, cycle};
use syncline::sync::ledger::View;
use tokio::runtime::Runtime;

/// How many edits are tried, a company for so many of them.
const CASES: usize = 200;
const PER_COMPANY: usize = 25;

/// Dice that fall the same way for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn one<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    fn often(&mut self, in_a_hundred: usize) -> bool {
        self.below(100) < in_a_hundred
    }
}

/// Edits: in which rule, what stands there, and what may stand there instead.
const EDITS: [(&str, &str, &[&str]); 17] = [
    (
        "in-from-ad-user",
        "trim(user.displayName) ?? user.cn",
        &["upper(user.cn)", "words([user.sn, user.givenName])", "user.title", "user.cn"],
    ),
    ("in-from-ad-user", "upper(trim(user.c))", &["()", "\"DE\"", "lower(user.c)", "\"Germany\""]),
    (
        "in-from-ad-user",
        "mail:              mail,",
        &["mail:              lower(mail),", "mail:              absent(),", ""],
    ),
    ("in-from-ad-user", "user.manager,", &["(),", "user.manager,"]),
    ("in-from-ad-user", "!has_flag(user.userAccountControl, 2)", &["true", "user.department != \"Sales\""]),
    (
        "in-from-ad-user",
        "&& account != \"SUPPORT_388945a0\"",
        &["&& user.department != \"Sales\"", "&& user.title != \"Clerk\""],
    ),
    ("in-from-ad-user", "\"department\",", &["", "#{ department: \"title\" },"]),
    ("in-from-ad-user", "trim(user.userPrincipalName) ??", &["lower(user.mail) ??", ""]),
    ("in-from-ad-group", "group.member", &["()", "group.member"]),
    ("in-from-ad-group-exchange", "precedence: 100", &["precedence: 300", "precedence: 100"]),
    ("out-to-entra-user", "deprovision: \"delete\"", &["deprovision: \"disable\"", "deprovision: \"disconnect\""]),
    (
        "out-to-entra-user",
        "person.kind == \"user\"",
        &[
            "person.kind == \"user\" && person.department != \"Legal\"",
            "person.kind == \"user\" && is_present(person.mail)",
        ],
    ),
    (
        "out-to-entra-user",
        "displayName:           person.displayName,",
        &[
            "displayName:           person.displayName + \" (x)\",",
            "displayName:           keep(),",
            "displayName:           once(person.displayName),",
            "displayName:           ad_nothing(person),",
        ],
    ),
    ("out-to-entra-user", "[person.telephoneNumber]", &["[person.mobilePhone ?? person.telephoneNumber]", "[]"]),
    ("out-to-entra-user", "person.usageLocation ?? keep()", &["seed(person.usageLocation)", "person.usageLocation"]),
    ("out-to-entra-user", "\"jobTitle\",", &["", "#{ jobTitle: \"department\" },"]),
    ("out-to-entra-group", "deprovision: \"delete\"", &["deprovision: \"disconnect\""]),
];

/// The rules that ship, with some edits.
fn edited(dice: &mut Dice) -> BTreeMap<String, String> {
    let mut rules = BTreeMap::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rhai") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            rules.insert(name, fs::read_to_string(path).unwrap());
        }
    }
    for (rule, before, after) in &EDITS {
        let text = rules.get_mut(*rule).unwrap();
        if dice.often(20) {
            *text = text.replacen(before, dice.one::<&str>(after), 1);
        }
    }
    rules
}

#[derive(Clone, Default)]
struct Person {
    /// Who leaves and comes back is somebody else.
    generation: usize,
    attributes: BTreeMap<&'static str, String>,
    manager: Option<usize>,
}

/// A company that changes.
#[derive(Default)]
struct Company {
    people: BTreeMap<usize, Person>,
    groups: BTreeMap<usize, BTreeSet<usize>>,
    left: usize,
}

const PEOPLE: usize = 14;
const GROUPS: usize = 4;

impl Company {
    fn change(&mut self, dice: &mut Dice) {
        for _ in 0..=dice.below(6) {
            let number = dice.below(PEOPLE);
            if dice.often(10) {
                self.left += usize::from(self.people.remove(&number).is_some());
                continue;
            }
            let fresh = Person { generation: self.left, ..Person::default() };
            let person = self.people.entry(number).or_insert(fresh);
            let choices: [(&'static str, &[&str]); 8] = [
                ("displayName", &["Ada Lovelace", "Zoë Müller", " Bob ", ""]),
                ("department", &["Sales", "Legal", "IT", ""]),
                ("title", &["Clerk", "Chief", ""]),
                ("c", &["DE", "gb", ""]),
                ("mail", &["shared@contoso.com", "own", "own", ""]),
                ("userAccountControl", &["512", "512", "514", ""]),
                ("telephoneNumber", &["+49 30 1234", ""]),
                ("employeeID", &["4711", "12345678901234567890", "", "", ""]),
            ];
            for (name, values) in choices {
                if dice.often(40) || person.attributes.is_empty() {
                    let value = match *dice.one(values) {
                        "own" => format!("person{number}@contoso.com"),
                        value => value.to_owned(),
                    };
                    person.attributes.insert(name, value);
                }
            }
            person.manager = dice.often(60).then(|| dice.below(PEOPLE));
        }
        for _ in 0..dice.below(3) {
            let number = dice.below(GROUPS);
            if dice.often(10) {
                self.groups.remove(&number);
            } else {
                let members = self.groups.entry(number).or_default();
                for _ in 0..dice.below(6) {
                    let member = dice.below(PEOPLE);
                    if !members.insert(member) {
                        members.remove(&member);
                    }
                }
            }
        }
    }

    fn ldif(&self) -> String {
        let anchor = |kind: usize, number: usize| base64(&format!("{kind:08}{number:08}"));
        let dn = |number: usize| format!("CN=Person {number},OU=People,DC=contoso,DC=test");
        let mut text = String::from("version: 1\n");
        for (number, person) in &self.people {
            text += &format!(
                "\ndn: {}\nobjectClass: user\nobjectGUID:: {}\ncn: Person {number}\nsn: Name{number}\ngivenName: Given{number}\n\
                 sAMAccountName: person{number}\nuserPrincipalName: person{number}@contoso.com\n",
                dn(*number),
                anchor(1 + person.generation * 2, *number),
            );
            for (name, value) in person.attributes.iter().filter(|(_, value)| !value.is_empty()) {
                text += &format!("{name}:: {}\n", base64(value));
            }
            if let Some(manager) = person.manager.filter(|manager| manager != number) {
                text += &format!("manager: {}\n", dn(manager));
            }
        }
        for (number, members) in &self.groups {
            text += &format!(
                "\ndn: CN=Group {number},OU=Groups,DC=contoso,DC=test\nobjectClass: group\nobjectGUID:: {}\ncn: Group {number}\n\
                 sAMAccountName: group{number}\ngroupType: -2147483646\n",
                anchor(2, *number),
            );
            for member in members {
                text += &format!("member: {}\n", dn(*member));
            }
        }
        text
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

type Tenant = BTreeMap<String, BTreeMap<String, Json>>;

struct Deployment {
    folder: tempfile::TempDir,
    emulator: Emulator,
    runtime: Runtime,
}

impl Deployment {
    fn new() -> Deployment {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let settings = emulator::Settings::for_tenant("contoso.onmicrosoft.com", None);
        let emulator = runtime.block_on(emulator::start(settings)).unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "emulator-secret").unwrap();
        let config = format!(
            "[connector.ad]\nkind = 'ldif'\nfile = 'people.ldif'\nschema = 'active-directory'\nobjects = ['user', 'inetOrgPerson', 'group', 'contact']\n\
             [connector.entra]\nkind = 'entra'\ntenant = 'contoso.onmicrosoft.com'\n\
             client_id = '00001111-aaaa-2222-bbbb-3333cccc4444'\nclient_secret = 'file:{}'\n\
             login_url = '{url}'\ngraph_url = '{url}'\nwrites_per_150s = 0\n\
             [limits]\ndeletes = [1000, '100%']\ndisables = [1000, '100%']\nanchors = [1000, '100%']\nshrinkage = [1000, '100%']\n",
            secret.display(),
            url = emulator.base_url,
        );
        fs::write(folder.path().join("syncline.toml"), config).unwrap();
        Deployment { folder, emulator, runtime }
    }

    fn write(&self, rules: &BTreeMap<String, String>, company: &Company) {
        let folder = self.folder.path().join("rules");
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in rules {
            fs::write(folder.join(format!("{name}.rhai")), text).unwrap();
        }
        fs::write(self.folder.path().join("people.ldif"), company.ldif()).unwrap();
    }

    /// Everything that is there, by id, with nested properties as dotted names.
    fn whole(&self) -> Tenant {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/_emulator/dump", self.emulator.base_url);
        let dump = self.runtime.block_on(async { client.get(url).send().await.unwrap().text().await.unwrap() });
        let mut tenant = BTreeMap::new();
        for line in dump.lines() {
            let map: serde_json::Map<String, Json> = serde_json::from_str(line).unwrap();
            let mut flat = BTreeMap::new();
            for (name, value) in map {
                match value {
                    Json::Object(inner) => flat.extend(
                        inner
                            .into_iter()
                            .filter(|(_, value)| !value.is_null())
                            .map(|(key, value)| (format!("{name}.{key}"), value)),
                    ),
                    value => {
                        flat.insert(name, value);
                    }
                }
            }
            tenant.insert(flat["id"].as_str().unwrap().to_owned(), flat);
        }
        tenant
    }

    /// Source anchors of who is in the recycle bin.
    fn in_the_bin(&self) -> BTreeSet<String> {
        let deleted = self.whole().into_values().filter(|object| object.contains_key("deleted"));
        deleted.flat_map(|object| texts(object.get("onPremisesImmutableId"))).collect()
    }

    /// The same without the recycle bin.
    fn tenant(&self) -> Tenant {
        let mut tenant = self.whole();
        tenant.retain(|_, object| !object.contains_key("deleted"));
        tenant
    }
}

/// A value as a sorted list of texts, so that one value and a list of one are the same.
fn texts(value: Option<&Json>) -> Vec<String> {
    let mut texts = match value {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(list)) => list.iter().flat_map(|value| texts(Some(value))).collect(),
        Some(Json::String(text)) => vec![text.clone()],
        Some(other) => vec![other.to_string()],
    };
    texts.sort();
    texts
}

const LINKS: [&str; 3] = ["manager", "members", "owners"];

/// What differs between plan and run about one object that is there before and after.
fn changed(line: Option<&PlanLine>, before: &BTreeMap<String, Json>, after: &BTreeMap<String, Json>) -> Vec<String> {
    let mut wrong = Vec::new();
    let planned: BTreeMap<&str, &plan::PlannedChange> =
        line.iter().flat_map(|line| &line.changes).map(|change| (change.attribute.as_str(), change)).collect();
    let names: BTreeSet<&str> =
        before.keys().chain(after.keys()).map(String::as_str).chain(planned.keys().copied()).collect();
    // Graph makes addresses of what is written to `mail`.
    let ours = |name: &&str| !LINKS.contains(name) && (*name != "proxyAddresses" || planned.contains_key(name));
    for name in names.into_iter().filter(ours) {
        let (was, is) = (texts(before.get(name)), texts(after.get(name)));
        match planned.get(name) {
            Some(change) if texts(Some(&change.after)) != is => {
                wrong.push(format!("{name}: planned {}, is {is:?}", change.after));
            }
            Some(change) if texts(Some(&change.before)) != was => {
                wrong.push(format!("{name}: planned from {}, was {was:?}", change.before));
            }
            None if was != is => wrong.push(format!("{name}: not planned, {was:?} became {is:?}")),
            _ => {}
        }
    }
    wrong
}

/// How many references of an attribute were added, and how many removed, without those that went with what was deleted.
/// `before` and `after`: the object, and everybody.
fn links(
    name: &str,
    before: (Option<&BTreeMap<String, Json>>, &Tenant),
    after: (&BTreeMap<String, Json>, &Tenant),
) -> (usize, usize) {
    let of = |map: Option<&BTreeMap<String, Json>>| texts(map.and_then(|map| map.get(name)));
    let was: BTreeSet<String> = of(before.0).into_iter().filter(|id| before.1.contains_key(id)).collect();
    let is: BTreeSet<String> = of(Some(after.0)).into_iter().filter(|id| after.1.contains_key(id)).collect();
    (is.difference(&was).count(), was.difference(&is).filter(|id| after.1.contains_key(*id)).count())
}

/// Compares a plan with what became of the tenant.
fn compare(session: &Session, target: &TargetPlan, before: &Tenant, after: &Tenant) -> Vec<String> {
    let draft = session.store.draft();
    let mut wrong = Vec::new();
    let mut by_anchor: BTreeMap<String, &PlanLine> = BTreeMap::new();
    for line in target.lines.iter().filter(|line| line.kind != "held") {
        let anchor = draft.object(line.id).unwrap().and_then(|object| object.anchor).map(|anchor| anchor.0);
        match (line.kind, anchor) {
            ("delete", None) => {}
            ("refused", None) => {}
            (_, Some(anchor)) => {
                by_anchor.insert(anchor, line);
            }
            (kind, None) => wrong.push(format!("{kind} {}: it is not there", line.name)),
        }
    }
    for (id, is) in after {
        let line = by_anchor.get(id).copied();
        let who = || {
            format!(
                "{} {}",
                line.map_or("unplanned", |line| line.kind),
                is.get("displayName").map(ToString::to_string).unwrap_or_default()
            )
        };
        let was = before.get(id);
        match (was, line.map(|line| line.kind)) {
            (Some(was), Some("refused")) => {
                wrong.extend(changed(None, was, is).into_iter().map(|what| format!("{}: {what}", who())))
            }
            (Some(_), Some("create")) => wrong.push(format!("{}: it was there", who())),
            (Some(was), _) => wrong.extend(changed(line, was, is).into_iter().map(|what| format!("{}: {what}", who()))),
            (None, Some("create")) => {
                for change in line.into_iter().flat_map(|line| &line.changes).filter(|change| !change.after.is_null()) {
                    let value = texts(is.get(&change.attribute));
                    if value != texts(Some(&change.after)) && change.attribute != "passwordProfile.password" {
                        wrong.push(format!("{}: {} planned {}, is {value:?}", who(), change.attribute, change.after));
                    }
                }
            }
            (None, _) => wrong.push(format!("{}: it is new", who())),
        }
        for name in LINKS {
            let planned = line.into_iter().flat_map(|line| &line.references).find(|planned| planned.attribute == name);
            let planned = planned.map_or((0, 0), |planned| {
                // What would be refused, or waits for somebody who is not made, is said, and does not come.
                (planned.added.saturating_sub(planned.refused + planned.waiting), planned.removed)
            });
            let real = links(name, (was, before), (is, after));
            if planned != real {
                wrong.push(format!(
                    "{}: {name} planned +{} -{}, was +{} -{}",
                    who(),
                    planned.0,
                    planned.1,
                    real.0,
                    real.1
                ));
            }
        }
    }
    let deleted: BTreeSet<&String> = before.keys().filter(|id| !after.contains_key(*id)).collect();
    let planned = target.lines.iter().filter(|line| line.kind == "delete").count();
    if deleted.len() != planned {
        wrong.push(format!("planned {planned} deletions, {} are gone", deleted.len()));
    }
    wrong
}

/// A plan's lines, without the places in rules: nobody is due only because a line moved.
fn consequences(plan: &plan::Plan) -> Vec<Json> {
    let lines = plan.targets.values().flat_map(|target| &target.lines);
    lines
        .map(|line| {
            let mut line = serde_json::to_value(line).unwrap();
            line.as_object_mut().unwrap().remove("reason");
            for change in line["changes"].as_array_mut().unwrap() {
                change.as_object_mut().unwrap().remove("from");
            }
            line
        })
        .collect()
}

/// One edit, one plan, one run.
fn case(deployment: &Deployment, company: &Company, dice: &mut Dice) -> Result<Outcome, RunError> {
    let rules = edited(dice);
    deployment.write(&rules, company);
    let (bin, before) = (deployment.in_the_bin(), deployment.tenant());
    let config = Config::load(&deployment.folder.path().join("syncline.toml")).map_err(RunError::Config)?;
    let state = config.store_folder.clone();
    let mut session = Session::open(config, false)?;
    let planned = plan::make_from(&mut session, true, &Silent)?;
    // Without the text of the rules before, everybody whom a changed rule concerns is evaluated, with all its lines.
    let (kept, away) = (state.join("rules-in-use"), state.join("away"));
    let is_kept = fs::rename(&kept, &away).is_ok();
    let whole = plan::make(&session, &Silent);
    if is_kept {
        fs::rename(&away, &kept).unwrap();
    }
    assert_eq!(consequences(&planned), consequences(&whole?), "whom and what an edit can touch, and everything");
    // Small companies are beyond every limit soon.
    let is_off = |line: &&PlanLine| {
        line.changes.iter().any(|change| change.attribute == "accountEnabled" && change.after == Json::Bool(false))
    };
    let lines = &planned.targets["entra"].lines;
    // Who was refused before stays so: being allowed, it would be tried again, which a plan does not know of.
    let was_refused = |line: &&PlanLine| {
        let object = session.store.draft().object(line.id).unwrap();
        let export = object.and_then(|object| object.export);
        export
            .is_some_and(|export| matches!(export.state, ExportState::Failed { message, .. } if line.reason == message))
    };
    let endangered =
        lines.iter().filter(|line| line.kind == "delete" || is_off(line)).filter(|line| !was_refused(line));
    let permissions = cycle::Permissions { allowed: endangered.map(|line| line.id).collect(), ..Default::default() };
    let done = cycle::run(&mut session, &permissions, &Silent);
    let config = session.config.clone();
    let report = match done {
        Ok(report) => report,
        Err(error) => {
            session.close()?;
            return Err(error);
        }
    };
    let rules = syncline::rules::RuleSet::load(&syncline::run::session::folders(&config), config.settings.clone());
    if let Ok((rules, _)) = rules {
        syncline::run::rules_in_use::keep(&config.store_folder, &rules).unwrap();
    }
    assert!(report.exceeded.is_empty() && report.shrunk.is_empty(), "{:?} {:?}", report.exceeded, report.shrunk);
    let after = deployment.tenant();
    let mut wrong = compare(&session, &planned.targets["entra"], &before, &after);
    if planned.sync.errors != report.sync.errors {
        wrong.push(format!("errors: planned {:?}, were {:?}", planned.sync.errors, report.sync.errors));
    }
    if !wrong.is_empty() {
        let said = |line: &PlanLine| format!("planned: {} {} {}", line.kind, line.name, line.reason);
        wrong.extend(planned.targets["entra"].lines.iter().map(said));
        wrong.extend(
            report.exports.iter().flat_map(|export| &export.problems).map(|(who, why)| format!("refused: {who} {why}")),
        );
    }
    session.close()?;
    // Plans do not read the recycle bin: who comes out of it brings values and links along that no plan knows of.
    let made = planned.targets["entra"].lines.iter().flat_map(|line| &line.changes);
    let mut anchors = made.filter(|change| change.attribute == "onPremisesImmutableId");
    let restored = anchors.any(|change| texts(Some(&change.after)).iter().any(|anchor| bin.contains(anchor)));
    Ok(if restored { Outcome::Restored } else { Outcome::Compared(wrong) })
}

enum Outcome {
    /// What differs.
    Compared(Vec<String>),
    Restored,
}

#[test]
fn what_a_plan_says_is_what_a_run_does() {
    let cases = std::env::var("PLAN_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let (mut tried, mut refused, mut restored, mut changes) = (0, 0, 0, 0);
    let alone: Option<u64> = std::env::var("PLAN_COMPANY").ok().and_then(|seed| seed.parse().ok());
    let companies = alone.map_or(0..u64::try_from(cases.div_ceil(PER_COMPANY)).unwrap(), |seed| seed..seed + 1);
    for seed in companies {
        let mut dice = Dice(seed);
        let deployment = Deployment::new();
        let mut company = Company::default();
        (0..6).for_each(|_| company.change(&mut dice));
        for number in 0..PER_COMPANY {
            let before = deployment.tenant();
            match case(&deployment, &company, &mut dice) {
                Ok(Outcome::Restored) => restored += 1,
                Ok(Outcome::Compared(wrong)) => {
                    assert!(wrong.is_empty(), "company {seed}, edit {number}:\n{}", wrong.join("\n"))
                }
                // What does not compile, or does not fit, changes nothing.
                Err(RunError::Rules(_) | RunError::VanishedRules(_)) => {
                    refused += 1;
                    assert_eq!(deployment.tenant(), before);
                }
                Err(error) => panic!("company {seed}, edit {number}: {error}"),
            }
            tried += 1;
            changes += usize::from(deployment.tenant() != before);
            if dice.often(60) {
                company.change(&mut dice);
            }
        }
    }
    println!("{tried} edits: {refused} refused, {restored} with a restored account; {changes} runs changed the tenant");
    assert!((refused + restored) * 2 < tried && changes * 3 > tried, "the edits say something");
}
