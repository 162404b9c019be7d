//! A model of a stream: the host's session and the function's, joined by two pipes.
//!
//! Everything that real hosts, functions, threads and kernels decide is a [`Step`] here: what a caller sends, what a
//! handler answers, how many bytes move, what time it is, who dies. A [`World`] applies steps to the two sessions, which
//! are the library's own, and looks after each whether what the specification promises still holds. [`explore`] takes
//! every step in every state of a small world; [`play`] takes steps by chance in a larger one.
//!
//! What is not in it: threads, which take turns under the session's lock, so that a step here is what they do under
//! it; and I/O, of which the pipes have the order, the capacity and the ends.

mod caller;
mod check;
mod explore;
mod function;
mod handler;
mod pipe;
mod settle;
#[cfg(test)]
mod tests;
mod wire;
mod world;

pub use explore::play;

#[cfg(test)]
use explore::{Bound, explore};
use settle::Ending;
use world::World;

use crate::{Encoding, Event};

/// What a world has, and what may happen in it.
#[derive(Clone, Debug)]
struct Setup {
    encoding: Encoding,
    /// Calls at once.
    concurrency: usize,
    /// Handlers at once: a function may run fewer than it is given.
    handlers: usize,
    /// Calls that are opened, one after the other or at once. Those with an odd number have a deadline.
    calls: u64,
    /// Events and pieces of events in each direction of a call.
    items: u8,
    /// Whether events may come in pieces.
    pieces: bool,
    /// Whether bytes may stop inside a message.
    cuts: bool,
    /// Whether the function and the host may die, and be told to end.
    deaths: bool,
    /// Bytes that a pipe takes before its writer waits.
    capacity: usize,
    /// What the function holds of a call's input.
    hold: usize,
    /// What goes wrong on the way, to see whether it is noticed.
    fault: Option<Fault>,
}

/// A defect, planted between the two sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code, reason = "tests plant them"))]
enum Fault {
    /// The function's `end` is not written.
    LoseEnd,
    /// It is written twice.
    EndTwice,
    /// An event follows it.
    SpeakAfterEnd,
    /// The function overlooks a `cancel`.
    LoseCancel,
    /// It overlooks the `end` of a call's input.
    LoseInputEnd,
    /// It is given a message twice.
    RepeatInput,
    /// An event of the function is lost.
    LoseEvent,
    /// The function is not told that its input has ended.
    LoseEof,
    /// The host is not told that the function has ended.
    LoseDeath,
    /// The host is not told the time.
    LoseTime,
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A caller opens the next call.
    Open,
    /// It sends something of it.
    Send(u64, Item),
    /// It gives it up.
    Cancel(u64),
    /// The host closes the function's stdin once all is written.
    Close,
    /// Bytes move to the function.
    ToFunction(Amount),
    /// And their end.
    EofToFunction,
    /// Bytes move to the host.
    ToHost(Amount),
    /// And their end.
    EofToHost,
    /// The host learns that the process has ended.
    Ended,
    /// It becomes as late as the host's next timer.
    Tick,
    /// The handler of a call does something.
    Handler(u64, Act),
    /// SIGTERM.
    Terminate,
    /// The function is killed; with `cut`, inside what it was writing.
    FunctionDies { cut: bool },
    /// The host is killed, and its callers with it.
    HostDies,
}

/// What is sent in either direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Event,
    /// An event, and the end with it where that is known.
    Last,
    /// The beginning of an event.
    First,
    /// More of its data, not the last.
    Chunk,
    LastChunk,
    End,
    /// An end that is not OK.
    Abort,
}

/// What a handler does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Takes what there is of its input.
    Take,
    /// Prepares a message: what belongs on it is asked for.
    Prepare(Item),
    /// Writes it.
    Write,
    /// Returns OK, or a failure.
    Return { ok: bool },
}

/// How much moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amount {
    Bytes(usize),
    /// The first half of a message.
    Half,
    /// A message, or what is left of it.
    One,
    All,
}

/// What does not hold.
type Broken = String;

macro_rules! ensure {
    ($holds:expr, $($broken:tt)+) => {
        if !$holds {
            return Err(format!($($broken)+));
        }
    };
}
use ensure;

/// The event that is the `n`th item of its direction.
fn event(n: u8) -> Event {
    let event = Event::builder(n.to_string(), "/", "t");
    event.build().expect("a valid event")
}
