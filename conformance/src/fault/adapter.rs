//! The faults of `faas-oracle`, an adapter that knows the fixtures by heart, and the rules by whose
//! cases each is seen.

/// One defect.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// What `--fault` takes.
    pub name: &'static str,
    /// What it breaks.
    pub breaks: Breaks,
    /// What the adapter does wrong.
    pub what: &'static str,
}

/// What a case that sees a fault has to test.
#[derive(Clone, Copy, Debug)]
pub enum Breaks {
    /// One of these rules.
    Rules(&'static [&'static str]),
    /// A rule of the case's own source: the mapping, or what goes back.
    Source,
}

impl Fault {
    /// Whether the fault is a breach of a rule that every source has.
    pub fn is_of(&self, rule: &str) -> bool {
        matches!(self.breaks, Breaks::Rules(rules) if rules.contains(&rule))
    }

    /// Whether the fault is a breach of a rule, for a source whose own rule this is.
    pub fn breaks(&self, rule: &str, own: &str) -> bool {
        let kinds = ["", "-reply", "-web-reply", "-handshake"];
        let kind = rule.strip_prefix(own);
        match self.breaks {
            Breaks::Rules(_) => self.is_of(rule),
            Breaks::Source => kind.is_some_and(|kind| kinds.contains(&kind)),
        }
    }
}

const fn of(name: &'static str, rules: &'static [&'static str], what: &'static str) -> Fault {
    Fault {
        name,
        breaks: Breaks::Rules(rules),
        what,
    }
}

const fn of_source(name: &'static str, what: &'static str) -> Fault {
    Fault {
        name,
        breaks: Breaks::Source,
        what,
    }
}

/// All of them; a crash and silence are not here, for every case sees those.
#[rustfmt::skip]
pub const FAULTS: &[Fault] = &[
    // The command.
    of("writes-more-than-events", &["adapter-command-events"], "greets on stdout before the events"),
    of("exits-with-1", &["adapter-command-events", "adapter-command-notice", "adapter-command-refusal", "adapter-command-reply"], "ends with status 1 whatever happened"),
    of("says-nothing-of-notices", &["adapter-command-notice"], "passes over in silence what is a handshake, a test or progress"),
    of("writes-before-it-fails", &["adapter-command-refusal"], "writes an event before it refuses"),
    of("refuses-without-a-word", &["adapter-command-refusal"], "says nothing of why"),
    of("names-another-document", &["adapter-command-refusal"], "says that the delivery is wrong where the payload is, and the other way round"),
    of("goes-on-after-refusing", &["adapter-command-refusal"], "has another line after that which says where"),
    of("answers-twice", &["adapter-command-reply"], "writes what goes back, and then something else"),
    of("adds-members", &["adapter-command-reply"], "has a member in HTTP responses that nobody asked for"),
    // Input.
    of("looks-at-the-clock", &["adapter-pure"], "takes the time and new identifiers from the system"),
    of("remembers", &["adapter-pure"], "gives a delivery that comes again other identifiers"),
    of("refuses-extra-members", &["adapter-extra-member"], "refuses what its mapping does not name"),
    of("loses-extra-members", &["adapter-extra-member", "adapter-data-verbatim"], "leaves out of the data what its mapping does not know"),
    of("refuses-byte-order-marks", &["adapter-bom"], "takes a byte order mark for bad JSON"),
    of("accepts-anything", &["adapter-undecodable"], "makes no event of what it can't map, and is content"),
    of("maps-what-is-no-event", &["adapter-unknown-kind"], "makes an event of what is none"),
    of("changes-what-passes", &["adapter-pass-through"], "adds an attribute to what is a CloudEvent"),
    // Batches.
    of("takes-the-first", &["adapter-one-event-each"], "makes an event of the first record only"),
    of("reverses-batches", &["adapter-order"], "writes the last record's event first"),
    of("hands-on-batches-of-one", &["adapter-batch-of-one"], "takes a batch of one record for the record"),
    of("writes-half-a-batch", &["adapter-batch-atomic"], "writes the events before the record that it refuses"),
    // Attributes.
    of("writes-what-is-absent", &["adapter-attribute-absent"], "sets an attribute for which there is nothing"),
    of("refuses-what-does-not-fit", &["adapter-attribute-unfit"], "refuses a record for a text that no attribute can hold"),
    of("makes-up-identifiers", &["adapter-id-missing"], "makes up what a record lacks"),
    of("leaves-sources-as-they-are", &["adapter-source-encoded"], "encodes nothing"),
    of("writes-invalid-events", &["adapter-valid-event"], "writes events with an empty id"),
    of("normalizes-times", &["adapter-time-verbatim"], "writes every time in UTC, without zeros at its end"),
    of("mistakes-seconds", &["adapter-time-epoch"], "takes every number for milliseconds"),
    of("drops-odd-times", &["adapter-time-repair"], "leaves out what is not RFC 3339 as it stands"),
    // Data.
    of("loses-members", &["adapter-data-verbatim"], "loses a part of the data"),
    of("detours-numbers", &["adapter-data-numbers"], "reads numbers as floating point and writes them again"),
    of("drops-content-types", &["adapter-content-type"], "leaves out datacontenttype"),
    // Mappings.
    of_source("mistakes-types", "writes another type"),
    of_source("invents-events", "writes an event more than there are"),
    of_source("loses-subjects", "leaves out the subject"),
    of_source("loses-times", "leaves out the time"),
    of_source("mistakes-places", "says that something beside the fault is wrong"),
    of_source("mistakes-notices", "takes a handshake for a test, and so on"),
    // Answers.
    of_source("answers-otherwise", "answers something else"),
    of("fails-open", &["adapter-answer-fails-closed"], "reports success without a definite OK"),
    of("reports-by-position", &["adapter-answer-position"], "reports the number of an item in the place of its identifier"),
    of("forgets-to-answer", &["adapter-answer-no-event"], "writes nothing when there is no result"),
    of("answers-in-another-form", &["adapter-http-answer"], "answers in a form that the vendor does not know"),
    of("ignores-http-responses", &["adapter-http-response"], "answers 204 whatever the result says"),
    of("lets-anything-through", &["adapter-http-response-invalid"], "answers 200 whatever the result says"),
];
