//! Data in pieces, limits and back-pressure.

use std::io::Write;
use std::sync::{Mutex, mpsc};

use bytes::Bytes;
use libfaas::function::{Call, Function, Piece, each, result};
use libfaas::{Code, Data, Encoding, Event, JsonText, Message, Status, encode_message};

use super::peer::{PATIENCE, Peer, end, event, on_thread, one, unary};

const CHUNKS: (&str, &str) = ("FAAS_FEATURES", "chunks");

fn chunk(call: u64, bytes: &[u8], more: bool) -> Message {
    Message {
        call,
        chunk: Some(Bytes::copy_from_slice(bytes)),
        more,
        ..Message::default()
    }
}

fn with(data: impl Into<Data>, ty: &str) -> Event {
    event("1")
        .to_builder()
        .data(data)
        .datacontenttype(ty)
        .build()
        .unwrap()
}

/// Puts the next event of a call together, however it was written: its data, and the messages.
fn assembled(peer: &mut Peer, call: u64) -> (Event, Vec<u8>, Vec<Message>) {
    let mut messages = vec![peer.receive()];
    let event = messages[0].event.clone().expect("an event");
    let mut data = event
        .data()
        .map_or_else(Vec::new, |data| data.as_bytes().to_vec());
    while messages.last().unwrap().more {
        let message = peer.receive();
        assert_eq!((message.call, &message.event), (call, &None));
        data.extend_from_slice(message.chunk.as_ref().expect("a chunk"));
        messages.push(message);
    }
    (event, data, messages)
}

#[test]
fn pieces_are_put_together_for_a_handler_of_events() {
    let mut peer = Peer::start(&[], each(Ok::<Event, Status>));
    let text = "café";
    peer.send(Message {
        more: true,
        ..one(1, with("ca", "text/plain"))
    });
    peer.send(chunk(1, &text.as_bytes()[2..4], true));
    peer.send(Message {
        end: Some(Status::ok()),
        ..chunk(1, &text.as_bytes()[4..], false)
    });
    assert_eq!(peer.receive(), unary(1, with(text, "text/plain")));
    // Text that is none, once it is put together.
    peer.send(Message {
        more: true,
        ..one(2, with("ca", "text/plain"))
    });
    peer.send(chunk(2, b"\xc3", false));
    assert_eq!(peer.receive_end(2).code, Code::InvalidArgument);
    peer.send(end(2, Code::Ok));
    peer.close();
}

#[test]
fn a_handler_of_calls_has_them_as_they_come() {
    let mut peer = Peer::start(&[CHUNKS], |call: &mut Call| {
        while let Some(piece) = call.next_piece()? {
            match piece {
                Piece::Event { event, .. } => call.emit(event)?,
                Piece::Chunk { bytes, more } => {
                    call.emit(result("/f", if more { "more" } else { "last" }).data(bytes))?
                }
            }
        }
        Ok(())
    });
    peer.send(Message {
        more: true,
        ..one(1, event("1"))
    });
    assert_eq!(peer.receive().event, Some(event("1")));
    peer.send(chunk(1, b"ab", true));
    assert_eq!(peer.receive().event.unwrap().ty(), "more");
    peer.send(chunk(1, b"c", false));
    assert_eq!(peer.receive().event.unwrap().ty(), "last");
    peer.send(end(1, Code::Ok));
    assert_eq!(peer.receive_end(1), Status::ok());
    peer.close();
}

#[test]
fn a_result_above_the_limit_is_written_in_pieces() {
    let text = "é".repeat(40_000);
    let json = format!("[\"{text}\"]");
    for &encoding in ENCODINGS {
        for (data, ty, kind) in [
            (
                Data::from(text.clone().into_bytes()),
                "application/octet-stream",
                "binary",
            ),
            (Data::from(text.as_str()), "text/plain", "text"),
            (Data::from(json.as_str()), "application/json", "json"),
        ] {
            let whole = with(data, ty);
            let given = whole.clone();
            let vars = [CHUNKS, ("FAAS_MAX_MESSAGE_BYTES", "16384")];
            let mut peer = Peer::spawn(
                Function::new(),
                encoding,
                &vars,
                each(move |_| Ok(given.clone())),
            );
            peer.greet();
            peer.send(unary(1, event("1")));
            let (first, bytes, messages) = assembled(&mut peer, 1);
            assert_eq!(bytes, whole.data().unwrap().as_bytes());
            assert_eq!(
                (first.id(), first.datacontenttype()),
                (whole.id(), Some(ty))
            );
            let text = matches!(first.data(), Some(Data::Text(_)));
            assert_eq!(
                text,
                kind == "text" || kind == "json" && encoding != Encoding::Json,
                "{encoding} {kind}"
            );
            assert_eq!(messages.last().unwrap().end, Some(Status::ok()));
            for message in &messages {
                let mut bytes = Vec::new();
                encode_message(message, encoding, &mut bytes);
                assert!(bytes.len() <= 16384, "{encoding}: {}", bytes.len());
            }
            peer.close();
        }
    }
}

