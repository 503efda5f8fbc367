//! Real files, real keys: what a run may do, and what it may not.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::standing::Standing;
use super::*;
use crate::connector_space::ObjectId;
use crate::diagnostic::SourceText;
use crate::run::audit::Line;
use crate::run::plan::{Plan, PlanLine, TargetPlan};
use crate::signature::{PublicKey, new_pair};

struct World {
    folder: tempfile::TempDir,
    config: Config,
    keys: BTreeMap<&'static str, SecretKey>,
}

/// Anna, ben, carl and the installation have keys that count; a stranger has one, too.
fn world(settings: &str) -> World {
    let folder = tempfile::tempdir().unwrap();
    let (mut keys, mut public) = (BTreeMap::new(), BTreeMap::<&str, PublicKey>::new());
    for name in ["anna", "ben", "carl", "installation", "stranger"] {
        let (known, secret) = new_pair(name, None).unwrap();
        std::fs::write(folder.path().join(name), &*secret).unwrap();
        keys.insert(name, SecretKey::read(&secret, None).unwrap());
        public.insert(name, known);
    }
    let person = |name| format!("{name} = \"{}\"", public[name].as_str());
    let text = format!(
        "[connector.ad]\nkind = \"ldif\"\nfile = \"x\"\n[approval]\n{settings}\npeople = {{ {} }}\npublic_key = \"{}\"\n",
        ["anna", "ben", "carl"].map(person).join(", "),
        public["installation"].as_str()
    );
    let config = Config::parse(SourceText { path: folder.path().join("syncline.toml"), text }).unwrap();
    std::fs::create_dir(&config.store_folder).unwrap();
    World { folder, config, keys }
}

fn plan_of(name: &str) -> SavedPlan {
    let line = PlanLine { kind: "delete", object_type: "user".into(), name: name.into(), ..PlanLine::default() };
    let target = TargetPlan { delete: 1, lines: vec![line], ..TargetPlan::default() };
    let plan = Plan { rules: "r".into(), targets: [("entra".to_owned(), target)].into(), ..Plan::default() };
    SavedPlan::of(&plan, 0).unwrap()
}

fn called(name: &str) -> Who {
    Who { name: name.into(), account: format!("account of {name}") }
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A plan that somebody made, and signed.
    fn plan(&self, signed_by: &str) -> PathBuf {
        let path = self.path("friday.plan");
        keep(&self.config, &plan_of("zoe"), &path, &called("anna"), self.keys.get(signed_by)).unwrap();
        path
    }

    fn list(&self) -> PathBuf {
        let object = Endangered {
            id: ObjectId(uuid::Uuid::from_u128(1)),
            danger: guard::Danger::Delete,
            object_type: "user".into(),
            name: "zoe".into(),
            reason: "gone".into(),
        };
        let path = guard::list_path(&self.config.store_folder, 3);
        std::fs::write(&path, serde_json::to_string(&object).unwrap() + "\n").unwrap();
        path
    }

    fn say(&self, says: Says, by: &str, path: &Path) -> Result<PathBuf, RunError> {
        let subject = Subject::named(&self.config, path.to_str().unwrap())?;
        let word = Word { says, key: &self.keys[by], named: None, reason: None };
        decide(&self.config, &subject, word).map(|(_, path)| path)
    }

    /// What a statement would be that somebody signs without asking us.
    fn forge(&self, statement: Statement, key: &str, path: &Path, beside: Option<&str>) {
        let text = statement.sign(&self.keys[key], &std::fs::read(path).unwrap()).unwrap();
        std::fs::write(statement_path(path, beside), text).unwrap();
    }

    fn standing(&self, path: &Path, asks: &str) -> Standing {
        let subject = Subject::named(&self.config, path.to_str().unwrap()).unwrap();
        standing::of(&self.config, &subject, Some(&called(asks))).unwrap()
    }

    /// What a run says to a file that it is told to do: nothing, if it does it.
    fn run(&self, path: &Path, asks: &str) -> String {
        let subject = Subject::named(&self.config, path.to_str().unwrap()).unwrap();
        match admit(&self.config, &called(asks), &[(subject.kind, path)]) {
            Ok(mut admitted) => {
                assert_eq!(admitted.plan.is_some(), subject.kind == Kind::Plan);
                assert_eq!(admitted.allowed.is_empty(), subject.kind == Kind::Plan);
                admitted.end(Outcome::Done, Some("run 4")).unwrap();
                String::new()
            }
            Err(error) => error.to_string().replace(&format!("{}/", self.folder.path().display()), ""),
        }
    }

    fn log(&self) -> Vec<Line> {
        let log = Log::beside(&self.config.store_folder);
        assert_eq!(log.verify(self.config.approval.as_ref(), None).unwrap().broken, Vec::<String>::new());
        log.read().unwrap()
    }
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    let edited = text.replacen(from, to, 1);
    assert_ne!(text, edited);
    std::fs::write(path, edited).unwrap();
}

