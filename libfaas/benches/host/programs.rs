//! The other halves: this program is also every function and every raw loop that it measures.

use std::os::fd::BorrowedFd;
use std::process::{Command, ExitCode};

use libfaas::{Event, Status};

/// Bytes asked for in one read: what a pipe holds on Linux.
pub(crate) const READ: usize = 64 << 10;

/// Does what the first argument says, if that is a program.
pub(crate) fn run(arguments: &[String]) -> Option<ExitCode> {
    let (stdin, stdout) = (rustix::stdio::stdin(), rustix::stdio::stdout());
    let number = || arguments.get(1)?.parse::<usize>().ok();
    Some(match arguments.first()?.as_str() {
        "function" => libfaas::serve(Ok::<Event, Status>),
        // Answers at once, before it knows whether more will come.
        "answer" => libfaas::serve_many(|event, emitter| emitter.emit(event)),
        // What a host writes is what a function may write, its hello too.
        "pass" => echo(stdin, stdout, 1, READ),
        "echo" => {
            let size = number().expect("a size");
            echo(stdin, stdout, size, size)
        }
        // The same on a socket, which is both.
        "echo-socket" => {
            let size = number().expect("a size");
            echo(stdin, stdin, size, size)
        }
        "frames" => frames(stdin, stdout),
        _ => return None,
    })
}

/// Sends back what comes, so many bytes at a time. Nothing is buffered but by pipes.
fn echo(input: BorrowedFd<'_>, output: BorrowedFd<'_>, least: usize, most: usize) -> ExitCode {
    let mut buffer = vec![0; most];
    loop {
        let mut held = 0;
        while held < least {
            match rustix::io::read(input, &mut buffer[held..]) {
                Ok(count @ 1..) => held += count,
                _ => return ExitCode::SUCCESS,
            }
        }
        if !write_all(output, &buffer[..held]) {
            return ExitCode::SUCCESS;
        }
    }
}

/// Sends back whole frames, as many as one read has brought.
fn frames(input: BorrowedFd<'_>, output: BorrowedFd<'_>) -> ExitCode {
    let mut buffer = vec![0; READ];
    let mut held = 0;
    loop {
        match rustix::io::read(input, &mut buffer[held..]) {
            Ok(count @ 1..) => held += count,
            _ => return ExitCode::SUCCESS,
        }
        let (_, whole) = whole_frames(&buffer[..held]);
        if !write_all(output, &buffer[..whole]) {
            return ExitCode::SUCCESS;
        }
        buffer.copy_within(whole..held, 0);
        held -= whole;
    }
}

/// How many whole frames stand at the start, and how many bytes they have: a length as a varint,
/// then as many bytes.
pub(crate) fn whole_frames(bytes: &[u8]) -> (usize, usize) {
    let (mut count, mut at) = (0, 0);
    'frames: while at < bytes.len() {
        let (mut length, mut shift, mut next) = (0usize, 0, at);
        loop {
            let Some(&byte) = bytes.get(next) else {
                break 'frames;
            };
            next += 1;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        if next + length > bytes.len() {
            break;
        }
        at = next + length;
        count += 1;
    }
    (count, at)
}

fn write_all(output: BorrowedFd<'_>, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match rustix::io::write(output, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(_) => return false,
        }
    }
    true
}

/// A function as small as one is: the library's example, built by cargo if it was not.
pub(crate) fn hello() -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--quiet", "--package", "libfaas"]);
    build.args(["--example", "hello", "--message-format", "json"]);
    let output = build.current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.map_err(|error| format!("cargo: {error}"))?;
    let lines = output.stdout.split(|&byte| byte == b'\n');
    let mut programs = lines.filter_map(|line| {
        let artifact: serde_json::Value = serde_json::from_slice(line).ok()?;
        Some(artifact["executable"].as_str()?.to_owned())
    });
    let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    programs.next_back().ok_or_else(said)
}