#[test]
fn a_result_above_the_limit_fails_where_pieces_cannot_be_read() {
    let vars = [("FAAS_MAX_MESSAGE_BYTES", "16384")];
    let mut peer = Peer::start(
        &vars,
        each(|event: Event| Ok(event.to_builder().data(vec![0; 16384]))),
    );
    peer.send(unary(1, event("1")));
    assert_eq!(peer.receive_end(1).code, Code::ResourceExhausted);
    peer.close();
}

#[test]
fn a_result_at_the_limit_is_written_whole() {
    for &encoding in ENCODINGS {
        // What the message takes besides its data, in this encoding, where the data is 8192 bytes.
        let sized = |bytes: usize| with(vec![0; bytes], "application/octet-stream");
        let mut encoded = Vec::new();
        encode_message(&unary(1, sized(8190)), encoding, &mut encoded);
        let framing = match encoding {
            Encoding::Json => 1,
            Encoding::Protobuf => 2,
            Encoding::Capnp => 8,
        };
        let limit = (encoded.len() - framing).to_string();
        let vars = [("FAAS_MAX_MESSAGE_BYTES", limit.as_str())];
        let mut peer = Peer::spawn(
            Function::new(),
            encoding,
            &vars,
            each(move |event: Event| Ok(sized(if event.id() == "at" { 8190 } else { 8200 }))),
        );
        peer.greet();
        peer.send(unary(1, event("at")));
        assert_eq!(peer.receive(), unary(1, sized(8190)), "{encoding}");
        peer.send(unary(2, event("above")));
        assert_eq!(
            peer.receive_end(2).code,
            Code::ResourceExhausted,
            "{encoding}"
        );
        peer.close();
    }
}

#[test]
fn a_handler_writes_a_result_in_pieces() {
    let body = |call: &mut Call| {
        call.next_event()?;
        let mut body = call.begin(result("/f", "t").data("a"))?;
        body.push("b")?;
        body.write_all(b"c")?;
        body.finish()
    };
    let mut peer = Peer::start(&[CHUNKS], body);
    peer.send(unary(1, event("1")));
    let (first, data, messages) = assembled(&mut peer, 1);
    assert_eq!(
        (first.id(), data.as_slice(), messages.len()),
        ("1/1", &b"abc"[..], 3)
    );
    assert_eq!(peer.receive_end(1), Status::ok());
    peer.close();

    // Held together where the peer takes none.
    let mut peer = Peer::start(&[], body);
    peer.send(unary(1, event("1")));
    assert_eq!(
        peer.receive().event.unwrap().data(),
        Some(&Data::Text("abc".into()))
    );
    assert_eq!(peer.receive_end(1), Status::ok());
    peer.close();
}

#[test]
fn json_in_pieces_is_bytes_in_json_and_text_elsewhere() {
    for &encoding in ENCODINGS {
        let mut peer = Peer::spawn(Function::new(), encoding, &[CHUNKS], |call: &mut Call| {
            call.next_event()?;
            let mut body = call.begin(
                result("/f", "t")
                    .datacontenttype("application/json")
                    .data(JsonText::new("[1]")?),
            )?;
            body.push("  ")?;
            body.finish()
        });
        peer.greet();
        peer.send(unary(1, event("1")));
        let (first, data, _) = assembled(&mut peer, 1);
        assert_eq!(data, b"[1]  ");
        let text = matches!(first.data(), Some(Data::Text(_)));
        assert_eq!(text, encoding != Encoding::Json, "{encoding}");
        assert_eq!(peer.receive_end(1), Status::ok());
        peer.close();
    }
}

#[test]
fn json_that_was_to_go_in_pieces_and_has_one_is_json() {
    for &encoding in ENCODINGS {
        for vars in [&[][..], &[CHUNKS]] {
            let mut peer = Peer::spawn(Function::new(), encoding, vars, |call: &mut Call| {
                call.next_event()?;
                call.begin(result("/f", "t").json(&[1, 2]))?.finish()
            });
            peer.greet();
            peer.send(unary(1, event("1")));
            let given = peer.receive().event.unwrap();
            let json = Data::Json(JsonText::new("[1,2]").unwrap());
            assert_eq!(given.data(), Some(&json), "{encoding} {vars:?}");
            assert_eq!(peer.receive_end(1), Status::ok());
            peer.close();
        }
    }
}

