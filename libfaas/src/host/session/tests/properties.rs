use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::host::{Death, Exit, Limit};

/// Something that happens to a session.
#[derive(Clone, Debug)]
enum Step {
    Open { deadline: Option<u64> },
    Send { call: u64, part: Part },
    Cancel { call: u64 },
    Says { call: u64, part: Part, cancel: bool },
    Hello(Code),
    Bytes(Vec<u8>),
    Tick(u64),
    Close,
    WriteEnd,
    ReadEnd,
    Ended(Option<Limit>),
}

fn parts() -> impl Strategy<Value = Part> {
    let data = prop_oneof![Just(None), Just(Some("é")), Just(Some("xxxxxxxxxxxxxxxx"))];
    let event = data.prop_map(|data| match data {
        Some(data) => event(data),
        None => Event::builder("1", "/s", "t").build().unwrap(),
    });
    let chunk = prop_oneof![Just(&b"x"[..]), Just(&b"\xC3"[..]), Just(&b"\xA9"[..])];
    let end = prop_oneof![3 => Just(Code::Ok), 1 => Just(Code::Aborted)];
    let end = proptest::option::of(end.prop_map(Status::from));
    let event = proptest::option::weighted(0.6, event);
    let chunk = proptest::option::weighted(0.2, chunk.prop_map(Bytes::from_static));
    (event, chunk, proptest::bool::weighted(0.2), end).prop_map(|(event, chunk, more, end)| Part {
        event,
        chunk,
        more,
        end,
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let call = || 0u64..6;
    let says = (call(), parts(), proptest::bool::weighted(0.1));
    let step = prop_oneof![
        8 => proptest::option::of(0u64..3000).prop_map(|deadline| Step::Open { deadline }),
        8 => (call(), parts()).prop_map(|(call, part)| Step::Send { call, part }),
        2 => call().prop_map(|call| Step::Cancel { call }),
        10 => says.prop_map(|(call, part, cancel)| Step::Says { call, part, cancel }),
        3 => Just(Step::Hello(Code::Ok)),
        1 => Just(Step::Hello(Code::Unavailable)),
        1 => proptest::collection::vec(any::<u8>(), 0..8).prop_map(Step::Bytes),
        6 => (0u64..1500).prop_map(Step::Tick),
        1 => Just(Step::Close),
        1 => Just(Step::WriteEnd),
        1 => Just(Step::ReadEnd),
        1 => prop_oneof![Just(None), Just(Some(Limit::Memory))].prop_map(Step::Ended),
    ];
    proptest::collection::vec(step, 0..60)
}

/// What a caller and a function may rely on, checked after every step.
struct Checked {
    pair: Pair,
    concurrency: u64,
    /// Calls that were opened, and whether they have ended.
    calls: BTreeMap<u64, bool>,
    /// By the bytes alone: whether the input of a call is finished, and its output.
    wire: BTreeMap<u64, (bool, bool)>,
    killed: bool,
}

impl Checked {
    fn apply(&mut self, step: Step) {
        let pair = &mut self.pair;
        match step {
            Step::Open { deadline } => {
                let room = pair.session.room();
                let deadline = deadline.map(|ms| pair.now + Duration::from_millis(ms));
                let call = pair.session.open(Context::default(), deadline);
                assert_eq!(self.calls.insert(call, false), None, "numbers never repeat");
                let live = pair.session.live();
                assert!(room > 0 || live < self.calls.len(), "opened without room");
            }
            Step::Send { call, part } => pair.session.send(call, part),
            Step::Cancel { call } => pair.session.cancel(call, "r"),
            Step::Says { call, part, cancel } => {
                let ended = part.end.is_some();
                let cancel = cancel.then(crate::Cancel::default);
                let Part {
                    event,
                    chunk,
                    more,
                    end,
                } = part;
                pair.says(Message {
                    call,
                    event,
                    chunk,
                    more,
                    end,
                    cancel,
                    ..Message::default()
                });
                if let Some((_, output)) = self.wire.get_mut(&call) {
                    *output |= ended;
                }
            }
            Step::Hello(code) => pair.hello(code.into()),
            Step::Bytes(bytes) => pair.session.read(&bytes, pair.now),
            Step::Tick(ms) => pair.later(Duration::from_millis(ms)),
            Step::Close => pair.session.close(),
            Step::WriteEnd => pair.session.write_end(),
            Step::ReadEnd => pair.session.read_end(pair.now),
            Step::Ended(limit) => {
                let death = Death::new(Exit::Code(1), "");
                pair.session.ended(Death { limit, ..death });
            }
        }
        self.look();
    }

    fn look(&mut self) {
        while let Some(notice) = self.pair.session.notice() {
            // Calls that were never taken are refused.
            let refusal = matches!(&notice, Notice::Part { part, .. } if part.end.is_some());
            assert!(
                !self.killed || refusal,
                "nothing follows a kill: {notice:?}"
            );
            match notice {
                Notice::Part { call, part } => {
                    let ended = self.calls.get_mut(&call).expect("a call that was opened");
                    assert!(!*ended, "nothing follows the end of call {call}");
                    *ended = part.end.is_some();
                }
                Notice::Kill(_) => {
                    self.killed = true;
                    assert!(self.calls.values().all(|ended| *ended), "a kill comes last");
                }
                Notice::Ready(_) | Notice::Retired => {}
            }
        }
        let live = self.calls.values().filter(|ended| !**ended).count();
        assert_eq!(self.pair.session.live(), live);
        for message in self.pair.written() {
            if message.call == 0 {
                continue;
            }
            let (input, _) = self.wire.entry(message.call).or_default();
            assert!(
                !*input || message.cancel.is_some(),
                "nothing follows the end of an input"
            );
            *input |= message.end.is_some() || message.cancel.is_some();
        }
        let open = self
            .wire
            .values()
            .filter(|(input, output)| !input || !output)
            .count();
        let may = usize::try_from(self.concurrency).unwrap();
        assert!(self.killed || open <= may, "{open} calls are open of {may}");
        assert!(self.pair.session.room() <= may);
    }
}

fn check(encoding: Encoding, concurrency: u64, chunks: bool, steps: Vec<Step>) {
    let mut checked = Checked {
        pair: Pair::new(Options {
            encoding,
            concurrency: concurrency as usize,
            chunks,
            max_message_bytes: 200,
            max_event_bytes: Some(40),
            max_output_bytes: Some(100),
            ..options()
        }),
        concurrency,
        calls: BTreeMap::new(),
        wire: BTreeMap::new(),
        killed: false,
    };
    for step in steps {
        checked.apply(step);
    }
    // However it goes on, an instance dies in the end, and every call has then ended.
    checked.apply(Step::Ended(None));
    assert!(checked.killed);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn every_call_ends_once_whatever_happens(
        encoding in prop_oneof![Just(Encoding::Json), Just(Encoding::Protobuf), Just(Encoding::Capnp)],
        concurrency in 1u64..4,
        chunks in any::<bool>(),
        steps in steps(),
    ) {
        check(encoding, concurrency, chunks, steps);
    }

    /// Without a death being told, time alone ends every call that has a deadline.
    #[test]
    fn time_ends_every_call_with_a_deadline(steps in steps()) {
        let steps = steps.into_iter().map(|step| match step {
            Step::Open { deadline } => Step::Open { deadline: deadline.or(Some(0)) },
            step => step,
        });
        let mut checked = Checked {
            pair: Pair::new(Options { concurrency: 3, ..options() }),
            concurrency: 3,
            calls: BTreeMap::new(),
            wire: BTreeMap::new(),
            killed: false,
        };
        steps.for_each(|step| checked.apply(step));
        for _ in 0..3 {
            checked.apply(Step::Tick(20_000));
        }
        prop_assert!(checked.calls.values().all(|ended| *ended));
    }
}
