//! Reading, with a bound.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::exit::Failure;

/// No vendor delivers more at once; what is larger is no payload.
const MOST: u64 = 256 << 20;

pub(crate) fn stdin() -> Result<Vec<u8>, Failure> {
    bounded(io::stdin().lock(), "stdin", |error| {
        Failure::io("stdin", &error)
    })
}

pub(crate) fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    let no_input = |error| Failure::no_input(path, &error);
    let file = File::open(path).map_err(no_input)?;
    bounded(file, &path.display().to_string(), no_input)
}

/// All that a command writes to its stdout.
pub(crate) fn of_command(stdout: impl Read) -> Result<Vec<u8>, Failure> {
    let name = "the command's stdout";
    bounded(stdout, name, |error| Failure::io(name, &error))
}

fn bounded(
    from: impl Read,
    name: &str,
    failure: impl Fn(io::Error) -> Failure,
) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(failure)?;
    match bytes.len() as u64 > MOST {
        true => Err(Failure::data(format!(
            "{name}: expected at most {MOST} bytes, found more"
        ))),
        false => Ok(bytes),
    }
}
