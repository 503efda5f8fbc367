//! Sockets: accepts connections, with or without TLS, and carries requests to [`Service`] and answers back.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, Request as HttpRequest, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use super::exchange::{Content, Reply};
use super::service::{Outcome, Request, Service, lock};

/// The largest request body, in bytes. Graph takes 4 MB; seeds may be larger.
const LARGEST: usize = 1 << 30;

/// Serves until `stop` changes or its sender is gone; then answers what has begun.
pub(crate) async fn run(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    service: Arc<Service>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.changed() => break,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file handles, most likely: wait until connections end.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let door = Door { service: Arc::clone(&service), tls: tls.is_some() };
        match tls.clone() {
            None => connections.spawn(connection(stream, door, stop.clone())),
            Some(acceptor) => connections.spawn(secure(stream, acceptor, door, stop.clone())),
        };
    }
    while connections.join_next().await.is_some() {}
}

/// A client that does not trust us hangs up during the handshake; that is its business.
async fn secure(stream: TcpStream, acceptor: TlsAcceptor, door: Door, mut stop: watch::Receiver<bool>) {
    let stream = tokio::select! {
        stream = acceptor.accept(stream) => stream,
        _ = stop.changed() => return,
    };
    if let Ok(stream) = stream {
        connection(stream, door, stop).await;
    }
}

async fn connection<S>(stream: S, door: Door, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let builder = Builder::new(TokioExecutor::new()).http1_only();
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(door));
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stop.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Where a request of a connection comes in. An error breaks the connection.
#[derive(Clone)]
struct Door {
    service: Arc<Service>,
    tls: bool,
}

impl<B> tower_service::Service<HttpRequest<B>> for Door
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response<Body>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<B>) -> Self::Future {
        let door = self.clone();
        Box::pin(async move { door.answer(request.map(Body::new)).await })
    }
}

impl Door {
    async fn answer(&self, request: HttpRequest<Body>) -> Result<Response<Body>, io::Error> {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, LARGEST).await.map_err(io::Error::other)?;
        let headers = &parts.headers;
        let host = header(headers, "host").unwrap_or_else(|| "localhost".into());
        let client = header(headers, "client-request-id");
        let request = Request {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            authorization: header(headers, "authorization"),
            eventual: header(headers, "consistencylevel").is_some_and(|level| level.eq_ignore_ascii_case("eventual")),
            prefer: header(headers, "prefer").unwrap_or_default(),
            client_request_id: client.clone(),
            root: format!("{}://{host}", if self.tls { "https" } else { "http" }),
            body: body.into(),
        };
        let graph = request.path.starts_with("/v1.0/") || request.path.starts_with("/beta/");
        let delay = if graph { lock(&self.service.faults).delay() } else { 0 };
        let outcome = self.service.answer(request);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        match outcome {
            Outcome::Reply(reply) => Ok(response(reply, client, graph)),
            Outcome::Reset => {
                Err(io::Error::new(io::ErrorKind::ConnectionReset, "the connection is broken on purpose"))
            }
        }
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn response(reply: Reply, client: Option<String>, graph: bool) -> Response<Body> {
    let mut builder = Response::builder().status(reply.status);
    let mut numbered = false;
    for (name, value) in &reply.headers {
        numbered |= *name == "request-id";
        builder = builder.header(*name, value);
    }
    if graph {
        if !numbered {
            builder = builder.header("request-id", Uuid::new_v4().to_string());
        }
        builder = builder.header("odata-version", "4.0").header(
            "x-ms-ags-diagnostic",
            r#"{"ServerInfo":{"DataCenter":"Emulator","Slice":"E","Ring":"1","ScaleUnit":"000","RoleInstance":"EMULATOR"}}"#,
        );
    }
    if let Some(client) = client {
        builder = builder.header("client-request-id", client);
    }
    let json = if graph {
        "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
    } else {
        "application/json; charset=utf-8"
    };
    let result = match reply.content {
        Content::Empty => builder.body(Body::empty()),
        Content::Json(body) => builder.header("content-type", json).body(Body::from(body.to_string())),
        Content::Text(text) => builder.header("content-type", "text/plain").body(Body::from(text)),
    };
    result.unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
