//! Goes through a world: every state of a small one, some of a larger one.

#[cfg(test)]
use std::collections::HashSet;
#[cfg(test)]
use std::collections::hash_map::DefaultHasher;
#[cfg(test)]
use std::fmt::{self, Write as _};
#[cfg(test)]
use std::hash::Hasher;
use std::time::Instant;

use super::{Amount, Ending, Setup, Step, World};
use crate::Encoding;

/// How far to go.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    /// Steps from the beginning.
    pub(super) depth: usize,
    /// States after which to give up: a bound that is too small for its world fails.
    pub(super) states: usize,
}

/// What was looked at.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct Explored {
    pub(super) states: usize,
    pub(super) steps: usize,
    pub(super) depth: usize,
    /// Whether there was more at the bound.
    pub(super) bounded: bool,
}

/// Takes every step in every state, after those with which it has `begun`. In each state one ending is tried, so that all
/// are tried all over the world, and all of them where it goes no further.
///
/// # Errors
///
/// The steps that lead to where something does not hold, the fewest there are.
#[cfg(test)]
pub(super) fn explore(setup: &Setup, begun: &[Step], bound: Bound) -> Result<Explored, String> {
    let mut explored = Explored::default();
    let mut seen = HashSet::new();
    let mut start = World::new(setup.clone(), Instant::now());
    for &step in begun {
        let applied = start.apply(step);
        applied.map_err(|broken| format!("{broken}\nat {step:?} of {begun:?}"))?;
    }
    seen.insert(key(&start));
    let mut layer = vec![(start, Vec::new())];
    for depth in 0.. {
        let mut next = Vec::new();
        for (world, path) in layer {
            explored.states += 1;
            explored.depth = depth;
            let steps = world.steps();
            let endings = if steps.is_empty() {
                Ending::ALL.to_vec()
            } else {
                vec![Ending::ALL[explored.states % Ending::ALL.len()]]
            };
            for ending in endings {
                let settled = world.clone().settle(ending);
                settled.map_err(|broken| format!("{broken}\nafter {path:?}"))?;
            }
            if depth == bound.depth {
                explored.bounded |= !steps.is_empty();
                continue;
            }
            for step in steps {
                explored.steps += 1;
                let mut world = world.clone();
                let applied = world.apply(step);
                applied.map_err(|broken| format!("{broken}\nafter {path:?}, {step:?}"))?;
                if seen.insert(key(&world)) {
                    next.push((world, [&path[..], &[step]].concat()));
                }
            }
        }
        if next.is_empty() {
            break;
        }
        if explored.states + next.len() > bound.states {
            return Err(format!(
                "more than {} states at depth {depth}",
                bound.states
            ));
        }
        layer = next;
    }
    Ok(explored)
}

/// States that look the same are the same.
#[cfg(test)]
fn key(world: &World) -> u64 {
    struct Into(DefaultHasher);
    impl fmt::Write for Into {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }
    let mut into = Into(DefaultHasher::new());
    write!(into, "{world:?}").expect("a hasher takes everything");
    into.0.finish()
}

/// Plays a world by these bytes, which choose how large it is and every step in it.
///
/// # Panics
///
/// Something does not hold.
pub fn play(bytes: &[u8]) {
    let mut dice = bytes.iter().copied();
    let mut roll = || dice.next();
    let (Some(head), Some(more)) = (roll(), roll()) else {
        return;
    };
    let concurrency = 1 + usize::from(head >> 2 & 3);
    let setup = Setup {
        encoding: Encoding::ALL[usize::from(head & 3) % 3],
        concurrency,
        handlers: concurrency - usize::from(more & 3) % concurrency,
        calls: 40,
        items: 1 + (head >> 4 & 7),
        pieces: head & 0x80 == 0,
        cuts: true,
        deaths: true,
        capacity: 1 + usize::from(more) * 2,
        hold: if more & 4 == 0 { 1000 } else { 1 << 20 },
        fault: None,
    };
    let mut world = World::new(setup, Instant::now());
    let mut path = Vec::new();
    let mut end = 0;
    while let Some(choice) = roll() {
        let steps = world.steps();
        let Some(mut step) = steps.get(usize::from(choice) % steps.len().max(1)).copied() else {
            break;
        };
        let amount = || Amount::Bytes(1 + usize::from(choice));
        match &mut step {
            Step::ToFunction(moved) | Step::ToHost(moved) => *moved = amount(),
            // What ends everything would end most worlds early.
            Step::Close
            | Step::Terminate
            | Step::FunctionDies { .. }
            | Step::HostDies
            | Step::Tick
                if roll().is_some_and(|more| more & 7 != 0) =>
            {
                continue;
            }
            _ => {}
        }
        path.push(step);
        if let Err(broken) = world.apply(step) {
            panic!("{broken}\nafter {path:?}");
        }
        end = choice;
    }
    let ending = Ending::ALL[usize::from(end) % Ending::ALL.len()];
    if let Err(broken) = world.settle(ending) {
        panic!("{broken}\nafter {path:?}");
    }
}
