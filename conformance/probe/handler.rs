//! What the probe does with an event: the table of spec/probe.md, the same in every mode.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use bytes::Bytes;
use libfaas::{AttributeValue, Code, Context, Data, Event, EventBuilder, Status};
use serde_json::{Value, json};

use crate::fault::fault;
use crate::stdio::LEAKED;

/// What a handler can ask of whoever runs it.
pub(crate) trait Call {
    fn context(&self) -> Context;
    fn emit(&mut self, result: Draft) -> Result<(), Status>;
    /// Returns once the call is cancelled.
    fn wait_for_cancel(&mut self);
}

/// A result that is not yet an event.
pub(crate) struct Draft {
    pub(crate) event: EventBuilder,
    /// Whether the handler left the `id` to the library.
    pub(crate) unnumbered: bool,
}

impl Draft {
    fn kept(event: EventBuilder) -> Self {
        Draft {
            event,
            unnumbered: false,
        }
    }

    fn unnumbered(ty: &str) -> Self {
        Draft {
            event: Event::builder("", "/fsi/probe", ty),
            unnumbered: true,
        }
    }

    fn with(self, change: impl FnOnce(EventBuilder) -> EventBuilder) -> Self {
        Draft {
            event: change(self.event),
            ..self
        }
    }
}

pub(crate) fn handle(event: &Event, call: &mut dyn Call) -> Result<(), Status> {
    let parameters = match event.data() {
        Some(Data::Json(json)) => json.parse().unwrap_or(Value::Null),
        // JSON that was too long for one message arrives in pieces, as bytes.
        Some(Data::Binary(bytes)) => serde_json::from_slice(bytes).unwrap_or(Value::Null),
        _ => Value::Null,
    };
    let number = |name: &str| parameters[name].as_u64().unwrap_or(0) as usize;
    let text = |name: &str| parameters[name].as_str().unwrap_or_default();
    match event.ty() {
        "fsi.probe.echo" => call.emit(echo(event)),
        "fsi.probe.emit" => {
            let data = Bytes::from(vec![b'x'; number("bytes")]);
            for n in 1..=number("count") {
                call.emit(Draft::unnumbered("fsi.probe.item").with(|item| {
                    item.subject(n.to_string())
                        .datacontenttype("application/octet-stream")
                        .data(data.clone())
                }))?;
            }
            Ok(())
        }
        "fsi.probe.fail" => {
            let details = parameters["details"].as_object().into_iter().flatten();
            let details = details
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
            Err(Status {
                code: Code::from_name(text("code")),
                message: text("message").to_owned(),
                details: details.collect(),
            })
        }
        "fsi.probe.panic" => panic!("a panic, as the event asked for"),
        "fsi.probe.wait" => {
            call.emit(Draft::unnumbered("fsi.probe.waiting"))?;
            call.wait_for_cancel();
            Err(Status::new(Code::Cancelled, "the call was cancelled"))
        }
        "fsi.probe.print" => {
            print_everywhere(text("text"));
            call.emit(echo(event))
        }
        "fsi.probe.read" => {
            let mut bytes = Vec::new();
            // An error is as good as an end here: nothing could be read.
            let _ = std::io::stdin().read_to_end(&mut bytes);
            call.emit(
                Draft::unnumbered("fsi.probe.read")
                    .with(|read| read.json(&json!({ "bytes": bytes.len() }))),
            )
        }
        "fsi.probe.log" => {
            log(number("bytes"));
            call.emit(echo(event))
        }
        "fsi.probe.context" => {
            let view = context_view(&call.context());
            call.emit(Draft::unnumbered("fsi.probe.context").with(|context| context.json(&view)))
        }
        "fsi.probe.invalid" => call.emit(Draft::kept(event.to_builder().id(""))),
        other => Err(Status::new(
            Code::Unimplemented,
            format!("the probe has no `{other}`"),
        )),
    }
}

