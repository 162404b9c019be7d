//! What the oracle says to a fixture: what is right, and what a fault makes of it.

use faas_conformance::fault::adapter::{Breaks, FAULTS};
use faas_conformance::fixture::{Fixture, Truth};
use serde_json::Value;

use super::disfigure::{self, Attributes};

/// What a run prints, and its exit status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// stdout.
    pub(crate) stdout: String,
    /// stderr.
    pub(crate) stderr: String,
    /// The exit status.
    pub(crate) exit: u8,
}

/// One fixture, known by heart.
#[derive(Debug)]
pub(crate) struct Oracle<'a> {
    fixture: &'a Fixture,
    events: Vec<String>,
}

const SOME_EVENT: &str =
    "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/oracle\",\"type\":\"oracle\"}\n";

impl<'a> Oracle<'a> {
    /// Panics if the fixture can't be used.
    pub(crate) fn new(fixture: &'a Fixture) -> Self {
        let events = fixture.events().expect("the fixture can be used");
        Oracle { fixture, events }
    }

    /// What a run prints that has this fault, or none that there is. The first run has the number 0.
    pub(crate) fn answer(&self, fault: &str, run: usize) -> Answer {
        // What breaks a mapping is done where one is asked for.
        let of_source = |rule: &String| {
            let own = self.fixture.own_rule();
            let mut faults = FAULTS.iter().filter(|known| known.name == fault);
            faults.any(|fault| matches!(fault.breaks, Breaks::Rules(_)) || fault.breaks(rule, &own))
        };
        let fault = match self.fixture.rules.iter().any(of_source) {
            true => fault,
            false => "",
        };
        let mut answer = match &self.fixture.truth {
            Truth::Refused { kind, pointer } => self.refusal(kind, pointer, fault),
            Truth::Events { notice, .. } => self.mapped(notice.as_deref(), fault, run),
            Truth::Reply { responses, .. } => self.reply(responses, fault),
        };
        if fault == "exits-with-1" {
            answer.exit = 1;
        }
        answer
    }

    /// Whether the suite has put a member into the payload.
    fn is_extended(&self) -> bool {
        String::from_utf8_lossy(&self.fixture.payload).contains(disfigure::EXTRA)
    }

    fn shows(&self, rule: &str) -> bool {
        self.fixture.rules.iter().any(|shown| shown == rule)
    }

    fn refusal(&self, kind: &str, pointer: &str, fault: &str) -> Answer {
        let is_event = kind != "not-an-event";
        let what = match (fault, kind) {
            ("mistakes-places", "not-an-event") => "payload#".to_owned(),
            ("mistakes-places", _) => format!("{kind}#{}/more", fragment(pointer)),
            ("names-another-document", "payload") => format!("delivery#{}", fragment(pointer)),
            ("names-another-document", "delivery") => format!("payload#{}", fragment(pointer)),
            ("names-another-document", _) => "payload".to_owned(),
            (_, "not-an-event") => kind.to_owned(),
            _ => format!("{kind}#{}", fragment(pointer)),
        };
        let mut answer = Answer {
            stdout: String::new(),
            stderr: format!("faas-oracle: {what}: expected what the fixture says\n"),
            exit: 65,
        };
        match fault {
            "writes-before-it-fails" => answer.stdout = SOME_EVENT.to_owned(),
            "writes-half-a-batch" => {
                answer.stdout = SOME_EVENT.repeat(self.fixture.records_before(pointer));
            }
            "refuses-without-a-word" => answer.stderr.clear(),
            "goes-on-after-refusing" => answer.stderr.push_str("faas-oracle: 1 error\n"),
            "accepts-anything" if is_event => return Answer::ok(""),
            "maps-what-is-no-event" if !is_event => return Answer::ok(SOME_EVENT),
            "makes-up-identifiers" if self.shows("adapter-id-missing") => {
                return Answer::ok(SOME_EVENT);
            }
            _ => {}
        }
        answer
    }

