//! Writing to pipes.

use std::io::IoSlice;
use std::os::fd::AsFd;

/// Bytes given to one write. Linux locks a pipe until a write to it is done: of one that is cut the
/// reader takes the beginning, on another core, while the rest is written.
const PIECE: usize = 256 << 10;

/// Writes bytes that lie in several places, as many as the descriptor takes and not much more than
/// a piece.
pub(crate) fn write(fd: impl AsFd, slices: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
    match slices {
        [first, ..] if first.len() >= PIECE => rustix::io::write(fd, &first[..PIECE]),
        [first, second, ..] if first.len() + second.len() > PIECE => {
            let second = IoSlice::new(&second[..PIECE - first.len()]);
            rustix::io::writev(fd, &[*first, second])
        }
        [one] => rustix::io::write(fd, one),
        _ => rustix::io::writev(fd, slices),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_written_in_pieces_arrives_whole() {
        for sizes in [
            &[0, 1, PIECE - 1, 1][..],
            &[PIECE, 7],
            &[200, 4 * PIECE, 9],
            &[3 * PIECE + 5],
            &[1, 2, 3],
        ] {
            let (mut reader, writer) = std::io::pipe().expect("a pipe");
            let parts: Vec<Vec<u8>> = (1..)
                .zip(sizes)
                .map(|(n, &size)| (0..size).map(|at| (at % 251) as u8 ^ n).collect())
                .collect();
            let expected = parts.concat();
            let thread = std::thread::spawn(move || {
                let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
                let mut slices = &mut slices[..];
                IoSlice::advance_slices(&mut slices, 0);
                while !slices.is_empty() {
                    let count = write(&writer, slices).expect("a reader");
                    assert!(count <= 2 * PIECE, "{count} bytes at once");
                    IoSlice::advance_slices(&mut slices, count);
                }
            });
            let mut came = Vec::new();
            reader.read_to_end(&mut came).expect("bytes");
            thread.join().expect("no panic");
            assert!(came == expected, "other bytes than were written: {sizes:?}");
        }
    }
}