#[test]
fn a_result_that_is_not_finished_fails_the_call() {
    // Also where the handler calls its success an error.
    for returned in [Ok(()), Err(Status::ok())] {
        let mut peer = Peer::start(&[CHUNKS], move |call: &mut Call| {
            call.next_event()?;
            call.begin(result("/f", "t"))?.push("b")?;
            returned.clone()
        });
        peer.send(unary(1, event("1")));
        assert!(peer.receive().more);
        assert_eq!(peer.receive_end(1).code, Code::Internal);
        peer.close();
    }
}

#[test]
fn an_event_larger_than_is_put_together_fails_its_call() {
    let function = Function::new().max_event_bytes(100);
    let mut peer = Peer::spawn(function, Encoding::Json, &[], each(Ok::<Event, Status>));
    peer.greet();
    peer.send(Message {
        more: true,
        ..one(1, event("1"))
    });
    peer.send(chunk(1, &[0; 60], true));
    peer.send(chunk(1, &[0; 60], true));
    assert_eq!(peer.receive_end(1).code, Code::ResourceExhausted);
    peer.send(end(1, Code::Ok));
    peer.close();
}

#[test]
fn at_a_concurrency_of_one_input_that_is_not_taken_is_not_read() {
    let (go, may_go) = mpsc::channel();
    let may_go = Mutex::new(may_go);
    let mut peer = Peer::start(
        &[("FAAS_MAX_MESSAGE_BYTES", "65536")],
        move |call: &mut Call| {
            may_go.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            let mut events = 0;
            while call.next_event()?.is_some() {
                events += 1;
            }
            call.emit(result("/f", "t").json(&events))
        },
    );
    let (written, progress) = mpsc::channel();
    let mut input = peer.take_input();
    let feeder = on_thread(move || {
        let mut bytes = Vec::new();
        encode_message(
            &one(1, with(vec![0; 32 << 10], "x/y")),
            Encoding::Json,
            &mut bytes,
        );
        for sent in 1..=100 {
            input.write_all(&bytes).unwrap();
            written.send(sent).unwrap();
        }
        input.write_all(b"{\"call\":1,\"end\":{}}\n").unwrap();
    });
    // The function takes two, the pipe one or two more: then nothing goes on until something is taken.
    let mut sent = 0;
    while let Ok(count) = progress.recv_timeout(std::time::Duration::from_millis(300)) {
        sent = count;
    }
    assert!(
        sent < 20,
        "{sent} messages of 100 were read though none was taken"
    );
    go.send(()).unwrap();
    assert_eq!(
        peer.receive().event.unwrap().data().unwrap().as_bytes(),
        b"100"
    );
    assert_eq!(peer.receive_end(1), Status::ok());
    feeder.recv_timeout(PATIENCE).unwrap();
    assert_eq!(peer.exit(), libfaas::function::Exit::Done);
}

#[test]
fn above_a_concurrency_of_one_reading_goes_on_and_the_call_fails() {
    let (go, may_go) = mpsc::channel();
    let may_go = Mutex::new(may_go);
    let vars = [
        ("FAAS_MAX_MESSAGE_BYTES", "65536"),
        ("FAAS_CONCURRENCY", "2"),
    ];
    let mut peer = Peer::start(&vars, move |call: &mut Call| {
        let first = call.next_event()?.expect("an event");
        if first.id() == "slow" {
            may_go.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        while call.next_event()?.is_some() {}
        call.emit(first)
    });
    peer.send(one(1, event("slow")));
    for _ in 0..100 {
        peer.send(one(1, with(vec![0; 32 << 10], "x/y")));
    }
    peer.send(unary(2, event("fast")));
    assert_eq!(peer.receive().call, 2);
    assert_eq!(peer.receive_end(2), Status::ok());
    go.send(()).unwrap();
    assert_eq!(peer.receive_end(1).code, Code::ResourceExhausted);
    peer.send(end(1, Code::Ok));
    peer.close();
}

#[test]
fn a_large_result_reaches_a_reader_that_stalls() {
    let mut peer = Peer::start(
        &[],
        each(|event: Event| Ok(event.to_builder().data(vec![7; 3 << 20]))),
    );
    peer.send(unary(1, event("1")));
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(
        peer.receive().event.unwrap().data().unwrap().as_bytes(),
        vec![7; 3 << 20]
    );
    peer.close();
}

const ENCODINGS: &[Encoding] = Encoding::ALL;
