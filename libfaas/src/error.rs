//! What breaks the specification, and which rule it breaks.

use std::borrow::Cow;
use std::fmt;

use crate::InvalidEvent;

macro_rules! rules {
    ($($variant:ident = $id:literal),+ $(,)?) => {
        /// The rules of the specification that this library can find broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Rule { $($variant),+ }

        impl Rule {
            pub(crate) const ALL: &[Rule] = &[$(Rule::$variant),+];

            /// The heading of the rule in the specification.
            pub(crate) const fn id(self) -> &'static str {
                match self { $(Rule::$variant => $id),+ }
            }
        }
    };
}

rules! {
    EventRequired = "event-required-attribute",
    EventSpecversion = "event-specversion",
    EventName = "event-attribute-name",
    EventType = "event-attribute-type",
    EventEmpty = "event-attribute-empty",
    EventText = "event-attribute-text",
    EventInteger = "event-integer-range",
    EventUri = "event-uri",
    EventTime = "event-time",
    EventDataJson = "event-data-json",
    Malformed = "encoding-malformed",
    Limit = "encoding-limit",
    Truncated = "encoding-truncated",
    JsonUtf8 = "json-utf8",
    JsonBom = "json-no-bom",
    JsonObject = "json-object",
    JsonDepth = "json-depth",
    JsonDuplicate = "json-duplicate-member",
    JsonNull = "json-null-member",
    JsonType = "json-member-type",
    JsonBase64 = "json-base64",
    JsonEventAttribute = "json-event-attribute",
    JsonEventSurrogate = "json-event-surrogate",
    JsonEventConflict = "json-event-data-conflict",
    JsonEventBase64 = "json-event-data-base64",
    JsonEventData = "json-event-data",
    ProtobufLength = "protobuf-length",
    ProtobufUtf8 = "protobuf-utf8",
    ProtobufUnset = "protobuf-attribute-unset",
    ProtobufTime = "protobuf-time",
    CapnpSegments = "capnp-segments",
    CapnpBounds = "capnp-bounds",
    CapnpTraversal = "capnp-traversal",
    CapnpText = "capnp-text",
    CapnpOnce = "capnp-attribute-once",
    CapnpUnion = "capnp-union",
    CallRange = "message-call-range",
    CallZero = "message-call-zero",
    HelloMissing = "hello-missing",
    HelloOnce = "hello-once",
    ChunkKind = "chunk-kind",
    ChunkText = "chunk-text",
    BinaryLimit = "binary-attribute-limit",
    Context = "context-malformed",
    ManifestSchema = "manifest-schema",
    ManifestUnknown = "manifest-unknown-key",
    ManifestMajor = "manifest-major",
    ManifestDuplicate = "manifest-duplicate-key",
    ManifestOne = "manifest-one-document",
    ManifestStart = "manifest-one-start",
    ManifestCommon = "manifest-nothing-in-common",
    ManifestEnv = "manifest-env-reserved",
    ManifestTrigger = "manifest-trigger-unsupported",
    ManifestSample = "manifest-sample-inside",
    EnvMode = "env-missing-mode",
    EnvValue = "env-value",
}

/// Identifiers of all rules that a [`Violation`] or an [`InvalidEvent`](crate::InvalidEvent) can
/// name; each is a heading in the specification.
pub fn rules() -> impl Iterator<Item = &'static str> {
    Rule::ALL.iter().map(|rule| rule.id())
}

/// Bytes from a peer that break a rule: which one, where, what was expected, what came, and what
/// to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(Box<Detail>);

/// What a violation costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    /// The stream has lost its place.
    Malformed,
    /// One event has no meaning; the stream goes on.
    InvalidEvent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Detail {
    rule: Rule,
    severity: Severity,
    offset: u64,
    expected: Cow<'static, str>,
    came: Cow<'static, str>,
    advice: Cow<'static, str>,
}

impl Violation {
    pub(crate) fn new(
        rule: Rule,
        offset: u64,
        expected: impl Into<Cow<'static, str>>,
        came: impl Into<Cow<'static, str>>,
    ) -> Self {
        Violation(Box::new(Detail {
            rule,
            severity: Severity::Malformed,
            offset,
            expected: expected.into(),
            came: came.into(),
            advice: "correct the program that wrote this".into(),
        }))
    }

    /// A decodable event at `offset` that is no valid one.
    pub(crate) fn invalid_event(offset: u64, fault: InvalidEvent) -> Self {
        let expected = format!(
            "{} as `{}`",
            fault.expected,
            fault.attribute().escape_debug()
        );
        let mut violation = Violation::new(fault.rule, offset, expected, fault.came);
        violation.0.severity = Severity::InvalidEvent;
        violation.0.advice = "correct the program that made this event".into();
        violation
    }

    /// The same fault under a rule that says more.
    pub(crate) fn under(mut self, rule: Rule) -> Self {
        self.0.rule = rule;
        self
    }

    pub(crate) fn advise(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.0.advice = advice.into();
        self
    }

    /// Moves the offset from a part's beginning to the whole's.
    pub(crate) fn shifted(mut self, by: u64) -> Self {
        self.0.offset += by;
        self
    }

    /// The identifier of the broken rule, a heading in the specification.
    pub fn rule(&self) -> &'static str {
        self.0.rule.id()
    }

    /// Bytes of the stream or document before the offending one, or before the part that it is in.
    pub fn offset(&self) -> u64 {
        self.0.offset
    }

    /// What the rule asks for at this place.
    pub fn expected(&self) -> &str {
        &self.0.expected
    }

    /// What stood there instead; bytes are quoted, escaped and shortened.
    pub fn came(&self) -> &str {
        &self.0.came
    }

    /// What whoever reads this can do.
    pub fn advice(&self) -> &str {
        &self.0.advice
    }

    /// Whether the bytes were decoded and only their event is no valid CloudEvent, which costs that
    /// event or its call. Everything else is malformed: the stream has lost its place.
    pub fn is_invalid_event(&self) -> bool {
        self.0.severity == Severity::InvalidEvent
    }

    /// Whether the bytes ended inside a message: each byte was good, but some are missing.
    pub fn is_cut(&self) -> bool {
        self.0.rule == Rule::Truncated
    }

    /// Whether a message is larger than the limit.
    pub fn is_too_large(&self) -> bool {
        self.0.rule == Rule::Limit
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail {
            rule,
            severity: _,
            offset,
            expected,
            came,
            advice,
        } = &*self.0;
        write!(
            f,
            "at byte {offset}: expected {expected}, got {came}; {advice} (rule {})",
            rule.id()
        )
    }
}

impl std::error::Error for Violation {}

/// Escapes bytes of a peer for a message to people, and cuts them to 80 characters.
pub(crate) fn quote(bytes: &[u8]) -> String {
    const SHOWN: usize = 80;
    let mut escaped = String::new();
    let mut shown = 0;
    let mut add = |piece: &str| {
        let fits = shown + piece.chars().count() <= SHOWN;
        if fits {
            shown += piece.chars().count();
            escaped.push_str(piece);
        }
        fits
    };
    // No character is longer than four bytes, so these hold all that can be shown.
    let all = bytes[..bytes.len().min(4 * SHOWN)]
        .utf8_chunks()
        .all(|chunk| {
            chunk
                .valid()
                .chars()
                .all(|c| add(&c.escape_debug().to_string()))
                && chunk
                    .invalid()
                    .iter()
                    .all(|byte| add(&format!("\\x{byte:02x}")))
        });
    let cut = if all && bytes.len() <= 4 * SHOWN {
        ""
    } else {
        "…"
    };
    format!("\"{escaped}\"{cut}")
}
