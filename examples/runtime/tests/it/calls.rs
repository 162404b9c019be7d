//! Calls over HTTP.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::path::Path;

use libfaas::{Encoding, Event, Limits};
use serde_json::json;

use crate::client::Client;
use crate::server::{Server, python, rust, shell};

const TEXT: (&str, &str) = ("content-type", "text/plain");

/// Python and Rust, in both content modes, in JSON and in Protobuf.
#[test]
fn functions_answer_in_the_mode_that_was_asked_for() {
    let server = Server::start(&[], |root| {
        python(root);
        rust(root);
    });
    for name in ["python-wordcount", "rust-wordcount"] {
        let line = format!("POST /default/{name}");
        let plain = server.ask(&line, &[TEXT], b"one two\n");
        assert_eq!(
            (plain.status, plain.json()["words"].as_u64()),
            (200, Some(2)),
            "{plain:?}"
        );
        assert_eq!(plain.header("content-type"), "application/json");

        let headers = [
            TEXT,
            ("ce-specversion", "1.0"),
            ("ce-id", "41%20%E2%82%AC"),
            ("ce-source", "/me"),
            ("ce-type", "com.example.text"),
        ];
        let binary = server.ask(&line, &headers, b"one two three");
        assert_eq!(binary.json()["words"], 3, "{binary:?}");
        assert_eq!(binary.header("ce-specversion"), "1.0");

        let event = Event::builder("41", "/me", "com.example.text").datacontenttype("text/plain");
        let event = event.data("one").build().unwrap();
        for (media_type, encoding) in [
            ("application/cloudevents+json", Encoding::Json),
            ("application/cloudevents+protobuf", Encoding::Protobuf),
        ] {
            let asked = [("content-type", media_type)];
            let structured = server.ask(&line, &asked, &event.encode(encoding));
            assert_eq!(
                structured.header("content-type"),
                media_type,
                "{structured:?}"
            );
            let result = Event::decode(structured.body, encoding, &Limits::default()).unwrap();
            assert!(!result.ty().is_empty());
        }
        let accept = [TEXT, ("accept", "application/cloudevents+json")];
        let accepted = server.ask(&line, &accept, b"one");
        assert_eq!(accepted.json()["data"]["words"], 1);
    }
}

#[test]
fn a_batch_is_one_call() {
    let server = Server::start(&[], |root| drop(python(root)));
    let event = |id: &str, data: &str| json!({"specversion": "1.0", "id": id, "source": "/me", "type": "t", "datacontenttype": "text/plain", "data": data});
    let batch = json!([event("1", "one"), event("2", "one two")]).to_string();
    let media_type = ("content-type", "application/cloudevents-batch+json");
    let answer = server.ask(
        "POST /default/python-wordcount",
        &[media_type],
        batch.as_bytes(),
    );
    assert_eq!(
        answer.header("content-type"),
        "application/cloudevents-batch+json"
    );
    let results = answer.json();
    let words = |index: usize| results[index]["data"]["words"].as_u64();
    assert_eq!((words(0), words(1)), (Some(1), Some(2)), "{results}");
    let ended = &server.state("python-wordcount")["ended"];
    assert_eq!(ended, &json!({"OK": 1}));
}

