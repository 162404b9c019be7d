//! Which events a filter lets through (CloudEvents Subscriptions API, "Filter Dialects").

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Filter;
use crate::Event;

impl Filter {
    /// Whether the event passes. Values are compared with CloudEvents' canonical strings; an
    /// attribute that the event lacks fits nothing. No event passes a filter with a dialect that
    /// this library does not know, not even inside a `not`.
    ///
    /// ```
    /// use libfaas::{Event, Filter};
    ///
    /// let event = Event::builder("1", "/shop", "order.placed").build()?;
    /// let orders = Filter::Prefix([("type".into(), "order.".into())].into());
    /// assert!(orders.passes(&event));
    /// assert!(!Filter::Not(orders.into()).passes(&event));
    /// # Ok::<(), libfaas::InvalidEvent>(())
    /// ```
    pub fn passes(&self, event: &Event) -> bool {
        verdict(self, event) == Some(true)
    }
}

/// None: it takes an unknown dialect to tell.
fn verdict(filter: &Filter, event: &Event) -> Option<bool> {
    let fits = |attributes: &BTreeMap<String, String>, test: fn(&str, &str) -> bool| {
        Some(attributes.iter().all(|(name, expected)| {
            attribute(event, name).is_some_and(|value| test(&value, expected))
        }))
    };
    match filter {
        Filter::Exact(attributes) => fits(attributes, |value, expected| value == expected),
        Filter::Prefix(attributes) => fits(attributes, |value, start| value.starts_with(start)),
        Filter::Suffix(attributes) => fits(attributes, |value, end| value.ends_with(end)),
        Filter::All(filters) => Some(verdicts(filters, event)?.into_iter().all(|fits| fits)),
        Filter::Any(filters) => Some(verdicts(filters, event)?.into_iter().any(|fits| fits)),
        Filter::Not(filter) => verdict(filter, event).map(|fits| !fits),
        Filter::Unknown(_) => None,
    }
}

fn verdicts(filters: &[Filter], event: &Event) -> Option<Vec<bool>> {
    let each = filters.iter().map(|filter| verdict(filter, event));
    each.collect()
}

fn attribute<'a>(event: &'a Event, name: &str) -> Option<Cow<'a, str>> {
    Some(match name {
        "specversion" => "1.0".into(),
        "id" => event.id().into(),
        "source" => event.source().into(),
        "type" => event.ty().into(),
        name => event.attribute(name)?.to_string().into(),
    })
}

#[cfg(test)]
mod tests {
    use crate::{Event, Manifest, Trigger};

    fn passes(filter: &str) -> bool {
        let text = format!(
            "{{fsi: '1.0', name: f, command: [x], modes: [stream], triggers: [{{events: {{filters: [{filter}]}}}}]}}"
        );
        let manifest = Manifest::from_yaml(&text).unwrap();
        let Trigger::Events { filters } = &manifest.triggers[0] else {
            panic!("an events trigger");
        };
        let event = Event::builder("1", "/shop/7", "order.placed")
            .subject("42")
            .attribute("priority", 3)
            .time("2026-10-01T12:00:00Z")
            .build()
            .unwrap();
        filters[0].passes(&event)
    }

    #[test]
    fn dialects() {
        for (filter, expected) in [
            ("exact: {type: order.placed}", true),
            ("exact: {type: order.placed, subject: '42'}", true),
            ("exact: {type: order.placed, subject: '43'}", false),
            ("exact: {type: order}", false),
            ("exact: {specversion: '1.0', id: '1'}", true),
            ("exact: {priority: '3'}", true),
            ("exact: {time: '2026-10-01T12:00:00Z'}", true),
            ("exact: {missing: x}", false),
            ("prefix: {type: order.}", true),
            ("prefix: {type: placed}", false),
            ("suffix: {source: /7}", true),
            ("suffix: {missing: x}", false),
            ("all: [{prefix: {type: order}}, {exact: {id: '1'}}]", true),
            ("all: [{prefix: {type: order}}, {exact: {id: '2'}}]", false),
            ("any: [{exact: {id: '2'}}, {exact: {id: '1'}}]", true),
            ("any: [{exact: {id: '2'}}, {exact: {id: '3'}}]", false),
            ("not: {exact: {id: '2'}}", true),
            ("not: {exact: {missing: x}}", true),
            ("not: {not: {exact: {id: '1'}}}", true),
        ] {
            assert_eq!(passes(filter), expected, "{filter}");
        }
    }

    #[test]
    fn an_unknown_dialect_lets_nothing_through() {
        for filter in [
            "sql: \"true\"",
            "not: {sql: \"true\"}",
            "any: [{exact: {id: '1'}}, {sql: \"true\"}]",
        ] {
            assert!(!passes(filter), "{filter}");
        }
    }
}
