//! Binary and structured mode: one process, one invocation.

use std::env;
use std::io::{self, Read};
use std::process::exit;

use libfaas::{
    Code, Context, Data, Encoding, Event, EventDecoder, JsonText, Limits, Message, Mode, Status,
    encode_event, encode_message,
};

use crate::fault::fault;
use crate::handler::{Call, Draft, handle};
use crate::setup::{Setup, context_from_env};
use crate::stdio::{self, Stdout};

pub(crate) fn serve(setup: &Setup, mode: Mode) -> io::Result<()> {
    let (mut input, output) = stdio::claim()?;
    if setup.init != Code::Ok {
        fail(&Status::new(
            setup.init,
            "PROBE_INIT says that initialisation fails",
        ));
    }
    let mut invocation = Invocation {
        mode,
        encoding: setup.encoding,
        output,
        context: context_from_env(),
        results: 0,
        partial: false,
    };
    if mode == Mode::Binary {
        let mut data = Vec::new();
        input.read_to_end(&mut data)?;
        match event_from_env(data) {
            Ok(event) => invocation.handle(&event),
            Err(why) => fail(&Status::new(Code::InvalidArgument, why)),
        }
    } else {
        documents(setup, &mut input, &mut invocation)?;
    }
    while fault!("oneshot-stays") {
        std::thread::park();
    }
    exit(i32::from(fault!("oneshot-exit-1")))
}

fn documents(setup: &Setup, input: &mut impl Read, invocation: &mut Invocation) -> io::Result<()> {
    let limits = Limits {
        max_message_bytes: setup.max_message_bytes,
        ..Limits::default()
    };
    let mut decoder = EventDecoder::new(setup.encoding, limits);
    let mut buffer = vec![0; 65_536];
    let mut handled = 0;
    loop {
        let len = input.read(&mut buffer)?;
        if len == 0 {
            decoder.finish();
        }
        decoder.push(&buffer[..len]);
        loop {
            match decoder.next() {
                Ok(Some(event)) => {
                    handled += 1;
                    if handled == 1 || !fault!("structured-first-only") {
                        invocation.handle(&event);
                    }
                }
                Ok(None) => break,
                Err(violation) => {
                    let invalid = violation.rule().starts_with("event-")
                        || violation.rule().starts_with("json-event-");
                    if invalid && fault!("structured-invalid-exit-0")
                        || !invalid && fault!("structured-malformed-exit-0")
                    {
                        exit(0);
                    }
                    if !invalid && fault!("structured-malformed-skipped") {
                        decoder = EventDecoder::new(setup.encoding, limits);
                        break;
                    }
                    fail(&Status::new(Code::InvalidArgument, violation.to_string()));
                }
            }
        }
        if len == 0 {
            if fault!("structured-cut-output") {
                invocation.output.write(b"{\"specversion\":");
            }
            return Ok(());
        }
    }
}

/// The event of binary mode: attributes from the environment, data from stdin.
fn event_from_env(data: Vec<u8>) -> Result<Event, String> {
    let attribute = |name: &str| env::var(name).unwrap_or_default();
    let mut event = Event::builder(
        attribute("CE_ID"),
        attribute("CE_SOURCE"),
        attribute("CE_TYPE"),
    );
    if fault!("binary-attributes-lost") {
        event = Event::builder("1", "/", "fsi.probe.echo");
    }
    for (name, value) in env::vars() {
        let Some(name) = name.strip_prefix("CE_").map(str::to_ascii_lowercase) else {
            continue;
        };
        event = match name.as_str() {
            "id" | "source" | "type" | "specversion" => event,
            "time" => event.time(value),
            "dataschema" => event.dataschema(value),
            _ => event.attribute(name, value),
        };
    }
    let media_type = attribute("CE_DATACONTENTTYPE").to_ascii_lowercase();
    let subtype = media_type.split(';').next().unwrap_or_default().trim();
    let data = match String::from_utf8(data) {
        Ok(text) if text.is_empty() => None,
        Ok(text) if subtype.starts_with("text/") => Some(Data::Text(text.into())),
        Ok(text) if subtype.ends_with("/json") || subtype.ends_with("+json") => {
            Some(JsonText::new(text.clone()).map_or_else(|_| Data::Binary(text.into()), Data::Json))
        }
        Ok(text) => Some(Data::Binary(text.into())),
        Err(error) => Some(Data::Binary(error.into_bytes().into())),
    };
    if let Some(data) = data {
        event = event.data(data);
    }
    event.build().map_err(|e| e.to_string())
}

/// Ends the process with what the status says.
fn fail(status: &Status) -> ! {
    if !fault!("oneshot-message-lost") {
        eprintln!("{}", status.message);
    }
    if fault!("oneshot-message-not-last") {
        eprintln!("good-bye");
    }
    exit(match () {
        () if fault!("oneshot-failure-exit-0") => 0,
        () if fault!("oneshot-failure-exit-1") => 1,
        () => i32::from(status.code.exit()),
    })
}

struct Invocation {
    mode: Mode,
    encoding: Encoding,
    output: Stdout,
    context: Context,
    results: u64,
    /// Whether a part of the output was written.
    partial: bool,
}

impl Invocation {
    fn handle(&mut self, event: &Event) {
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| handle(event, self))) {
            Ok(Ok(())) => {}
            Ok(Err(_)) if self.partial && fault!("oneshot-partial-exit-0") => exit(0),
            Ok(Err(status)) => fail(&status),
            Err(_) => fail(&Status::new(Code::Internal, "the handler panicked")),
        }
    }
}

impl Call for Invocation {
    fn context(&self) -> Context {
        if fault!("environment-unseen") {
            Context::default()
        } else {
            self.context.clone()
        }
    }

    fn emit(&mut self, result: Draft) -> Result<(), Status> {
        self.results += 1;
        let mut event = result.event;
        if result.unnumbered {
            event = event.id(format!("{}/{}", self.context.invocation_id, self.results));
        }
        let internal = |why: String| Status::new(Code::Internal, why);
        let event = event
            .build()
            .map_err(|e| internal(format!("the handler gave an invalid event: {e}")))?;
        match self.mode {
            Mode::Binary if self.results > 1 => {
                return Err(internal("binary mode has room for one result".to_owned()));
            }
            Mode::Binary => self.output.write(event.data().map_or(&[], Data::as_bytes)),
            _ => {
                let mut bytes = Vec::new();
                if fault!("structured-message") {
                    encode_message(
                        &Message {
                            call: 1,
                            event: Some(event),
                            ..Message::default()
                        },
                        self.encoding,
                        &mut bytes,
                    );
                } else {
                    let other = if self.encoding == Encoding::Json {
                        Encoding::Protobuf
                    } else {
                        Encoding::Json
                    };
                    let encoding = if fault!("encoding-other") {
                        other
                    } else {
                        self.encoding
                    };
                    encode_event(&event, encoding, &mut bytes);
                }
                self.output.write(&bytes);
            }
        }
        self.partial = true;
        Ok(())
    }

    /// There is no cancel in these modes: whoever waits for one waits until the process is killed.
    fn wait_for_cancel(&mut self) {
        loop {
            std::thread::park();
        }
    }
}
