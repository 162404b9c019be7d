//! Requests for functions.

use std::sync::LazyLock;

use bytes::Bytes;
use faas_runtime::serve::cors::Cors;
use faas_runtime::serve::http::{Arrival, Content, Messages, answer, bound, failure, read, trace};
use faas_runtime::serve::route::Routes;
use http::{HeaderMap, Response, Uri};
use libfaas::{Data, Encoding, Event, Manifest, Timestamp};

/// A request is refused as HTTP has words for it, or becomes valid events, which as an answer are read back as what they
/// were, as far as the content mode can tell.
pub fn http(bytes: &[u8]) {
    let Some(request) = crate::request(bytes) else {
        return;
    };
    let (parts, body) = request.into_parts();
    routed(parts.method.as_str(), &parts.uri, &parts.headers);
    let context = trace(&parts.headers);
    context.validate().expect("what is invalid is dropped");
    for refusal in [
        bound(&parts.headers).err(),
        events(&parts.uri, &parts.headers, body).err(),
    ]
    .into_iter()
    .flatten()
    {
        assert!(refusal.http.is_client_error());
        for messages in [Messages::Private, Messages::Shown] {
            let response = failure(&refusal, messages);
            assert_eq!(response.headers()["fsi-status"], refusal.status.code.name());
            assert!(messages == Messages::Shown || response.body().is_empty());
        }
    }
}

fn events(
    uri: &Uri,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<(), faas_runtime::serve::http::Refusal> {
    let arrival = Arrival {
        id: "i",
        time: Timestamp::from_unix(1_790_856_000, 0).expect("a year of four digits"),
    };
    let incoming = read(uri, headers, body, &arrival)?;
    answer(&incoming.events, incoming.answer);
    for event in &incoming.events {
        let back = |response: &Response<Bytes>| {
            let incoming = read(uri, response.headers(), response.body().clone(), &arrival);
            let incoming = incoming.expect("an answer is a valid request");
            let [event] = &incoming.events[..] else {
                panic!("one event came back as several")
            };
            event.clone()
        };
        let protobuf = answer(
            std::slice::from_ref(event),
            Content::Structured(Encoding::Protobuf),
        );
        // What JSON implies of its data's type Protobuf says.
        let implied =
            matches!(event.data(), Some(Data::Json(_))) && event.datacontenttype().is_none();
        let told = back(&protobuf);
        assert_eq!(implied, told != *event);
        assert!(!implied || told.datacontenttype() == Some("application/json"));
        for content in [Content::Structured(Encoding::Json), Content::Binary] {
            let once = answer(std::slice::from_ref(event), content);
            let told: Event = back(&once);
            // White space around JSON is no part of it.
            let once = answer(std::slice::from_ref(&told), content);
            let again = back(&once);
            let twice = answer(std::slice::from_ref(&again), content);
            assert_eq!(
                (told.id(), told.source(), told.ty()),
                (event.id(), event.source(), event.ty())
            );
            assert_eq!(
                (once.headers(), once.body()),
                (twice.headers(), twice.body())
            );
        }
    }
    Ok(())
}

/// Every path has an answer, and a page gets no more than it was opened to.
fn routed(method: &str, uri: &Uri, headers: &HeaderMap) {
    static ROUTES: LazyLock<Routes> = LazyLock::new(|| {
        let triggers = "triggers: [{http: {path: /any/*, methods: [GET, PUT]}}, {http: {path: /a%20b, methods: [POST]}}]";
        let manifest =
            format!("{{fsi: '1.0', name: f, command: [f], modes: [binary], {triggers}}}");
        let mut routes = Routes::default();
        routes.put(
            "acme",
            &Manifest::from_yaml(&manifest).expect("a valid manifest"),
        );
        routes
    });
    ROUTES.find(method, uri.path());
    let methods = ROUTES.methods(uri.path());
    let cors = Cors::new(["https://example.com".parse().expect("an origin")]);
    let response = cors.preflight(headers, &methods);
    if let Some(origin) = response.headers().get("access-control-allow-origin") {
        assert_eq!(origin, "https://example.com");
    }
}
