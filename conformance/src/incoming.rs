//! What came from a subject, taken apart: per call, in order, a hello, whole events, an end, cancels.
//!
//! A function may put an event and its `end` into one message or into two, and data into as many
//! pieces as it likes: the same meaning yields the same items.

use std::cell::OnceCell;
use std::collections::{BTreeMap, VecDeque};

use libfaas::{
    Data, Encoding, Event, EventDecoder, JsonText, Limits, Message, MessageDecoder, Mode, Violation,
};
use serde_json::{Value, json};

use crate::wire::Wire;

/// One thing that a subject said.
#[derive(Clone, Debug)]
pub struct Item {
    /// `hello`, `event`, `end` or `cancel`.
    pub what: &'static str,
    /// It, if it is an event.
    pub event: Option<Event>,
    view: OnceCell<Value>,
    /// In how many messages an event came, and the bytes of its largest piece.
    pieces: Option<(u32, usize)>,
}

impl Item {
    fn new(what: &'static str, view: Value) -> Item {
        Item {
            what,
            event: None,
            view: view.into(),
            pieces: None,
        }
    }

    fn of_event(event: Event, pieces: Option<(u32, usize)>) -> Item {
        Item {
            what: "event",
            event: Some(event),
            view: OnceCell::new(),
            pieces,
        }
    }

    /// It, in the JSON of the specification, with a status's code always written. Made when it is
    /// asked for: where whole events are compared, megabytes of base64 would be for nothing.
    pub fn view(&self) -> &Value {
        self.view.get_or_init(|| {
            let mut view = self.event.as_ref().map(event_json).unwrap_or_default();
            if let Some((pieces, largest)) = self.pieces {
                // Not members of an event: how it came, for the cases that ask.
                view["$pieces"] = pieces.into();
                view["$largest"] = largest.into();
            }
            view
        })
    }
}

/// Why nothing more can be read from a subject.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The rule that its output breaks.
    pub rule: String,
    /// What was found, in words.
    pub what: String,
}

/// The decoder of one subject's stdout.
#[derive(Debug)]
pub struct Incoming {
    decoder: Decoder,
    wire: Option<Wire>,
    calls: BTreeMap<u64, Call>,
    /// Items of all calls that were not taken.
    untaken: usize,
    /// Set once something could not be understood; nothing is read after it.
    pub broken: Option<Broken>,
    /// The first `producer` that was read.
    pub producer: Option<String>,
}

#[derive(Debug)]
enum Decoder {
    Messages(MessageDecoder),
    Events(EventDecoder),
    Raw(Vec<u8>),
}

#[derive(Debug, Default)]
struct Call {
    items: VecDeque<Item>,
    context: Option<Value>,
    spoken: bool,
    unfinished: Option<Unfinished>,
}

#[derive(Debug)]
struct Unfinished {
    event: Event,
    data: Vec<u8>,
    pieces: u32,
    largest: usize,
}

impl Incoming {
    /// A decoder for a subject in this mode.
    pub fn new(mode: Mode, encoding: Encoding, max_message_bytes: usize) -> Incoming {
        let limits = Limits {
            max_message_bytes,
            // Not cut to what a receiver keeps: it is the sender who is judged.
            max_producer_bytes: usize::MAX,
            max_status_message_bytes: usize::MAX,
            max_status_details_bytes: usize::MAX,
            ..Limits::default()
        };
        let decoder = match mode {
            Mode::Stream => Decoder::Messages(MessageDecoder::new(encoding, limits)),
            Mode::Structured => Decoder::Events(EventDecoder::new(encoding, limits)),
            Mode::Binary => Decoder::Raw(Vec::new()),
        };
        Incoming {
            decoder,
            wire: (mode == Mode::Stream && encoding == Encoding::Protobuf).then(Wire::default),
            calls: BTreeMap::new(),
            untaken: 0,
            broken: None,
            producer: None,
        }
    }

