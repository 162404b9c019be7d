//! What the API server says of resources that are watched.

use libfaas::Event;

use crate::draft::Draft;
use crate::json::{self, Value};
use crate::{About, Adapter, Delivery, Error, Notice, NoticeKind, Origin, Outcome};

pub(crate) struct Watch;

static ABOUT: About = About {
    name: "kubernetes.watch",
    title: "Kubernetes watch event",
    origin: Origin::Published(
        "https://github.com/knative/eventing/blob/main/pkg/adapter/apiserver/events/events.go",
    ),
    detected_by: Some(
        "`type` is `ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK`, and `object` has `apiVersion` and `kind`",
    ),
    reply: None,
};

impl Adapter for Watch {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognizes(&self, _: &Delivery, payload: Option<Value<'_>>) -> bool {
        let Some(root) = payload else { return false };
        let ty = root.get("type").and_then(|ty| ty.as_str());
        let known = ty.is_some_and(|ty| ty == "BOOKMARK" || verb(&ty).is_some());
        known && root.at("/object/apiVersion").is_some() && root.at("/object/kind").is_some()
    }

    fn events(&self, delivery: &Delivery) -> Result<Outcome, Error> {
        let json = delivery.json()?;
        let root = json.root();
        let ty = root.need("/type")?;
        if ty == "BOOKMARK" {
            return Ok(Outcome::notice(Notice {
                kind: NoticeKind::Progress,
                what: "a bookmark, which says up to where the watch has come".to_owned(),
                reply: None,
            }));
        }
        let Some(verb) = verb(&ty) else {
            let at = root.get("type").unwrap_or(root);
            return Err(at.wrong("`ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK`"));
        };
        Ok(event(delivery, root, verb)?.into())
    }
}

fn verb(ty: &str) -> Option<&'static str> {
    match ty {
        "ADDED" => Some("add"),
        "MODIFIED" => Some("update"),
        "DELETED" => Some("delete"),
        _ => None,
    }
}

fn event(delivery: &Delivery, root: Value<'_>, verb: &str) -> Result<Event, Error> {
    let object = root.need_object("/object")?;
    let (version, kind, name) = (
        object.need("/apiVersion")?,
        object.need("/kind")?,
        object.need("/metadata/name")?,
    );
    let namespace = object.text("/metadata/namespace")?;
    let by_reference = match delivery.config.get("mode").map(String::as_str) {
        None | Some("Resource") => false,
        Some("Reference") => true,
        Some(other) => {
            let found = crate::error::quote(other);
            return Err(Error::delivery(
                "/config/mode",
                "`Resource` or `Reference`",
                found,
            ));
        }
    };
    // A group without a version, as some references have it.
    let unknown = version.contains('.') && !version.contains('/');
    let subject = format!(
        "/apis/{version}{}/namespaces/{}/{}s/{name}",
        if unknown { "/versionUnknown" } else { "" },
        namespace.as_deref().unwrap_or_default(),
        kind.to_lowercase(),
    );
    let mode = if by_reference { "ref" } else { "resource" };
    let draft = Draft::new(
        delivery.new_id(0),
        delivery.need_config("source")?,
        format!("dev.knative.apiserver.{mode}.{verb}"),
    )
    .subject(Some(subject))
    .time(Some(delivery.now.clone()))
    .extension("apiversion", Some(&version))
    .extension("kind", Some(&kind))
    .extension("name", Some(&name))
    .extension("namespace", namespace.as_ref());
    let draft = if by_reference {
        let mut members = vec![format!("\"kind\":{}", json::string(&kind))];
        members.extend(
            namespace.map(|namespace| format!("\"namespace\":{}", json::string(&namespace))),
        );
        members.push(format!("\"name\":{}", json::string(&name)));
        members.push(format!("\"apiVersion\":{}", json::string(&version)));
        draft.data(
            "application/json",
            json::made(format!("{{{}}}", members.join(","))),
        )
    } else {
        draft.json(object)
    };
    draft.build(object)
}
