//! What faults do to an event and to a response.

use std::collections::BTreeMap;
use std::time::SystemTime;

use libfaas::Timestamp;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// A member that the suite puts into payloads.
pub(crate) const EXTRA: &str = "memberThatNobodyKnows";

type Members = BTreeMap<String, Box<RawValue>>;

/// An event, whose members stay text unless a fault changes them.
pub(crate) struct Attributes(Members);

impl Attributes {
    pub(crate) fn read(event: &str) -> Self {
        Attributes(serde_json::from_str(event).expect("an event is an object"))
    }

    pub(crate) fn line(&self) -> String {
        let event = serde_json::to_string(&self.0).expect("members are JSON");
        format!("{}\n", event.replace(['\n', '\r'], " "))
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.put(name, &value);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    fn put(&mut self, name: &str, value: &impl serde::Serialize) {
        let raw = to_raw_value(value).expect("it is JSON");
        self.0.insert(name.to_owned(), raw);
    }

    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    /// Sets what is optional and missing.
    pub(crate) fn fill(&mut self) {
        for (name, value) in [("subject", "null"), ("time", "1970-01-01T00:00:00Z")] {
            if !self.0.contains_key(name) {
                self.set(name, value);
                return;
            }
        }
        self.set("partitionkey", "null");
    }

    pub(crate) fn decode_source(&mut self) {
        let source = self.text("source").expect("an event has a source");
        let mut bytes = Vec::new();
        let mut rest = source.as_bytes();
        while let Some((first, more)) = rest.split_first() {
            let digits = more.get(..2).filter(|_| *first == b'%');
            let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            bytes.push(byte.unwrap_or(*first));
            rest = if byte.is_some() { &more[2..] } else { more };
        }
        self.set("source", &String::from_utf8_lossy(&bytes));
    }

    /// Writes another time, in the form that most libraries write.
    pub(crate) fn time(&mut self, change: impl Fn(i64, u32) -> (i64, u32)) {
        let time = self.text("time").and_then(|text| text.parse().ok());
        if let Some(time) = time
            .as_ref()
            .map(|time: &Timestamp| (time.seconds(), time.nanos()))
        {
            let (seconds, nanos) = change(time.0, time.1);
            let time = Timestamp::from_unix(seconds, nanos).expect("a time in its range");
            self.set("time", &time.to_string());
        }
    }

    /// Puts what the system gives in the place of what the delivery gives.
    pub(crate) fn redraw(&mut self, delivery: &Value) {
        let [id, now] = ["id", "now"].map(|name| delivery[name].as_str().unwrap_or_default());
        if self.text("id").is_some_and(|text| text.starts_with(id)) {
            self.set("id", "drawn");
        }
        if self.text("time").is_some_and(|time| time == now) {
            let now = SystemTime::UNIX_EPOCH.elapsed().expect("it is later");
            // A second that no delivery of the fixtures came in.
            let now = Timestamp::from_unix(now.as_secs() as i64, 1).expect("a year up to 9999");
            self.set("time", &now.to_string());
        }
    }

    pub(crate) fn enclose_data(&mut self) {
        if let Some(data) = self.0.remove("data") {
            self.put("data", &[data]);
        }
    }

    /// Data as one has it who reads only what he knows.
    pub(crate) fn forget_data(&mut self) {
        let data = self.0.get("data").map(|data| data.get());
        let members = data.and_then(|data| serde_json::from_str::<Members>(data).ok());
        if let Some(mut members) = members
            && members.remove(EXTRA).is_some()
        {
            self.put("data", &members);
        }
    }

    pub(crate) fn lessen_data(&mut self) {
        let Some(data) = self.0.remove("data") else {
            return;
        };
        if let Ok(mut members) = serde_json::from_str::<Members>(data.get()) {
            match members.pop_first() {
                Some(_) => self.put("data", &members),
                None => self.put("data", &()),
            }
        } else if let Ok(text) = serde_json::from_str::<String>(data.get()) {
            self.put("data", &text.chars().skip(1).collect::<String>());
        } else if let Ok([_, rest @ ..]) =
            serde_json::from_str::<Vec<Box<RawValue>>>(data.get()).as_deref()
        {
            self.put("data", &rest);
        } else {
            self.put("data", &"lost");
        }
    }

    /// As most libraries read and write it: numbers become doubles. What can't be read so is lost.
    pub(crate) fn detour_data(&mut self) {
        let data = self
            .0
            .get("data")
            .map(|data| serde_json::from_str(data.get()));
        if let Some(data) = data {
            let mut data = data.unwrap_or_default();
            doubles(&mut data);
            self.put("data", &data);
        }
    }
}

fn doubles(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let double = number.as_f64().unwrap_or_default().to_string();
            *value = serde_json::from_str(&double).expect("a double is a number");
        }
        Value::Array(items) => items.iter_mut().for_each(doubles),
        Value::Object(members) => members.values_mut().for_each(doubles),
        _ => {}
    }
}

/// What a fixture says goes back, on one line, with what a fault does to it.
pub(crate) fn response(response: &str, fault: &str) -> String {
    let members: Members = serde_json::from_str(response).expect("a response is an object");
    let said = members.get("value").or(members.get("http"));
    let said = said.map_or(response, |said| said.get());
    let mut said: Value = serde_json::from_str(said).expect("a response is JSON");
    match (fault, &mut said) {
        ("reports-by-position", Value::Object(response)) => {
            let items = response
                .get_mut("batchItemFailures")
                .and_then(Value::as_array_mut);
            for (nth, item) in items.into_iter().flatten().enumerate() {
                item["itemIdentifier"] = nth.to_string().into();
            }
        }
        ("adds-members", Value::Object(http)) if members.contains_key("http") => {
            http.insert("more".to_owned(), true.into());
        }
        ("answers-in-another-form", said) => {
            let other = said.to_string().replace("statusCode", "httpStatus");
            return format!("{other}\n");
        }
        ("answers-otherwise", Value::Object(response)) => match response.get_mut("status") {
            Some(status) => *status = 599.into(),
            None => drop(response.insert("otherwise".to_owned(), true.into())),
        },
        ("answers-otherwise", said) => *said = "otherwise".into(),
        _ => {}
    }
    format!("{said}\n")
}
