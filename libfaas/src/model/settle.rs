//! How things end from wherever they are: nobody waits for ever.

use super::world::World;
use super::{Amount, Broken, Step, ensure};

/// What happens from now on, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Callers end their inputs, handlers take them and return.
    Serve,
    /// Callers give everything up; handlers wait for that and return.
    Cancel,
    /// The host closes stdin, handlers return.
    Drain,
    /// The function is killed.
    Die,
    /// It closes its stdout, and goes on for all that the host knows, while time passes.
    FallSilent,
    /// The host dies.
    Orphan,
    /// Handlers hang, callers give up what has no deadline, and time passes.
    HangHandlers,
    /// Nothing of the function moves any more, and time passes.
    HangFunction,
}

impl Ending {
    pub(super) const ALL: [Ending; 8] = [
        Ending::Serve,
        Ending::Cancel,
        Ending::Drain,
        Ending::Die,
        Ending::FallSilent,
        Ending::Orphan,
        Ending::HangHandlers,
        Ending::HangFunction,
    ];
}

/// More steps than any ending needs.
const STEPS: usize = 20_000;

impl World {
    /// Lets things end so, and checks that they do.
    pub(super) fn settle(mut self, ending: Ending) -> Result<(), Broken> {
        for step in self.turn(ending) {
            self.apply(step)
                .map_err(|broken| format!("{ending:?}: {step:?}: {broken}"))?;
        }
        for _ in 0..STEPS {
            let Some(step) = self.next(ending) else { break };
            self.apply(step)
                .map_err(|broken| format!("{ending:?}: {step:?}: {broken}"))?;
        }
        ensure!(self.next(ending).is_none(), "{ending:?}: it goes on and on");
        let left: Vec<_> = self.open().collect();
        ensure!(
            left.is_empty(),
            "{ending:?}: nothing more happens, and the calls {left:?} are open"
        );
        match ending {
            // It finds its stdout closed, whatever it has read.
            Ending::Cancel if self.may_be_stuck(ending) && self.host.is_none() => {}
            Ending::Serve | Ending::Cancel if self.process.is_alive() => {
                ensure!(
                    self.is_empty(),
                    "{ending:?}: something is left over of calls"
                );
                ensure!(
                    self.process.is_empty(),
                    "{ending:?}: the function keeps calls that are over"
                );
            }
            Ending::Drain | Ending::Orphan => {
                ensure!(
                    !self.process.is_alive(),
                    "{ending:?}: the function waits for ever"
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// What changes when the ending begins.
    fn turn(&self, ending: Ending) -> Vec<Step> {
        let host = self.host.is_some();
        match ending {
            Ending::Drain if host => vec![Step::Close],
            Ending::Die | Ending::FallSilent if self.process.is_alive() => {
                vec![Step::FunctionDies { cut: false }]
            }
            Ending::Orphan if host => vec![Step::HostDies],
            Ending::Cancel => self.given_up(|_| true),
            // What is called before the hello ends with its time at the latest.
            Ending::HangFunction if !self.greeted => Vec::new(),
            Ending::HangHandlers | Ending::HangFunction => self.given_up(|call| call % 2 == 0),
            _ => Vec::new(),
        }
    }

    fn given_up(&self, which: impl Fn(u64) -> bool) -> Vec<Step> {
        self.open()
            .filter(|&call| which(call))
            .map(Step::Cancel)
            .collect()
    }

    fn next(&mut self, ending: Ending) -> Option<Step> {
        let (serves, handlers) = match ending {
            Ending::Serve | Ending::Drain | Ending::Orphan => (true, true),
            Ending::Cancel => (false, true),
            Ending::Die | Ending::FallSilent | Ending::HangHandlers | Ending::HangFunction => {
                (false, false)
            }
        };
        if ending == Ending::Serve {
            let open: Vec<u64> = self.open().collect();
            if let Some(step) = open.into_iter().find_map(|call| self.finish_input(call)) {
                return Some(step);
            }
        }
        let moves = self.moves();
        let moving = moves.into_iter().find(|step| match step {
            Step::ToFunction(Amount::Half) | Step::ToHost(Amount::Half) => false,
            Step::Ended => ending != Ending::FallSilent,
            _ => ending != Ending::HangFunction,
        });
        if moving.is_some() {
            return moving;
        }
        if handlers {
            let running: Vec<u64> = self.process.handlers.keys().copied().collect();
            for call in running {
                if let Some(act) = self.process.next_act(call, serves) {
                    return Some(Step::Handler(call, act));
                }
            }
        }
        let late = [
            Ending::HangHandlers,
            Ending::HangFunction,
            Ending::FallSilent,
        ];
        let late = self.may_be_stuck(ending) || late.contains(&ending);
        (late && self.timer().is_some()).then_some(Step::Tick)
    }

    /// Whether the function may not get to what stands behind calls that wait for their turn, since it is given more than
    /// it runs: a cancel, or the end of its input.
    fn may_be_stuck(&self, ending: Ending) -> bool {
        ending == Ending::Cancel && self.setup.handlers < self.setup.concurrency
    }
}
