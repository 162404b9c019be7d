//! Blobs of Azure Storage.

use super::functions;
use crate::draft::Draft;
use crate::json::Value;
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response, time};

pub(crate) struct Blob;

static ABOUT: About = About {
    name: "azure.blob",
    title: "Azure Functions: Blob storage trigger",
    origin: Origin::Prescribed,
    detected_by: Some("`Metadata` has `BlobTrigger`"),
    reply: Some(functions::REPLY),
};

impl Adapter for Blob {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        functions::has(payload, &["BlobTrigger"])
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let root = json.root();
        let event = Draft::new(
            root.need("/Metadata/sys/RandGuid")?,
            functions::need(root, "/Metadata/Uri")?,
            "com.microsoft.azure.blobstorage.blob",
        )
        .subject(functions::text(root, "/Metadata/BlobTrigger")?)
        .time(
            root.at("/Metadata/Properties/LastModified")
                .and_then(time::of),
        )
        .json(root)
        .build(root)?;
        Ok(event.into())
    }

    fn reply(&self, _: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        Ok(functions::respond(answers, 1))
    }
}
