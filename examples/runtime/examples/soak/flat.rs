//! Whether the host's memory and descriptors stay what they are.

use std::fmt;
use std::time::{Duration, Instant};

use crate::census::Census;

/// Memory that may be added between the middle of a run and its end: what the allocator keeps
/// varies with the load.
const GROWTH: usize = 8 << 20;

/// What was seen, once a second.
pub(crate) struct Flat {
    /// Bytes of memory, and descriptors.
    samples: Vec<(usize, usize)>,
}

impl Flat {
    pub(crate) async fn until(until: Instant, census: Census) -> Self {
        let mut samples = Vec::new();
        while Instant::now() < until {
            tokio::time::sleep(Duration::from_secs(1)).await;
            // Nothing can be seen while there are no descriptors to look with.
            if let (resident @ 1.., descriptors @ 1..) = (census.resident(), census.descriptors()) {
                samples.push((resident, descriptors));
            }
        }
        Flat { samples }
    }

    /// What has grown, if the run was long enough to tell: medians of its second and its last quarter.
    pub(crate) fn grown(&self) -> Option<String> {
        let quarter = self.samples.len() / 4;
        if quarter < 30 {
            return None;
        }
        let median = |from: usize, of: fn(&(usize, usize)) -> usize| {
            let mut values: Vec<usize> = self.samples[from..][..quarter].iter().map(of).collect();
            values.sort_unstable();
            values[quarter / 2]
        };
        let (early, late) = (quarter, self.samples.len() - quarter);
        let memory = (median(early, |one| one.0), median(late, |one| one.0));
        let descriptors = (median(early, |one| one.1), median(late, |one| one.1));
        // A quarter more descriptors is load; twice as many would be a leak.
        let too_many = descriptors.1 > descriptors.0 + descriptors.0 / 4 + 16;
        (memory.1 > memory.0 + GROWTH || too_many).then(|| {
            format!(
                "from the second quarter to the last, memory went from {} to {} KiB, descriptors from {} to {}",
                memory.0 >> 10,
                memory.1 >> 10,
                descriptors.0,
                descriptors.1
            )
        })
    }
}

impl fmt::Display for Flat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MiB/descriptors, over time:")?;
        let step = self.samples.len().div_ceil(10).max(1);
        for (resident, descriptors) in self.samples.iter().step_by(step) {
            write!(f, " {}/{descriptors}", resident >> 20)?;
        }
        Ok(())
    }
}
