//! stdout and stderr, written without a buffer: what a step writes is written when it is done.

use libfaas::Encoding;

use crate::step::Raw;

/// Writes all of it. Who reads no more, needs no more: the process ends.
pub(crate) fn stdout(bytes: &[u8]) {
    write(1, bytes);
}

pub(crate) fn stderr(bytes: &[u8]) {
    write(2, bytes);
}

fn write(fd: i32, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the pointer and the length are those of a slice.
        let n = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        match n {
            0.. => bytes = &bytes[n as usize..],
            _ if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {}
            // A closed descriptor, or a pipe without a reader where SIGPIPE is ignored.
            _ if fd == 1 => std::process::exit(1),
            _ => return,
        }
    }
}

/// Lines of 100 bytes, so many bytes in all.
pub(crate) fn stderr_lines(count: usize) {
    let mut line = vec![b'.'; 99];
    line.push(b'\n');
    for begin in (0..count).step_by(100) {
        stderr(&line[..100.min(count - begin)]);
    }
}

/// What a step writes as it stands; None: it has no bytes for this encoding.
pub(crate) fn raw(raw: &Raw, encoding: Encoding) -> Vec<u8> {
    let hex = |digits: &String| {
        let digits: String = digits.chars().filter(|c| !c.is_whitespace()).collect();
        data_encoding::HEXLOWER_PERMISSIVE
            .decode(digits.as_bytes())
            .unwrap_or_else(|e| crate::process::unusable(&format!("{digits:?}: {e}")))
    };
    let own = match encoding {
        Encoding::Json => raw.json.as_ref().map(|text| text.clone().into_bytes()),
        Encoding::Protobuf => raw.protobuf.as_ref().map(hex),
        Encoding::Capnp => raw.capnp.as_ref().map(hex),
    };
    own.or_else(|| raw.text.as_ref().map(|text| text.clone().into_bytes()))
        .or_else(|| raw.hex.as_ref().map(hex))
        .unwrap_or_else(|| crate::process::unusable("`raw` without bytes for this encoding"))
}
