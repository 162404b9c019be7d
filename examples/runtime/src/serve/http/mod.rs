//! CloudEvents' HTTP Protocol Binding, and what spec/bindings.md adds to it: requests become
//! events, results become responses. No I/O.

mod context;
mod delivery;
mod media;
mod percent;
mod refusal;
mod request;
mod response;

pub use context::{Bound, bound, trace};
pub use delivery::{DELIVERY, describe};
pub use media::{Content, asked};
pub use percent::{InvalidValue, decode, encode};
pub use refusal::Refusal;
pub use request::{Arrival, Incoming, read};
pub use response::{Messages, answer, failure};
