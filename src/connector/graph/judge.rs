//! What an answer to one part of an export means: done, refused, again, or look first. Decides; does nothing.

use std::time::Duration;

use serde_json::Value as Json;

use super::http::{GraphError, Reply};
use crate::connector::Anchor;

/// What the part was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Create,
    Restore,
    Update,
    Delete,
    Add,
    Remove,
    /// The look-up of an object whose creation nobody answered.
    Find,
}

/// What is known about the part besides the answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation<'a> {
    pub(super) work: Work,
    /// The object that is written to; empty for a creation.
    pub(super) owner: &'a str,
    /// How many references the part adds or removes.
    pub(super) targets: usize,
    /// An earlier attempt may have been carried out.
    pub(super) uncertain: bool,
    /// We made one of the objects a moment ago: not every server of Graph's knows it.
    pub(super) fresh: bool,
    /// This was the last attempt.
    pub(super) last: bool,
}

impl Situation<'_> {
    /// Whether to wait until all servers know the objects. In the end one bad reference must not hold up the others.
    fn waits(&self) -> bool {
        self.fresh && !(self.last && self.targets > 1)
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Taken, or already so. A creation gives the anchor.
    Done(Option<Anchor>),
    /// The object is not there.
    Missing,
    /// A repetition would not change it.
    Refused { code: String, message: String },
    /// There is no room for another object.
    Full(String),
    /// At least one of several references is bad, and the answer does not say which.
    Halve,
    /// Again, after what the answer asked for. `uncertain`: it may have been carried out all the same.
    Again { after: Option<Duration>, uncertain: bool, why: String },
    /// It may have been carried out, and a blind repetition could make a second one.
    LookFirst(String),
    /// The look-up says that there is none.
    NoSuch,
    /// The look-up found several.
    Several,
}

/// What a part without an answer means.
pub(super) fn unanswered(work: Work, why: String) -> Verdict {
    match work {
        Work::Create => Verdict::LookFirst(why),
        Work::Find => Verdict::Again { after: None, uncertain: false, why },
        Work::Restore | Work::Update | Work::Delete | Work::Add | Work::Remove => {
            Verdict::Again { after: None, uncertain: true, why }
        }
    }
}

/// What an answer means.
pub(super) fn judge(situation: &Situation<'_>, reply: &Reply) -> Verdict {
    let error = GraphError::of(&reply.body);
    let again = |why: &str| Verdict::Again { after: reply.retry_after, uncertain: false, why: why.to_owned() };
    match reply.status {
        0 => unanswered(situation.work, "Graph did not answer this part of a batch".into()),
        200..=299 => taken(situation.work, &reply.body),
        401 => again("the token was not accepted"),
        409 if error.code == "Directory_ConcurrencyViolation" => again(&error.said()),
        423 | 424 | 429 | 503 => again(&error.said()),
        500 | 502 | 504 => unanswered(situation.work, format!("HTTP {}: {}", reply.status, error.said())),
        404 => absent(situation, &error),
        _ if situation.work == Work::Create && situation.uncertain && error.is_conflict(reply.status) => {
            Verdict::LookFirst(error.text())
        }
        _ if situation.work == Work::Create && error.code == "Directory_QuotaExceeded" => Verdict::Full(error.text()),
        _ if situation.work == Work::Add => bad_reference(situation, reply.status, &error),
        _ => refused(&error, reply.status),
    }
}

fn refused(error: &GraphError, status: u16) -> Verdict {
    let code = if error.code.is_empty() { format!("HTTP {status}") } else { error.code.clone() };
    Verdict::Refused { code, message: error.text() }
}

fn taken(work: Work, body: &Json) -> Verdict {
    let id = |body: &Json| body.get("id").and_then(Json::as_str).map(|id| Anchor(id.to_owned()));
    match work {
        Work::Create => match id(body) {
            Some(anchor) => Verdict::Done(Some(anchor)),
            None => Verdict::LookFirst("Graph did not tell the id of what it made".into()),
        },
        Work::Find => match body.get("value").and_then(Json::as_array).map(Vec::as_slice) {
            Some([]) => Verdict::NoSuch,
            Some([one]) => id(one).map_or(Verdict::NoSuch, |anchor| Verdict::Done(Some(anchor))),
            Some(_) => Verdict::Several,
            None => id(body).map_or(Verdict::NoSuch, |anchor| Verdict::Done(Some(anchor))),
        },
        Work::Restore | Work::Update | Work::Delete | Work::Add | Work::Remove => Verdict::Done(None),
    }
}

