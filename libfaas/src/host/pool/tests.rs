use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn scale(min: usize, max: usize) -> Scale {
    Scale {
        min,
        max,
        idle: Duration::from_secs(60),
        queue: 2,
        ..Scale::default()
    }
}

fn actions(pool: &mut Pool) -> Vec<Action> {
    std::iter::from_fn(|| pool.action()).collect()
}

fn assign(call: u64, instance: u64) -> Action {
    Action::Assign { call, instance }
}

#[test]
fn the_fullest_ready_instance_gets_the_call() {
    let now = Instant::now();
    let mut pool = Pool::new(scale(0, 2), 2, true);
    for call in 1..=4 {
        pool.submit(call, None, now).unwrap();
    }
    let expected = [
        Action::Start(1),
        assign(1, 1),
        assign(2, 1),
        Action::Start(2),
        assign(3, 2),
        assign(4, 2),
    ];
    assert_eq!(actions(&mut pool), expected);
    assert_eq!(pool.state(), State::Initializing);
    pool.ready(1, now);
    pool.ready(2, now);
    assert_eq!(pool.state(), State::Ready);

    pool.finished(1, now);
    pool.finished(2, now);
    pool.finished(2, now);
    pool.submit(5, None, now).unwrap();
    assert_eq!(actions(&mut pool), [assign(5, 1)]);
}

#[test]
fn what_is_due_is_done_then() {
    let now = Instant::now();
    let millis = Duration::from_millis;
    let mut pool = Pool::new(scale(2, 2), 1, true);
    pool.tick(now);
    pool.ready(1, now);
    // The next start is to wait for the failure, and then for the one that died idle.
    pool.failed_to_start(2, Code::Unavailable.into(), now);
    pool.gone(1, now + millis(100));
    actions(&mut pool);
    let mut due = now;
    while due < now + millis(300) {
        pool.tick(due);
        let next = pool.deadline().unwrap();
        assert!(next > due, "nothing was done at {:?}", due - now);
        due = next;
    }
    assert_eq!(due, now + millis(300));
    pool.tick(due);
    assert_eq!(actions(&mut pool), [Action::Start(3), Action::Start(4)]);
}

#[test]
fn a_full_queue_refuses_and_says_when_to_come_back() {
    let now = Instant::now();
    let mut pool = Pool::new(scale(0, 1), 1, true);
    for call in 1..=3 {
        pool.submit(call, None, now).unwrap();
    }
    let refused = pool.submit(4, None, now).unwrap_err();
    assert_eq!(refused.code, Code::ResourceExhausted);
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)));
    // A further attempt at an accepted call is not refused.
    pool.resubmit(5, None, now);
    assert_eq!(pool.queued(), 3);
}

#[test]
fn calls_that_wait_too_long_end() {
    let now = Instant::now();
    let mut pool = Pool::new(scale(0, 1), 1, true);
    let until = now + Duration::from_secs(1);
    pool.submit(1, Some(until), now).unwrap();
    pool.submit(2, Some(until), now).unwrap();
    actions(&mut pool);
    assert_eq!(pool.deadline(), Some(until));
    pool.tick(until);
    let [Action::Reject { call: 2, status }] = &actions(&mut pool)[..] else {
        panic!("only the call that waits ends here")
    };
    assert_eq!(status.code, Code::DeadlineExceeded);
}

#[test]
fn idle_instances_end_down_to_zero() {
    let now = Instant::now();
    let mut pool = Pool::new(scale(0, 4), 1, true);
    pool.submit(1, None, now).unwrap();
    pool.ready(1, now);
    pool.finished(1, now);
    actions(&mut pool);
    let due = pool.deadline().unwrap();
    assert_eq!(due, now + Duration::from_secs(60));
    pool.tick(due);
    assert_eq!(actions(&mut pool), [Action::Drain(1)]);
    pool.gone(1, due);
    assert!(pool.is_empty());
    assert_eq!(pool.state(), State::Ready);
    assert_eq!(pool.deadline(), None);
    // And back.
    pool.submit(2, None, due).unwrap();
    assert_eq!(actions(&mut pool), [Action::Start(2), assign(2, 2)]);
}

