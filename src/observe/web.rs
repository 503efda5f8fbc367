//! `/metrics`, `/healthz` and `/readyz`, for whoever watches. Answers while a cycle runs.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};

use super::Shared;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is answered where.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .with_state(shared)
}

async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> impl IntoResponse {
    let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let open = accepts.contains("application/openmetrics-text");
    let success = {
        let standing = shared.standing();
        standing.success.unwrap_or(standing.begun)
    };
    shared.metrics.since_success.set(success.elapsed().as_secs_f64());
    ([(CONTENT_TYPE, if open { OPEN_METRICS } else { TEXT })], shared.metrics.text(open))
}

async fn alive(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let (now, standing) = (Instant::now(), shared.standing().clone());
    (status(standing.is_alive(now)), Json(standing.alive_as_json(now)))
}

async fn ready(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let (now, standing) = (Instant::now(), shared.standing().clone());
    (status(standing.unready(now).is_empty()), Json(standing.ready_as_json(now)))
}

fn status(well: bool) -> StatusCode {
    if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
