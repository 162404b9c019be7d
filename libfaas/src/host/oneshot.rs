//! One invocation in binary or structured mode: what its process is given, and what its end and its
//! output make of it. No I/O.

use bytes::Bytes;

use super::{Death, Limit, Revision, Settings};
use crate::binary::{ResultParts, result};
use crate::{Code, Context, Encoding, Event, EventDecoder, Limits, Mode, Status, encode_event};

/// One invocation, whose process lives for it alone.
///
/// The driver writes what is [`outgoing`](Self::outgoing) to stdin and closes it, reads stdout
/// while it does, and waits for the exit; what stdout still holds then is read until it is empty,
/// the rest of the session is killed, and only then is the [`outcome`](Self::outcome) believed
/// (`oneshot-exit-ends`).
///
/// ```
/// use libfaas::host::{Death, Exit, OneShot, Revision, Settings};
/// use libfaas::{Code, Context, Data, Event, Manifest};
///
/// let manifest = Manifest::from_yaml(r#"{fsi: "1.0", name: shout, command: [tr, a-z, A-Z], modes: [binary]}"#)?;
/// let settings = Settings::default();
/// let revision = Revision::new(manifest, ".", "acme", "r1", &settings)?;
/// let event = Event::builder("7", "/s", "t").data("hello").build()?;
///
/// let mut invocation = OneShot::new(&revision, &settings, &Context::default(), event)?;
/// assert_eq!(invocation.outgoing(), b"hello");
/// assert!(invocation.read(b"HELLO"));
/// let events = invocation.outcome(Death::new(Exit::Code(0), ""))?;
/// assert_eq!(events[0].data(), Some(&Data::Binary("HELLO".into())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OneShot {
    input: Input,
    /// Bytes of the input that are written.
    written: usize,
    output: Vec<u8>,
    /// More came than is kept: the process is to be killed.
    exceeded: bool,
    max_output_bytes: Option<u64>,
    results: Results,
}

#[derive(Debug)]
enum Input {
    /// Binary mode: the data of the event.
    Data(Event),
    /// Structured mode: one document.
    Document(Vec<u8>),
}

/// What is made of stdout.
#[derive(Debug)]
enum Results {
    /// One event of these parts.
    Binary {
        invocation_id: String,
        function: String,
        input_id: String,
        produces: Option<crate::EventKind>,
    },
    /// What stands there.
    Structured { encoding: Encoding, limits: Limits },
}

impl OneShot {
    /// An invocation of a revision whose mode is binary or structured.
    ///
    /// # Errors
    ///
    /// RESOURCE_EXHAUSTED where the event's data is larger than the function's limit
    /// (`isolation-event`), or its document than a message may be; nothing is started then.
    pub fn new(
        revision: &Revision,
        settings: &Settings,
        context: &Context,
        event: Event,
    ) -> Result<OneShot, Status> {
        let data = event.data().map_or(0, |data| data.as_bytes().len());
        if let Some(limit) = revision.bounds.event.filter(|&limit| data as u64 > limit) {
            let message =
                format!("the event's data is larger than the function's limit of {limit} bytes");
            return Err(Status::new(Code::ResourceExhausted, message));
        }
        let manifest = &revision.manifest;
        let (results, input) = if revision.mode == Mode::Binary {
            let results = Results::Binary {
                invocation_id: context.invocation_id.clone(),
                function: manifest.name.clone(),
                input_id: event.id().to_owned(),
                produces: manifest.produces.first().cloned(),
            };
            (results, Input::Data(event))
        } else {
            let limits = Limits {
                max_message_bytes: settings.max_message_bytes,
                ..Limits::default()
            };
            let encoding = revision.encoding;
            let mut document = Vec::new();
            encode_event(&event, encoding, &mut document);
            let length = document.len() - crate::encoding::framing(&document, encoding);
            if length > limits.max_message_bytes {
                let message = format!(
                    "the event is larger than a document may be ({} bytes)",
                    limits.max_message_bytes
                );
                return Err(Status::new(Code::ResourceExhausted, message));
            }
            (
                Results::Structured { encoding, limits },
                Input::Document(document),
            )
        };
        Ok(OneShot {
            input,
            written: 0,
            output: Vec::new(),
            exceeded: false,
            max_output_bytes: revision.bounds.output,
            results,
        })
    }

    /// What is to be written to stdin, which is closed once this is empty.
    pub fn outgoing(&self) -> &[u8] {
        let all = match &self.input {
            Input::Data(event) => event.data().map_or(&[][..], |data| data.as_bytes()),
            Input::Document(document) => document,
        };
        &all[self.written.min(all.len())..]
    }

    /// So many bytes of [`outgoing`](Self::outgoing) have been written.
    pub fn wrote(&mut self, count: usize) {
        self.written += count;
    }

    /// Stdin can't be written any more (EPIPE), which is no failure (`oneshot-epipe`).
    pub fn write_end(&mut self) {
        self.written = usize::MAX;
    }

    /// Takes what stdout had. False when it is more than the function may write: then the process is
    /// to be killed, and nothing more is kept (`isolation-output`).
    #[must_use = "a process that writes too much is to be killed"]
    pub fn read(&mut self, bytes: &[u8]) -> bool {
        let total = self.output.len() as u64 + bytes.len() as u64;
        if self.exceeded || self.max_output_bytes.is_some_and(|limit| total > limit) {
            self.exceeded = true;
            self.output = Vec::new();
            return false;
        }
        self.output.extend_from_slice(bytes);
        true
    }