#[test]
fn a_trace_reaches_function_and_log() {
    let server = Server::start(&[], |root| {
        shell(
            root,
            "trace",
            "echo logged >&2; printf %s \"$TRACEPARENT $TRACESTATE\"",
        );
    });
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [("traceparent", parent), ("tracestate", "a=1")];
    let answer = server.ask("POST /default/trace", &headers, b"");
    assert_eq!(answer.text(), format!("{parent} a=1"));
    for body in ["call", "logged"] {
        let record = server.wait_record(body, "function", "trace");
        assert_eq!(record["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(record["attributes"]["tenant"], "default");
        assert!(record["attributes"]["call"].is_string(), "{record}");
    }
    let invalid = [("traceparent", "00-xyz"), ("tracestate", "a=1")];
    assert_eq!(server.ask("POST /default/trace", &invalid, b"").text(), " ");
}

#[test]
fn tenants_are_apart() {
    let server = Server::start(&[], |root| {
        shell(&root.join("acme"), "who", "printf %s \"$FAAS_TENANT\"");
        shell(&root.join("other"), "who", "printf %s \"$FAAS_TENANT\"");
        shell(&root.join("other"), "secret", "printf secret");
    });
    assert_eq!(server.ask("POST /acme/who", &[], b"").text(), "acme");
    assert_eq!(server.ask("POST /other/who", &[], b"").text(), "other");
    assert_eq!(server.ask("POST /acme/secret", &[], b"").status, 404);
    assert_eq!(server.ask("POST /default/who", &[], b"").status, 404);
}

#[test]
fn a_client_that_goes_away_cancels_its_call() {
    let server = Server::start(&[], |root| drop(shell(root, "slow", "sleep 600")));
    let mut client = TcpStream::connect(server.gateway).unwrap();
    std::io::Write::write_all(
        &mut client,
        b"POST /default/slow HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
    )
    .unwrap();
    server.wait_state("slow", |state| state["open"] == 1);
    client.shutdown(Shutdown::Both).unwrap();
    drop(client);
    server.wait_state("slow", |state| {
        state["open"] == 0 && state["instances"] == 0
    });
    server.wait_record("call", "code", "CANCELLED");
}

#[test]
fn a_deadline_is_504_and_leaves_nothing_running() {
    let server = Server::start(&["--cancel-grace", "100ms"], |root| {
        drop(shell(root, "slow", "sleep 600"))
    });
    let late = server.ask("POST /default/slow", &[("fsi-timeout-ms", "50")], b"");
    assert_eq!(
        (late.status, late.header("fsi-status")),
        (504, "DEADLINE_EXCEEDED")
    );
    assert!(late.body.is_empty());
    // Said after the fact is certain: there is no process of it any more.
    assert_eq!(server.state("slow")["open"], 0);
}

#[test]
fn a_body_too_large_is_refused_unread() {
    let server = Server::start(&[], |root| {
        let folder = shell(root, "small", "cat");
        let manifest = json!({"fsi": "1.0", "name": "small", "command": ["cat"], "modes": ["binary"], "limits": {"event": "1Ki"}});
        std::fs::write(folder.join("function.json"), manifest.to_string()).unwrap();
    });
    let mut client = TcpStream::connect(server.gateway).unwrap();
    let head = b"POST /default/small HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n";
    std::io::Write::write_all(&mut client, head).unwrap();
    let mut start = [0; 12];
    client.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
    assert_eq!(
        server.ask("POST /default/small", &[], &[b'x'; 1024]).status,
        200
    );
}

#[test]
fn pages_of_a_browser_call_only_where_that_is_configured() {
    let fill = |root: &Path| drop(shell(root, "f", "cat"));
    let origin = ("origin", "https://app.example");
    let closed = Server::start(&[], fill);
    for line in ["POST /default/f", "OPTIONS /default/f"] {
        let answer = closed.ask(line, &[origin, TEXT], b"");
        let names: BTreeSet<_> = answer
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert!(
            names.iter().all(|name| !name.starts_with("access-control")),
            "{names:?}"
        );
    }
    let open = Server::start(&["--cors-origin", "https://app.example"], fill);
    let options = open.ask("OPTIONS /default/f", &[origin], b"");
    assert_eq!(
        (
            options.status,
            options.header("access-control-allow-methods")
        ),
        (204, "POST")
    );
    let called = open.ask("POST /default/f", &[origin, TEXT], b"x");
    assert_eq!(
        called.header("access-control-allow-origin"),
        "https://app.example"
    );
    assert_eq!(
        open.state("f")["ended"],
        json!({"OK": 1}),
        "OPTIONS calls no function"
    );
}

#[test]
fn messages_are_the_operators_unless_configured() {
    let fill = |root: &Path| drop(shell(root, "f", "echo the door is locked >&2; exit 77"));
    let private = Server::start(&[], fill).ask("POST /default/f", &[], b"");
    assert_eq!((private.status, private.body.len()), (403, 0));
    let server = Server::start(&["--show-messages"], fill);
    let shown = server.ask("POST /default/f", &[], b"");
    assert_eq!(
        (shown.status, &shown.json()["message"]),
        (403, &json!("the door is locked"))
    );
    let record = server.wait_record("call", "code", "PERMISSION_DENIED");
    assert_eq!(record["attributes"]["message"], "the door is locked");
}

#[test]
fn from_zero_and_back() {
    let server = Server::start(&["--idle", "100ms"], |root| drop(python(root)));
    for _ in 0..2 {
        server.wait_state("python-wordcount", |state| state["instances"] == 0);
        let answer = server.ask("POST /default/python-wordcount", &[TEXT], b"one");
        assert_eq!(answer.json()["words"], 1);
    }
    let state = server.state("python-wordcount");
    assert_eq!(state["state"], "ready");
    assert!(state["starts"].as_u64().unwrap() >= 3, "{state}");
}

#[test]
fn keeps_a_connection_for_many_requests() {
    let server = Server::start(&[], |root| drop(shell(root, "f", "cat")));
    let mut client = Client::connect(server.gateway).unwrap();
    for text in ["a", "", "c"] {
        let answer = client
            .ask("POST /default/f", &[TEXT], text.as_bytes())
            .unwrap();
        assert_eq!((answer.status, answer.text()), (200, text));
    }
    assert_eq!(client.ask("GET /readyz", &[], b"").unwrap().status, 200);
    assert_eq!(
        client
            .ask("POST /default/none", &[], b"")
            .unwrap()
            .header("fsi-status"),
        "NOT_FOUND"
    );
}
