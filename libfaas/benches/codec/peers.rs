//! The libraries that others would use, each as its documentation shows it: events that own what
//! they hold, and share data where the library can.

use bytes::Bytes;
use faas_schemas::fsi_capnp;
use faas_schemas::protobuf::io::cloudevents::v1::CloudEvent;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// prost with `Bytes`: data is shared with what is read.
pub(crate) fn prost_decode(document: &Bytes) -> CloudEvent {
    CloudEvent::decode(document.clone()).expect("a CloudEvent")
}

pub(crate) fn prost_decode_encode(document: &Bytes) -> Vec<u8> {
    prost_decode(document).encode_to_vec()
}

/// capnp, read where it stands: no event that owns anything is made.
pub(crate) fn capnp_decode(document: &[u8]) -> usize {
    let mut rest = document;
    let reader = capnp_reader(&mut rest);
    let event = reader.get_root().expect("an Event");
    capnp_texts(event)
        .iter()
        .map(|text| text.len())
        .sum::<usize>()
        + capnp_data(event).len()
}

/// capnp, from a reader into a builder, field by field, and out.
pub(crate) fn capnp_decode_encode(document: &[u8]) -> Vec<u8> {
    let mut rest = document;
    let reader = capnp_reader(&mut rest);
    let event: fsi_capnp::event::Reader<'_> = reader.get_root().expect("an Event");
    let [id, source, specversion, ty] = capnp_texts(event);
    let words = (document.len() / 8 + 64) as u32;
    let allocator = capnp::message::HeapAllocator::new().first_segment_words(words);
    let mut builder = capnp::message::Builder::new(allocator);
    let mut target: fsi_capnp::event::Builder<'_> = builder.init_root();
    target.set_id(id);
    target.set_source(source);
    target.set_spec_version(specversion);
    target.set_type(ty);
    let attributes = event.get_attributes().expect("a list");
    target.set_attributes(attributes).expect("a list");
    target.init_data().set_binary(capnp_data(event));
    let mut out = Vec::with_capacity(document.len());
    capnp::serialize::write_message(&mut out, &builder).expect("a Vec takes all bytes");
    out
}

fn capnp_reader<'a>(
    rest: &mut &'a [u8],
) -> capnp::message::Reader<capnp::serialize::NoAllocBufferSegments<&'a [u8]>> {
    let options = capnp::message::ReaderOptions::new();
    capnp::serialize::read_message_from_flat_slice_no_alloc(rest, options).expect("a message")
}

fn capnp_texts(event: fsi_capnp::event::Reader<'_>) -> [&str; 4] {
    [
        event.get_id(),
        event.get_source(),
        event.get_spec_version(),
        event.get_type(),
    ]
    .map(|text| text.expect("a text").to_str().expect("UTF-8"))
}

fn capnp_data(event: fsi_capnp::event::Reader<'_>) -> &[u8] {
    match event.get_data().which() {
        Ok(fsi_capnp::event::data::Binary(Ok(data))) => data,
        _ => panic!("no binary data"),
    }
}

/// serde_json with data kept raw.
#[derive(Deserialize, Serialize)]
pub(crate) struct RawEvent {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    ty: String,
    subject: Option<String>,
    time: Option<String>,
    datacontenttype: Option<String>,
    data: Box<RawValue>,
}

pub(crate) fn serde_decode(document: &[u8]) -> RawEvent {
    serde_json::from_slice(document).expect("an event")
}

pub(crate) fn serde_decode_encode(document: &[u8]) -> Vec<u8> {
    serde_json::to_vec(&serde_decode(document)).expect("JSON")
}

/// The official SDK: data becomes a tree, or is decoded from base64.
pub(crate) fn sdk_decode(document: &[u8]) -> cloudevents::Event {
    serde_json::from_slice(document).expect("an event")
}

pub(crate) fn sdk_decode_encode(document: &[u8]) -> Vec<u8> {
    serde_json::to_vec(&sdk_decode(document)).expect("JSON")
}