#[test]
fn a_second_person_approves_a_plan_and_the_log_proves_it() {
    let world = world("");
    let plan = world.plan("anna");
    assert_eq!(world.run(&plan, "anna"), "`friday.plan` waits for an approval");
    let own = world.say(Says::Approved, "anna", &plan).unwrap_err().to_string();
    assert!(own.ends_with("needs a second person, and anna made it"), "{own}");
    world.say(Says::Approved, "ben", &plan).unwrap();
    assert_eq!(world.run(&plan, "anna"), "");
    let log = world.log();
    let said: Vec<_> = log.iter().map(|line| (line.who.as_str(), line.deed, line.outcome)).collect();
    assert_eq!(
        said,
        [
            ("anna", Deed::RunPlan, Outcome::Refused),
            ("ben", Deed::Approve, Outcome::Begun),
            ("ben", Deed::Approve, Outcome::Done),
            ("anna", Deed::RunPlan, Outcome::Begun),
            ("anna", Deed::RunPlan, Outcome::Done),
        ]
    );
    let numbers: Vec<usize> = log.iter().map(|line| line.signatures.len()).collect();
    assert_eq!(numbers, [1, 1, 0, 2, 0], "who made it, and who approved it");
}

#[test]
fn what_the_maker_signs_beside_their_own_plan_does_not_count() {
    let world = world("");
    let plan = world.plan("anna");
    let bytes = std::fs::read(&plan).unwrap();
    world.forge(Statement::now(Says::Approved, "anna", &bytes, None), "anna", &plan, Some("anna"));
    let why = "`friday.plan` waits for an approval; that of anna does not count: anna made it";
    assert_eq!(world.run(&plan, "ben"), why);
    // In ben's name, and as ben's.
    world.forge(Statement::now(Says::Approved, "ben", &bytes, None), "anna", &plan, Some("ben"));
    assert_eq!(world.run(&plan, "ben"), why);
    std::fs::remove_file(statement_path(&plan, Some("anna"))).unwrap();
    world.forge(Statement::now(Says::Approved, "anna", &bytes, None), "anna", &plan, Some("ben"));
    assert_eq!(world.run(&plan, "ben"), why);
    assert_eq!(world.standing(&plan, "ben").doubts.len(), 1);
}

#[test]
fn who_told_the_installation_to_make_a_plan_made_it() {
    let world = world("secret_key = \"file:installation\"");
    let path = world.path("friday.plan");
    let made = keep(&world.config, &plan_of("zoe"), &path, &called("anna"), None).unwrap().unwrap();
    assert_eq!((made.by.as_str(), made.says), ("anna", Says::Made));
    assert!(world.say(Says::Approved, "anna", &path).is_err());
    world.say(Says::Approved, "carl", &path).unwrap();
    assert_eq!(world.run(&path, "anna"), "");
}

