//! Messages that Pub/Sub pushes.

use crate::draft::Draft;
use crate::http;
use crate::json::{Kind, Value};
use crate::{About, Adapter, Answer, Delivery, Error, Origin, Outcome, Response, time};

pub(crate) struct PubSub;

static ABOUT: About = About {
    name: "google.pubsub",
    title: "Pub/Sub push",
    origin: Origin::Prescribed,
    detected_by: Some("an object `message` and a string `subscription`, nothing of `context`"),
    reply: Some("HTTP 204 to acknowledge, else the number of the status"),
};

impl Adapter for PubSub {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        let kind = |pointer| {
            payload
                .and_then(|root| root.at(pointer))
                .map(|at| at.kind())
        };
        kind("/message") == Some(Kind::Object) && kind("/subscription") == Some(Kind::String)
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let root = json.root();
        let message = root.need_object("/message")?;
        // The service writes both spellings, the emulator one.
        let id = match message.text("/messageId")? {
            Some(id) => id,
            None => message
                .need("/message_id")
                .or_else(|_| message.need("/messageId"))?,
        };
        let topic = match topic(&delivery.path) {
            Some(topic) => topic.to_owned(),
            None => root.need("/subscription")?.into_owned(),
        };
        let published = message
            .at("/publishTime")
            .or_else(|| message.at("/publish_time"));
        let event = Draft::new(
            id,
            format!("//pubsub.googleapis.com/{topic}"),
            "google.cloud.pubsub.topic.v1.messagePublished",
        )
        .time(published.and_then(time::of))
        .json(root)
        .build(root)?;
        Ok(event.into())
    }

    fn reply(&self, _: &Delivery, answers: &[Answer]) -> Result<Response, Error> {
        Ok(http::acknowledge(answers, 1))
    }
}

/// `projects/PROJECT/topics/TOPIC`, if the path has it.
fn topic(path: &str) -> Option<&str> {
    let start = path.find("projects/")?;
    let topic = &path[start..];
    let mut segments = topic.splitn(5, '/');
    let (project, word, name) = (segments.nth(1)?, segments.next()?, segments.next()?);
    let fits = !project.is_empty() && word == "topics" && !name.is_empty();
    let length = "projects//topics/".len() + project.len() + name.len();
    fits.then(|| &topic[..length])
}

#[cfg(test)]
mod tests {
    use super::topic;

    #[test]
    fn a_topic_in_a_path() {
        let topics = [
            ("/projects/p/topics/t", Some("projects/p/topics/t")),
            (
                "/hooks/projects/p/topics/t/extra",
                Some("projects/p/topics/t"),
            ),
            ("/projects/p/subscriptions/s", None),
            ("/projects//topics/t", None),
            ("/projects/p/topics/", None),
            ("", None),
        ];
        for (path, expected) in topics {
            assert_eq!(topic(path), expected, "{path}");
        }
    }
}
