//! From a request to an answer: who may, how fast, what goes wrong on purpose, and then the directory.
//!
//! Everything here is synchronous and apart from HTTP; `serve` brings requests and carries answers.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value as Json;
use uuid::Uuid;

use super::directory::Directory;
use super::exchange::{Call, Content, Query, Refusal, Reply, segments};
use super::faults::{Draw, Fault};
use super::record::Record;
use super::route::{Tenant, dispatch};
use super::throttle::{self, Throttle};
use super::token::Authority;
use super::{EmulatorError, admin, batch, persist};

/// All that the emulator keeps.
pub(crate) struct Service {
    pub(crate) tenant: Tenant,
    pub(crate) authority: Authority,
    pub(crate) directory: Mutex<Directory>,
    /// The folder whose state nobody has asked for yet.
    pub(crate) unread: Mutex<Option<PathBuf>>,
    pub(crate) faults: Mutex<Draw>,
    /// `None` while throttling is off.
    pub(crate) throttle: Mutex<Option<Throttle>>,
    pub(crate) record: Mutex<Record>,
    pub(crate) started: Instant,
}

/// One HTTP request with its body.
pub(crate) struct Request {
    pub(crate) method: axum::http::Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
    pub(crate) eventual: bool,
    pub(crate) prefer: String,
    pub(crate) client_request_id: Option<String>,
    /// `http://127.0.0.1:1234`
    pub(crate) root: String,
    pub(crate) body: Vec<u8>,
}

/// What happens to a request.
pub(crate) enum Outcome {
    Reply(Reply),
    /// The connection breaks.
    Reset,
}

/// Whether a call stands for itself or is an item of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Alone,
    Item,
}

/// Locks, and goes on with what is there if another thread died while it held the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

impl Service {
    /// Reads the state, if that has not been done.
    ///
    /// # Errors
    /// As [`persist::load`].
    pub(crate) fn wake(&self) -> Result<(), EmulatorError> {
        let mut unread = lock(&self.unread);
        if let Some(folder) = unread.as_ref() {
            *lock(&self.directory) = persist::load(folder, self.tenant.id)?;
            *unread = None;
        }
        Ok(())
    }

    /// Counts the changes of the state; nothing while it was not read.
    pub(crate) fn version(&self) -> Option<u64> {
        lock(&self.unread).is_none().then(|| lock(&self.directory).version)
    }

    /// Answers any request.
    pub(crate) fn answer(&self, request: Request) -> Outcome {
        if let Err(error) = self.wake() {
            let refusal = Refusal::new(500, "Service_InternalServerError", error.to_string());
            return Outcome::Reply(self.refused(refusal, request.client_request_id.as_deref()));
        }
        let pieces: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        match pieces.as_slice() {
            ["_emulator", rest @ ..] => Outcome::Reply(admin::route(self, rest, &request)),
            ["v1.0" | "beta", ..] => self.graph(request),
            [tenant, "oauth2", "v2.0", "token"] if request.method == axum::http::Method::POST => {
                lock(&self.record).count("POST token");
                if lock(&self.faults).refuses_token() {
                    return Outcome::Reply(Authority::refuse_token());
                }
                let form = String::from_utf8_lossy(&request.body);
                let basic = request.authorization.as_deref();
                Outcome::Reply(self.authority.token(tenant, basic, &form, &request.root, now()))
            }
            [tenant, "v2.0", ".well-known", "openid-configuration"] => {
                Outcome::Reply(self.authority.configuration(tenant, &request.root))
            }
            [_, "discovery", "v2.0", "keys"] => Outcome::Reply(self.authority.keys()),
            _ => {
                let word = pieces.first().copied().unwrap_or_default().to_owned();
                Outcome::Reply(self.refused(Refusal::no_segment(&word), request.client_request_id.as_deref()))
            }
        }
    }

    fn graph(&self, request: Request) -> Outcome {
        let client = request.client_request_id.clone();
        let client = client.as_deref();
        let now = now();
        let caller = match self.authority.caller(request.authorization.as_deref(), now) {
            Ok(caller) => caller,
            Err(refusal) => return Outcome::Reply(self.refused(refusal, client)),
        };
        let body = match request.body.as_slice() {
            [] => None,
            bytes => match serde_json::from_slice::<Json>(bytes) {
                Ok(body) => Some(body),
                Err(error) => {
                    let message = format!("Unable to read JSON request payload: {error}.");
                    return Outcome::Reply(self.refused(Refusal::new(400, "BadRequest", message), client));
                }
            },
        };
        let path = request.path.trim_start_matches('/');
        let (version, path) = path.split_once('/').unwrap_or((path, ""));
        let call = Call {
            method: request.method,
            version: version.to_owned(),
            path: segments(path),
            query: Query::parse(&request.query),
            eventual: request.eventual,
            prefer: request.prefer,
            body,
            caller,
            client: client.map(Arc::from),
            root: request.root.into(),
            now,
        };
        if call.path.first().is_some_and(|segment| segment.name == "$batch") {
            return self.batch(&call, client);
        }
        self.perform(&call, client, Standing::Alone)
    }