    /// Takes bytes; gives what they complete, as JSON, for the transcript.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        if self.broken.is_some() {
            return Vec::new();
        }
        if let Some((rule, what)) = self.wire.as_mut().and_then(|wire| wire.feed(bytes)) {
            self.broken = Some(Broken {
                rule: rule.to_owned(),
                what,
            });
            return Vec::new();
        }
        match &mut self.decoder {
            Decoder::Messages(decoder) => decoder.push(bytes),
            Decoder::Events(decoder) => decoder.push(bytes),
            Decoder::Raw(all) => {
                all.extend_from_slice(bytes);
                return vec![String::from_utf8_lossy(bytes).into_owned()];
            }
        }
        self.take_decoded()
    }

    /// Nothing comes any more. In binary mode, the output of a process that `succeeded` becomes its
    /// one event.
    pub fn finish(&mut self, succeeded: bool) -> Vec<String> {
        if self.broken.is_some() {
            return Vec::new();
        }
        match &mut self.decoder {
            Decoder::Messages(decoder) => decoder.finish(),
            Decoder::Events(decoder) => decoder.finish(),
            Decoder::Raw(bytes) => {
                if succeeded {
                    let view = raw_view(bytes);
                    self.put(0, Item::new("event", view));
                }
                return Vec::new();
            }
        }
        self.take_decoded()
    }

    /// The next item of a call, without taking it.
    pub fn peek(&self, call: u64) -> Option<&Item> {
        self.calls.get(&call)?.items.front()
    }

    /// Takes the next item of a call.
    pub fn pop(&mut self, call: u64) -> Option<Item> {
        let item = self.calls.get_mut(&call)?.items.pop_front()?;
        self.untaken -= 1;
        Some(item)
    }

    /// The context on the first message that came for a call.
    pub fn context(&self, call: u64) -> Option<&Value> {
        self.calls.get(&call)?.context.as_ref()
    }

    /// What a hello said that was not OK, if no step took it.
    pub fn refusal(&self) -> Option<String> {
        let hello = self.peek(0).filter(|item| item.what == "hello")?;
        let status = &hello.view()["status"];
        let code = status["code"].as_str().filter(|code| *code != "OK")?;
        let message = status["message"].as_str().unwrap_or_default();
        Some(format!("{code}: {message}"))
    }

    /// Whether a message came for the call.
    pub fn spoke_of(&self, call: u64) -> bool {
        self.calls.get(&call).is_some_and(|c| c.spoken)
    }

    /// Whatever was not taken, by call.
    pub fn left(&self) -> impl Iterator<Item = (u64, &Item)> {
        self.calls
            .iter()
            .flat_map(|(call, c)| c.items.iter().map(|item| (*call, item)))
    }

    /// How much is kept of what came: what was not taken, and calls.
    pub fn kept(&self) -> usize {
        self.untaken + self.calls.len()
    }

    /// A call with an event of which a part is still to come.
    pub fn unfinished(&self) -> Option<u64> {
        let mut calls = self.calls.iter();
        calls.find_map(|(call, c)| c.unfinished.is_some().then_some(*call))
    }

    /// Whether the output is data, not documents or messages.
    pub fn is_raw(&self) -> bool {
        matches!(self.decoder, Decoder::Raw(_))
    }

    fn take_decoded(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        while self.broken.is_none() {
            match &mut self.decoder {
                Decoder::Messages(decoder) => match decoder.next() {
                    Ok(Some(received)) => {
                        texts.push(brief(&received.message));
                        self.accept(received.message, received.invalid_event);
                    }
                    Ok(None) => break,
                    Err(violation) => self.broken = Some(broken(&violation)),
                },
                Decoder::Events(decoder) => match decoder.next() {
                    Ok(Some(event)) => {
                        texts.push(brief_event(&event));
                        self.put(0, Item::of_event(event, None));
                    }
                    Ok(None) => break,
                    Err(violation) => self.broken = Some(broken(&violation)),
                },
                Decoder::Raw(_) => break,
            }
        }
        texts
    }

    fn accept(&mut self, message: Message, invalid: Option<Violation>) {
        let call = message.call;
        let rest = Message {
            event: None,
            chunk: None,
            ..message.clone()
        };
        let view: Value = serde_json::from_str(&message_json(&rest)).unwrap_or_default();
        let entry = self.calls.entry(call).or_default();
        if !entry.spoken {
            entry.spoken = true;
            entry.context = view.get("context").cloned();
        }
        if let Some(violation) = invalid {
            self.broken = Some(Broken {
                what: format!(
                    "call {call}: an event that is invalid: {}",
                    described(&violation)
                ),
                ..broken(&violation)
            });
            return;
        }
        if let Some((rule, what)) = out_of_bounds(&message) {
            let what = format!("call {call}: {what}");
            self.broken = Some(Broken {
                rule: rule.to_owned(),
                what,
            });
            return;
        }
        if let Some(hello) = &message.hello {
            self.producer.get_or_insert_with(|| hello.producer.clone());
            let mut view = view["hello"].clone();
            if view.get("status").is_none() {
                view["status"] = json!({});
            }
            write_code(&mut view["status"]);
            self.put(call, Item::new("hello", view));
        }
        if let Err((rule, what)) = self.take_data(&message) {
            self.broken = Some(Broken {
                rule: rule.to_owned(),
                what: format!("call {call}: {what}"),
            });
            return;
        }
        if message.end.is_some() {
            let mut view = view["end"].clone();
            write_code(&mut view);
            self.put(call, Item::new("end", view));
        }
        if message.cancel.is_some() {
            self.put(call, Item::new("cancel", view["cancel"].clone()));
        }
    }

    /// Puts the data of events together from their pieces.
    fn take_data(&mut self, message: &Message) -> Result<(), (&'static str, String)> {
        let call = message.call;
        let entry = self.calls.entry(call).or_default();
        if let Some(event) = &message.event {
            if entry.unfinished.is_some() {
                return Err((
                    "chunk-event-unfinished",
                    "an event begins before the one before it is complete".into(),
                ));
            }
            let data = event
                .data()
                .map(|d| d.as_bytes().to_vec())
                .unwrap_or_default();
            entry.unfinished = Some(Unfinished {
                event: event.clone(),
                largest: data.len(),
                data,
                pieces: 1,
            });
        }
        if let Some(chunk) = &message.chunk {
            // The data of an event goes on in later messages, not in its own.
            let unfinished = entry.unfinished.as_mut();
            let Some(unfinished) = unfinished.filter(|_| message.event.is_none()) else {
                return Err((
                    "chunk-without-event",
                    "a chunk where no event is unfinished".into(),
                ));
            };
            unfinished.data.extend_from_slice(chunk);
            unfinished.pieces += 1;
            unfinished.largest = unfinished.largest.max(chunk.len());
        }
        let carries_data = message.event.is_some() || message.chunk.is_some();
        if carries_data && !message.more {
            let unfinished = entry.unfinished.take().expect("set above");
            let item = unfinished.complete()?;
            self.put(call, item);
        } else if let Some(status) = &message.end
            && entry.unfinished.take().is_some()
            && status.is_ok()
        {
            return Err((
                "chunk-end-unfinished",
                "`end` OK while an event is unfinished".into(),
            ));
        }
        Ok(())
    }

    fn put(&mut self, call: u64, item: Item) {
        self.calls.entry(call).or_default().items.push_back(item);
        self.untaken += 1;
    }
}

