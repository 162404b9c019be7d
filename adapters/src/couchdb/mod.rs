//! Apache CouchDB.

pub(crate) mod changes;
pub(crate) mod db_updates;

use crate::json::{Kind, Value};
use crate::{Delivery, Error, Notice, NoticeKind, Outcome};

/// The rows of a response, or the one that a line of a continuous feed is.
fn rows<'j>(root: Value<'j>) -> Result<impl Iterator<Item = Value<'j>>, Error> {
    let many = match root.get("results") {
        Some(_) => Some(root.need_array("/results")?),
        None => None,
    };
    let single = many.is_none().then_some(root);
    Ok(many.into_iter().flat_map(|many| many.items()).chain(single))
}

/// What a continuous feed says besides rows: its last line, and the empty lines that keep it open.
fn progress(delivery: &Delivery, root: Option<Value<'_>>) -> Option<Outcome> {
    let blank = delivery.payload.iter().all(u8::is_ascii_whitespace);
    let last = root.is_some_and(|root| {
        root.kind() == Kind::Object
            && root.get("last_seq").is_some()
            && root.get("results").is_none()
    });
    (blank || last).then(|| {
        Outcome::notice(Notice {
            kind: NoticeKind::Progress,
            what: "how far the feed has come".to_owned(),
            reply: None,
        })
    })
}
