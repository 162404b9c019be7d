//! Just enough HTTP/1.1 for a case to make one request and read the answer.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

/// Bytes of an answer that are read at most.
const LARGEST: u64 = 64 << 20;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `POST`, …
    pub(crate) method: String,
    /// With `http://`, host and path.
    pub(crate) url: String,
    /// In the case's order.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// A request that was written, and whose answer has not been read.
#[derive(Debug)]
pub(crate) struct Exchange {
    stream: TcpStream,
}

impl Exchange {
    /// Connects and writes the request.
    pub(crate) fn begin(request: &Request, timeout: Duration) -> io::Result<Exchange> {
        let rest = request
            .url
            .strip_prefix("http://")
            .ok_or_else(|| io::Error::other(format!("`{}` is no http:// URL", request.url)))?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let address = match host.contains(':') {
            true => host.to_owned(),
            false => format!("{host}:80"),
        };
        let stream = TcpStream::connect(&address)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        let path = if path.is_empty() { "/" } else { path };
        let mut head = format!("{} {path} HTTP/1.1\r\nHost: {host}\r\n", request.method);
        head.push_str("Connection: close\r\n");
        if request.method != "GET" || !request.body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
        }
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut writer = &stream;
        writer.write_all(head.as_bytes())?;
        // A server may refuse a body before it has read it.
        let _ = writer.write_all(&request.body);
        Ok(Exchange { stream })
    }

    /// Goes away without having read the answer.
    pub(crate) fn hang_up(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// The answer: `status`, `headers` with names in lower case, `body`, and `json` if it is that.
    pub(crate) fn finish(self) -> io::Result<Value> {
        let mut bytes = Vec::new();
        match self.stream.take(LARGEST).read_to_end(&mut bytes) {
            // What was read before a reset may be the whole answer.
            Err(_) if !bytes.is_empty() => {}
            Err(e) => return Err(e),
            Ok(_) => {}
        }
        answer(&bytes).ok_or_else(|| {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
            io::Error::other(format!("no HTTP answer: {text:?}"))
        })
    }
}

fn answer(bytes: &[u8]) -> Option<Value> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = bytes[end + 4..].to_vec();
    if headers
        .get("transfer-encoding")
        .is_some_and(|t| t.eq_ignore_ascii_case("chunked"))
    {
        body = chunked(&body)?;
    }
    let mut answer = json!({
        "status": status,
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    if let Ok(json) = serde_json::from_slice::<Value>(&body) {
        answer["json"] = json;
    }
    Some(answer)
}

fn chunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|w| w == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[..line]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        bytes = bytes.get(line + 2..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let plain = b"HTTP/1.1 200 OK\r\nCE-Id: 1\r\nContent-Length: 2\r\n\r\n{}";
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nce-id: 1\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n";
        for bytes in [&plain[..], &chunked[..]] {
            let answer = answer(bytes).expect("it is one");
            assert_eq!(answer["status"], 200);
            assert_eq!(answer["headers"]["ce-id"], "1");
            assert_eq!(answer["body"], "{}");
            assert_eq!(answer["json"], json!({}));
        }
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\n"), None);
    }
}
