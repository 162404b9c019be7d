//! How much memory processes take, where no control group counts it.

use std::ffi::c_long;
use std::fs;

use super::sweep::Entry;

/// Bytes of memory that these processes have between them, now; what they share counts once.
///
/// It looks at every page, so it is for whoever exceeds a limit by [`Table::resident`](super::sweep::Table::resident).
pub(super) fn taken(pids: &[i32]) -> u64 {
    pids.iter().filter_map(|&pid| taken_by(pid)).sum()
}

/// None of one that is gone.
fn taken_by(pid: i32) -> Option<u64> {
    let process = Entry::of(pid)?;
    // One that is about to execute a program has its parent's memory: the host's at the start of a
    // stage, and counted there when a function starts something.
    let borrowed = have_one_memory(pid, process.parent);
    (!borrowed).then(|| proportional(pid).unwrap_or(process.resident()))
}

/// A page that others have too counts in part. None where the process may not be looked into.
fn proportional(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kibibytes = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let number: u64 = kibibytes.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number << 10)
}

/// False also where the kernel does not say.
fn have_one_memory(a: i32, b: i32) -> bool {
    /// The kernel's `KCMP_VM`.
    const MEMORY: c_long = 1;
    let (a, b) = (c_long::from(a), c_long::from(b));
    // SAFETY: takes numbers only, and changes nothing.
    unsafe { libc::syscall(libc::SYS_kcmp, a, b, MEMORY, 0 as c_long, 0 as c_long) == 0 }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write, pipe};
    use std::thread;

    use rustix::process::{Pid, WaitOptions, getpid, waitpid};

    use super::super::spawn::{Doors, Plan, Strings, spawn};
    use super::super::sweep::Table;
    use super::*;

    #[test]
    fn what_starts_a_program_on_the_hosts_memory_takes_none() {
        let me = getpid().as_raw_nonzero().get();
        if !have_one_memory(me, me) {
            eprintln!("skipped: the kernel does not say who has whose memory");
            return;
        }
        // It is held on its way, where it joins a group.
        let (mut reader, mut writer) = pipe().unwrap();
        let size = rustix::pipe::fcntl_getpipe_size(&writer).unwrap();
        writer.write_all(&vec![b'x'; size]).unwrap();
        let mut groups = Doors::default();
        groups.tasks.push(writer.into());
        let starting = thread::spawn(move || {
            let plan = Plan {
                programs: vec![c"/bin/sleep".to_owned()],
                argv: Strings::new([["sleep"], ["600"]].into_iter()).unwrap(),
                groups,
                ..Plan::default()
            };
            spawn(&plan).unwrap()
        });
        let borrows = |&pid: &i32| have_one_memory(pid, me);
        loop {
            let table = Table::read().unwrap();
            let Some(child) = table.children_of(getpid()).into_iter().find(borrows) else {
                assert!(!starting.is_finished());
                continue;
            };
            let (seen, taken) = (table.resident(&[child]), taken(&[child]));
            // Another test's, which executed its program meanwhile, says nothing.
            if borrows(&child) {
                assert!(seen > 1 << 20, "{seen}");
                assert_eq!(taken, 0);
                break;
            }
        }
        reader.read_exact(&mut vec![0; size]).unwrap();
        let (pid, _pidfd) = starting.join().unwrap();
        assert!(taken(&[pid.as_raw_nonzero().get()]) > 0);
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        waitpid(Some(pid), WaitOptions::empty()).unwrap();
    }

    #[test]
    fn a_process_that_may_not_be_looked_into_counts_as_a_whole() {
        let me = Pid::as_raw(Some(getpid()));
        let (whole, part) = (Entry::of(me).unwrap().resident(), proportional(me).unwrap());
        assert!(part <= whole && part > whole / 8, "{part} of {whole}");
        assert_eq!((taken_by(-1), proportional(-1)), (None, None));
        assert!(!have_one_memory(me, -1));
    }
}
