//! Endpoints that treat requests and responses wrongly: a right one, and a proxy before it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use serde_json::{Value, json};

use super::Does::{Function, Http, Messages};
use super::wire::{Do, Memory, Seen, Wiring};
use super::{Does, Fault, active, fault};

/// What happens to what passes. A request that becomes a response goes no further.
#[derive(Clone, Copy)]
pub(super) struct Proxy {
    request: fn(&mut Head, &str) -> Option<Head>,
    response: fn(&mut Head),
    /// Whether the endpoint learns that a client has gone.
    tells_of_ends: bool,
}

const RIGHT: Proxy = Proxy {
    request: |_, _| None,
    response: |_| {},
    tells_of_ends: true,
};

// A fault a line, so that the list can be read as a table.
#[rustfmt::skip]
pub(super) const FAULTS: &[Fault] = &[
    fault("http-structured-only", &[Http(&Proxy { request: |request, _| { request.headers.retain(|(name, _)| !name.starts_with("ce-")); None }, ..RIGHT })]),
    fault("http-answer-always-structured", &[Http(&Proxy { request: |request, _| { request.set("accept", "application/cloudevents+json"); None }, ..RIGHT })]),
    fault("http-accept-ignored", &[Http(&Proxy { request: |request, _| { request.remove("accept"); None }, ..RIGHT })]),
    fault("http-plain-refused", &[Http(&Proxy { request: |request, _| (request.method() == "POST" && !request.has_event()).then(|| Head::response(400)), ..RIGHT })]),
    fault("http-invalid-passed", &[Http(&Proxy { request: |request, _| { request.edit(|event| if event["id"].is_null() { event["id"] = "none".into(); }); None }, ..RIGHT })]),
    fault("http-large-taken", &[Http(&Proxy { request: |request, _| { request.body.truncate(5000); None }, ..RIGHT })]),
    fault("http-tenant-ignored", &[Http(&Proxy { request: |request, path| { request.line = format!("{} {path} HTTP/1.1", request.method()); None }, ..RIGHT })]),
    fault("http-empty-200", &[Http(&Proxy { response: |response| if response.status() == 204 { response.set_status(200); }, ..RIGHT })]),
    fault("http-first-result-only", &[Http(&Proxy { response: first_only, ..RIGHT })]),
    fault("http-batch-refused", &[Http(&Proxy { request: |request, _| request.is("application/cloudevents-batch").then(|| Head::response(415)), ..RIGHT })]),
    fault("http-status-500", &[Http(&Proxy { response: |response| if response.status() >= 400 { response.set_status(500); }, ..RIGHT })]),
    fault("http-status-unnamed", &[Http(&Proxy { response: |response| response.remove("fsi-status"), ..RIGHT })]),
    fault("http-message-public", &[Messages]),
    fault("http-retry-after-lost", &[Http(&Proxy { response: |response| response.remove("retry-after"), ..RIGHT })]),
    fault("http-timeout-ignored", &[Http(&Proxy { request: |request, _| { request.remove("fsi-timeout-ms"); None }, ..RIGHT })]),
    fault("http-client-gone-ignored", &[Http(&Proxy { tells_of_ends: false, ..RIGHT })]),
    fault("http-trace-lost", &[Http(&Proxy { request: |request, _| { request.remove("traceparent"); request.remove("tracestate"); None }, ..RIGHT })]),
    fault("http-trace-unchecked", &[Http(&Proxy { request: trace_aside, ..RIGHT }), Function(&Wiring { stream: Some(trace_back), ..Wiring::RIGHT })]),
    fault("http-cors-open", &[Http(&Proxy { response: |response| response.set("access-control-allow-origin", "*"), ..RIGHT })]),
];

/// The attribute by which a trace gets past whoever checks it.
const ASIDE: &str = "faulttraceparent";

/// The driver's wiring: clients are sent to the proxy.
pub(super) const WIRING: Wiring = Wiring {
    stream: Some(redirect),
    ..Wiring::RIGHT
};

fn redirect(_: &mut Memory, mut seen: Seen) -> Vec<Do> {
    if let Seen::Up(frame) = &mut seen {
        frame.edit_json(|message| {
            let url = message.pointer_mut("/event/data/url");
            if let Some(url) = url
                && let Some(proxied) = url.as_str().and_then(|url| open(url).ok())
            {
                *url = proxied.into();
            }
        });
    }
    seen.pass()
}

