//! Binary mode.

use libfaas::function::{Call, Exit, Function, Piece, each, many, result};
use libfaas::{Code, Data, Event, JsonText, Status};

use super::peer::run_once;

const VARS: [(&str, &str); 6] = [
    ("FAAS_MODE", "binary"),
    ("CE_SPECVERSION", "1.0"),
    ("CE_ID", "1"),
    ("CE_SOURCE", "/s"),
    ("CE_TYPE", "t"),
    ("FAAS_INVOCATION_ID", "i"),
];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&VARS[..], more].concat()
}

/// The event that a handler is given.
fn seen(vars: &[(&str, &str)], input: &[u8]) -> Event {
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let handler = each(move |event: Event| {
        sender.lock().unwrap().send(event.clone()).unwrap();
        Ok(event)
    });
    let (exit, written) = run_once(Function::new(), vars, input, handler);
    assert_eq!((exit, written.as_slice()), (Exit::Done, input));
    receiver.try_recv().unwrap()
}

#[test]
fn attributes_are_variables() {
    let vars = with(&[
        ("CE_SUBJECT", "sub"),
        ("CE_TIME", "2026-01-02T03:04:05Z"),
        ("CE_DATASCHEMA", "http://a/b"),
        ("CE_COUNT", "3"),
        ("PATH", "/bin"),
    ]);
    let expected = Event::builder("1", "/s", "t")
        .subject("sub")
        .time("2026-01-02T03:04:05Z")
        .dataschema("http://a/b")
        .attribute("count", "3")
        .build()
        .unwrap();
    assert_eq!(seen(&vars, b""), expected);
}

#[test]
fn the_content_type_decides_the_kind_of_data() {
    for (ty, input, data) in [
        ("text/plain", &b"hello"[..], Data::Text("hello".into())),
        ("text/plain", b"\xff", Data::from(&b"\xff"[..])),
        (
            "application/json",
            b"{\"a\": 1}",
            Data::Json(JsonText::new("{\"a\": 1}").unwrap()),
        ),
        ("application/json", b"{", Data::from(&b"{"[..])),
        ("image/png", b"hello", Data::from(&b"hello"[..])),
    ] {
        assert_eq!(
            seen(&with(&[("CE_DATACONTENTTYPE", ty)]), input).data(),
            Some(&data),
            "{ty}"
        );
    }
    assert_eq!(
        seen(&VARS, b"hello").data(),
        Some(&Data::from(&b"hello"[..]))
    );
}

#[test]
fn variables_that_are_no_event() {
    for vars in [
        vec![("FAAS_MODE", "binary")],
        with(&[("CE_SPECVERSION", "0.3")]),
        with(&[("CE_TIME", "yesterday")]),
        with(&[("CE_NOT_ONE", "no attribute has such a name")]),
    ] {
        let (exit, written) = run_once(Function::new(), &vars, b"", each(Ok::<Event, Status>));
        assert_eq!(
            (exit.status(), written.as_slice()),
            (65, &b""[..]),
            "{vars:.200?}"
        );
    }
}

#[test]
fn there_is_one_result_at_most() {
    let (exit, written) = run_once(Function::new(), &VARS, b"x", many(|_, _| Ok(())));
    assert_eq!((exit, written.as_slice()), (Exit::Done, &b""[..]));

    let twice = many(|event: Event, out| {
        out.emit(event.clone())?;
        out.emit(event)
    });
    assert_eq!(run_once(Function::new(), &VARS, b"x", twice).0.status(), 70);
}

#[test]
fn data_streams_through_in_pieces() {
    let input = vec![7; 1 << 20];
    let handler = |call: &mut Call| {
        let Some(Piece::Event { event, .. }) = call.next_piece()? else {
            panic!("an event begins")
        };
        let mut pieces = vec![event.data().unwrap().as_bytes().to_vec()];
        while let Some(Piece::Chunk { bytes, .. }) = call.next_piece()? {
            pieces.push(bytes.to_vec());
        }
        assert!(pieces.len() > 2);
        let mut body = call.begin(result("/f", "t"))?;
        for piece in pieces {
            body.push(piece)?;
        }
        body.finish()
    };
    let (exit, written) = run_once(
        Function::new().max_event_bytes(1 << 10),
        &VARS,
        &input,
        handler,
    );
    assert_eq!(exit, Exit::Done);
    assert!(written == input);
}

#[test]
fn data_beyond_the_limit_is_not_held() {
    let function = Function::new().max_event_bytes(1 << 10);
    let (exit, _) = run_once(function, &VARS, &[0; 2 << 10], each(Ok::<Event, Status>));
    assert!(matches!(exit, Exit::Failed(status) if status.code == Code::ResourceExhausted));
}
