//! Rules for system calls as a BPF program that finds the call by bisection.
//!
//! When a program is installed, the kernel runs it once for each call that there is, to learn which
//! are always allowed. A program that compares with one refused call after the other makes that the
//! most expensive step of a start (see spec/RATIONALE.md); one that bisects does not.

use std::collections::BTreeMap;

/// A seccomp program, as the kernel takes it.
pub(in super::super) type Program = Vec<libc::sock_filter>;

/// What is answered to calls, by number. To all others: yes.
pub(super) type Rules = BTreeMap<i64, Verdict>;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// EPERM.
    Refused,
    /// ENOSYS.
    NoSuchCall,
    /// EPERM if all conditions of one of these hold.
    RefusedIf(Vec<Vec<Condition>>),
}

/// On the lower half of an argument, which is all that the kernel looks at in those that we ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Condition {
    Is(u32, u32),
    IsNot(u32, u32),
    /// Argument, mask, and what is left by the mask.
    Masked(u32, u32, u32),
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURE: u32 = 0;

/// Whether the calls of this machine are known here.
pub(in super::super) const SUPPORTED: bool = ARCHITECTURE != 0;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_GREATER: u16 = 0x25;
const JUMP_IF_NOT_LESS: u16 = 0x35;
const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const MACHINE: u32 = 4;
const ARGUMENTS: u32 = 16;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// The program; calls beyond the last and those of another architecture are "no such call".
pub(super) fn compile(rules: &Rules, last: i64) -> Program {
    let mut program = vec![
        statement(LOAD, MACHINE),
        jump(JUMP_IF_EQUAL, ARCHITECTURE, 1, 0),
        statement(RETURN, NO_SUCH_CALL),
        statement(LOAD, NUMBER),
        jump(JUMP_IF_GREATER, last as u32, 0, 1),
        statement(RETURN, NO_SUCH_CALL),
    ];
    let rules: Vec<_> = rules
        .iter()
        .map(|(&number, verdict)| (number, verdict))
        .collect();
    program.extend(find(&rules));
    program
}

/// Finds the call among these, which are sorted.
fn find(rules: &[(i64, &Verdict)]) -> Program {
    match rules {
        [] => vec![statement(RETURN, ALLOW)],
        [(number, verdict)] => answer(*number, verdict),
        rules => {
            let (below, above) = rules.split_at(rules.len() / 2);
            let first_above = above[0].0 as u32;
            let (below, above) = (find(below), find(above));
            // A conditional jump reaches 255 instructions; this reaches any.
            let over = statement(JUMP, below.len() as u32);
            let mut program = vec![jump(JUMP_IF_NOT_LESS, first_above, 0, 1), over];
            program.extend(below);
            program.extend(above);
            program
        }
    }
}

/// If the call is this one, its verdict; else it is allowed.
fn answer(number: i64, verdict: &Verdict) -> Program {
    let mut program = vec![
        jump(JUMP_IF_EQUAL, number as u32, 1, 0),
        statement(RETURN, ALLOW),
    ];
    match verdict {
        Verdict::Refused => program.push(statement(RETURN, REFUSE)),
        Verdict::NoSuchCall => program.push(statement(RETURN, NO_SUCH_CALL)),
        Verdict::RefusedIf(any) => {
            any.iter().for_each(|all| program.extend(refuse_if(all)));
            program.push(statement(RETURN, ALLOW));
        }
    }
    program
}

/// Refuses if all hold, else goes on behind.
fn refuse_if(all: &[Condition]) -> Program {
    let mut program = vec![statement(RETURN, REFUSE)];
    for &condition in all.iter().rev() {
        // Each comes before those that were made, and jumps over them if it does not hold.
        let over = program.len() as u8;
        let load = |argument| statement(LOAD, ARGUMENTS + 8 * argument);
        let check = match condition {
            Condition::Is(argument, value) => {
                vec![load(argument), jump(JUMP_IF_EQUAL, value, 0, over)]
            }
            Condition::IsNot(argument, value) => {
                vec![load(argument), jump(JUMP_IF_EQUAL, value, over, 0)]
            }
            Condition::Masked(argument, mask, value) => {
                vec![
                    load(argument),
                    statement(AND, mask),
                    jump(JUMP_IF_EQUAL, value, 0, over),
                ]
            }
        };
        program.splice(0..0, check);
    }
    program
}

