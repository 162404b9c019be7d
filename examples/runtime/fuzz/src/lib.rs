//! What must hold of every request and every schedule.

mod admin;
mod http;

pub use admin::admin;
pub use http::http;

use ::http::Request;
use bytes::Bytes;
use faas_runtime::serve::schedule::Schedule;
use jiff::Timestamp;

/// Their names, and what is done with the bytes.
pub const TARGETS: &[(&str, fn(&[u8]))] =
    &[("http", http), ("admin", admin), ("schedule", schedule)];

/// A request from a line with its method and target, lines with headers, an empty line and a body. None where HTTP's
/// own parser would not have let it through.
fn request(bytes: &[u8]) -> Option<Request<Bytes>> {
    let mut rest = bytes;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = &rest[..end];
        rest = &rest[end + 1..];
        Some(line)
    };
    let first = line()?;
    let space = first.iter().position(|byte| *byte == b' ')?;
    let mut request = Request::builder()
        .method(&first[..space])
        .uri(&first[space + 1..]);
    loop {
        match line()? {
            [] => break,
            header => {
                let colon = header.iter().position(|byte| *byte == b':')?;
                request = request.header(&header[..colon], header[colon + 1..].trim_ascii());
            }
        }
    }
    request.body(Bytes::copy_from_slice(rest)).ok()
}

/// Eight bytes that say from when on, taken for a time from 1970 on, and the fields of crontab(5): times follow each other,
/// and each is an event that can be written.
pub fn schedule(bytes: &[u8]) {
    let Some((after, Ok(cron))) = bytes
        .split_first_chunk()
        .map(|(after, cron)| (u64::from_le_bytes(*after), std::str::from_utf8(cron)))
    else {
        return;
    };
    let after = i64::try_from(after % 250_000_000_000_000).expect("some thousand years");
    let (Ok(schedule), Ok(mut last)) = (Schedule::new(cron), Timestamp::from_millisecond(after))
    else {
        return;
    };
    for _ in 0..3 {
        let Some(due) = schedule.next(last) else {
            return;
        };
        assert!(due > last);
        let event = schedule.event("i", "/acme/f", due);
        assert_eq!(libfaas::Event::from_json(event.to_json()), Ok(event));
        last = due;
    }
}
