//! Amazon SNS: over HTTP, and through Lambda.

use libfaas::Event;

use super::{each, is_batch_of};
use crate::draft::Draft;
use crate::http::acknowledge;
use crate::json::Value;
use crate::{
    About, Adapter, Answer, Delivery, Error, Notice, NoticeKind, Origin, Outcome, Response, media,
    time,
};

/// Over HTTP.
pub(crate) struct Sns;

static ABOUT: About = About {
    name: "aws.sns",
    title: "Amazon SNS message, over HTTP",
    origin: Origin::Published(
        "https://github.com/cloudevents/spec/blob/main/cloudevents/adapters/aws-sns.md",
    ),
    detected_by: Some("header `x-amz-sns-message-type`"),
    reply: Some("the HTTP status; a subscription is confirmed by a visit to `SubscribeURL`"),
};

impl Adapter for Sns {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, delivery: &Delivery, _: Option<Value<'_>>) -> bool {
        delivery.headers.get("x-amz-sns-message-type").is_some()
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let id = delivery.need_header("x-amz-sns-message-id")?;
        let kind = delivery.need_header("x-amz-sns-message-type")?;
        let source = match kind {
            "SubscriptionConfirmation" => delivery.need_header("x-amz-sns-topic-arn")?,
            _ => delivery.need_header("x-amz-sns-subscription-arn")?,
        };
        let draft = Draft::new(id, source, format!("com.amazonaws.sns.{kind}"));
        let raw = delivery.headers.get("x-amz-sns-rawdelivery");
        if raw.is_some_and(|raw| raw.eq_ignore_ascii_case("true")) {
            return Ok(raw_event(delivery, draft)?.into());
        }
        let json = delivery.json()?;
        let body = json.root();
        let subject = match kind {
            "Notification" => body.text("/Subject")?,
            _ => None,
        };
        let event = draft
            .subject(subject)
            .time(body.get("Timestamp").and_then(time::of))
            .json(body)
            .build(body)?;
        let notice = match kind {
            "SubscriptionConfirmation" => Some(Notice {
                kind: NoticeKind::Handshake,
                what: "a subscription of this endpoint, which SNS begins when the URL is visited"
                    .to_owned(),
                reply: Some(Response::Visit(body.need("/SubscribeURL")?.into_owned())),
            }),
            _ => None,
        };
        Ok(Outcome {
            events: vec![event],
            notice,
        })
    }

    fn reply(&self, _: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        Ok(acknowledge(answers, 1))
    }
}

/// With raw message delivery the body is what was published, with no envelope around it.
fn raw_event(delivery: &Delivery, draft: Draft) -> Result<Event, Error> {
    let media_type = delivery.media_type().unwrap_or("text/plain; charset=UTF-8");
    let data = media::data(media_type, &delivery.payload);
    draft.data(media_type, data).build_whole()
}

/// Through Lambda.
pub(crate) struct SnsLambda;

static ABOUT_LAMBDA: About = About {
    name: "aws.sns-lambda",
    title: "Amazon SNS notifications, through Lambda",
    origin: Origin::Prescribed,
    detected_by: Some("`EventSource` of the first record is `aws:sns`"),
    reply: None,
};

impl Adapter for SnsLambda {
    fn about(&self) -> &'static About {
        &ABOUT_LAMBDA
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        is_batch_of(payload, "EventSource", |source| source == "aws:sns")
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        each(delivery, |record| {
            let id = record.need("/Sns/MessageId")?;
            let source = record.need("/EventSubscriptionArn")?;
            let ty = format!("com.amazonaws.sns.{}", record.need("/Sns/Type")?);
            let message = record.need_object("/Sns")?;
            Draft::new(id, source, ty)
                .subject(message.text("/Subject")?)
                .time(message.get("Timestamp").and_then(time::of))
                .json(message)
                .build(record)
        })
    }
}