fn statement(code: u16, k: u32) -> libc::sock_filter {
    jump(code, k, 0, 0)
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel would; the answer, and in how many steps.
    fn run(program: &Program, machine: u32, number: u32, arguments: [u32; 6]) -> (u32, usize) {
        let (mut at, mut accumulator, mut steps) = (0, 0, 0);
        loop {
            let libc::sock_filter { code, jt, jf, k } = program[at];
            let mut choose = |holds: bool| at += usize::from(if holds { jt } else { jf });
            match code {
                LOAD => {
                    accumulator = match k {
                        NUMBER => number,
                        MACHINE => machine,
                        k => arguments[((k - ARGUMENTS) / 8) as usize],
                    };
                }
                AND => accumulator &= k,
                JUMP => at += k as usize,
                JUMP_IF_EQUAL => choose(accumulator == k),
                JUMP_IF_GREATER => choose(accumulator > k),
                JUMP_IF_NOT_LESS => choose(accumulator >= k),
                RETURN => return (k, steps),
                other => panic!("no such operation: {other:#x}"),
            }
            at += 1;
            steps += 1;
        }
    }

    /// What the rules say, read plainly.
    fn plain(rules: &Rules, last: i64, number: u32, arguments: [u32; 6]) -> u32 {
        let argument = |n: u32| arguments[n as usize];
        let holds = |condition: &Condition| match *condition {
            Condition::Is(n, value) => argument(n) == value,
            Condition::IsNot(n, value) => argument(n) != value,
            Condition::Masked(n, mask, value) => argument(n) & mask == value,
        };
        match rules.get(&i64::from(number)) {
            _ if i64::from(number) > last => NO_SUCH_CALL,
            Some(Verdict::Refused) => REFUSE,
            Some(Verdict::NoSuchCall) => NO_SUCH_CALL,
            Some(Verdict::RefusedIf(any)) if any.iter().any(|all| all.iter().all(holds)) => REFUSE,
            _ => ALLOW,
        }
    }

    #[test]
    fn the_program_says_what_the_rules_say() {
        use Condition::{Is, IsNot, Masked};
        let mut rules: Rules = (0..90).map(|n| (n * 5 + 3, Verdict::Refused)).collect();
        rules.insert(50, Verdict::NoSuchCall);
        let any = vec![
            vec![Is(0, 1), IsNot(1, 2)],
            vec![Masked(2, 0xf0, 0x30)],
            vec![IsNot(3, 0), IsNot(3, 6)],
        ];
        rules.insert(41, Verdict::RefusedIf(any.clone()));
        rules.insert(200, Verdict::RefusedIf(any));
        let program = compile(&rules, 460);
        for number in (0..600).chain([u32::MAX, 0x4000_0029]) {
            for arguments in [
                [0; 6],
                [1; 6],
                [1, 2, 0x30, 6, 0, 0],
                [1, 2, 0x3f, 0, 0, 0],
                [1, 2, 0x40, 6, 0, 0],
                [1, 2, 0, 7, 0, 0],
            ] {
                let (answer, steps) = run(&program, ARCHITECTURE, number, arguments);
                assert_eq!(
                    answer,
                    plain(&rules, 460, number, arguments),
                    "{number} {arguments:?}"
                );
                assert!(steps < 50, "{steps} steps for {number}");
            }
            assert_eq!(run(&program, 0x4000_0003, number, [0; 6]).0, NO_SUCH_CALL);
        }
    }

    #[test]
    fn without_rules_everything_is_allowed_up_to_the_last() {
        let program = compile(&Rules::new(), 10);
        assert_eq!(run(&program, ARCHITECTURE, 10, [0; 6]).0, ALLOW);
        assert_eq!(run(&program, ARCHITECTURE, 11, [0; 6]).0, NO_SUCH_CALL);
    }
}
