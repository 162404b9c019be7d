//! The admin API: what is served, and how it changes.
//!
//! `GET /functions` and `GET /functions/TENANT/NAME` show state. `PUT /functions/TENANT/NAME` with
//! `{"manifest": PATH}` creates or updates the function of a manifest that is on this machine.
//! `DELETE` removes it and answers once it is gone. All of them want the token. `/metrics`,
//! `/healthz` and `/readyz` don't: they change nothing and show no secrets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Body;
use libfaas::host::{Deployed, FunctionState, State};
use libfaas::{Code, Manifest, Status};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::catalog::{Catalog, state_name};
use super::files::folder;
use super::gateway::{collect, health};
use super::http::{Messages, Refusal, failure};
use super::metrics::MEDIA_TYPE;
use super::token::Token;

/// Bytes of a request's body.
const BODY: u64 = 64 << 10;

/// What answers administrators.
pub struct Admin {
    catalog: Arc<Catalog>,
    token: Token,
    /// The folders that manifests may be in, without links.
    roots: Vec<PathBuf>,
    ready: watch::Receiver<bool>,
}

impl Admin {
    /// Lets the bearer of a token change a catalogue, by manifests below these folders.
    pub fn new(
        catalog: Arc<Catalog>,
        token: Token,
        roots: Vec<PathBuf>,
        ready: watch::Receiver<bool>,
    ) -> Self {
        Admin {
            catalog,
            token,
            roots,
            ready,
        }
    }

    /// Answers one request.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Bytes>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        if let Some(health) = health(&parts.method, path, *self.ready.borrow()) {
            return health;
        }
        if path == "/metrics" && parts.method == Method::GET {
            let text = self.catalog.metrics().text(self.catalog.host());
            return body_of(text, MEDIA_TYPE);
        }
        let shown = parts
            .headers
            .get(AUTHORIZATION)
            .map_or(&[][..], HeaderValue::as_bytes);
        if !self.token.authorizes(shown) {
            let status = Status::new(
                Code::Unauthenticated,
                "expected the admin token as a bearer token",
            );
            let mut response = failure(&status.into(), Messages::Shown);
            response
                .headers_mut()
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return response;
        }
        let answered = self.answer(&parts.method, path, body).await;
        answered.unwrap_or_else(|refusal| failure(&refusal, Messages::Shown))
    }

    async fn answer<B>(
        &self,
        method: &Method,
        path: &str,
        body: B,
    ) -> Result<Response<Bytes>, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let below = path.strip_prefix("/functions").ok_or_else(no_route)?;
        let (tenant, name) = match below.strip_prefix('/').and_then(|key| key.split_once('/')) {
            None if below.is_empty() => {
                return match *method {
                    Method::GET => {
                        let functions = self.catalog.host().functions();
                        let shown: Vec<_> = functions.iter().map(show).collect();
                        Ok(json_of(&json!({ "functions": shown })))
                    }
                    _ => Ok(not_allowed("GET")),
                };
            }
            Some(key) => key,
            None => return Err(no_route()),
        };
        match *method {
            Method::GET => {
                let found = self.catalog.host().look(tenant, name);
                Ok(json_of(&show(
                    &found.ok_or_else(|| not_found(tenant, name))?,
                )))
            }
            Method::PUT => {
                let body = collect(body, BODY).await?;
                self.deploy(tenant, name, &body).await
            }
            Method::DELETE => {
                self.catalog.remove(tenant, name).await?;
                let mut response = Response::default();
                *response.status_mut() = StatusCode::NO_CONTENT;
                Ok(response)
            }
            _ => Ok(not_allowed("GET, PUT, DELETE")),
        }
    }

    async fn deploy(
        &self,
        tenant: &str,
        name: &str,
        body: &[u8],
    ) -> Result<Response<Bytes>, Refusal> {
        let asked: Option<Value> = serde_json::from_slice(body).ok();
        let manifest = asked
            .as_ref()
            .and_then(|asked| asked["manifest"].as_str())
            .map(Path::new);
        let Some(manifest) = manifest.filter(|path| path.is_absolute()) else {
            let message = "expected {\"manifest\": PATH} with an absolute path on this machine";
            return Err(Refusal::invalid(message));
        };
        let path = self.allowed(manifest)?;
        let manifest =
            Manifest::from_path(&path).map_err(|fault| Refusal::invalid(fault.to_string()))?;
        if manifest.name != name {
            let message = format!(
                "expected the manifest of {name}, got that of {}",
                manifest.name
            );
            return Err(Refusal::invalid(message));
        }
        let deployed = self
            .catalog
            .deploy(tenant, manifest, &folder(&path))
            .await?;
        let Deployed { revision, status } = deployed;
        Ok(json_of(&json!({
            "tenant": tenant,
            "function": name,
            "revision": revision,
            "state": if status.is_ok() { "ready" } else { "failed" },
            "code": status.code.name(),
            "message": status.message,
        })))
    }

    /// The path without links, if it is below one of the folders that are served from: whoever has
    /// the token runs what is deployed, not whatever is on this machine.
    fn allowed(&self, path: &Path) -> Result<PathBuf, Refusal> {
        let refuse = || {
            let roots: Vec<_> = self
                .roots
                .iter()
                .map(|root| root.display().to_string())
                .collect();
            let (came, roots) = (path.display(), roots.join(", "));
            let message = format!(
                "expected a manifest below {roots}, got {came}; allow other folders with --allow"
            );
            Refusal::from(Status::new(Code::PermissionDenied, message))
        };
        let path = path.canonicalize().map_err(|_| refuse())?;
        match self.roots.iter().any(|root| path.starts_with(root)) {
            true => Ok(path),
            false => Err(refuse()),
        }
    }
}

/// A function as JSON.
fn show(state: &FunctionState) -> Value {
    let ended = state.counters.ended.iter();
    let ended: serde_json::Map<_, _> = ended
        .map(|(code, count)| (code.name().to_owned(), (*count).into()))
        .collect();
    let mut shown = json!({
        "tenant": state.tenant,
        "function": state.name,
        "revision": state.revision.id,
        "version": state.revision.manifest.version,
        "folder": state.revision.folder,
        "mode": state.revision.mode.name(),
        "state": state_name(&state.state),
        "instances": state.instances,
        "open": state.open,
        "queued": state.queued,
        "starts": state.counters.starts,
        "retries": state.counters.retries,
        "refused": state.counters.refused,
        "ended": ended,
    });
    if let State::Failed(status) = &state.state {
        shown["status"] = status.to_string().into();
    }
    shown
}

fn json_of(value: &Value) -> Response<Bytes> {
    body_of(format!("{value}\n"), "application/json")
}

fn body_of(text: String, media_type: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

fn not_allowed(methods: &'static str) -> Response<Bytes> {
    let refusal = Refusal::method(format!("expected one of {methods}"));
    let mut response = failure(&refusal, Messages::Shown);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(methods));
    response
}

fn no_route() -> Refusal {
    Status::new(
        Code::NotFound,
        "expected /functions or /functions/TENANT/NAME",
    )
    .into()
}

fn not_found(tenant: &str, name: &str) -> Refusal {
    Status::new(Code::NotFound, format!("no function {tenant}/{name}")).into()
}