#[test]
fn dead_instances_are_replaced() {
    let now = Instant::now();
    let mut pool = Pool::new(scale(1, 1), 1, true);
    pool.tick(now);
    assert_eq!(actions(&mut pool), [Action::Start(1)]);
    pool.ready(1, now);
    pool.submit(1, None, now).unwrap();
    pool.submit(2, None, now).unwrap();
    assert_eq!(actions(&mut pool), [assign(1, 1)]);
    pool.finished(1, now);
    pool.gone(1, now);
    assert_eq!(actions(&mut pool), [assign(2, 1), Action::Start(2)]);
    // One that never did anything is not replaced in haste.
    pool.ready(2, now);
    pool.gone(2, now);
    assert_eq!(actions(&mut pool), []);
    let due = pool.deadline().unwrap();
    pool.tick(due);
    assert_eq!(actions(&mut pool), [Action::Start(3)]);
}

#[test]
fn a_failed_start_ends_the_calls_that_wait_and_is_repeated_later() {
    let now = Instant::now();
    let mut pool = Pool::new(scale(0, 1), 1, true);
    pool.submit(1, None, now).unwrap();
    pool.submit(2, None, now).unwrap();
    actions(&mut pool);
    let status = Status::new(Code::FailedPrecondition, "no model");
    pool.failed_to_start(1, status.clone(), now);
    assert_eq!(pool.state(), State::Failed(status.clone()));
    let reject = Action::Reject {
        call: 2,
        status: status.clone(),
    };
    assert_eq!(actions(&mut pool), [reject]);
    assert_eq!(pool.submit(3, None, now), Err(status.clone()));

    let later = now + Duration::from_millis(200);
    pool.submit(4, None, later).unwrap();
    assert_eq!(actions(&mut pool), [Action::Start(2), assign(4, 2)]);
    pool.failed_to_start(2, status.clone(), later);
    assert_eq!(
        pool.submit(5, None, later + Duration::from_millis(399)),
        Err(status)
    );
    pool.submit(6, None, later + Duration::from_millis(400))
        .unwrap();
    actions(&mut pool);
    pool.ready(3, later);
    assert_eq!(pool.state(), State::Ready);
}

#[test]
fn a_retired_instance_gets_no_call() {
    let now = Instant::now();
    let mut pool = Pool::new(scale(0, 1), 4, true);
    pool.submit(1, None, now).unwrap();
    pool.ready(1, now);
    pool.retired(1, now);
    pool.submit(2, None, now).unwrap();
    assert_eq!(
        actions(&mut pool),
        [
            Action::Start(1),
            assign(1, 1),
            Action::Start(2),
            assign(2, 2)
        ]
    );
}

#[test]
fn a_newer_revision_takes_the_calls_that_wait() {
    let now = Instant::now();
    let mut pool = Pool::new(scale(0, 1), 1, true);
    pool.submit(1, None, now).unwrap();
    pool.submit(2, None, now).unwrap();
    pool.ready(1, now);
    actions(&mut pool);
    assert_eq!(pool.supersede(), [(2, None)]);
    assert_eq!(
        actions(&mut pool),
        [],
        "the call in flight finishes where it is"
    );
    pool.finished(1, now);
    assert_eq!(actions(&mut pool), [Action::Drain(1)]);
}

#[test]
fn closing_serves_what_was_accepted() {
    let now = Instant::now();
    let mut pool = Pool::new(scale(0, 1), 1, true);
    pool.submit(1, None, now).unwrap();
    pool.submit(2, None, now).unwrap();
    pool.ready(1, now);
    actions(&mut pool);
    pool.close();
    assert_eq!(pool.state(), State::Removed);
    assert_eq!(actions(&mut pool), []);
    pool.finished(1, now);
    assert_eq!(actions(&mut pool), [assign(2, 1), Action::Drain(1)]);
    pool.finished(1, now);
    pool.gone(1, now);
    assert!(pool.is_empty());
}

