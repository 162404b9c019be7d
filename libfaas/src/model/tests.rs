//! Bounds that take seconds; `FAAS_MODEL=2`, `3` and so on go that many steps deeper.

use proptest::prelude::*;

use super::*;

/// One unary call; everything else that a world may have is added by the tests.
fn small() -> Setup {
    Setup {
        encoding: Encoding::Protobuf,
        concurrency: 1,
        handlers: 1,
        calls: 1,
        items: 1,
        pieces: false,
        cuts: false,
        deaths: false,
        capacity: 16,
        hold: 1 << 20,
        fault: None,
    }
}

/// Explores a world as deep as this, from its beginning.
fn holds(name: &str, setup: &Setup, depth: usize) {
    holds_from(name, setup, &[], depth);
}

/// Two calls, each of which has sent an event; whoever may run does.
const TWO_BEGUN: [Step; 8] = [
    Step::ToFunction(Amount::One),
    Step::ToHost(Amount::One),
    Step::Open,
    Step::Open,
    Step::Send(1, Item::Event),
    Step::ToFunction(Amount::One),
    Step::Send(2, Item::Event),
    Step::ToFunction(Amount::One),
];

/// Explores a world as deep as this, from where these steps lead.
fn holds_from(name: &str, setup: &Setup, begun: &[Step], depth: usize) {
    let more = std::env::var("FAAS_MODEL")
        .ok()
        .and_then(|more| more.parse().ok());
    let bound = Bound {
        depth: depth + more.unwrap_or(0),
        states: 10_000_000,
    };
    let start = std::time::Instant::now();
    let explored = explore(setup, begun, bound).unwrap_or_else(|broken| panic!("{name}: {broken}"));
    println!("{name}: {explored:?} in {:?}", start.elapsed());
}

#[test]
fn one_call() {
    holds("one call", &small(), 9);
}

#[test]
fn one_call_and_deaths() {
    let setup = Setup {
        deaths: true,
        ..small()
    };
    holds("one call and deaths", &setup, 7);
}

#[test]
fn one_call_in_bytes_that_are_cut() {
    let setup = Setup {
        cuts: true,
        deaths: true,
        ..small()
    };
    holds("one call in bytes that are cut", &setup, 6);
}

#[test]
fn one_call_in_pieces() {
    let setup = Setup {
        pieces: true,
        items: 2,
        ..small()
    };
    holds("one call in pieces", &setup, 8);
}

/// Two calls at once.
fn two() -> Setup {
    Setup {
        calls: 2,
        concurrency: 2,
        handlers: 2,
        capacity: 64,
        ..small()
    }
}

#[test]
fn two_calls_at_once() {
    holds("two calls at once", &two(), 6);
    holds_from("two calls at once, later", &two(), &TWO_BEGUN, 4);
}

#[test]
fn two_calls_and_deaths() {
    let setup = Setup {
        deaths: true,
        ..two()
    };
    holds_from("two calls and deaths", &setup, &TWO_BEGUN, 3);
}

#[test]
fn two_calls_of_which_one_waits() {
    let setup = Setup {
        handlers: 1,
        ..two()
    };
    holds_from("two calls of which one waits", &setup, &TWO_BEGUN, 4);
}

/// What waits for its turn is more than is held for it, and what the call that runs waits for comes after it.
#[test]
fn two_calls_of_which_one_waits_with_too_much() {
    let setup = Setup {
        handlers: 1,
        hold: 300,
        items: 2,
        ..two()
    };
    let begun = [
        &TWO_BEGUN[..],
        &[Step::Send(2, Item::Event), Step::ToFunction(Amount::One)],
    ]
    .concat();
    holds("two calls of which one waits with too much", &setup, 6);
    holds_from("two calls, one of them refused", &setup, &begun, 4);
}

/// What waits for its turn is more than fits, and behind it the input ends.
#[test]
fn a_function_that_its_host_has_left_reads_no_further() {
    let setup = Setup {
        encoding: Encoding::Json,
        concurrency: 2,
        calls: 2,
        items: 3,
        deaths: true,
        capacity: 1000,
        hold: 300,
        ..small()
    };
    let mut begun = TWO_BEGUN.to_vec();
    begun.extend([
        Step::Send(1, Item::End),
        Step::ToFunction(Amount::One),
        Step::Send(2, Item::Event),
        Step::ToFunction(Amount::One),
        Step::Send(2, Item::Event),
        Step::HostDies,
    ]);
    holds_from("a function without a host", &setup, &begun, 5);
}

#[test]
fn two_calls_in_turn() {
    let setup = Setup {
        calls: 2,
        ..small()
    };
    holds("two calls in turn", &setup, 8);
}

/// Defects between the two sessions are seen, each for what it is.
#[test]
fn what_goes_wrong_is_noticed() {
    for (fault, noticed) in [
        (
            Fault::LoseEnd,
            "nothing more happens, and the calls [1] are open",
        ),
        (Fault::EndTwice, "after its end"),
        (Fault::SpeakAfterEnd, "after its end"),
        (Fault::LoseCancel, "Cancel: "),
        (
            Fault::LoseInputEnd,
            "nothing more happens, and the calls [1] are open",
        ),
        (Fault::RepeatInput, "the function can't follow"),
        (Fault::LoseEvent, "0 of 1 items came"),
        (Fault::LoseEof, "Drain: "),
        (Fault::LoseDeath, "nothing more happens"),
        (
            Fault::LoseTime,
            "nothing more happens, and the calls [1] are open",
        ),
    ] {
        let setup = Setup {
            fault: Some(fault),
            ..small()
        };
        let bound = Bound {
            depth: 9,
            states: 1_000_000,
        };
        let broken = explore(&setup, &[], bound).expect_err(&format!("{fault:?} is overlooked"));
        assert!(broken.contains(noticed), "{fault:?}: {broken}");
    }
}

proptest! {
    /// Forty calls, four at once, with all that may happen to them.
    #[test]
    fn large_worlds(bytes in proptest::collection::vec(any::<u8>(), 2..1500)) {
        play(&bytes);
    }
}
