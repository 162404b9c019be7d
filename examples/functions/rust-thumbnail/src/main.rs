//! Makes a thumbnail of the picture in an event: PNG or JPEG in, PNG out, at most THUMBNAIL_WIDTH pixels wide and high.

use std::io::Cursor;
use std::process::ExitCode;

use image::{ImageFormat, ImageReader};
use libfaas::function::{Function, result};
use libfaas::{Code, Data, Event, EventBuilder, Status};

fn main() -> ExitCode {
    Function::new()
        .manifest(include_str!("../function.yaml"))
        .serve(thumbnail)
}

fn thumbnail(event: Event) -> Result<EventBuilder, Status> {
    let picture = event.data().map_or(&[][..], Data::as_bytes);
    let mut reader = ImageReader::new(Cursor::new(picture)).with_guessed_format()?;
    // A few bytes can claim a picture of gigabytes.
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(64 << 20);
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| {
        Status::new(
            Code::InvalidArgument,
            format!("expected a PNG or JPEG picture as data: {error}"),
        )
    })?;

    let width = width()?;
    let mut png = Vec::new();
    picture
        .thumbnail(width, width)
        .write_to(&mut Cursor::new(&mut png), ImageFormat::Png)
        .map_err(|error| Status::new(Code::Internal, error.to_string()))?;

    let small = result("/rust-thumbnail", "com.example.picture.thumbnail")
        .datacontenttype("image/png")
        .data(png);
    Ok(match event.subject() {
        Some(subject) => small.subject(subject),
        None => small,
    })
}

fn width() -> Result<u32, Status> {
    let Ok(width) = std::env::var("THUMBNAIL_WIDTH") else {
        return Ok(64);
    };
    width.parse().map_err(|_| {
        Status::new(
            Code::FailedPrecondition,
            format!("THUMBNAIL_WIDTH: expected a number of pixels, got {width:?}"),
        )
    })
}