    fn mapped(&self, notice: Option<&str>, fault: &str, run: usize) -> Answer {
        let refuses = match fault {
            "refuses-byte-order-marks" => self.shows("adapter-bom"),
            "refuses-extra-members" => self.is_extended(),
            "refuses-what-does-not-fit" => self.shows("adapter-attribute-unfit"),
            _ => false,
        };
        if refuses {
            return Answer {
                stdout: String::new(),
                stderr: "faas-oracle: payload#: expected less\n".to_owned(),
                exit: 65,
            };
        }
        let events = self.events.iter();
        let mut lines: Vec<String> = events.map(|event| self.event(event, fault, run)).collect();
        match fault {
            "reverses-batches" => lines.reverse(),
            "takes-the-first" => lines.truncate(1),
            "writes-more-than-events" if self.shows("adapter-command-events") => {
                lines.insert(0, "hello\n".to_owned())
            }
            "maps-what-is-no-event" if self.shows("adapter-unknown-kind") => {
                lines.push(SOME_EVENT.to_owned());
            }
            "invents-events" => lines.push(SOME_EVENT.to_owned()),
            _ => {}
        }
        let said = match (notice, fault) {
            (None, _) | (_, "says-nothing-of-notices") => None,
            (Some("test"), "mistakes-notices") => Some("handshake"),
            (Some(_), "mistakes-notices") => Some("test"),
            (kind, _) => kind,
        };
        Answer {
            stdout: lines.concat(),
            stderr: said.map_or(String::new(), |kind| {
                format!("faas-oracle: {kind}: as the fixture says\n")
            }),
            exit: 0,
        }
    }

    /// An event on one line.
    fn event(&self, event: &str, fault: &str, run: usize) -> String {
        let mut attributes = Attributes::read(event);
        let surroundings = || serde_json::from_str::<Value>(&self.fixture.delivery);
        let set = match fault {
            "changes-what-passes" => "adapter-pass-through",
            "hands-on-batches-of-one" => "adapter-batch-of-one",
            "writes-what-is-absent" => "adapter-attribute-absent",
            "leaves-sources-as-they-are" => "adapter-source-encoded",
            "normalizes-times" => "adapter-time-verbatim",
            "mistakes-seconds" => "adapter-time-epoch",
            "drops-odd-times" => "adapter-time-repair",
            "looks-at-the-clock" | "remembers" => "adapter-pure",
            "loses-members" => "adapter-data-verbatim",
            "detours-numbers" => "adapter-data-numbers",
            _ => "",
        };
        if set.is_empty() || self.shows(set) {
            match fault {
                "changes-what-passes" => attributes.set("passed", "on"),
                "hands-on-batches-of-one" => attributes.enclose_data(),
                "writes-what-is-absent" => attributes.fill(),
                "leaves-sources-as-they-are" => attributes.decode_source(),
                "normalizes-times" => attributes.time(|seconds, nanos| (seconds, nanos)),
                "mistakes-seconds" => attributes.time(|seconds, _| (seconds / 1000, 0)),
                "drops-odd-times" | "loses-times" => attributes.remove("time"),
                "looks-at-the-clock" => attributes.redraw(&surroundings().expect("JSON")),
                "remembers" if run > 0 => attributes.set("id", "drawn anew"),
                "loses-members" => attributes.lessen_data(),
                "loses-extra-members" => attributes.forget_data(),
                "detours-numbers" => attributes.detour_data(),
                "drops-content-types" => attributes.remove("datacontenttype"),
                "writes-invalid-events" => attributes.set("id", ""),
                "mistakes-types" => attributes.set("type", "oracle"),
                "loses-subjects" => attributes.remove("subject"),
                _ => {}
            }
        }
        attributes.line()
    }

    fn reply(&self, responses: &[String], fault: &str) -> Answer {
        let (no_content, fine) = ("{\"status\":204}\n", "{\"status\":200}\n");
        match fault {
            "fails-open" if self.shows("adapter-answer-fails-closed") => {
                return Answer::ok(no_content);
            }
            "forgets-to-answer" if self.shows("adapter-answer-no-event") => {
                return Answer::ok("");
            }
            "ignores-http-responses" if self.shows("adapter-http-response") => {
                return Answer::ok(no_content);
            }
            "lets-anything-through" if self.shows("adapter-http-response-invalid") => {
                return Answer::ok(fine);
            }
            _ => {}
        }
        let mut lines: Vec<String> = responses
            .iter()
            .map(|response| disfigure::response(response, fault))
            .collect();
        if fault == "answers-twice" {
            lines.push(no_content.to_owned());
        }
        Answer::ok(&lines.concat())
    }
}

impl Answer {
    fn ok(stdout: &str) -> Self {
        Answer {
            stdout: stdout.to_owned(),
            stderr: String::new(),
            exit: 0,
        }
    }
}

/// A JSON Pointer as a URI fragment.
fn fragment(pointer: &str) -> String {
    let encoded = |byte: u8| match byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    pointer.bytes().map(encoded).collect()
}
