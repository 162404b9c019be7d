//! `Message` of our schema and the structs inside it.

use std::collections::BTreeMap;

use capnp::struct_list;
use faas_schemas::fsi_capnp::{context, entry, message, status};

use super::event::Draft;
use super::{malformed, text};
use crate::error::Rule;
use crate::text::Whole;
use crate::{Cancel, Code, Context, Hello, Message, Status, Violation};

/// Reads a message whose event is still a draft, since `more` decides what its data is.
pub(super) fn read<'a>(
    root: message::Reader<'a>,
    whole: Whole<'_>,
) -> Result<(Message, Option<Draft<'a>>), Violation> {
    let mut message = Message {
        call: root.get_call(),
        more: root.get_more(),
        ..Message::default()
    };
    let mut draft = None;
    if root.has_context() {
        message.context = Some(read_context(root.get_context().map_err(malformed)?)?);
    }
    if root.has_event() {
        draft = Some(Draft::read(root.get_event().map_err(malformed)?)?);
    }
    if root.has_chunk() {
        message.chunk = Some(whole.part(root.get_chunk().map_err(malformed)?));
    }
    if root.has_end() {
        message.end = Some(read_status(root.get_end().map_err(malformed)?)?);
    }
    if root.has_cancel() {
        let cancel = root.get_cancel().map_err(malformed)?;
        message.cancel = Some(Cancel {
            reason: text(cancel.get_reason())?.to_owned(),
        });
    }
    if root.has_hello() {
        let hello = root.get_hello().map_err(malformed)?;
        message.hello = Some(Hello {
            fsi: text(hello.get_fsi())?.to_owned(),
            producer: text(hello.get_producer())?.to_owned(),
            status: read_status(hello.get_status().map_err(malformed)?)?,
        });
    }
    Ok((message, draft))
}

fn read_context(context: context::Reader<'_>) -> Result<Context, Violation> {
    use context::deadline::Which;
    Ok(Context {
        invocation_id: text(context.get_invocation_id())?.to_owned(),
        attempt: context.get_attempt(),
        deadline_ms: match context.get_deadline().which() {
            Ok(Which::Ms(ms)) => Some(ms),
            Ok(Which::None(())) => None,
            // A deadline of a later version must not be taken for none at all.
            Err(capnp::NotInSchema(other)) => {
                let came = format!("discriminant {other}");
                return Err(Violation::new(
                    Rule::Malformed,
                    0,
                    "a deadline of none or ms",
                    came,
                ));
            }
        },
        traceparent: text(context.get_traceparent())?.to_owned(),
        tracestate: text(context.get_tracestate())?.to_owned(),
        baggage: text(context.get_baggage())?.to_owned(),
        extra: read_map(context.get_extra())?,
    })
}

fn read_status(status: status::Reader<'_>) -> Result<Status, Violation> {
    Ok(Status {
        code: Code::from_number(status.get_code()),
        message: text(status.get_message())?.to_owned(),
        details: read_map(status.get_details())?,
    })
}

/// The last of a key counts.
fn read_map(
    entries: capnp::Result<struct_list::Reader<'_, entry::Owned>>,
) -> Result<BTreeMap<String, String>, Violation> {
    let pair = |entry: entry::Reader<'_>| -> Result<_, Violation> {
        Ok((
            text(entry.get_key())?.to_owned(),
            text(entry.get_value())?.to_owned(),
        ))
    };
    entries.map_err(malformed)?.iter().map(pair).collect()
}