/// 404
fn absent(situation: &Situation<'_>, error: &GraphError) -> Verdict {
    let again = || Verdict::Again { after: None, uncertain: false, why: error.said() };
    let names_owner = !situation.owner.is_empty() && error.message.contains(situation.owner);
    match situation.work {
        Work::Delete => Verdict::Done(None),
        Work::Find => Verdict::NoSuch,
        // Restored by an attempt that nobody answered: it is not in the recycle bin any more.
        Work::Restore if situation.uncertain => Verdict::Done(None),
        Work::Restore => Verdict::Missing,
        // No member (any more) is what was wanted; if it was only late, the next import shows it.
        Work::Remove if situation.uncertain || situation.last || !situation.fresh => Verdict::Done(None),
        Work::Remove => again(),
        Work::Update | Work::Add if situation.waits() => again(),
        Work::Update => Verdict::Missing,
        Work::Add if names_owner => Verdict::Missing,
        Work::Add if situation.targets > 1 => Verdict::Halve,
        // A reference that goes along with a creation, perhaps: the next run knows more.
        Work::Create if situation.targets > 0 => again(),
        Work::Add | Work::Create => refused(error, 404),
    }
}

/// References are taken all or none, and one that is there already is an error, too.
fn bad_reference(situation: &Situation<'_>, status: u16, error: &GraphError) -> Verdict {
    // The one case that only the text tells.
    let already = status == 400 && error.message.contains("already exist");
    match (status, situation.targets) {
        (400, 2..) if already || !situation.waits() => Verdict::Halve,
        (400, 0 | 1) if already => Verdict::Done(None),
        (400, _) if situation.waits() => Verdict::Again { after: None, uncertain: false, why: error.said() },
        _ => refused(error, status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const OWNER: &str = "5b0c";

    fn reply(status: u16, code: &str, message: &str) -> Reply {
        let body =
            if status < 300 { json!({"id": "new"}) } else { json!({"error": {"code": code, "message": message}}) };
        Reply { status, body, ..Reply::default() }
    }

    fn short(verdict: Verdict) -> String {
        match verdict {
            Verdict::Done(Some(anchor)) => format!("done {anchor}"),
            Verdict::Done(None) => "done".into(),
            Verdict::Missing => "missing".into(),
            Verdict::Refused { code, .. } => format!("refused {code}"),
            Verdict::Full(_) => "full".into(),
            Verdict::Halve => "halve".into(),
            Verdict::Again { uncertain: true, .. } => "again, uncertain".into(),
            Verdict::Again { uncertain: false, .. } => "again".into(),
            Verdict::LookFirst(_) => "look".into(),
            Verdict::NoSuch => "none".into(),
            Verdict::Several => "several".into(),
        }
    }

    const ALL: [Work; 7] =
        [Work::Create, Work::Restore, Work::Update, Work::Delete, Work::Add, Work::Remove, Work::Find];

    /// One answer and what it means to a creation, restoration, update, deletion, addition (of five), removal, look-up.
    #[track_caller]
    fn check(status: u16, code: &str, expected: [&str; 7]) {
        let meant = ALL.map(|work| {
            let situation = Situation { work, owner: OWNER, targets: 0, uncertain: false, fresh: false, last: false };
            let targets = if work == Work::Add { 5 } else { 0 };
            short(judge(&Situation { targets, ..situation }, &reply(status, code, "")))
        });
        assert_eq!(meant, expected, "{status} {code}");
    }

    #[test]
    fn every_status_means_something_for_every_kind_of_write() {
        check(204, "", ["done new", "done", "done", "done", "done", "done", "done new"]);
        for status in [423, 424, 429, 503, 401] {
            check(status, "x", ["again"; 7]);
        }
        check(409, "Directory_ConcurrencyViolation", ["again"; 7]);
        let lost = [
            "look",
            "again, uncertain",
            "again, uncertain",
            "again, uncertain",
            "again, uncertain",
            "again, uncertain",
            "again",
        ];
        for status in [0, 500, 502, 504] {
            check(status, "UnknownError", lost);
        }
        check(404, "gone", ["refused gone", "missing", "missing", "done", "halve", "done", "none"]);
        check(403, "denied", ["refused denied"; 7]);
        check(409, "same", ["refused same"; 7]);
        let bad = ["refused bad", "refused bad", "refused bad", "refused bad", "halve", "refused bad", "refused bad"];
        check(400, "bad", bad);
        check(501, "NotImplemented", ["refused NotImplemented"; 7]);
        check(
            400,
            "",
            [
                "refused HTTP 400",
                "refused HTTP 400",
                "refused HTTP 400",
                "refused HTTP 400",
                "halve",
                "refused HTTP 400",
                "refused HTTP 400",
            ],
        );
    }

    #[test]
    fn what_may_have_happened_before_changes_the_meaning() {
        let situation =
            Situation { work: Work::Create, owner: "", targets: 0, uncertain: true, fresh: false, last: false };
        let mut conflict = reply(400, "Request_BadRequest", "Another object …");
        conflict.body["error"]["details"] = json!([{"code": "ObjectConflict", "target": "userPrincipalName"}]);
        assert_eq!(short(judge(&situation, &conflict)), "look");
        assert_eq!(short(judge(&Situation { uncertain: false, ..situation }, &conflict)), "refused Request_BadRequest");
        assert_eq!(short(judge(&situation, &reply(400, "Request_BadRequest", "other"))), "refused Request_BadRequest");
        let full = reply(403, "Directory_QuotaExceeded", "The directory object quota …");
        assert_eq!(short(judge(&situation, &full)), "full");
        let restore = Situation { work: Work::Restore, owner: OWNER, ..situation };
        assert_eq!(short(judge(&restore, &full)), "refused Directory_QuotaExceeded");
        let same = reply(409, "Request_MultipleObjectsWithSameKeyValue", "");
        assert_eq!(short(judge(&situation, &same)), "look");
        assert_eq!(short(judge(&restore, &reply(404, "gone", ""))), "done");
    }

    #[test]
    fn fresh_objects_are_waited_for() {
        let situation =
            Situation { work: Work::Update, owner: OWNER, targets: 0, uncertain: false, fresh: true, last: false };
        assert_eq!(short(judge(&situation, &reply(404, "gone", ""))), "again");
        let add = Situation { work: Work::Add, targets: 20, ..situation };
        assert_eq!(short(judge(&add, &reply(404, "gone", ""))), "again");
        assert_eq!(short(judge(&add, &reply(400, "x", "not a valid reference update"))), "again");
        assert_eq!(short(judge(&add, &reply(400, "x", "references already exist"))), "halve");
        let remove = Situation { work: Work::Remove, targets: 1, ..situation };
        assert_eq!(short(judge(&remove, &reply(404, "gone", ""))), "again");
        for certain in [Situation { last: true, ..remove }, Situation { uncertain: true, ..remove }] {
            assert_eq!(short(judge(&certain, &reply(404, "gone", ""))), "done");
        }
        // Not for ever: one that never appears must not hold up nineteen others. A single one may wait for the next run.
        let last = Situation { last: true, ..add };
        assert_eq!(short(judge(&last, &reply(404, "gone", ""))), "halve");
        assert_eq!(short(judge(&last, &reply(400, "x", "not a valid reference update"))), "halve");
        assert_eq!(short(judge(&Situation { targets: 1, ..last }, &reply(404, "gone", ""))), "again");
    }

    #[test]
    fn single_references_are_told_apart() {
        let add = Situation { work: Work::Add, owner: OWNER, targets: 1, uncertain: false, fresh: false, last: false };
        assert_eq!(short(judge(&add, &reply(400, "x", "references already exist for"))), "done");
        assert_eq!(short(judge(&add, &reply(400, "x", "not a valid reference update"))), "refused x");
        assert_eq!(short(judge(&add, &reply(404, "gone", "Resource 'other' does not exist"))), "refused gone");
        assert_eq!(short(judge(&add, &reply(404, "gone", "Resource '5b0c' does not exist"))), "missing");
        assert_eq!(short(judge(&Situation { targets: 20, ..add }, &reply(403, "denied", ""))), "refused denied");
    }

    #[test]
    fn a_look_up_counts_what_it_finds() {
        let find = Situation { work: Work::Find, owner: "", targets: 0, uncertain: true, fresh: false, last: false };
        let list = |ids: &[&str]| {
            let value: Vec<Json> = ids.iter().map(|id| json!({"id": id})).collect();
            Reply { status: 200, body: json!({"value": value}), ..Reply::default() }
        };
        assert_eq!(short(judge(&find, &list(&["a"]))), "done a");
        assert_eq!(short(judge(&find, &list(&[]))), "none");
        assert_eq!(short(judge(&find, &list(&["a", "b"]))), "several");
    }

    #[test]
    fn waits_as_long_as_it_is_told() {
        let situation =
            Situation { work: Work::Update, owner: OWNER, targets: 0, uncertain: false, fresh: false, last: false };
        let after = Some(Duration::from_millis(2_128));
        let throttled = Reply { retry_after: after, ..reply(429, "TooManyRequests", "slow down") };
        let why = "TooManyRequests: slow down".into();
        assert_eq!(judge(&situation, &throttled), Verdict::Again { after, uncertain: false, why });
    }
}
