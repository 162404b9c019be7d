//! Events and messages in Cap'n Proto, with their segment table.

use std::collections::BTreeMap;

use capnp::message::{Builder, HeapAllocator};
use capnp::struct_list;
use faas_schemas::fsi_capnp::{attribute, context, entry, event, message, status};

use crate::{AttributeValue, Context, Data, Event, Message, Status};

/// Appends a framed `Event`.
pub(in crate::encoding) fn event(event: &Event, out: &mut Vec<u8>) {
    let mut builder = builder(Some(event), 0);
    write_event(event, builder.init_root());
    append(&builder, out);
}

/// Appends a framed `Message`.
pub(in crate::encoding) fn message(message: &Message, out: &mut Vec<u8>) {
    let chunk = message.chunk.as_ref().map_or(0, |chunk| chunk.len());
    let mut builder = builder(message.event.as_ref(), chunk);
    write_message(message, builder.init_root());
    append(&builder, out);
}

/// A first segment that nearly all messages fit in, so that they have one.
fn builder(event: Option<&Event>, chunk: usize) -> Builder<HeapAllocator> {
    let data = event
        .and_then(Event::data)
        .map_or(0, |data| data.as_bytes().len());
    let words = (data + chunk) / 8 + 256;
    Builder::new(HeapAllocator::new().first_segment_words(words.min(u32::MAX as usize) as u32))
}

fn append(builder: &Builder<HeapAllocator>, out: &mut Vec<u8>) {
    capnp::serialize::write_message(out, builder).expect("a Vec takes all bytes");
}

fn write_message(message: &Message, mut root: message::Builder<'_>) {
    root.set_call(message.call);
    root.set_more(message.more);
    if let Some(context) = &message.context {
        write_context(context, root.reborrow().init_context());
    }
    if let Some(event) = &message.event {
        write_event(event, root.reborrow().init_event());
    }
    if let Some(chunk) = &message.chunk {
        root.set_chunk(chunk);
    }
    if let Some(end) = &message.end {
        write_status(end, root.reborrow().init_end());
    }
    if let Some(cancel) = &message.cancel {
        let mut target = root.reborrow().init_cancel();
        if !cancel.reason.is_empty() {
            target.set_reason(&cancel.reason);
        }
    }
    if let Some(hello) = &message.hello {
        let mut target = root.reborrow().init_hello();
        target.set_fsi(&hello.fsi);
        if !hello.producer.is_empty() {
            target.set_producer(&hello.producer);
        }
        if hello.status != Status::ok() {
            write_status(&hello.status, target.init_status());
        }
    }
}

fn write_event(event: &Event, mut root: event::Builder<'_>) {
    root.set_id(event.id());
    root.set_source(event.source());
    root.set_spec_version("1.0");
    root.set_type(event.ty());
    let implied = AttributeValue::String("application/json".into());
    let json = matches!(event.data(), Some(Data::Json(_))) && event.datacontenttype().is_none();
    let implied = json.then_some(("datacontenttype", &implied));
    let count = event.attributes().chain(implied).count();
    if count > 0 {
        let mut list = root.reborrow().init_attributes(count as u32);
        for (at, (name, value)) in event.attributes().chain(implied).enumerate() {
            write_attribute(name, value, list.reborrow().get(at as u32));
        }
    }
    let mut data = root.init_data();
    match event.data() {
        None => data.set_none(()),
        Some(Data::Binary(bytes)) => data.set_binary(bytes),
        Some(Data::Text(text)) => data.set_text(text.as_str()),
        Some(Data::Json(json)) => data.set_text(json.as_str()),
        Some(Data::Proto { type_url, value }) => {
            let mut any = data.init_proto();
            any.set_type_url(type_url);
            any.set_value(value);
        }
    }
}

fn write_attribute(name: &str, value: &AttributeValue, mut target: attribute::Builder<'_>) {
    target.set_name(name);
    let mut target = target.init_value();
    match value {
        AttributeValue::Boolean(value) => target.set_boolean(*value),
        AttributeValue::Integer(value) => target.set_integer(*value),
        AttributeValue::String(text) => target.set_string(text.as_str()),
        AttributeValue::Binary(bytes) => target.set_bytes(bytes),
        AttributeValue::Uri(text) => target.set_uri(text.as_str()),
        AttributeValue::UriRef(text) => target.set_uri_ref(text.as_str()),
        AttributeValue::Timestamp(time) => {
            let mut target = target.init_timestamp();
            target.set_seconds(time.seconds());
            target.set_nanos(time.nanos() as i32);
        }
    }
}

fn write_context(context: &Context, mut target: context::Builder<'_>) {
    target.set_attempt(context.attempt);
    if let Some(deadline) = context.deadline_ms {
        target.reborrow().init_deadline().set_ms(deadline);
    }
    if !context.invocation_id.is_empty() {
        target.set_invocation_id(&context.invocation_id);
    }
    if !context.traceparent.is_empty() {
        target.set_traceparent(&context.traceparent);
    }
    if !context.tracestate.is_empty() {
        target.set_tracestate(&context.tracestate);
    }
    if !context.baggage.is_empty() {
        target.set_baggage(&context.baggage);
    }
    if !context.extra.is_empty() {
        write_map(
            &context.extra,
            target.init_extra(context.extra.len() as u32),
        );
    }
}

fn write_status(status: &Status, mut target: status::Builder<'_>) {
    target.set_code(status.code.number());
    if !status.message.is_empty() {
        target.set_message(&status.message);
    }
    if !status.details.is_empty() {
        write_map(
            &status.details,
            target.init_details(status.details.len() as u32),
        );
    }
}

fn write_map(map: &BTreeMap<String, String>, mut list: struct_list::Builder<'_, entry::Owned>) {
    for (at, (key, value)) in map.iter().enumerate() {
        let mut entry = list.reborrow().get(at as u32);
        entry.set_key(key);
        entry.set_value(value);
    }
}
