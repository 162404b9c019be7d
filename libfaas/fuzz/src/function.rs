//! The function's driver: threads, a socket and a pipe, and handlers that do what their events say.

use std::collections::BTreeSet;
use std::fs::read_dir;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use libfaas::function::{Call, Exit, Function, Streams};
use libfaas::{Code, Encoding, Hello, Message, MessageDecoder, Status, encode_message};

use crate::limits;

/// The first byte has the encoding, the concurrency and whether the host takes pieces, the second how many bytes of the
/// others are written at once, behind a hello. The function exits, and so do its threads; what it has written is
/// well-formed, no call ends twice and nothing follows its end; and if all was well, every call that was opened has ended.
pub fn function(bytes: &[u8]) {
    let [head, portion, rest @ ..] = bytes else {
        return;
    };
    let encoding = Encoding::ALL[usize::from(head & 3) % 3];
    let concurrency = 1 + (head >> 2 & 3);
    let vars = [
        ("FAAS_MODE", "stream".to_owned()),
        ("FAAS_ENCODING", encoding.name().to_owned()),
        ("FAAS_CONCURRENCY", concurrency.to_string()),
        (
            "FAAS_MAX_MESSAGE_BYTES",
            limits().max_message_bytes.to_string(),
        ),
        (
            "FAAS_FEATURES",
            if head & 0x10 == 0 { "chunks" } else { "" }.to_owned(),
        ),
    ];
    let hello = Message {
        hello: Some(Hello {
            fsi: "1.0".into(),
            ..Hello::default()
        }),
        ..Message::default()
    };
    let mut input = Vec::new();
    encode_message(&hello, encoding, &mut input);
    input.extend(rest);
    let (theirs, mut ours) = UnixStream::pair().expect("a pair of sockets");
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let streams = Streams {
        input: theirs.into(),
        output: writer.into(),
    };
    let threads_before = threads();
    let (exit, output) = thread::scope(|scope| {
        let input = &input;
        // The function may have gone by then.
        scope.spawn(move || {
            let mut pieces = input.chunks(1 + usize::from(*portion));
            pieces.all(|piece| ours.write_all(piece).is_ok())
        });
        let output = scope.spawn(move || {
            let mut output = Vec::new();
            reader.read_to_end(&mut output).map(|_| output)
        });
        let exit = Function::new().run(vars, streams, handle);
        (
            exit,
            output
                .join()
                .expect("it reads")
                .expect("a pipe can be read"),
        )
    });
    let begun = Instant::now();
    while threads() > threads_before {
        assert!(begun.elapsed() < Duration::from_secs(8), "a thread remains");
        thread::yield_now();
    }
    let ended = ended(encoding, &output);
    if matches!(exit, Exit::Done) {
        let missing: Vec<_> = opened(encoding, &input)
            .difference(&ended)
            .copied()
            .collect();
        assert!(
            missing.is_empty(),
            "no end of {missing:?} in {:?}",
            String::from_utf8_lossy(&output)
        );
    }
}

/// How many threads there are, where that can be told.
fn threads() -> usize {
    read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Answers each event, fails, leaves, or leaves the rest of its input alone, as the first byte of its type says.
fn handle(call: &mut Call) -> Result<(), Status> {
    while let Some(event) = call.next_event()? {
        match event.ty().as_bytes()[0] % 8 {
            0 => return Err(Status::new(Code::NotFound, "as it asks")),
            1 => return Ok(()),
            2 => call.emit_last(event)?,
            3 => {
                let mut body = call.begin(event)?;
                body.push("ab")?;
                body.finish()?;
            }
            _ => call.emit(event)?,
        }
    }
    Ok(())
}

/// The calls whose end was written.
fn ended(encoding: Encoding, output: &[u8]) -> BTreeSet<u64> {
    let mut ended = BTreeSet::new();
    let mut decoder = MessageDecoder::new(encoding, limits());
    decoder.push(output);
    decoder.finish();
    while let Some(received) = decoder.next().expect("what is written is well-formed") {
        let message = received.message;
        let speaks = message.event.is_some() || message.chunk.is_some() || message.end.is_some();
        assert!(
            !speaks || !ended.contains(&message.call),
            "{message:?} after its end"
        );
        if message.end.is_some() {
            ended.insert(message.call);
        }
    }
    ended
}

/// The calls whose first message that counts was no cancel.
fn opened(encoding: Encoding, input: &[u8]) -> BTreeSet<u64> {
    let (mut opened, mut cancelled) = (BTreeSet::new(), BTreeSet::new());
    let mut decoder = MessageDecoder::new(encoding, limits());
    decoder.push(input);
    decoder.finish();
    while let Ok(Some(received)) = decoder.next() {
        let message = received.message;
        let input = message.event.is_some()
            || message.chunk.is_some()
            || message.end.is_some()
            || received.invalid_event.is_some();
        if message.cancel.is_some() {
            cancelled.insert(message.call);
        } else if input && !cancelled.contains(&message.call) {
            opened.insert(message.call);
        }
    }
    opened
}
