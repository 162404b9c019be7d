//! Requests in, responses out: the HTTP binding in front of a host.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use jiff::Timestamp;
use libfaas::{Code, Context, Event, Status};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::catalog::{Catalog, Target};
use super::cors::Cors;
use super::http::{
    Arrival, DELIVERY, Messages, Refusal, answer, bound, describe, failure, read, trace,
};
use super::invoke::new_id;
use crate::log::{Record, Severity};

/// How long a client may take to send a body.
const BODY: Duration = Duration::from_secs(60);

/// What answers requests for functions.
pub struct Gateway {
    catalog: Arc<Catalog>,
    cors: Cors,
    messages: Messages,
    /// Whether the functions that are served from the start have been deployed, and the end has not
    /// come.
    ready: watch::Receiver<bool>,
}

impl Gateway {
    /// Answers requests for the functions of a catalogue.
    pub fn new(
        catalog: Arc<Catalog>,
        cors: Cors,
        messages: Messages,
        ready: watch::Receiver<bool>,
    ) -> Self {
        Gateway {
            catalog,
            cors,
            messages,
            ready,
        }
    }

    /// Answers one request. Dropped, it cancels the call (`http-client-gone`).
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Bytes>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        if let Some(health) = health(&parts.method, path, *self.ready.borrow()) {
            return health;
        }
        if parts.method == Method::OPTIONS && self.cors.is_open() {
            let methods = match self.catalog.find("", path) {
                Target::Methods(methods) => methods,
                _ => Vec::new(),
            };
            let methods: BTreeSet<_> = methods.iter().map(String::as_str).collect();
            return self.cors.preflight(&parts.headers, &methods);
        }
        let target = self.catalog.find(method, path);
        let outcome = self.outcome(&parts, body, target).await;
        let mut response = outcome.unwrap_or_else(|response| *response);
        self.cors.open(&parts.headers, response.headers_mut());
        response
    }

    /// The response of a call, or in place of one.
    async fn outcome<B>(
        &self,
        parts: &Parts,
        body: B,
        target: Target,
    ) -> Result<Response<Bytes>, Box<Response<Bytes>>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (uri, headers) = (&parts.uri, &parts.headers);
        let refuse = |refusal: Refusal| Box::new(self.refuse(&refusal, &target));
        let host = self.catalog.host();
        let ceiling = host.options().settings.ceilings.event;
        let limit = match &target {
            // One that is just being removed has no limit of its own any more.
            Target::Function { tenant, name } => match host.look(tenant, name) {
                Some(state) => state.revision.bounds.event,
                None => ceiling,
            },
            Target::Tenant(_) => ceiling,
            Target::Methods(methods) => {
                let allowed = methods.join(", ");
                let refusal = Refusal::method(format!("expected one of {allowed}"));
                let mut response = refuse(refusal);
                if let Ok(allowed) = HeaderValue::from_str(&allowed) {
                    response.headers_mut().insert(ALLOW, allowed);
                }
                return Err(response);
            }
            Target::Nothing => {
                let status = Status::new(Code::NotFound, "no such route");
                return Err(refuse(status.into()));
            }
        };
        let arrived = Timestamp::now();
        let mut context = trace(headers);
        if let Some(bound) = bound(headers).map_err(refuse)? {
            let bound = i64::try_from(bound.as_millis()).unwrap_or(i64::MAX);
            context.deadline_ms = Some(arrived.as_millisecond().saturating_add(bound));
        }
        context.invocation_id = new_id();
        let body = collect(body, limit.unwrap_or(u64::MAX))
            .await
            .map_err(refuse)?;
        let time = libfaas::Timestamp::from_unix(
            arrived.as_second(),
            arrived.subsec_nanosecond().unsigned_abs(),
        );
        let arrival = Arrival {
            id: &context.invocation_id,
            time: time.expect("now is in the years 1 to 9999"),
        };
        let incoming = read(uri, headers, body, &arrival).map_err(refuse)?;
        if incoming.plain {
            // The event has no place for it, and an adapter needs it.
            let description = describe(&parts.method, uri, headers);
            context.extra.insert(DELIVERY.to_owned(), description);
        }
        let results = match &target {
            // An empty batch asks for nothing.
            _ if incoming.events.is_empty() => Ok(Vec::new()),
            Target::Function { tenant, name } => {
                self.catalog
                    .call(tenant, name, context, incoming.events)
                    .await
            }
            Target::Tenant(tenant) => self.publish(tenant, &context, &incoming.events).await,
            Target::Methods(_) | Target::Nothing => Ok(Vec::new()),
        };
        match results {
            Ok(results) => Ok(answer(&results, incoming.answer)),
            Err(status) => Err(Box::new(failure(&status.into(), self.messages))),
        }
    }

    /// Gives events to every function of the tenant that has a trigger for them, each in a call of
    /// its own, and gives back what all of them had for results, or the first failure, both in the
    /// order of the functions' names.
    async fn publish(
        &self,
        tenant: &str,
        context: &Context,
        events: &[Event],
    ) -> Result<Vec<Event>, Status> {
        let mut calls = JoinSet::new();
        let wanting = self.catalog.wanting(tenant, events);
        for (index, (name, events)) in wanting.into_iter().enumerate() {
            let (catalog, tenant) = (Arc::clone(&self.catalog), tenant.to_owned());
            let context = Context {
                invocation_id: new_id(),
                ..context.clone()
            };
            calls
                .spawn(async move { (index, catalog.call(&tenant, &name, context, events).await) });
        }
        let mut ended = calls.join_all().await;
        ended.sort_by_key(|(index, _)| *index);
        let results = ended.into_iter().map(|(_, ended)| ended);
        Ok(results.collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn refuse(&self, refusal: &Refusal, target: &Target) -> Response<Bytes> {
        self.catalog.metrics().refused(refusal.http.as_u16());
        let mut record = Record::new(Severity::Info, "refused a request")
            .with("http", refusal.http.as_u16())
            .with("message", refusal.status.message.as_str());
        if let Target::Function { tenant, name } = target {
            record = record.function(tenant, name);
        }
        self.catalog.log().put(&record);
        failure(refusal, self.messages)
    }
}

/// The answer to whoever asks how the runtime is, on paths that no tenant can have.
pub fn health(method: &Method, path: &str, ready: bool) -> Option<Response<Bytes>> {
    let status = match path {
        _ if !matches!(*method, Method::GET | Method::HEAD) => return None,
        "/healthz" => StatusCode::OK,
        "/readyz" if ready => StatusCode::OK,
        "/readyz" => StatusCode::SERVICE_UNAVAILABLE,
        _ => return None,
    };
    let text = if status.is_success() {
        "ok\n"
    } else {
        "not ready\n"
    };
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    Some(response)
}

/// Reads a body of at most `limit` bytes (`http-too-large`).
pub(super) async fn collect<B>(body: B, limit: u64) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // What says how long it is need not be read for it.
    if body.size_hint().lower() > limit {
        return Err(Refusal::too_large(limit));
    }
    let bytes = usize::try_from(limit).unwrap_or(usize::MAX);
    let body = std::pin::pin!(body);
    match tokio::time::timeout(BODY, Limited::new(body, bytes).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => Err(Refusal::too_large(limit)),
        Ok(Err(_)) => Err(Refusal::invalid("the body ended before it was complete")),
        Err(_) => Err(Refusal {
            http: StatusCode::REQUEST_TIMEOUT,
            status: Status::new(Code::DeadlineExceeded, "the body took too long"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use libfaas::Manifest;
    use libfaas::host::{Host, Settings};

    use super::*;
    use crate::log::{Form, Log};
    use crate::serve::metrics::Metrics;

    /// A gateway with functions of two tenants that need nothing but coreutils.
    async fn gateway(cors: &[&str]) -> (Gateway, Host) {
        let host = Host::new(Settings::default()).unwrap();
        let log = Log::new(Form::Json, std::io::sink());
        let catalog = Catalog::new(host.clone(), log, Metrics::default());
        for (tenant, manifest) in [
            (
                "acme",
                "{name: shout, command: [tr, a-z, A-Z], limits: {event: 1k}, produces: [{type: t, datacontenttype: text/plain}]",
            ),
            (
                "acme",
                "{name: orders, command: [cat], triggers: [{events: {filters: [{prefix: {type: order.}}]}}]",
            ),
            (
                "acme",
                "{name: all, command: [cat], triggers: [{events: {filters: []}}, {http: {path: /any/*, methods: [GET, PUT]}}]",
            ),
            (
                "other",
                "{name: fail, command: [sh, -c, 'echo secret >&2; exit 77']",
            ),
        ] {
            let text = format!("{manifest}, fsi: '1.0', modes: [binary]}}");
            let manifest = Manifest::from_yaml(&text).unwrap();
            let deployed = catalog
                .deploy(tenant, manifest, std::path::Path::new("/"))
                .await
                .unwrap();
            assert!(deployed.status.is_ok(), "{:?}", deployed.status);
        }
        let cors = Cors::new(cors.iter().map(|origin| origin.parse().unwrap()));
        let (_, ready) = watch::channel(true);
        (Gateway::new(catalog, cors, Messages::Private, ready), host)
    }

    async fn ask(
        gateway: &Gateway,
        line: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Bytes> {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        gateway.handle(request.body(body).unwrap()).await
    }

    fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
        response
            .headers()
            .get(name)
            .map_or("-", |value| value.to_str().unwrap())
    }

    const TEXT: (&str, &str) = ("content-type", "text/plain");

    /// A body that is larger than anything, and of which nobody may read a byte.
    struct Endless;

    impl Body for Endless {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            panic!("it is read");
        }

        fn size_hint(&self) -> hyper::body::SizeHint {
            hyper::body::SizeHint::with_exact(1 << 40)
        }
    }

    #[tokio::test]
    async fn the_body_for_a_function_that_is_gone_has_a_bound_too() {
        let (gateway, host) = gateway(&[]).await;
        // As the driver does, whose HTTP endpoint keeps the route.
        host.remove("acme", "shout").await.unwrap();
        let request = Request::post("/acme/shout").body(Endless).unwrap();
        assert_eq!(gateway.handle(request).await.status(), 413);
        let small = ask(&gateway, "POST /acme/shout", &[TEXT], "hello").await;
        assert_eq!(small.status(), 404);
        host.shutdown().await;
    }

    #[tokio::test]
    async fn a_call_and_its_refusals() {
        let (gateway, host) = gateway(&[]).await;
        let done = ask(&gateway, "POST /acme/shout", &[TEXT], "hello").await;
        assert_eq!(
            (done.status().as_u16(), &done.body()[..]),
            (200, &b"HELLO"[..])
        );
        assert_eq!(header(&done, "ce-type"), "t");
        assert_eq!(header(&done, "content-type"), "text/plain");
        for (line, headers, body, status, name) in [
            ("POST /acme/nothing", &[][..], "", 404, "NOT_FOUND"),
            ("POST /other/shout", &[], "", 404, "NOT_FOUND"),
            ("POST /nobody/shout", &[], "", 404, "NOT_FOUND"),
            ("GET /acme/shout", &[], "", 405, "UNIMPLEMENTED"),
            ("POST /acme/any/x", &[], "", 405, "UNIMPLEMENTED"),
            (
                "OPTIONS /acme/shout",
                &[("origin", "https://a")],
                "",
                405,
                "UNIMPLEMENTED",
            ),
            (
                "POST /acme/shout",
                &[("ce-specversion", "1.0")],
                "",
                400,
                "INVALID_ARGUMENT",
            ),
            (
                "POST /acme/shout",
                &[("fsi-timeout-ms", "soon")],
                "",
                400,
                "INVALID_ARGUMENT",
            ),
            (
                "POST /acme/shout",
                &[],
                &"x".repeat(1001),
                413,
                "RESOURCE_EXHAUSTED",
            ),
            ("POST /other/fail", &[], "", 403, "PERMISSION_DENIED"),
        ] {
            let response = ask(&gateway, line, headers, body).await;
            assert_eq!(response.status(), status, "{line}");
            assert_eq!(header(&response, "fsi-status"), name, "{line}");
            assert!(response.body().is_empty(), "{line}");
            assert_eq!(header(&response, "access-control-allow-origin"), "-");
        }
        let allowed = ask(&gateway, "DELETE /acme/any/x", &[], "").await;
        assert_eq!(header(&allowed, "allow"), "GET, PUT");
        assert_eq!(
            ask(&gateway, "PUT /acme/any/x", &[TEXT], "x")
                .await
                .status(),
            200
        );
        host.shutdown().await;
    }

    #[tokio::test]
    async fn an_adapter_is_told_how_a_plain_request_came() {
        let (gateway, host) = gateway(&[]).await;
        let manifest = r#"{fsi: '1.0', name: hook, command: [sh, -c, 'printf %s "$FAAS_X_DELIVERY"'], modes: [binary]}"#;
        let manifest = Manifest::from_yaml(manifest).unwrap();
        let folder = std::path::Path::new("/");
        let deployed = gateway.catalog.deploy("acme", manifest, folder).await;
        assert!(deployed.unwrap().status.is_ok());
        let push = ("x-github-event", "push");
        let told = ask(&gateway, "POST /acme/hook?x=1", &[TEXT, push], "body").await;
        let told: serde_json::Value = serde_json::from_slice(told.body()).unwrap();
        assert_eq!(told["method"], "POST");
        assert_eq!(
            (&told["path"], &told["query"]),
            (&"/acme/hook".into(), &"x=1".into())
        );
        assert_eq!(told["headers"]["x-github-event"], "push");
        // What is an event says all by itself.
        let event = [
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/s"),
            ("ce-type", "t"),
        ];
        let untold = ask(&gateway, "POST /acme/hook", &event, "body").await;
        assert_eq!(
            (untold.status().as_u16(), &untold.body()[..]),
            (200, &b""[..])
        );
        host.shutdown().await;
    }

    #[tokio::test]
    async fn an_event_goes_to_who_wants_it() {
        let (gateway, host) = gateway(&[]).await;
        let event = |ty: &str| {
            let event = Event::builder("1", "/s", ty)
                .datacontenttype("text/plain")
                .data("x");
            event.build().unwrap().to_json()
        };
        let json = ("content-type", "application/cloudevents+json");
        let both = ask(&gateway, "POST /acme", &[json], &event("order.placed")).await;
        assert_eq!(
            header(&both, "content-type"),
            "application/cloudevents-batch+json"
        );
        let results: Vec<serde_json::Value> = serde_json::from_slice(both.body()).unwrap();
        let sources: Vec<_> = results
            .iter()
            .map(|result| result["source"].as_str().unwrap())
            .collect();
        assert_eq!(sources, ["/all", "/orders"]);
        let one = ask(&gateway, "POST /acme", &[json], &event("other")).await;
        assert_eq!(header(&one, "content-type"), "application/cloudevents+json");
        let none = ask(&gateway, "POST /other", &[json], &event("other")).await;
        assert_eq!(none.status(), 204);
        host.shutdown().await;
    }

    #[tokio::test]
    async fn cors_is_answered_here_once_configured() {
        let (gateway, host) = gateway(&["https://a.example"]).await;
        let origin = ("origin", "https://a.example");
        let options = ask(&gateway, "OPTIONS /acme/any/x", &[origin], "").await;
        assert_eq!(options.status(), 204);
        assert_eq!(header(&options, "access-control-allow-methods"), "GET, PUT");
        for line in ["POST /acme/shout", "POST /acme/nothing"] {
            let response = ask(&gateway, line, &[origin, TEXT], "x").await;
            assert_eq!(
                header(&response, "access-control-allow-origin"),
                "https://a.example"
            );
        }
        host.shutdown().await;
    }

    #[tokio::test]
    async fn a_deadline_is_the_clients_or_the_functions() {
        let (gateway, host) = gateway(&[]).await;
        let manifest = "{fsi: '1.0', name: slow, command: [sleep, '60'], modes: [binary]}";
        let manifest = Manifest::from_yaml(manifest).unwrap();
        gateway
            .catalog
            .deploy("acme", manifest, std::path::Path::new("/"))
            .await
            .unwrap();
        let late = ask(&gateway, "POST /acme/slow", &[("fsi-timeout-ms", "50")], "").await;
        assert_eq!(
            (late.status().as_u16(), header(&late, "fsi-status")),
            (504, "DEADLINE_EXCEEDED")
        );
        host.shutdown().await;
    }

    #[tokio::test]
    async fn triggers_that_are_not_offered_are_refused() {
        let (gateway, host) = gateway(&[]).await;
        for (trigger, code) in [
            ("{queue: {topic: x}}", Code::FailedPrecondition),
            ("{schedule: {cron: 0 0 * * 9}}", Code::InvalidArgument),
            (
                "{http: {path: /any/*, methods: [PUT]}}",
                Code::FailedPrecondition,
            ),
        ] {
            let text = format!(
                "{{fsi: '1.0', name: new, command: [cat], modes: [binary], triggers: [{trigger}]}}"
            );
            let manifest = Manifest::from_yaml(&text).unwrap();
            let refused = gateway
                .catalog
                .deploy("acme", manifest, std::path::Path::new("/"))
                .await;
            assert_eq!(refused.unwrap_err().code, code, "{trigger}");
            assert_eq!(ask(&gateway, "POST /acme/new", &[], "").await.status(), 404);
        }
        host.shutdown().await;
    }

    #[test]
    fn health_is_asked_for_with_get() {
        let status =
            |path, ready| health(&Method::GET, path, ready).map(|answer| answer.status().as_u16());
        assert_eq!(status("/healthz", false), Some(200));
        assert_eq!(status("/readyz", true), Some(200));
        assert_eq!(status("/readyz", false), Some(503));
        assert_eq!(status("/acme", true), None);
        assert!(health(&Method::POST, "/healthz", true).is_none());
    }
}