    /// The results, once the process has ended.
    ///
    /// # Errors
    ///
    /// The status of an exit that is not 0 or of a limit, and what was written is discarded
    /// (`status-exit-mapping`, `oneshot-discard`). INTERNAL where it exited with 0 and what it wrote
    /// can't be read.
    pub fn outcome(self, mut death: Death) -> Result<Vec<Event>, Status> {
        if self.exceeded {
            death.limit.get_or_insert(Limit::Output);
        }
        let status = death.status();
        if !status.is_ok() {
            return Err(status);
        }
        match self.results {
            Results::Binary {
                invocation_id,
                function,
                input_id,
                produces,
            } => {
                let parts = ResultParts {
                    invocation_id: &invocation_id,
                    function: &function,
                    input_id: &input_id,
                    ty: produces.as_ref().map(|kind| kind.ty.as_str()),
                    datacontenttype: produces
                        .as_ref()
                        .and_then(|kind| kind.datacontenttype.as_deref()),
                    dataschema: produces
                        .as_ref()
                        .and_then(|kind| kind.dataschema.as_deref()),
                };
                let event = result(&parts, Bytes::from(self.output));
                event
                    .map(|event| vec![event])
                    .map_err(|fault| Status::new(Code::Internal, fault.to_string()))
            }
            Results::Structured { encoding, limits } => {
                let mut decoder = EventDecoder::new(encoding, limits);
                decoder.push(&self.output);
                decoder.finish();
                let next = || decoder.next().transpose();
                let events: Result<Vec<Event>, _> = std::iter::from_fn(next).collect();
                events.map_err(|fault| Status::new(Code::Internal, fault.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Exit;
    use crate::{Data, Manifest};

    fn invocation(members: &str, event: Event) -> Result<OneShot, Status> {
        let yaml = format!("{{fsi: \"1.0\", name: f, command: [f], {members}}}");
        let settings = Settings {
            max_message_bytes: 1000,
            ..Settings::default()
        };
        let manifest = Manifest::from_yaml(&yaml).unwrap();
        let revision = Revision::new(manifest, ".", "t", "r", &settings)?;
        let context = Context {
            invocation_id: "i".into(),
            ..Context::default()
        };
        OneShot::new(&revision, &settings, &context, event)
    }

    fn event(data: &str) -> Event {
        let event = Event::builder("7", "/s", "t").datacontenttype("text/csv");
        event.data(data).build().unwrap()
    }

    fn exit(code: i32) -> Death {
        Death::new(Exit::Code(code), "last words")
    }

    #[test]
    fn binary_mode_gives_one_event_by_the_manifest() {
        let produces = "modes: [binary], produces: [{type: out, datacontenttype: text/plain}]";
        let mut one = invocation(produces, event("in")).unwrap();
        one.wrote(1);
        assert_eq!(one.outgoing(), b"n");
        one.write_end();
        assert_eq!(one.outgoing(), b"");
        assert!(one.read(b"o") && one.read(b"ut"));
        let events = one.outcome(exit(0)).unwrap();
        assert_eq!(
            (events.len(), events[0].ty(), events[0].id()),
            (1, "out", "i/1")
        );
        assert_eq!(events[0].data(), Some(&Data::Text("out".into())));

        let empty = Event::builder("7", "/s", "t").build().unwrap();
        let one = invocation("modes: [binary]", empty).unwrap();
        assert_eq!(one.outgoing(), b"");
        assert_eq!(one.outcome(exit(0)).unwrap()[0].data(), None);
    }

    #[test]
    fn structured_mode_gives_the_documents_that_stand_there() {
        for encoding in Encoding::ALL {
            let members = format!("modes: [structured], encodings: [{encoding}]");
            let mut one = invocation(&members, event("in")).unwrap();
            let document = one.outgoing().to_vec();
            assert!(one.read(&document) && one.read(&document));
            assert_eq!(one.outcome(exit(0)).unwrap(), [event("in"), event("in")]);

            // Half a document is none.
            let mut one = invocation(&members, event("in")).unwrap();
            assert!(one.read(&document) && one.read(&document[..document.len() / 2]));
            assert_eq!(one.outcome(exit(0)).unwrap_err().code, Code::Internal);
            assert_eq!(
                invocation(&members, event("in")).unwrap().outcome(exit(0)),
                Ok(vec![])
            );
        }
        let mut one = invocation("modes: [structured]", event("in")).unwrap();
        assert!(one.read(b"{\"specversion\":\"1.0\",\"id\":\"\"}\n"));
        assert_eq!(one.outcome(exit(0)).unwrap_err().code, Code::Internal);
    }

    #[test]
    fn output_of_a_failed_process_is_discarded() {
        for (death, code) in [
            (exit(77), Code::PermissionDenied),
            (Death::new(Exit::Signal(11), ""), Code::Internal),
            (
                Death {
                    limit: Some(Limit::Deadline),
                    ..Death::new(Exit::Signal(9), "")
                },
                Code::DeadlineExceeded,
            ),
        ] {
            let mut one = invocation("modes: [binary]", event("in")).unwrap();
            assert!(one.read(b"half"));
            let message = death.message();
            assert_eq!(one.outcome(death), Err(Status::new(code, message)));
        }
    }

    #[test]
    fn limits_hold_both_ways() {
        let limited = "modes: [binary], limits: {event: 3, output: 3}";
        let refused = invocation(limited, event("four")).unwrap_err();
        assert_eq!(refused.code, Code::ResourceExhausted);
        let mut one = invocation(limited, event("in")).unwrap();
        assert!(one.read(b"abc"));
        assert!(!one.read(b"d"));
        assert!(!one.read(b""));
        assert_eq!(
            one.outcome(exit(0)).unwrap_err().code,
            Code::ResourceExhausted
        );
        let large = invocation("modes: [structured]", event(&"x".repeat(1000)));
        assert_eq!(large.unwrap_err().code, Code::ResourceExhausted);
    }
}
