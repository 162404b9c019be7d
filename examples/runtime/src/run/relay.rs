//! One call: from this process's stdin to the function, and back.

use libfaas::function::{Call, Piece};
use libfaas::host::{Assembly, CallInput, Part};
use libfaas::{Code, Status};

use super::driver::Driver;

/// What has come from the caller.
enum Heard {
    Piece(Piece),
    End,
    /// The call is given up, or its input has failed.
    Stopped(Status),
}

/// Passes a call on to the function as it comes, and passes back what the function gives.
pub(super) async fn relay(driver: &Driver, call: &mut Call) -> Result<(), Status> {
    // The first piece says whether the call is for the driver. A call of no events is not.
    let first = call.next_piece_async().await?;
    if let Some(Piece::Event { event, more: false }) = &first
        && Driver::is_for_driver(event)
    {
        let event = event.clone();
        return driver.command(call, &event).await;
    }
    let passed = driver.call(call.context().clone()).await?;
    let (mut input, mut output) = passed.split();
    let mut assembly = (!call.takes_pieces()).then(Assembly::default);
    let mut open = pass_in(call, &mut input, first).await?;
    loop {
        tokio::select! {
            heard = hear(call, &input, open) => match heard {
                Heard::Piece(piece) => open = pass_in(call, &mut input, Some(piece)).await?,
                Heard::End => open = pass_in(call, &mut input, None).await?,
                Heard::Stopped(status) => {
                    if open && status.code != Code::Cancelled {
                        input.send(Part::end(status.clone())).await;
                    }
                    input.cancel(&status.message);
                    return Err(status);
                }
            },
            part = output.next() => {
                let Some(part) = part else {
                    let message = "the function's output ended without an end";
                    return Err(Status::new(Code::Internal, message));
                };
                if let Some(end) = pass_out(call, part, assembly.as_mut())? {
                    return if end.is_ok() { Ok(()) } else { Err(end) };
                }
            }
        }
    }
}

/// The next that comes from the caller, once the function has room for it.
async fn hear(call: &mut Call, input: &CallInput, open: bool) -> Heard {
    if !open {
        return Heard::Stopped(call.cancelled().await);
    }
    tokio::select! {
        biased;
        () = input.ready() => {}
        status = call.cancelled() => return Heard::Stopped(status),
    }
    match call.next_piece_async().await {
        Ok(Some(piece)) => Heard::Piece(piece),
        Ok(None) => Heard::End,
        Err(status) => Heard::Stopped(status),
    }
}

/// Passes on a piece and what has come behind it, the end in the same message as the last piece
/// where it is there already. Whether more input may come.
async fn pass_in(
    call: &mut Call,
    input: &mut CallInput,
    mut piece: Option<Piece>,
) -> Result<bool, Status> {
    loop {
        let mut part = match piece {
            None => Part::end(Status::ok()),
            Some(Piece::Event { event, more }) => Part {
                event: Some(event),
                more,
                ..Part::default()
            },
            Some(Piece::Chunk { bytes, more }) => Part {
                chunk: Some(bytes),
                more,
                ..Part::default()
            },
        };
        if part.end.is_some() || part.more {
            let open = part.end.is_none();
            input.send(part).await;
            return Ok(open);
        }
        let next = tokio::select! {
            biased;
            next = call.next_piece_async() => Some(next?),
            () = std::future::ready(()) => None,
        };
        if next == Some(None) {
            part.end = Some(Status::ok());
        }
        input.send(part).await;
        match next {
            None => return Ok(true),
            Some(None) => return Ok(false),
            Some(next) => piece = next,
        }
    }
}

/// Passes back what the function gave; its `end`, if that was in it.
fn pass_out(
    call: &mut Call,
    part: Part,
    assembly: Option<&mut Assembly>,
) -> Result<Option<Status>, Status> {
    let (end, last) = (
        part.end.clone(),
        part.end.as_ref().is_some_and(Status::is_ok),
    );
    match (part, assembly) {
        (
            Part {
                event: Some(event),
                more: false,
                ..
            },
            _,
        ) if last => call.emit_last(event)?,
        (
            Part {
                event: Some(event),
                more: false,
                ..
            },
            _,
        ) => call.emit(event)?,
        (part, Some(assembly)) => {
            let whole = assembly.add(part);
            let whole = whole.map_err(|fault| Status::new(Code::Internal, fault.to_string()));
            if let Some(event) = whole? {
                call.emit(event)?;
            }
        }
        (
            Part {
                event: Some(event),
                more,
                ..
            },
            None,
        ) => {
            call.emit_piece(Piece::Event { event, more })?;
        }
        (
            Part {
                chunk: Some(bytes),
                more,
                ..
            },
            None,
        ) => {
            call.emit_piece(Piece::Chunk { bytes, more })?;
        }
        (_, None) => {}
    }
    Ok(end)
}