#[test]
fn a_plan_that_was_touched_or_is_signed_by_others_is_refused() {
    let world = world("");
    let plan = world.plan("anna");
    world.say(Says::Approved, "ben", &plan).unwrap();
    let (bytes, beside) = (std::fs::read(&plan).unwrap(), statement_path(&plan, None));
    let signature = std::fs::read(&beside).unwrap();
    let altered = "`friday.plan.minisig` does not fit: one of the two was altered after it was signed";
    // The plan: another object, and the same with a digest that fits again.
    edit(&plan, "zoe", "ann");
    assert_eq!(world.run(&plan, "anna"), altered);
    std::fs::write(&plan, plan_of("ann").to_bytes().unwrap()).unwrap();
    assert_eq!(world.run(&plan, "anna"), altered);
    std::fs::write(&plan, &bytes).unwrap();
    assert_eq!(world.run(&plan, "anna"), "");
    // Its signature: who made it.
    edit(&beside, "anna", "carl");
    assert_eq!(world.run(&plan, "anna"), altered);
    std::fs::write(&beside, "nonsense").unwrap();
    assert_eq!(world.run(&plan, "anna"), "`friday.plan.minisig` is no signature of minisign's format");
    // Signed by others: a stranger, the approval of another, and somebody who says that another made it.
    world.forge(Statement::now(Says::Made, "anna", &bytes, None), "stranger", &plan, None);
    let stranger = world.keys["stranger"].public().unwrap().id();
    let unknown = format!("`friday.plan.minisig` is signed with key {stranger}, which `[approval]` does not know");
    assert_eq!(world.run(&plan, "anna"), unknown);
    std::fs::copy(statement_path(&plan, Some("ben")), &beside).unwrap();
    assert_eq!(world.run(&plan, "anna"), "`friday.plan.minisig` says what its key cannot say");
    world.forge(Statement::now(Says::Made, "carl", &bytes, None), "anna", &plan, None);
    assert_eq!(world.run(&plan, "anna"), "`friday.plan.minisig` says what its key cannot say");
    std::fs::remove_file(&beside).unwrap();
    assert_eq!(world.run(&plan, "anna"), "`friday.plan` is not signed");
    std::fs::write(&beside, signature).unwrap();
    assert_eq!(world.run(&plan, "anna"), "");
    let refused = world.log().into_iter().filter(|line| line.outcome == Outcome::Refused).count();
    assert_eq!(refused, 8, "each is written down");
}

#[test]
fn the_installation_and_strangers_approve_nothing() {
    let world = world("secret_key = \"file:installation\"");
    let plan = world.plan("anna");
    let bytes = std::fs::read(&plan).unwrap();
    for key in ["installation", "stranger"] {
        let error = world.say(Says::Approved, key, &plan).unwrap_err().to_string();
        assert!(error.ends_with("belongs to nobody in `approval.people`"), "{error}");
        world.forge(Statement::now(Says::Approved, "ben", &bytes, None), key, &plan, Some("ben"));
        assert_eq!(world.run(&plan, "anna"), "`friday.plan` waits for an approval");
    }
}

#[test]
fn a_rejection_holds_until_it_is_withdrawn_even_without_its_file() {
    let world = world("");
    let plan = world.plan("anna");
    world.say(Says::Approved, "ben", &plan).unwrap();
    let approved = std::fs::read(statement_path(&plan, Some("ben"))).unwrap();
    let rejected = world.say(Says::Rejected, "carl", &plan).unwrap();
    let why = "`friday.plan` was rejected by carl";
    assert_eq!(world.run(&plan, "anna"), why);
    std::fs::remove_file(&rejected).unwrap();
    assert_eq!(world.run(&plan, "anna"), why);
    world.say(Says::Withdrawn, "carl", &plan).unwrap();
    assert_eq!(world.run(&plan, "anna"), "");
    // Ben changes his mind; what he said before does not come back with its file.
    let bytes = std::fs::read(&plan).unwrap();
    let mut later = Statement::now(Says::Rejected, "ben", &bytes, None);
    later.at = later.at.checked_add(SignedDuration::from_secs(5)).unwrap();
    world.forge(later, "ben", &plan, Some("ben"));
    assert_eq!(world.run(&plan, "anna"), "`friday.plan` was rejected by ben");
    std::fs::write(statement_path(&plan, Some("ben")), approved).unwrap();
    assert_eq!(world.run(&plan, "anna"), "`friday.plan` was rejected by ben");
}

#[test]
fn what_people_write_moves_no_cursor() {
    let world = world("");
    let plan = world.plan("anna");
    let bytes = std::fs::read(&plan).unwrap();
    let reason = Some("no\u{1b}[2J\nyes".to_owned());
    world.forge(Statement::now(Says::Rejected, "ben", &bytes, reason), "ben", &plan, Some("ben"));
    assert_eq!(world.run(&plan, "anna"), "`friday.plan` was rejected by ben: no [2J yes");
}

#[test]
fn approvals_grow_old_and_are_of_one_text() {
    let world = world("days = 2");
    let plan = world.plan("anna");
    let bytes = std::fs::read(&plan).unwrap();
    let mut old = Statement::now(Says::Approved, "ben", &bytes, None);
    old.at = old.at.checked_sub(SignedDuration::from_hours(49)).unwrap();
    world.forge(old, "ben", &plan, Some("ben"));
    assert_eq!(world.run(&plan, "anna"), "`friday.plan` waits for an approval; that of ben is older than 2 days");
    world.say(Says::Approved, "ben", &plan).unwrap();
    assert_eq!(world.run(&plan, "anna"), "");
    // Another plan under the name of this one.
    keep(&world.config, &plan_of("ann"), &plan, &called("anna"), world.keys.get("anna")).unwrap();
    assert_eq!(world.run(&plan, "anna"), "`friday.plan` waits for an approval");
    assert_eq!(world.standing(&plan, "anna").doubts.len(), 1);
}

