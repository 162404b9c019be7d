//! The faults that the reference probe and the reference codec can be told to have, one defect each.
//!
//! A fault proves the cases that name it: with the fault they fail, and no others do. This list is
//! all that the probe, the tests and `explain` know of them.

/// One defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What `--fault` takes.
    pub name: &'static str,
    /// The modes in which it shows: names of `FAAS_MODE`. Empty: the subject is a codec.
    pub modes: &'static [&'static str],
    /// The encodings in which it shows: names of `FAAS_ENCODING`.
    pub encodings: &'static [&'static str],
    /// What the subject does wrong.
    pub what: &'static str,
}

const ALL: &[&str] = &["json", "protobuf", "capnp"];
const JSON: &[&str] = &["json"];
const PROTOBUF: &[&str] = &["protobuf"];
const CAPNP: &[&str] = &["capnp"];

const fn stream(name: &'static str, what: &'static str) -> Fault {
    Fault {
        name,
        modes: &["stream"],
        encodings: ALL,
        what,
    }
}

const fn stream_json(name: &'static str, what: &'static str) -> Fault {
    Fault {
        name,
        modes: &["stream"],
        encodings: JSON,
        what,
    }
}

const fn stream_protobuf(name: &'static str, what: &'static str) -> Fault {
    Fault {
        name,
        modes: &["stream"],
        encodings: PROTOBUF,
        what,
    }
}

const fn stream_capnp(name: &'static str, what: &'static str) -> Fault {
    Fault {
        name,
        modes: &["stream"],
        encodings: CAPNP,
        what,
    }
}

const fn structured(name: &'static str, what: &'static str) -> Fault {
    Fault {
        name,
        modes: &["structured"],
        encodings: ALL,
        what,
    }
}

const fn binary(name: &'static str, what: &'static str) -> Fault {
    Fault {
        name,
        modes: &["binary"],
        encodings: ALL,
        what,
    }
}

const fn oneshot(name: &'static str, what: &'static str) -> Fault {
    Fault {
        name,
        modes: &["binary", "structured"],
        encodings: ALL,
        what,
    }
}

const fn any(name: &'static str, what: &'static str) -> Fault {
    Fault {
        name,
        modes: &["binary", "structured", "stream"],
        encodings: ALL,
        what,
    }
}