#[test]
fn a_process_for_each_invocation() {
    let now = Instant::now();
    let mut pool = Pool::new(scale(0, 2), 1, false);
    assert_eq!(pool.state(), State::Ready);
    for call in 1..=3 {
        pool.submit(call, None, now).unwrap();
    }
    assert_eq!(
        actions(&mut pool),
        [
            Action::Start(1),
            assign(1, 1),
            Action::Start(2),
            assign(2, 2)
        ]
    );
    pool.finished(1, now);
    assert_eq!(actions(&mut pool), [Action::Start(3), assign(3, 3)]);
    pool.gone(1, now);
    assert_eq!(pool.instances(), 2);
}

/// What may happen to a pool, in any order.
#[derive(Clone, Debug)]
enum Step {
    Submit { patience: Option<u8> },
    Withdraw(u8),
    Ready(u8),
    Fail(u8),
    Finish(u8),
    Retire(u8),
    Die(u8),
    Wait(u32),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => proptest::option::of(any::<u8>()).prop_map(|patience| Step::Submit { patience }),
        1 => any::<u8>().prop_map(Step::Withdraw),
        4 => any::<u8>().prop_map(Step::Ready),
        1 => any::<u8>().prop_map(Step::Fail),
        5 => any::<u8>().prop_map(Step::Finish),
        1 => any::<u8>().prop_map(Step::Retire),
        2 => any::<u8>().prop_map(Step::Die),
        3 => (0..70_000u32).prop_map(Step::Wait),
        // Rarely, so that most of what is tried happens before.
        1 => Just(Step::Close),
    ]
}

/// What the driver of a pool knows, and what must hold whatever happened.
struct Model {
    pool: Pool,
    scale: Scale,
    concurrency: usize,
    reused: bool,
    now: Instant,
    /// The calls of each instance, and whether it may get more.
    instances: BTreeMap<u64, (BTreeSet<u64>, bool)>,
    waiting: BTreeSet<u64>,
    ended: BTreeSet<u64>,
}

impl Model {
    fn nth(&self, n: u8) -> Option<u64> {
        let count = self.instances.len();
        (count > 0).then(|| *self.instances.keys().nth(n as usize % count).unwrap())
    }

    fn end(&mut self, call: u64) {
        assert!(self.ended.insert(call), "call {call} ended twice");
    }

    fn settle(&mut self) {
        while let Some(action) = self.pool.action() {
            match action {
                Action::Start(instance) => {
                    let fresh = self
                        .instances
                        .insert(instance, Default::default())
                        .is_none();
                    assert!(fresh, "instance {instance} was started twice");
                    self.instances.get_mut(&instance).unwrap().1 = true;
                }
                Action::Assign { call, instance } => {
                    assert!(self.waiting.remove(&call), "call {call} was not waiting");
                    let (calls, open) = self.instances.get_mut(&instance).expect("it was started");
                    assert!(*open, "instance {instance} takes no calls");
                    calls.insert(call);
                    assert!(calls.len() <= self.concurrency);
                }
                Action::Reject { call, status } => {
                    assert!(!status.is_ok());
                    assert!(self.waiting.remove(&call), "call {call} was not waiting");
                    self.end(call);
                }
                Action::Drain(instance) => {
                    let (_, open) = self.instances.get_mut(&instance).expect("it was started");
                    assert!(
                        std::mem::take(open),
                        "instance {instance} was drained twice"
                    );
                }
            }
        }
        let live = self.instances.values().filter(|(_, open)| *open);
        assert!(live.clone().count() <= self.scale.max);
        assert_eq!(self.pool.queued(), self.waiting.len());
        assert_eq!(self.pool.instances(), self.instances.len());
        let open: usize = self.instances.values().map(|(calls, _)| calls.len()).sum();
        assert_eq!(self.pool.open(), open);
        let room = live
            .clone()
            .any(|(calls, _)| calls.len() < self.concurrency);
        assert!(
            self.waiting.is_empty() || !(room && self.reused),
            "calls wait although there is room"
        );
        // Whoever waits is waited for: by a call that will end, or by the clock.
        let stuck = !self.waiting.is_empty()
            && live.clone().all(|(calls, _)| calls.is_empty())
            && self.pool.deadline().is_none();
        assert!(
            !stuck,
            "nothing would ever give the calls that wait to an instance"
        );
    }

