//! Messages that are built, not decoded: every encoding carries them.

use arbitrary::{Result, Unstructured};
use libfaas::{
    AttributeValue, Cancel, Code, Context, Data, Encoding, Event, Hello, JsonText, Limits, Message,
    MessageDecoder, Status, Timestamp, encode_message,
};

/// Written and read in Protobuf and in Cap'n Proto a message is what it was, and so it is after it crossed from the one
/// to the other; in JSON it is what JSON can tell of it.
pub fn crossing(bytes: &[u8]) {
    let Ok(message) = message(&mut Unstructured::new(bytes)) else {
        return;
    };
    let [json, protobuf, capnp] =
        [Encoding::Json, Encoding::Protobuf, Encoding::Capnp].map(|to| through(&message, to));
    assert_eq!(protobuf, message);
    assert_eq!(capnp, message);
    // JSON has no types of attributes and no Protobuf data. All else is the same, and what it can tell crosses again.
    let bare = |message: &Message| Message {
        event: None,
        ..message.clone()
    };
    assert_eq!(bare(&json), bare(&message));
    for encoding in Encoding::ALL {
        assert_eq!(through(&json, *encoding), json);
    }
    let (Some(told), Some(event)) = (&json.event, &message.event) else {
        return assert_eq!(json.event.is_some(), message.event.is_some());
    };
    assert_eq!(
        (told.id(), told.source(), told.ty()),
        (event.id(), event.source(), event.ty())
    );
    for (name, value) in event.attributes() {
        assert_eq!(
            told.attribute(name).map(ToString::to_string),
            Some(value.to_string()),
            "{name}"
        );
    }
    let data = |event: &Event| event.data().map(|data| data.as_bytes().to_vec());
    if !matches!(event.data(), Some(Data::Json(_))) {
        assert_eq!(data(told), data(event));
    }
}

fn through(message: &Message, encoding: Encoding) -> Message {
    let hello = Hello {
        fsi: "1.0".into(),
        ..Hello::default()
    };
    let mut bytes = Vec::new();
    encode_message(
        &Message {
            hello: Some(hello),
            ..Message::default()
        },
        encoding,
        &mut bytes,
    );
    encode_message(message, encoding, &mut bytes);
    let mut decoder = MessageDecoder::new(encoding, Limits::default());
    decoder.push(&bytes);
    decoder.finish();
    assert!(
        decoder
            .next()
            .expect("a hello")
            .is_some_and(|received| received.message.hello.is_some())
    );
    let received = decoder
        .next()
        .expect("what was written can be read")
        .expect("a message");
    assert_eq!(received.invalid_event, None);
    assert_eq!(decoder.next(), Ok(None));
    received.message
}

fn message(from: &mut Unstructured<'_>) -> Result<Message> {
    let call = from.int_in_range(1..=Message::MAX_CALL)?;
    let more = from.ratio(1, 4)?;
    let mut message = Message {
        call,
        more,
        ..Message::default()
    };
    if from.arbitrary()? {
        message.context = context(from)?;
    }
    if from.ratio(3, 4)? {
        message.event = event(from, more)?;
    } else if from.arbitrary()? {
        message.chunk = Some(from.arbitrary::<Vec<u8>>()?.into());
    }
    if from.arbitrary()? {
        message.end = Some(status(from)?);
    }
    if from.ratio(1, 8)? {
        message.cancel = Some(Cancel {
            reason: text(from)?,
        });
    }
    Ok(message)
}

fn text(from: &mut Unstructured<'_>) -> Result<String> {
    let text: &str = from.arbitrary()?;
    Ok(text[..text.floor_char_boundary(1000)].to_owned())
}

fn status(from: &mut Unstructured<'_>) -> Result<Status> {
    let mut status = Status::new(*from.choose(&Code::ALL)?, text(from)?);
    for _ in 0..from.int_in_range(0..=3)? {
        let name = from.choose(&["a", "retry-after-ms", "9", "long-name-of-a-detail"])?;
        status.details.insert((*name).to_owned(), text(from)?);
    }
    Ok(status)
}

fn context(from: &mut Unstructured<'_>) -> Result<Option<Context>> {
    let mut context = Context {
        invocation_id: text(from)?,
        attempt: from.arbitrary()?,
        deadline_ms: from.arbitrary()?,
        ..Context::default()
    };
    if from.arbitrary()? {
        context.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into();
        context.tracestate = (*from.choose(&["", "a=1", "a=1,b@c=2"])?).into();
    }
    for _ in 0..from.int_in_range(0..=3)? {
        context
            .extra
            .insert((*from.choose(&["TENANT", "A", "X_1"])?).into(), text(from)?);
    }
    Ok(context.validate().is_ok().then_some(context))
}

/// A valid event, or None.
fn event(from: &mut Unstructured<'_>, first_piece: bool) -> Result<Option<Event>> {
    let mut event = Event::builder(text(from)?, "/s", text(from)?);
    for _ in 0..from.int_in_range(0..=4)? {
        let name = *from.choose(&[
            "subject",
            "time",
            "dataschema",
            "ext",
            "a",
            "x9",
            "traceparent",
        ])?;
        let value = match from.int_in_range(0..=6)? {
            0 => AttributeValue::Boolean(from.arbitrary()?),
            1 => AttributeValue::Integer(from.arbitrary()?),
            2 => AttributeValue::Binary(from.arbitrary::<Vec<u8>>()?.into()),
            3 => AttributeValue::Uri(format!("urn:{}", text(from)?).into()),
            4 => AttributeValue::UriRef(text(from)?.into()),
            5 => match Timestamp::from_unix(from.arbitrary()?, from.int_in_range(0..=999_999_999)?)
            {
                Some(time) => AttributeValue::Timestamp(time),
                None => return Ok(None),
            },
            _ => AttributeValue::String(text(from)?.into()),
        };
        event = event.attribute(name, value);
    }
    if from.arbitrary()? {
        let types = [
            "text/plain",
            "application/json",
            "application/x+json; a=b",
            "image/png",
            "application/protobuf",
        ];
        event = event.datacontenttype(*from.choose(&types)?);
    }
    let data = match from.int_in_range(0..=4)? {
        0 => None,
        1 => Some(Data::from(text(from)?)),
        2 if !first_piece => JsonText::new(text(from)?).ok().map(Data::Json),
        3 if !first_piece => Some(Data::Proto {
            type_url: format!("type.googleapis.com/{}", text(from)?),
            value: from.arbitrary::<Vec<u8>>()?.into(),
        }),
        _ => Some(Data::Binary(from.arbitrary::<Vec<u8>>()?.into())),
    };
    if let Some(data) = data {
        event = event.data(data);
    }
    let event = event.build().ok();
    // Text of a JSON type is JSON data, which has no pieces but binary ones.
    let is_json = |event: &Event| {
        event
            .datacontenttype()
            .is_some_and(|ty| ty.contains("json"))
    };
    if first_piece
        && event.as_ref().is_some_and(|event| {
            is_json(event) && matches!(event.data(), Some(Data::Text(_) | Data::Json(_)))
        })
    {
        return Ok(None);
    }
    // What JSON implies of its data's type the others have to say, so they say it after a crossing.
    let implied = |event: &Event| {
        matches!(event.data(), Some(Data::Json(_))) && event.datacontenttype().is_none()
    };
    Ok(match event {
        Some(event) if implied(&event) => event
            .to_builder()
            .datacontenttype("application/json")
            .build()
            .ok(),
        event => event,
    })
}