/// The faults of the probe. One whose name is `accepts-RULE` lets input pass that breaks RULE.
// A fault a line, so that the list can be read as a table.
#[rustfmt::skip]
pub const PROBE: &[Fault] = &[
    // hello
    stream("hello-missing", "writes no hello"),
    stream("hello-late", "writes its hello after its first answer"),
    stream("hello-twice", "writes its hello a second time"),
    stream("hello-on-call", "writes its hello on call 1"),
    stream("hello-with-end", "writes another field beside its hello"),
    stream("hello-before-input", "writes its hello without having read its input's"),
    stream("hello-status-ignored", "reads a bad hello and reports itself ready"),
    stream("hello-status-altered", "passes a bad hello on with another code"),
    stream("hello-status-stays", "goes on living after a bad hello"),
    stream("hello-eof-silent", "writes no hello when its input ends before one"),
    stream("hello-version-ignored", "serves whatever version its input's hello names"),
    stream("hello-minor-refused", "refuses a later minor version of its own major one"),
    stream("hello-producer-long", "writes a producer of more than 256 bytes"),
    stream("init-failed-silent", "exits without a hello when its initialisation failed"),
    stream("init-failed-ready", "reports itself ready although its initialisation failed"),
    stream("banner-unquoted", "does not quote what stood in the place of a hello"),
    // calls
    stream("answer-at-eof", "holds its output back until its input ends"),
    stream("answer-at-next", "holds the output of a call back until it reads something more"),
    stream("events-at-end", "hands events to the handler once the call's input has ended"),
    stream("end-missing", "forgets the end of a call that gave more than one event"),
    stream("end-twice", "writes a second end for a call that failed"),
    stream("end-alone-ignored", "takes an end for a call not seen before for nothing"),
    stream("event-after-end", "writes a further event after the end of a call that failed"),
    stream("call-invented", "writes an end for a call that nobody opened, after its second call"),
    stream("call-number-truncated", "keeps 32 bits of a call's number"),
    stream("event-order-swapped", "writes the second and third event of a call in the wrong order"),
    stream("concurrency-one", "runs one call at a time"),
    stream("excess-refused", "fails calls beyond its concurrency"),
    stream("excess-forgotten", "never starts calls beyond its concurrency"),
    stream("error-not-passed", "ends a call with OK whose input ended with an error"),
    stream("error-details-lost", "passes an error on without its details"),
    stream("error-waits-for-handler", "passes an error on only when the handler is done"),
    stream("early-end-handled", "goes on handling the input of a call that it has ended"),
    stream("early-end-malformed", "takes input of a call that it has ended for malformed"),
    stream("failure-goes-on", "goes on with the next event after the handler failed"),
    stream("failure-unknown", "ends a call whose handler failed with UNKNOWN"),
    stream("panic-exits", "dies of a handler's panic"),
    stream("panic-unknown", "ends a call whose handler panicked with UNKNOWN"),
    stream("panic-slot-lost", "never starts another call in the place of one that panicked"),
    stream("invalid-output-dropped", "leaves an invalid event of the handler out"),
    stream_json("invalid-output-written", "writes an invalid event of the handler"),
    stream("output-id-from-zero", "counts the ids of results from 0"),
    stream("output-id-per-process", "counts the ids of results over all calls"),
    // cancel
    stream("cancel-not-copied", "does not copy a cancel"),
    stream("cancel-reason-lost", "copies a cancel without its reason"),
    stream("cancel-unknown-not-copied", "does not copy a cancel for a call that it does not know"),
    stream("cancel-late-not-copied", "does not copy a cancel for a call that it has ended"),
    stream("cancel-copied-twice", "copies a second cancel of the same call too"),
    stream("cancel-without-end", "writes no end for a cancelled call"),
    stream("cancel-end-ok", "ends a cancelled call with OK"),
    stream("cancel-unseen-ended", "writes an end for a cancelled call that was never opened"),
    stream("cancel-reopened", "opens a cancelled call again when more comes for it"),
    stream("cancel-then-malformed", "takes what comes after a cancel for malformed"),
    stream("cancel-not-told", "does not tell the handler that its call is cancelled"),
    stream("cancel-at-handler-end", "reads a cancel only when the handler is done"),
    // chunks
    stream("chunk-reordered", "puts the last chunk of an event before the others"),
    stream("chunk-lost", "loses the last chunk of an event"),
    stream("chunk-inline-lost", "loses the piece that stands in the event itself"),
    stream("chunk-kept-after-error", "completes an unfinished event when its call ends with an error"),
    stream("chunk-text-lossy", "repairs text in pieces that is not UTF-8"),
    stream("chunk-undeclared", "writes data in pieces to a peer that did not declare chunks"),
    stream("chunk-too-large", "writes more than 262,144 bytes in one piece"),
    stream_json("chunk-kind-json", "begins an event in pieces with a JSON value"),
    stream("output-over-limit", "writes messages above the message limit"),
    stream("output-limit-unknown", "ends a call whose result is too large with UNKNOWN"),
    stream("hold-unbounded", "holds more than the message limit for a call"),
    stream("hold-stops-reading", "stops reading when it holds too much for one call"),
    stream("memory-short", "remembers only the last 16 calls"),
    // malformed input
    stream("malformed-exit-0", "exits with status 0 after malformed input"),
    stream("malformed-exit-1", "exits with status 1 after malformed input"),
    stream("malformed-silent", "says nothing on stderr about malformed input"),
    stream("malformed-ends-call", "ends the call with INVALID_ARGUMENT, and lives on, where the stream is malformed"),
    stream("truncated-exit-0", "exits with status 0 after EOF inside a message"),
    stream("truncated-drops", "drops the calls that are at work at EOF inside a message"),
    stream_json("accepts-message-call-range", "ignores a message whose call is out of range"),
    stream("accepts-message-call-zero", "ignores a message on call 0 that is no hello"),
    stream("accepts-hello-once", "ignores a second hello"),
    stream("accepts-hello-missing", "starts without a hello of its input"),
    stream("accepts-stream-input-ended", "ignores what comes for a call whose input has ended"),
    stream("accepts-chunk-without-event", "ignores a chunk without an unfinished event"),
    stream("accepts-chunk-event-unfinished", "takes a second event for the end of an unfinished one"),
    stream("accepts-chunk-end-unfinished", "takes the end of a call for the end of its unfinished event"),
    stream_protobuf("accepts-encoding-malformed", "skips a message that it can't decode"),
    stream("accepts-encoding-limit", "reads messages of any size"),
    stream_json("accepts-json-utf8", "skips a line that is not UTF-8"),
    stream_json("accepts-json-no-bom", "skips a byte order mark"),
    stream_json("accepts-json-object", "skips a line that is no object"),
    stream_json("accepts-json-depth", "skips a line that is nested too deeply"),
    stream_json("accepts-json-duplicate-member", "skips a line with a member twice"),
    stream_json("accepts-json-null-member", "skips a line with a null member"),
    stream_json("accepts-json-member-type", "skips a line with a member of a wrong type"),
    stream_json("accepts-json-base64", "skips a line whose chunk is no base64"),
    stream_protobuf("accepts-protobuf-length", "reads lengths of any size"),
    stream_protobuf("accepts-protobuf-utf8", "skips a message with a string that is not UTF-8"),
    // leniency that is due
    stream("message-empty-opens", "opens a call for a message without a known field"),
    stream_json("unknown-field-malformed", "takes an unknown field for malformed"),
    stream_json("null-attribute-malformed", "takes a null attribute for malformed"),
    stream_json("empty-line-malformed", "takes an empty line for malformed"),
    stream_json("last-line-lost", "drops a last line without a line feed"),
    stream_json("status-unknown-malformed", "takes an unknown status code for malformed"),
    stream_json("status-absent-unknown", "reads a status without a code as UNKNOWN"),
    stream("split-read-lost", "loses the beginning of a message that comes in several reads"),
    // what it writes
    stream_json("json-two-on-a-line", "writes two objects on a line"),
    stream_json("json-pretty", "writes line feeds inside an object"),
    stream_json("json-member-twice", "writes a member of an object twice"),
    stream_json("status-code-lowercase", "writes the name of UNAUTHENTICATED in lower case"),
    stream_protobuf("status-code-large", "writes 17 for UNAUTHENTICATED"),
    stream("status-detail-name", "writes a detail name with capitals"),
    stream("status-message-long", "writes more than 4,096 bytes of status message"),
    stream("status-details-long", "writes more than 8,192 bytes of details"),
    stream_protobuf("protobuf-call-last", "writes the field call last"),
    stream_protobuf("protobuf-event-twice", "writes the field event twice"),
    stream_protobuf("protobuf-attribute-first", "takes the first of several values of an attribute"),
    stream_protobuf("protobuf-event-replaced", "takes the second event of a message for the whole"),
    stream_capnp("capnp-packed", "writes Cap'n Proto packed"),
    stream_protobuf("protobuf-json-untyped", "writes JSON data without a datacontenttype"),
    stream("end-on-call-zero", "writes an end on call 0 when its input ends"),
    Fault { name: "encoding-other", modes: &["stream", "structured"], encodings: ALL, what: "writes another encoding than FAAS_ENCODING names" },
    // context
    stream("context-lost", "does not write a call's context back"),
    stream("context-on-end", "writes the context on the end instead of the first message"),
    stream("context-extra-lost", "drops what the platform added to a context"),
    stream("context-deadline-raised", "raises the deadline that it passes on"),
    stream("context-later-wins", "replaces a call's context by a later one"),
    stream("context-global", "gives the handler the context that was read last"),
    stream("context-unseen", "gives the handler no more of a context than its invocation"),
    stream("context-unchecked", "takes a context outside the grammar"),
    // events
    stream("invalid-event-internal", "ends the call of an invalid event with INTERNAL"),
    stream("invalid-event-malformed", "takes an invalid event for malformed"),
    stream("invalid-event-ignored", "takes an invalid event for none"),
    stream("accepts-event-required-attribute", "takes an event that lacks a required attribute"),
    stream("accepts-event-specversion", "takes an event of another specversion"),
    stream_json("accepts-event-attribute-name", "takes an event with a wrong attribute name"),
    stream_json("accepts-event-attribute-type", "takes an event with an attribute of a wrong type"),
    stream_json("accepts-event-attribute-empty", "takes an event with an empty optional attribute"),
    stream_json("accepts-event-attribute-text", "takes an event with a control character"),
    stream_json("accepts-event-integer-range", "takes an event with an integer of more than 32 bits"),
    stream_json("accepts-event-uri", "takes an event whose source is no URI-reference"),
    stream_json("accepts-event-time", "takes an event whose time is no RFC 3339 timestamp"),
    stream_protobuf("accepts-event-data-json", "takes an event whose JSON data is no JSON"),
    stream_json("accepts-json-event-attribute", "takes an event with an attribute that is an object"),
    stream_json("accepts-json-event-surrogate", "takes an event with a lone surrogate"),
    stream_json("accepts-json-event-data-conflict", "takes an event with both data and data_base64"),
    stream_json("accepts-json-event-data-base64", "takes an event whose data_base64 is no base64"),
    stream_json("accepts-json-event-data", "takes an event whose data does not fit its content type"),
    any("data-last-byte-lost", "loses the last byte of binary data"),
    any("data-line-feed-added", "adds a line feed to binary data"),
    any("data-8-bit-lost", "clears the highest bit of each byte of binary data"),
    any("number-through-double", "passes the numbers of JSON data through floating point"),
    Fault { name: "empty-data-lost", modes: &["stream", "structured"], encodings: ALL, what: "takes empty data for none" },
    Fault { name: "text-as-binary", modes: &["stream", "structured"], encodings: ALL, what: "writes text data as binary data" },
    Fault { name: "attribute-lost", modes: &["stream", "structured"], encodings: ALL, what: "loses the extensions of an event" },
    Fault { name: "attribute-as-string", modes: &["stream", "structured"], encodings: ALL, what: "writes every extension as a String" },
    // stdio and the ladder
    stream("banner", "prints a line before its hello"),
    any("print-reaches-stdout", "lets what the handler prints reach stdout"),
    any("child-print-reaches-stdout", "lets what a child process prints reach stdout"),
    stream("stdin-readable", "lets the handler read the protocol's input"),
    stream("drain-drops", "drops the calls that are at work when its input ends"),
    stream("drain-no-abort", "writes no end for a call whose input is cut off"),
    stream("drain-abort-cancelled", "ends a call whose input is cut off with CANCELLED"),
    stream("drain-exit-1", "exits with status 1 after a clean drain"),
    stream("drain-stays", "does not exit when its input ends"),
    stream("drain-print", "prints a line when its input ends"),
    stream("sigterm-ignored", "ignores SIGTERM"),
    stream("sigterm-no-end", "dies of SIGTERM without the ends of its calls"),
    stream("stdout-closed-stays", "goes on living after stdout was closed"),
    stream("stdout-closed-unnoticed", "notices that stdout was closed only when it writes"),
    any("large-output-cut", "drops what does not fit into the pipe at once"),
    any("log-reaches-stdout", "writes its log to stdout"),
    // environment
    any("mode-unknown-served", "serves a mode that it does not know as another"),
    Fault { name: "encoding-unknown-served", modes: &["stream", "structured"], encodings: ALL, what: "serves an encoding that it does not know as JSON" },
    structured("mode-default-stream", "takes stream for the mode when FAAS_MODE is not set"),
    // one-shot modes
    structured("environment-unseen", "gives the handler no context"),
    structured("structured-first-only", "handles the first document only"),
    structured("structured-malformed-exit-0", "exits with status 0 after a malformed document"),
    structured("structured-malformed-skipped", "skips a malformed document"),
    structured("structured-invalid-exit-0", "exits with status 0 after an invalid event"),
    structured("structured-cut-output", "writes half a document last"),
    structured("structured-message", "writes messages instead of documents"),
    oneshot("oneshot-exit-1", "exits with status 1 although all went well"),
    oneshot("oneshot-failure-exit-0", "exits with status 0 when the handler failed"),
    oneshot("oneshot-failure-exit-1", "exits with status 1 whatever the handler's code"),
    oneshot("oneshot-message-lost", "does not write a failure's message to stderr"),
    oneshot("oneshot-message-not-last", "writes further lines to stderr after a failure's message"),
    oneshot("oneshot-stays", "does not exit when its work is done"),
    oneshot("oneshot-partial-exit-0", "exits with status 0 when it failed after a part of its output"),
    binary("binary-attributes-lost", "does not read the event's attributes"),
];
