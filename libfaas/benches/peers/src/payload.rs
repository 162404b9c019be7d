//! The event that everybody gets: the same as in `../host/event.rs`.

use bytes::Bytes;
use faas_schemas::protobuf::google::protobuf::Timestamp;
use faas_schemas::protobuf::io::cloudevents::v1::CloudEvent;
use faas_schemas::protobuf::io::cloudevents::v1::cloud_event::CloudEventAttributeValue;
use faas_schemas::protobuf::io::cloudevents::v1::cloud_event::Data;
use faas_schemas::protobuf::io::cloudevents::v1::cloud_event::cloud_event_attribute_value::Attr;

pub(crate) fn event(size: usize) -> CloudEvent {
    let moment = Timestamp {
        seconds: 1_795_240_800,
        nanos: 0,
    };
    let attributes = [
        ("subject", Attr::CeString("orders/42".into())),
        (
            "datacontenttype",
            Attr::CeString("application/octet-stream".into()),
        ),
        ("time", Attr::CeTimestamp(moment)),
    ];
    CloudEvent {
        id: "0123456789abcdef".into(),
        source: "/shop/orders".into(),
        spec_version: "1.0".into(),
        r#type: "com.example.order.placed".into(),
        attributes: attributes
            .map(|(name, attr)| {
                (
                    name.to_owned(),
                    CloudEventAttributeValue { attr: Some(attr) },
                )
            })
            .into(),
        data: Some(Data::BinaryData(Bytes::from(vec![b'x'; size]))),
    }
}