/// The same event; where a defect is wanted, not quite.
fn echo(event: &Event) -> Draft {
    let mut echo = event.to_builder();
    match event.data() {
        Some(Data::Json(json)) if fault!("number-through-double") => {
            let mut value: Value = json.parse().expect("checked by the decoder");
            through_double(&mut value);
            echo = echo.json(&value);
        }
        Some(Data::Json(json)) if fault!("protobuf-json-untyped") => {
            echo = echo
                .without_attribute("datacontenttype")
                .data(Data::Text(json.as_str().into()));
        }
        Some(data) if fault!("text-as-binary") && matches!(data, Data::Text(_)) => {
            echo = echo.data(data.as_bytes())
        }
        Some(data) if fault!("empty-data-lost") && data.as_bytes().is_empty() => {
            echo = echo.without_data()
        }
        Some(Data::Binary(bytes)) if fault!("data-last-byte-lost") => {
            echo = echo.data(&bytes[..bytes.len().saturating_sub(1)]);
        }
        Some(Data::Binary(bytes)) if fault!("data-line-feed-added") => {
            echo = echo.data([bytes, b"\n".as_slice()].concat());
        }
        Some(Data::Binary(bytes)) if fault!("data-8-bit-lost") => {
            echo = echo.data(bytes.iter().map(|byte| byte & 0x7f).collect::<Vec<u8>>());
        }
        _ => {}
    }
    for (name, value) in event.attributes() {
        if matches!(name, "subject" | "time" | "datacontenttype" | "dataschema") {
            continue;
        }
        if fault!("attribute-lost") {
            echo = echo.without_attribute(name);
        }
        if fault!("attribute-as-string") {
            echo = echo.attribute(name, AttributeValue::String(value.to_string().into()));
        }
    }
    Draft::kept(echo)
}

fn through_double(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let double = number.as_f64().and_then(serde_json::Number::from_f64);
            *value = double.map_or(Value::Null, Value::Number);
        }
        Value::Array(items) => items.iter_mut().for_each(through_double),
        Value::Object(members) => members.values_mut().for_each(through_double),
        _ => {}
    }
}

/// In the three ways in which a program's output finds its way to descriptor 1.
fn print_everywhere(text: &str) {
    println!("{text}");
    let _ = std::io::stdout().flush();
    let _ = rustix::io::write(rustix::stdio::stdout(), format!("{text}\n").as_bytes());
    let mut child = Command::new("echo");
    if fault!("child-print-reaches-stdout")
        && let Some(leaked) = LEAKED.get()
    {
        child.stdout(Stdio::from(
            leaked.try_clone().expect("a descriptor is left"),
        ));
    }
    if let Err(error) = child.arg(text).status() {
        eprintln!("no child could print: {error}");
    }
}

fn log(bytes: usize) {
    let lines: Vec<u8> = b"a line of the log, neither the first nor the last\n"
        .iter()
        .copied()
        .cycle()
        .take(bytes)
        .collect();
    if fault!("log-reaches-stdout")
        && let Some(leaked) = LEAKED.get()
    {
        let _ = rustix::io::write(leaked, &lines);
        return;
    }
    let _ = std::io::stderr().write_all(&lines);
    if !lines.ends_with(b"\n") {
        eprintln!();
    }
}

fn context_view(context: &Context) -> Value {
    let mut view = serde_json::Map::new();
    let mut put = |name: &str, value: Value, absent: bool| {
        if !absent {
            view.insert(name.to_owned(), value);
        }
    };
    let Context {
        invocation_id,
        attempt,
        deadline_ms,
        traceparent,
        tracestate,
        baggage,
        extra,
    } = context;
    put(
        "invocationId",
        json!(invocation_id),
        invocation_id.is_empty(),
    );
    put("attempt", json!(attempt), *attempt == 0);
    put("deadlineMs", json!(deadline_ms), deadline_ms.is_none());
    put("traceparent", json!(traceparent), traceparent.is_empty());
    put("tracestate", json!(tracestate), tracestate.is_empty());
    put("baggage", json!(baggage), baggage.is_empty());
    put("extra", json!(extra), extra.is_empty());
    Value::Object(view)
}