/// What a sender must not write although a receiver only cuts it (spec/status.md, spec/messages.md).
fn out_of_bounds(message: &Message) -> Option<(&'static str, String)> {
    let producer = message
        .hello
        .as_ref()
        .map_or(0, |hello| hello.producer.len());
    if producer > 256 {
        return Some((
            "hello-producer-bound",
            format!("a producer of {producer} bytes"),
        ));
    }
    let hello = message.hello.as_ref().map(|hello| &hello.status);
    for status in message.end.iter().chain(hello) {
        if status.message.len() > 4096 {
            return Some((
                "status-bounds",
                format!("a status message of {} bytes", status.message.len()),
            ));
        }
        let details: usize = status
            .details
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if details > 8192 {
            return Some((
                "status-bounds",
                format!("status details of {details} bytes"),
            ));
        }
        let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if let Some(name) = status
            .details
            .keys()
            .find(|name| name.is_empty() || !name.bytes().all(fits))
        {
            return Some(("status-detail-name", format!("a detail named {name:?}")));
        }
    }
    None
}

impl Unfinished {
    fn complete(self) -> Result<Item, (&'static str, String)> {
        let Unfinished {
            event,
            data,
            pieces,
            largest,
        } = self;
        let event = if pieces == 1 {
            event
        } else {
            with_data(event, data)?
        };
        Ok(Item::of_event(event, Some((pieces, largest))))
    }
}

