//! The same payload written otherwise: members in another order, members that nobody knows.

use faas_adapters::json::{Json, Kind, Value};

/// Members that are added have names that begin so.
const EXTRA: &str = "x-nobody-knows-";
/// What they hold: null, numbers that no 64 bits hold, half a surrogate pair, depth.
const VALUES: [&str; 8] = [
    "null",
    "12345678901234567890123456789.10",
    "1e400",
    "-0.0",
    r#""\ud800 \u0000""#,
    r#"{"a":[{"b":null}],"a":2}"#,
    "[]",
    r#""""#,
];

/// Objects that are maps: a member more is a record more, a part of a key, a binding or an attribute.
const MAPS: [(&str, &str); 6] = [
    ("aws.dynamodb", "Keys"),
    ("aws.kafka", "records"),
    ("azure.eventhub", "Data"),
    ("azure.cosmosdb", "Data"),
    ("azure.servicebus", "Data"),
    ("cloudevents.event", ""),
];

/// Choices, one after the other.
pub(crate) struct Dice<'a>(pub(crate) std::slice::Iter<'a, u8>);

impl Dice<'_> {
    fn roll(&mut self, sides: usize) -> usize {
        usize::from(*self.0.next().unwrap_or(&0)) % sides
    }
}

/// `value`, with members moved and added as the dice fall.
pub(crate) fn shuffled(source: &str, name: &str, value: Value<'_>, dice: &mut Dice<'_>) -> String {
    match value.kind() {
        Kind::Array => {
            let items: Vec<_> = value
                .items()
                .map(|item| shuffled(source, "", item, dice))
                .collect();
            format!("[ {}]", items.join(" ,\t"))
        }
        Kind::Object => {
            let mut members: Vec<_> = value
                .members()
                .map(|(name, value)| {
                    let text = shuffled(source, &name, value, dice);
                    (format!("{}", serde_json::Value::from(&*name)), text)
                })
                .collect();
            let twice = |name: &str| members.iter().filter(|(other, _)| other == name).count() > 1;
            let ordered = members.iter().any(|(name, _)| twice(name));
            if !MAPS.contains(&(source, name)) && !ordered {
                for number in 0..dice.roll(3) {
                    let extra = format!("\"{EXTRA}{number}\"");
                    members.push((extra, VALUES[dice.roll(VALUES.len())].to_owned()));
                }
                for at in (1..members.len()).rev() {
                    members.swap(at, dice.roll(at + 1));
                }
            }
            let members: Vec<_> = members
                .iter()
                .map(|(name, text)| format!("{name} :\r\n{text}"))
                .collect();
            format!("{{{}\n}}", members.join(", "))
        }
        _ => value.raw().to_owned(),
    }
}

/// JSON without the members that were added.
pub(crate) fn without_extras(text: &str) -> String {
    let json = Json::read(text.as_bytes()).expect("data of an event is JSON");
    strip(json.root())
}

fn strip(value: Value<'_>) -> String {
    match value.kind() {
        Kind::Array => {
            let items: Vec<_> = value.items().map(strip).collect();
            format!("[{}]", items.join(","))
        }
        Kind::Object => {
            let members: Vec<_> = value
                .members()
                .filter(|(name, _)| !name.starts_with(EXTRA))
                .map(|(name, value)| {
                    format!("{}:{}", serde_json::Value::from(&*name), strip(value))
                })
                .collect();
            format!("{{{}}}", members.join(","))
        }
        _ => value.raw().to_owned(),
    }
}
