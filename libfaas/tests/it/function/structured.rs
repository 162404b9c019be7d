//! Structured mode.

use libfaas::function::{Call, Exit, Function, each, many, result};
use libfaas::{Code, Encoding, Event, Status, encode_event};

use super::peer::{event, run_once};

const VARS: [(&str, &str); 3] = [
    ("FAAS_MODE", "structured"),
    ("FAAS_ENCODING", "json"),
    ("FAAS_INVOCATION_ID", "i"),
];

fn documents(events: &[Event]) -> Vec<u8> {
    let mut bytes = Vec::new();
    events
        .iter()
        .for_each(|event| encode_event(event, Encoding::Json, &mut bytes));
    bytes
}

#[test]
fn every_document_is_handled_until_eof() {
    let input = documents(&[event("1"), event("2")]);
    let (exit, written) = run_once(Function::new(), &VARS, &input, each(Ok::<Event, Status>));
    assert_eq!((exit, written), (Exit::Done, input));
}

#[test]
fn any_number_of_results_with_ids_of_the_invocation() {
    let input = documents(&[event("1"), event("2")]);
    let handler = many(|_, out| {
        assert_eq!(out.context().invocation_id, "i");
        out.emit(result("/f", "t"))?;
        out.emit(result("/f", "t"))
    });
    let (exit, written) = run_once(Function::new(), &VARS, &input, handler);
    let expected: Vec<_> = (1..=4)
        .map(|n| Event::builder(format!("i/{n}"), "/f", "t").build().unwrap())
        .collect();
    assert_eq!((exit, written), (Exit::Done, documents(&expected)));
}

#[test]
fn a_failure_is_an_exit_status_and_a_message() {
    for (code, status) in [
        (Code::InvalidArgument, 65),
        (Code::PermissionDenied, 77),
        (Code::NotFound, 1),
        (Code::Ok, 0),
    ] {
        let handler = each(move |_| Err::<Event, _>(Status::new(code, "why")));
        let (exit, _) = run_once(Function::new(), &VARS, &documents(&[event("1")]), handler);
        assert_eq!(exit.status(), status, "{code}");
        assert_eq!(
            exit,
            if status == 0 {
                Exit::Done
            } else {
                Exit::Failed(Status::new(code, "why"))
            }
        );
    }
    let panicking = each(|event: Event| {
        if event.id() == "1" {
            panic!("in a handler")
        } else {
            Ok(event)
        }
    });
    let (exit, _) = run_once(Function::new(), &VARS, &documents(&[event("1")]), panicking);
    assert_eq!(exit.status(), 70);
}

#[test]
fn malformed_cut_and_invalid_documents_exit_65_whatever_the_handler_makes_of_them() {
    for input in [
        "what?\n",
        "{\"specversion\":\"1.0\",",
        "{\"specversion\":\"1.0\",\"id\":\"1\"}\n",
    ] {
        let (exit, _) = run_once(
            Function::new(),
            &VARS,
            input.as_bytes(),
            |call: &mut Call| {
                while let Ok(Some(_)) = call.next_event() {}
                Ok(())
            },
        );
        assert_eq!(exit.status(), 65, "{input}");
    }
}

#[test]
fn a_result_above_the_limit_fails() {
    let vars = [VARS[0], VARS[1], ("FAAS_MAX_MESSAGE_BYTES", "1000")];
    let handler = each(|event: Event| {
        Ok(event
            .to_builder()
            .data("x".repeat(1000))
            .datacontenttype("text/plain"))
    });
    let (exit, written) = run_once(Function::new(), &vars, &documents(&[event("1")]), handler);
    assert!(matches!(exit, Exit::Failed(status) if status.code == Code::ResourceExhausted));
    assert!(written.is_empty());
}

#[test]
fn pieces_of_a_result_are_put_together() {
    let (exit, written) = run_once(
        Function::new(),
        &VARS,
        &documents(&[event("1")]),
        |call: &mut Call| {
            let mut body = call.begin(result("/f", "t").datacontenttype("text/plain").data(""))?;
            body.push("ab")?;
            body.push("c")?;
            body.finish()
        },
    );
    assert_eq!(exit, Exit::Done);
    let expected = Event::builder("i/1", "/f", "t")
        .datacontenttype("text/plain")
        .data("abc")
        .build()
        .unwrap();
    assert_eq!(written, documents(&[expected]));
}
