//! Between two stages of a pipeline that share no encoding: reads one, writes the other
//! (`pipeline-encoding`).
//!
//! A relay is the only thing of a host that bytes between stages pass through. It has a thread,
//! which ends when either of its neighbours does.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::function::io::{read, write_all};
use crate::{
    Code, Encoding, EventDecoder, Limits, Message, MessageDecoder, Mode, Received, Status,
    Violation, encode_event, encode_message,
};

/// Bytes asked for in one read.
const READ: usize = 64 << 10;

/// What a relay makes of bytes, without I/O.
pub(super) struct Relay {
    input: Input,
    to: Encoding,
    max_message_bytes: usize,
    /// Calls that were ended here because something of them could not be passed on. What follows
    /// for them is dropped.
    ended: BTreeSet<u64>,
}

#[allow(clippy::large_enum_variant, reason = "one for each relay")]
enum Input {
    Messages(MessageDecoder),
    Events(EventDecoder),
}

impl Relay {
    /// A relay of messages in stream mode, of events in structured mode.
    pub(super) fn new(mode: Mode, from: Encoding, to: Encoding, max_message_bytes: usize) -> Self {
        let limits = Limits {
            max_message_bytes,
            ..Limits::default()
        };
        Relay {
            input: match mode {
                Mode::Stream => Input::Messages(MessageDecoder::new(from, limits)),
                Mode::Structured | Mode::Binary => Input::Events(EventDecoder::new(from, limits)),
            },
            to,
            max_message_bytes,
            ended: BTreeSet::new(),
        }
    }

    /// Takes what the stage before wrote; no bytes are its end. Appends what the next one is to read.
    ///
    /// # Errors
    ///
    /// The stream has lost its place. What was whole before that has been passed on.
    fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
        match &mut self.input {
            Input::Events(decoder) => {
                feed(bytes, decoder, EventDecoder::push, EventDecoder::finish);
                while let Some(event) = decoder.next()? {
                    encode_event(&event, self.to, out);
                }
            }
            Input::Messages(decoder) => {
                feed(bytes, decoder, MessageDecoder::push, MessageDecoder::finish);
                while let Some(received) = decoder.next()? {
                    let Some(message) = pass_on(&mut self.ended, received) else {
                        continue;
                    };
                    let start = out.len();
                    encode_message(&message, self.to, out);
                    // An upper bound of its size: framing is counted too.
                    if out.len() - start > self.max_message_bytes && message.call != 0 {
                        out.truncate(start);
                        let reason = format!(
                            "a message of this call is larger than {} bytes in {}",
                            self.max_message_bytes,
                            self.to.name()
                        );
                        let over = message.end.is_some();
                        let status = Status::new(Code::ResourceExhausted, reason);
                        let end = end_here(&mut self.ended, message.call, over, status);
                        encode_message(&end, self.to, out);
                    }
                }
            }
        }
        Ok(())
    }
}

fn feed<D>(bytes: &[u8], decoder: &mut D, push: fn(&mut D, &[u8]), finish: fn(&mut D)) {
    match bytes {
        [] => finish(decoder),
        bytes => push(decoder, bytes),
    }
}

/// What the next stage is to read of a message, None for nothing.
fn pass_on(ended: &mut BTreeSet<u64>, received: Received) -> Option<Message> {
    let Received {
        message,
        invalid_event,
    } = received;
    let over = message.end.is_some();
    if ended.contains(&message.call) {
        if over {
            ended.remove(&message.call);
        }
        // A cancel still has to reach who is busy with the call.
        return message.cancel.is_some().then_some(Message {
            call: message.call,
            cancel: message.cancel,
            ..Message::default()
        });
    }
    match invalid_event {
        None => Some(message),
        Some(violation) => {
            let status = Status::new(Code::Internal, violation.to_string());
            Some(end_here(ended, message.call, over, status))
        }
    }
}

fn end_here(ended: &mut BTreeSet<u64>, call: u64, over: bool, status: Status) -> Message {
    if !over {
        ended.insert(call);
    }
    Message {
        call,
        end: Some(status),
        ..Message::default()
    }
}

/// What a relay makes of these pieces, None for the end: for the fuzz targets.
#[cfg(fuzzing)]
pub fn relayed<'a>(
    mode: Mode,
    from: Encoding,
    to: Encoding,
    max_message_bytes: usize,
    pieces: impl IntoIterator<Item = Option<&'a [u8]>>,
) -> (Vec<u8>, Option<Violation>) {
    let mut relay = Relay::new(mode, from, to, max_message_bytes);
    let mut out = Vec::new();
    for piece in pieces {
        // No bytes are the end.
        if piece == Some(&[]) {
            continue;
        }
        if let Err(violation) = relay.pass(piece.unwrap_or_default(), &mut out) {
            return (out, Some(violation));
        }
    }
    (out, None)
}