/// Opens a proxy before a URL, and gives the proxy's.
fn open(url: &str) -> io::Result<String> {
    let rest = url
        .strip_prefix("http://")
        .ok_or(io::ErrorKind::InvalidInput)?;
    let (address, path) = rest.split_once('/').ok_or(io::ErrorKind::InvalidInput)?;
    let proxy = active().find_map(|does| match does {
        Does::Http(proxy) => Some(*proxy),
        _ => None,
    });
    let proxy = proxy.ok_or(io::ErrorKind::NotFound)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let own = format!("http://{}/{path}", listener.local_addr()?);
    let (address, path) = (address.to_owned(), format!("/{path}"));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (address, path) = (address.clone(), path.clone());
            std::thread::spawn(move || exchange(&client, &address, &path, proxy));
        }
    });
    Ok(own)
}

/// One request, and its response.
fn exchange(client: &TcpStream, address: &str, path: &str, proxy: Proxy) -> io::Result<()> {
    let mut request = Head::read(client)?;
    if let Some(response) = (proxy.request)(&mut request, path) {
        return response.write(client);
    }
    request.set("connection", "close");
    let server = TcpStream::connect(address)?;
    request.write(&server)?;
    if proxy.tells_of_ends {
        let (mut client, server) = (client.try_clone()?, server.try_clone()?);
        std::thread::spawn(move || {
            // Nothing more is expected of it, so this is its end.
            let _ = client.read(&mut [0]);
            server.shutdown(Shutdown::Both)
        });
    }
    let mut response = Head::read(&server)?;
    (proxy.response)(&mut response);
    response.set("connection", "close");
    response.write(client)?;
    client.shutdown(Shutdown::Both)
}

/// A request or a response, whole.
struct Head {
    line: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Head {
    fn response(status: u16) -> Head {
        Head {
            line: format!("HTTP/1.1 {status} -"),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Reads one whose body has a length that is stated.
    fn read(from: &TcpStream) -> io::Result<Head> {
        let mut reader = BufReader::new(from);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let headers = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
        let mut head = Head {
            line: lines.first().cloned().unwrap_or_default(),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
            body: Vec::new(),
        };
        let length = head
            .get("content-length")
            .and_then(|length| length.parse().ok());
        head.body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut head.body)?;
        Ok(head)
    }

    fn write(mut self, mut to: &TcpStream) -> io::Result<()> {
        self.set("content-length", &self.body.len().to_string());
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        let head = format!("{}\r\n{}\r\n", self.line, headers.collect::<String>());
        to.write_all(&[head.as_bytes(), &self.body].concat())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }

    fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| known != name);
    }

    fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    fn status(&self) -> u16 {
        let status = self.line.split(' ').nth(1);
        status.and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    fn set_status(&mut self, status: u16) {
        self.line = format!("HTTP/1.1 {status} -");
    }

    /// Whether its media type begins like this.
    fn is(&self, media_type: &str) -> bool {
        self.get("content-type")
            .is_some_and(|own| own.starts_with(media_type))
    }

    fn has_event(&self) -> bool {
        self.get("ce-specversion").is_some() || self.is("application/cloudevents")
    }

    /// Changes the event of a structured one.
    fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        if !self.is("application/cloudevents+json") {
            return;
        }
        if let Ok(mut event) = serde_json::from_slice::<Value>(&self.body) {
            change(&mut event);
            self.body = event.to_string().into_bytes();
        }
    }
}

fn first_only(response: &mut Head) {
    if !response.is("application/cloudevents-batch") {
        return;
    }
    let all: Vec<Value> = serde_json::from_slice(&response.body).unwrap_or_default();
    if let Some(first) = all.first() {
        response.set("content-type", "application/cloudevents+json");
        response.body = first.to_string().into_bytes();
    }
}

/// A trace goes beside the headers, where nobody looks at it.
fn trace_aside(request: &mut Head, _: &str) -> Option<Head> {
    let trace = request.get("traceparent").map(str::to_owned);
    request.edit(|event| {
        if let Some(trace) = trace {
            event[ASIDE] = json!(trace);
        }
    });
    None
}

/// It is put back before the function reads it.
fn trace_back(_: &mut Memory, mut seen: Seen) -> Vec<Do> {
    if let Seen::Down(frame) = &mut seen {
        frame.edit_json(|message| {
            let event = message["event"].as_object_mut();
            if let Some(trace) = event.and_then(|event| event.remove(ASIDE)) {
                message["context"]["traceparent"] = trace;
            }
        });
    }
    seen.pass()
}