    fn batch(&self, call: &Call, client: Option<&str>) -> Outcome {
        lock(&self.record).count("POST $batch");
        let fault = lock(&self.faults).batch();
        match fault {
            Fault::Unavailable => return Outcome::Reply(self.unavailable(client)),
            Fault::ResetBefore => return Outcome::Reset,
            Fault::None | Fault::TooMany | Fault::TimeoutBefore | Fault::TimeoutAfter | Fault::ResetAfter => {}
        }
        let reply = batch::run(self, call).unwrap_or_else(|refusal| self.refused(refusal, client));
        match fault {
            Fault::TimeoutAfter => Outcome::Reply(self.timed_out(client)),
            Fault::ResetAfter => Outcome::Reset,
            Fault::None | Fault::TooMany | Fault::Unavailable | Fault::TimeoutBefore | Fault::ResetBefore => {
                Outcome::Reply(reply)
            }
        }
    }

    /// Carries out one Graph request, with quotas and faults, and notes it down.
    pub(crate) fn perform(&self, call: &Call, client: Option<&str>, standing: Standing) -> Outcome {
        let fault = match standing {
            Standing::Alone => lock(&self.faults).request(),
            Standing::Item => lock(&self.faults).item(),
        };
        let outcome = match fault {
            Fault::None => Outcome::Reply(self.direct(call, client)),
            Fault::TooMany => {
                let wait = lock(&self.faults).rates.retry_after;
                Outcome::Reply(self.too_many(wait, "Tenant_Application/Write", "WriteLimitExceeded", call, client))
            }
            Fault::Unavailable => Outcome::Reply(self.unavailable(client)),
            Fault::TimeoutBefore => Outcome::Reply(self.timed_out(client)),
            Fault::TimeoutAfter => {
                self.direct(call, client);
                Outcome::Reply(self.timed_out(client))
            }
            Fault::ResetBefore => Outcome::Reset,
            Fault::ResetAfter => {
                self.direct(call, client);
                Outcome::Reset
            }
        };
        let status = match &outcome {
            Outcome::Reply(reply) => reply.status,
            Outcome::Reset => 0,
        };
        lock(&self.record).note(call, status);
        outcome
    }

    fn direct(&self, call: &Call, client: Option<&str>) -> Reply {
        let mut used = None;
        if let Some(throttle) = lock(&self.throttle).as_mut() {
            let seconds = self.started.elapsed().as_secs_f64();
            if let Err(refused) = throttle.charge(call.writes(), throttle::units(call), seconds) {
                return self.too_many(refused.wait, refused.scope, refused.limit, call, client);
            }
            used = Some(throttle.used());
        }
        let result = dispatch(call, &self.tenant, &mut lock(&self.directory));
        let mut reply = result.unwrap_or_else(|refusal| self.refused(refusal, client));
        if let Some(used) = used {
            reply = reply.header("x-ms-resource-unit", format!("{}", throttle::units(call)));
            if used > 0.8 {
                reply = reply.header("x-ms-throttle-limit-percentage", format!("{used:.2}"));
            }
        }
        reply
    }

    fn too_many(&self, wait: f64, scope: &str, limit: &'static str, call: &Call, client: Option<&str>) -> Reply {
        // Whole seconds are usual; a faster clock would make them too coarse.
        let wait = if wait < 1.0 { format!("{:.3}", wait.max(0.001)) } else { format!("{}", wait.ceil()) };
        let mut refusal = Refusal::new(429, "TooManyRequests", "Too many requests.");
        refusal.headers = vec![
            ("retry-after", wait),
            ("x-ms-throttle-scope", format!("{scope}/{}/{}", call.caller.app, self.tenant.id)),
            ("x-ms-throttle-information", limit.to_owned()),
        ];
        self.refused(refusal, client)
    }

    fn unavailable(&self, client: Option<&str>) -> Reply {
        let message = "The service is temporarily unavailable.";
        self.refused(Refusal::new(503, "serviceNotAvailable", message), client)
    }

    fn timed_out(&self, client: Option<&str>) -> Reply {
        self.refused(Refusal::new(504, "UnknownError", "The gateway did not get an answer in time."), client)
    }

    /// A refusal as an answer, with a request id of its own.
    pub(crate) fn refused(&self, refusal: Refusal, client: Option<&str>) -> Reply {
        let request = Uuid::new_v4().to_string();
        let client = client.unwrap_or(&request).to_owned();
        refusal.reply(&request, &client).header("request-id", request)
    }
}

impl Reply {
    /// The body as JSON, for an item of a batch.
    pub(crate) fn body(self) -> Option<Json> {
        match self.content {
            Content::Empty => None,
            Content::Json(body) => Some(body),
            Content::Text(text) => Some(text.into()),
        }
    }
}
