//! FSI, the FaaS Stdio Interface, in Rust.
//!
//! An [`Event`] is a CloudEvent 1.0. A [`Message`] carries events, their context and their
//! statuses in stream mode. Three [`Encoding`]s write both; [`MessageDecoder`] and [`EventDecoder`]
//! read streams of them. All of this does no I/O: bytes go in, messages come out, and what breaks
//! the specification is a [`Violation`] that names the broken rule.
//!
//! | who writes | starts at |
//! |---|---|
//! | a function | [`serve`], or [`serve_calls`] for streams: a handler on stdin and stdout |
//! | a runtime | `host::Blocking` for one thread, `host::Host` for many calls on tokio, `host::Session` for I/O of one's own; with the features `host` and `tokio` |
//! | an adapter | [`Event::builder`] and [`encode_event`]; the mappings of many vendors are the crate `faas-adapters` |
//!
//! A function, which a host or a person at a terminal can run:
//!
//! ```no_run
//! use libfaas::{Event, function::result};
//!
//! fn main() -> std::process::ExitCode {
//!     libfaas::serve(|event: Event| {
//!         let name = event.subject().unwrap_or("World");
//!         Ok(result("/hello", "example.greeting").datacontenttype("text/plain").data(format!("Hello, {name}!")))
//!     })
//! }
//! ```
//!
//! The messages of a stream, for whoever moves the bytes:
//!
//! ```
//! use libfaas::{Encoding, Event, Limits, Message, MessageDecoder, Hello, encode_message};
//!
//! let hello = Hello { fsi: "1.0".into(), ..Hello::default() };
//! let event = Event::builder("1", "/shop", "order.placed").subject("42").build()?;
//! let mut bytes = Vec::new();
//! encode_message(&Message { hello: Some(hello), ..Message::default() }, Encoding::Protobuf, &mut bytes);
//! encode_message(&Message { call: 1, event: Some(event), ..Message::default() }, Encoding::Protobuf, &mut bytes);
//!
//! let mut decoder = MessageDecoder::new(Encoding::Protobuf, Limits::default());
//! decoder.push(&bytes);
//! decoder.finish();
//! assert_eq!(decoder.next()?.unwrap().message.hello.unwrap().fsi, "1.0");
//! assert_eq!(decoder.next()?.unwrap().message.event.unwrap().subject(), Some("42"));
//! assert_eq!(decoder.next()?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(missing_docs)]

pub mod binary;
mod context;
mod encoding;
mod error;
mod event;
pub mod function;
#[cfg(feature = "host")]
pub mod host;
mod limits;
mod manifest;
mod message;
#[cfg(all(feature = "host", any(test, fuzzing)))]
#[doc(hidden)]
pub mod model;
mod pipe;
mod status;
mod text;

pub use context::{Context, Environment, InvalidContext, InvalidEnvironment};
pub use encoding::{
    DataView, Encoding, EventDecoder, EventView, MessageDecoder, Mode, Overlay, Received,
    UnknownName, ValueView, encode_event, encode_message,
};
pub use error::{Violation, rules};
#[cfg(feature = "cloudevents-sdk")]
pub use event::NotInSdk;
pub use event::{
    AttributeValue, Data, Event, EventBuilder, InvalidEvent, InvalidJson, InvalidTimestamp,
    JsonText, Timestamp,
};
pub use function::{serve, serve_calls, serve_many};
pub use limits::Limits;
pub use manifest::{
    EventKind, Filter, InvalidQuantity, Manifest, ManifestError, ManifestLimits, Network, Quantity,
    Stage, Start, Trigger,
};
pub use message::{Cancel, Hello, Message};
pub use status::{Code, Status};
pub use text::Text;
