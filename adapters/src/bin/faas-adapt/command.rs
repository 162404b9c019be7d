//! Both ways at once: the events of a payload go to a command, and what it answers to the vendor.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread;

use faas_adapters::Answer;
use libfaas::{Code, Event, encode_event};

use crate::cli::Cli;
use crate::exit::{self, Failure};
use crate::{Source, answers, files, reply, surroundings};

pub(crate) fn run(cli: &Cli, source: Source) -> Result<(), Failure> {
    let delivery = surroundings::delivery(files::stdin()?, cli.delivery.as_deref())?;
    reply::answer(cli, source, &delivery, |events| {
        call(cli, events).unwrap_or_else(|failure| (Vec::new(), Some(failure)))
    })
}

/// Starts the command as a shell would in a pipe, and reads its answers.
fn call(cli: &Cli, events: &[Event]) -> Result<(Vec<Answer>, Option<Failure>), Failure> {
    let mut input = Vec::new();
    for event in events {
        encode_event(event, cli.encoding, &mut input);
    }
    let mut child = start(&cli.command)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    // At the same time: neither side waits for the other to make room.
    let results = thread::scope(|scope| {
        // A command that reads no further has read enough (rule `oneshot-epipe`).
        scope.spawn(|| stdin.map(|mut pipe| pipe.write_all(&input)));
        stdout.map_or(Ok(Vec::new()), files::of_command)
    });
    let ended = child.wait().map_err(|error| Failure::io("wait", &error))?;
    // Death by a signal has no exit status.
    let code = ended.code().map_or(Code::Internal, Code::from_exit);
    let (encoding, code) = (cli.encoding, Some(code));
    Ok(answers::of_results(&results?, encoding, code, events.len()))
}

fn start(command: &[String]) -> Result<Child, Failure> {
    let (program, arguments) = command.split_first().expect("a command was given");
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    child.map_err(|error| Failure {
        exit: exit::NO_INPUT,
        message: format!("{program}: {error}; every event was reported as failed"),
    })
}
