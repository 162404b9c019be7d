//! Counts lines, words and bytes of each event's data as `wc` does, piece by piece: data of any size needs no more
//! memory than one piece of it.

use std::process::ExitCode;

use libfaas::function::{Call, Function, Piece, result};
use libfaas::{Data, Status};
use serde::Serialize;

fn main() -> ExitCode {
    Function::new()
        .manifest(include_str!("../function.yaml"))
        .serve_calls(count)
}

fn count(call: &mut Call) -> Result<(), Status> {
    let mut counts = Counts::default();
    while let Some(piece) = call.next_piece()? {
        let more = match &piece {
            Piece::Event { event, more } => {
                counts = Counts::default();
                counts.add(event.data().map_or(&[][..], Data::as_bytes));
                *more
            }
            Piece::Chunk { bytes, more } => {
                counts.add(bytes);
                *more
            }
        };
        if !more {
            call.emit(result("/rust-wordcount", "com.example.words.counted").json(&counts))?;
        }
    }
    Ok(())
}

#[derive(Default, Serialize)]
struct Counts {
    lines: u64,
    words: u64,
    bytes: u64,
    /// The last byte belonged to a word, which may go on in the next piece.
    #[serde(skip)]
    in_word: bool,
}

impl Counts {
    fn add(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        for byte in piece {
            let in_word = !byte.is_ascii_whitespace();
            self.words += u64::from(in_word && !self.in_word);
            self.lines += u64::from(*byte == b'\n');
            self.in_word = in_word;
        }
    }
}