/// Runs a relay between two pipes until one of them has ended. What is wrong with what it reads goes
/// to `errors`, which is the log of the stage that wrote it.
pub(super) fn spawn(
    mut relay: Relay,
    input: OwnedFd,
    output: OwnedFd,
    errors: OwnedFd,
) -> io::Result<()> {
    let run = move || {
        // Whatever ends it closes both pipes, and so tells both neighbours.
        if let Err(error) = run(&mut relay, &input, &output) {
            let line = format!("relay to {}: {error}\n", relay.to.name());
            let _ = rustix::io::write(&errors, line.as_bytes());
        }
    };
    thread::Builder::new()
        .name("faas-relay".to_owned())
        .spawn(run)
        .map(drop)
}

fn run(relay: &mut Relay, input: &OwnedFd, output: &OwnedFd) -> io::Result<()> {
    let mut buffer = vec![0; READ];
    let mut out = Vec::new();
    while wait(input, output)? {
        let count = read(input, &mut buffer)?;
        let passed = relay.pass(&buffer[..count], &mut out);
        match write_all(output, &out) {
            // The next stage is gone; how is seen where it ended.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
        out.clear();
        passed.map_err(io::Error::other)?;
        if count == 0 {
            return Ok(());
        }
    }
    Ok(())
}

/// Waits until there is something to read. False if nobody reads the output any more.
fn wait(input: &OwnedFd, output: &OwnedFd) -> io::Result<bool> {
    loop {
        let mut fds = [
            PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(output.as_fd(), PollFlags::empty()),
        ];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) if !fds[1].revents().is_empty() => return Ok(false),
            Ok(_) if !fds[0].revents().is_empty() => return Ok(true),
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(relay: &mut Relay, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        relay.pass(bytes, &mut out).expect("a well-formed stream");
        out
    }

    const HELLO: &[u8] = b"{\"call\":0,\"hello\":{\"fsi\":\"1.0\"}}\n";

    #[test]
    fn there_and_back_nothing_changes_but_the_implied_type() {
        let mut there = Relay::new(Mode::Stream, Encoding::Json, Encoding::Protobuf, 1 << 20);
        let mut back = Relay::new(Mode::Stream, Encoding::Protobuf, Encoding::Json, 1 << 20);
        let event = br#"{"call":1,"event":{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":12345678901234567891}},"end":{}}"#;
        for byte in [HELLO, event, b"\n"].concat() {
            let bytes = pass(&mut there, &[byte]);
            // No bytes would mean the end.
            if bytes.is_empty() {
                continue;
            }
            let text = String::from_utf8(pass(&mut back, &bytes)).unwrap();
            if text.contains("\"event\"") {
                assert!(text.contains("12345678901234567891"), "{text}");
                assert!(
                    text.contains(r#""datacontenttype":"application/json""#),
                    "{text}"
                );
                assert!(text.contains(r#""end""#), "{text}");
                return;
            }
        }
        panic!("the event did not come back");
    }

    #[test]
    fn a_call_with_an_invalid_event_ends_once_and_its_cancel_passes() {
        let mut relay = Relay::new(Mode::Stream, Encoding::Json, Encoding::Json, 1 << 20);
        pass(&mut relay, HELLO);
        let out = pass(
            &mut relay,
            b"{\"call\":1,\"event\":{\"specversion\":\"1.0\"}}\n",
        );
        assert!(String::from_utf8(out).unwrap().contains("INTERNAL"));
        assert!(pass(&mut relay, b"{\"call\":1,\"chunk\":\"eA==\"}\n").is_empty());
        let out = pass(&mut relay, b"{\"call\":1,\"cancel\":{\"reason\":\"r\"}}\n");
        assert!(String::from_utf8(out).unwrap().contains("cancel"));
        assert!(pass(&mut relay, b"{\"call\":1,\"end\":{}}\n").is_empty());
        assert!(!pass(&mut relay, b"{\"call\":2,\"end\":{}}\n").is_empty());
    }

    #[test]
    fn what_is_too_large_in_the_other_encoding_ends_its_call() {
        let mut relay = Relay::new(Mode::Stream, Encoding::Protobuf, Encoding::Json, 1000);
        let mut bytes = Vec::new();
        let mut there = Relay::new(Mode::Stream, Encoding::Json, Encoding::Protobuf, 10_000);
        there.pass(HELLO, &mut bytes).unwrap();
        let data = "eHh4".repeat(300);
        let event = format!(
            "{{\"call\":1,\"event\":{{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\",\"data_base64\":\"{data}\"}},\"end\":{{}}}}\n"
        );
        there.pass(event.as_bytes(), &mut bytes).unwrap();
        let out = String::from_utf8(pass(&mut relay, &bytes)).unwrap();
        assert!(out.contains("RESOURCE_EXHAUSTED"), "{out}");
    }
}
