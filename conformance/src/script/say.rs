//! The steps by which the suite speaks: `invoke`, `send`, `raw`.

use libfaas::Mode;
use serde_json::Value;

use super::Script;
use crate::finding::{Outcome, Stop};
use crate::outgoing::{self, Encoded};
use crate::step::{Cut, Invoke, JsonTexts, Raw, Send, Start};

impl Script<'_> {
    pub(super) fn invoke(&mut self, invoke: &Invoke) -> Outcome {
        let events: Vec<Value> = invoke.events().cloned().collect();
        let first = events.first().cloned().map(|e| JsonTexts(vec![e]));
        self.start(
            &Start {
                event: first,
                ..Start::default()
            },
            &invoke.env,
        )?;
        for event in &events {
            let (bytes, text) = self.document(event)?;
            self.running()?.subject.write(bytes, false, Some(text));
        }
        self.running()?.subject.close_stdin();
        Ok(())
    }

    /// An event as a one-shot mode writes it to stdin.
    fn document(&self, event: &Value) -> Outcome<(Vec<u8>, String)> {
        if self.mode == Mode::Binary {
            let data = outgoing::data(&self.values().any_event(event).map_err(Stop::Suite)?);
            let text = String::from_utf8_lossy(&data).into_owned();
            return Ok((data, text));
        }
        let Encoded { bytes, text } = self
            .values()
            .document(event, self.encoding)
            .map_err(Stop::Suite)?;
        Ok((bytes, text))
    }

    pub(super) fn send(&mut self, send: &Send) -> Outcome {
        let mut writes = Vec::new();
        for message in send.messages() {
            writes.push(match self.mode {
                Mode::Stream => {
                    let Encoded { bytes, text } = self
                        .values()
                        .message(message, self.encoding)
                        .map_err(Stop::Suite)?;
                    (bytes, text)
                }
                _ => self.document(message)?,
            });
        }
        self.write(writes, send.write)
    }

    pub(super) fn raw(&mut self, raw: &Raw) -> Outcome {
        match outgoing::raw(&raw.raw, self.encoding) {
            Some(Ok(bytes)) => {
                let text = match std::str::from_utf8(&bytes) {
                    Ok(text)
                        if bytes
                            .iter()
                            .all(|b| (b' '..0x7f).contains(b) || *b == b'\n') =>
                    {
                        text.trim_end().to_owned()
                    }
                    _ => "raw bytes".to_owned(),
                };
                self.write(vec![(bytes, text)], raw.write)
            }
            Some(Err(e)) => Err(Stop::Suite(e)),
            None => Err(Stop::Suite(format!(
                "`raw` has no bytes for {}",
                self.encoding
            ))),
        }
    }

    fn write(&mut self, messages: Vec<(Vec<u8>, String)>, cut: Cut) -> Outcome {
        let n = self.n;
        let subject = &mut self.running()?.subject;
        match cut {
            Cut::Each => messages
                .into_iter()
                .for_each(|(bytes, text)| subject.write(bytes, false, Some(text))),
            Cut::Together => {
                let texts: Vec<&str> = messages.iter().map(|(_, text)| text.as_str()).collect();
                let label = texts.join("\n");
                let bytes = messages
                    .iter()
                    .flat_map(|(bytes, _)| bytes.iter().copied())
                    .collect();
                subject.write(bytes, false, Some(label));
            }
            Cut::Bytes => {
                for (bytes, text) in messages {
                    let last = bytes.len().saturating_sub(1);
                    for (at, byte) in bytes.into_iter().enumerate() {
                        subject.write(vec![byte], true, (at == last).then(|| text.clone()));
                    }
                }
            }
            Cut::Split => {
                for (bytes, text) in messages {
                    let at =
                        1 + (n as usize).saturating_sub(1) % bytes.len().saturating_sub(1).max(1);
                    let (first, second) = bytes.split_at(at.min(bytes.len()));
                    subject.write(first.to_vec(), true, None);
                    subject.write(second.to_vec(), true, Some(text));
                }
            }
        }
        Ok(())
    }
}