    /// All calls of an instance end, as its driver has it before it says that it is gone.
    fn end_calls(&mut self, instance: u64) {
        let (calls, _) = self.instances.remove(&instance).unwrap();
        for call in calls {
            self.end(call);
        }
    }

    fn apply(&mut self, number: u64, step: Step) {
        let now = self.now;
        match step {
            Step::Submit { patience } => {
                let until = patience.map(|patience| now + Duration::from_secs(patience.into()));
                match self.pool.submit(number, until, now) {
                    Ok(()) => assert!(self.waiting.insert(number)),
                    Err(status) => assert!(!status.is_ok()),
                }
            }
            Step::Withdraw(n) => {
                let chosen = self
                    .waiting
                    .iter()
                    .nth(n as usize % self.waiting.len().max(1))
                    .copied();
                if let Some(call) = chosen {
                    assert!(self.pool.withdraw(call));
                    self.waiting.remove(&call);
                    self.end(call);
                }
            }
            Step::Ready(n) => {
                if let Some(instance) = self.nth(n) {
                    self.pool.ready(instance, now);
                }
            }
            Step::Fail(n) => {
                if let Some(instance) = self.nth(n) {
                    self.end_calls(instance);
                    let status = Status::from(Code::Internal);
                    self.pool.failed_to_start(instance, status, now);
                }
            }
            Step::Finish(n) => {
                let Some(instance) = self.nth(n) else { return };
                let Some(call) = self.instances.get_mut(&instance).unwrap().0.pop_first() else {
                    return;
                };
                self.end(call);
                if !self.reused {
                    self.instances.get_mut(&instance).unwrap().1 = false;
                }
                self.pool.finished(instance, now);
            }
            Step::Retire(n) => {
                if let Some(instance) = self.nth(n) {
                    self.instances.get_mut(&instance).unwrap().1 = false;
                    self.pool.retired(instance, now);
                }
            }
            Step::Die(n) => {
                if let Some(instance) = self.nth(n) {
                    self.end_calls(instance);
                    self.pool.gone(instance, now);
                }
            }
            Step::Wait(millis) => {
                self.now += Duration::from_millis(millis.into());
                self.pool.tick(self.now);
                let due = self.pool.deadline();
                assert!(
                    due.is_none_or(|due| due > self.now),
                    "a tick left what was due"
                );
            }
            Step::Close => self.pool.close(),
        }
    }
}

proptest! {
    #[test]
    fn every_call_ends_once_and_nothing_is_exceeded(
        (min, max) in (0..3usize, 1..4usize),
        concurrency in 1..4usize,
        reused in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let scale = Scale { min, max: max.max(min), ..scale(min, max) };
        let concurrency = if reused { concurrency } else { 1 };
        let mut model = Model {
            pool: Pool::new(scale, concurrency, reused),
            scale,
            concurrency,
            reused,
            now: Instant::now(),
            instances: BTreeMap::new(),
            waiting: BTreeSet::new(),
            ended: BTreeSet::new(),
        };
        let mut closed = false;
        for (number, step) in steps.into_iter().enumerate() {
            // A pool that is closed gets no calls: its function is gone.
            if closed && matches!(step, Step::Submit { .. }) {
                continue;
            }
            closed |= matches!(step, Step::Close);
            model.apply(number as u64, step);
            model.settle();
        }
        // Whatever happened, it ends: every instance becomes ready and finishes what it has.
        model.pool.close();
        for _ in 0..10_000 {
            model.settle();
            let Some(&instance) = model.instances.keys().next() else {
                let Some(due) = model.pool.deadline() else { break };
                model.now = model.now.max(due);
                model.pool.tick(model.now);
                continue;
            };
            model.pool.ready(instance, model.now);
            model.settle();
            model.end_calls(instance);
            model.pool.gone(instance, model.now);
        }
        prop_assert!(model.pool.is_empty());
        prop_assert!(model.waiting.is_empty());
    }
}