#[test]
fn what_the_guard_stopped_needs_somebody_else_than_who_asks() {
    let world = world("");
    let list = world.list();
    assert_eq!(world.run(&list, "anna"), "`state/stopped-3.jsonl` waits for an approval");
    world.say(Says::Approved, "ben", Path::new("3")).unwrap();
    let why = "`state/stopped-3.jsonl` waits for an approval; that of ben does not count: ben asks to go on";
    assert_eq!(world.run(&list, "Ben"), why);
    assert_eq!(world.run(&list, "anna"), "");
    // One more object in it.
    let whole = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, format!("{whole}{}", whole.replace("000001", "000002"))).unwrap();
    assert_eq!(world.run(&list, "anna"), "`state/stopped-3.jsonl` waits for an approval");
}

#[test]
fn it_may_take_two_and_it_may_take_nobody() {
    let world = world("needed = 2\nsecond_person = false");
    let plan = world.plan("anna");
    assert_eq!(world.run(&plan, "anna"), "`friday.plan` waits for 2 approvals");
    world.say(Says::Approved, "anna", &plan).unwrap();
    assert_eq!(world.run(&plan, "anna"), "`friday.plan` waits for an approval");
    world.say(Says::Approved, "carl", &plan).unwrap();
    assert_eq!(world.run(&plan, "anna"), "");
    let world = self::world("required = false");
    let plan = world.plan("anna");
    assert_eq!((world.run(&plan, "anna"), world.run(&world.list(), "anna")), (String::new(), String::new()));
    world.say(Says::Rejected, "ben", &plan).unwrap();
    assert_eq!(world.run(&plan, "anna"), "`friday.plan` was rejected by ben");
}

#[test]
fn without_the_section_plans_need_no_signature_and_are_written_down() {
    let mut world = world("");
    world.config.approval = None;
    let plan = world.plan("nobody");
    assert!(!statement_path(&plan, None).exists());
    assert_eq!(world.run(&plan, "anna"), "");
    edit(&plan, "zoe", "ann");
    assert_eq!(world.run(&plan, "anna"), "`friday.plan` is not as it was written: its digest does not fit");
    let said: Vec<_> = world.log().iter().map(|line| (line.deed, line.outcome)).collect();
    let of = |outcome| (Deed::RunPlan, outcome);
    assert_eq!(said, [Outcome::Begun, Outcome::Done, Outcome::Refused].map(of));
}

#[test]
fn what_cannot_be_written_down_is_not_done() {
    let world = world("");
    let plan = world.plan("anna");
    world.say(Says::Approved, "ben", &plan).unwrap();
    let log = Log::beside(&world.config.store_folder);
    std::fs::remove_file(log.path()).unwrap();
    std::fs::create_dir(log.path()).unwrap();
    assert!(world.run(&plan, "anna").contains("the audit log"));
    assert!(matches!(world.say(Says::Rejected, "carl", &plan), Err(RunError::Audit(_))));
    assert!(!statement_path(&plan, Some("carl")).exists());
}

/// On a machine of one's own there is no store: the signed file is all there is.
#[test]
fn an_approval_travels_with_its_file() {
    let mut world = world("");
    let plan = world.plan("anna");
    let elsewhere = world.path("elsewhere");
    let store = std::mem::replace(&mut world.config.store_folder, elsewhere);
    let approval = world.say(Says::Approved, "ben", &plan).unwrap();
    assert!(approval.exists() && !world.config.store_folder.exists());
    world.config.store_folder = store;
    assert_eq!(world.run(&plan, "anna"), "");
}

#[test]
fn the_key_of_the_installation_is_the_one_that_is_configured() {
    let world = world("secret_key = \"file:stranger\"");
    let error = keep(&world.config, &plan_of("zoe"), &world.path("x.plan"), &called("anna"), None).unwrap_err();
    assert_eq!(error.to_string(), "`approval.secret_key` is not the key that `public_key` belongs to");
    assert!(!world.path("x.plan").exists());
}