fn with_data(event: Event, data: Vec<u8>) -> Result<Event, (&'static str, String)> {
    let data = match event.data() {
        Some(Data::Text(_) | Data::Json(_)) => {
            let text = String::from_utf8(data).map_err(|e| {
                (
                    "chunk-text",
                    format!("text in pieces that is not UTF-8: {e}"),
                )
            })?;
            if is_json(event.datacontenttype()) {
                Data::Json(JsonText::new(text).map_err(|e| ("event-data-json", e.to_string()))?)
            } else {
                Data::Text(text.into())
            }
        }
        _ => Data::Binary(data.into()),
    };
    event
        .to_builder()
        .data(data)
        .build()
        .map_err(|e| ("event-output-valid", e.to_string()))
}

fn is_json(media_type: Option<&str>) -> bool {
    let essence = media_type
        .unwrap_or("application/json")
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    essence.ends_with("/json") || essence.ends_with("+json")
}

/// The rule that the sender broke; a decoder names the one by which a receiver refuses.
fn violated(violation: &Violation) -> &'static str {
    match violation.rule() {
        "hello-missing" | "hello-once" => "hello-first",
        rule => rule,
    }
}

fn broken(violation: &Violation) -> Broken {
    Broken {
        rule: violated(violation).to_owned(),
        what: described(violation),
    }
}

fn write_code(status: &mut Value) {
    if status.get("code").is_none() {
        status["code"] = "OK".into();
    }
}

/// What a violation says, without the rule, which is reported beside it.
fn described(violation: &Violation) -> String {
    let (at, expected, came) = (violation.offset(), violation.expected(), violation.came());
    format!("at byte {at}: expected {expected}, got {came}")
}

/// A message in the specification's JSON, on one line.
pub fn message_json(message: &Message) -> String {
    let mut bytes = Vec::new();
    libfaas::encode_message(message, Encoding::Json, &mut bytes);
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

/// Bytes of data that a transcript shows in full.
const BRIEF: usize = 1024;

/// A message in JSON for a transcript: of large data, the beginning.
fn brief(message: &Message) -> String {
    let mut message = message.clone();
    let mut left_out = 0;
    if let Some(event) = &mut message.event {
        left_out += shorten(event);
    }
    if let Some(chunk) = &mut message.chunk {
        left_out += chunk.len().saturating_sub(BRIEF);
        chunk.truncate(BRIEF);
    }
    noted(message_json(&message), left_out)
}

/// As [`brief`].
fn brief_event(event: &Event) -> String {
    let mut event = event.clone();
    let left_out = shorten(&mut event);
    noted(event_json(&event).to_string(), left_out)
}

/// Cuts the data of an event where it is binary and large; gives the bytes that were cut off.
fn shorten(event: &mut Event) -> usize {
    let Some(Data::Binary(data)) = event.data() else {
        return 0;
    };
    let cut = data.len().saturating_sub(BRIEF);
    if cut > 0
        && let Ok(short) = event.to_builder().data(data.slice(..BRIEF)).build()
    {
        *event = short;
    }
    cut
}

fn noted(text: String, left_out: usize) -> String {
    match left_out {
        0 => text,
        n => format!("{text} (and {n} more bytes of data)"),
    }
}

/// An event in CloudEvents' JSON.
pub fn event_json(event: &Event) -> Value {
    let mut bytes = Vec::new();
    libfaas::encode_event(event, Encoding::Json, &mut bytes);
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Raw output as an event's data: text if it is UTF-8, else binary.
pub fn raw_view(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "data": text }),
        Err(_) => json!({ "data_base64": data_encoding::BASE64.encode(bytes) }),
    }
}
