//! The probe of the specification (spec/probe.md), written with libfaas: what the suite judges the
//! library by.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::process::{Command, ExitCode};

use libfaas::function::{Emitter, Function, result};
use libfaas::{Code, Context, Data, Event, Status};
use serde::Deserialize;
use serde_json::json;

const SOURCE: &str = "/fsi/probe";

fn main() -> ExitCode {
    Function::new()
        .manifest(include_str!("probe.yaml"))
        .producer("libfaas probe")
        .init(|| match std::env::var("PROBE_INIT") {
            Ok(code) => Err(Status::new(
                Code::from_name(&code),
                "PROBE_INIT asked for this",
            )),
            Err(_) => Ok(()),
        })
        .serve_many(probe)
}

fn probe(event: Event, out: &mut Emitter<'_>) -> Result<(), Status> {
    match event.ty() {
        "fsi.probe.echo" => out.emit_last(event),
        "fsi.probe.emit" => {
            #[derive(Deserialize)]
            struct Emit {
                count: usize,
                bytes: usize,
            }
            let Emit { count, bytes } = parameters(&event)?;
            for n in 1..=count {
                let item = result(SOURCE, "fsi.probe.item").subject(n.to_string());
                out.emit(
                    item.datacontenttype("application/octet-stream")
                        .data(vec![b'x'; bytes]),
                )?;
            }
            Ok(())
        }
        "fsi.probe.fail" => {
            #[derive(Deserialize)]
            #[serde(default)]
            struct Fail {
                code: String,
                message: String,
                details: BTreeMap<String, String>,
            }
            impl Default for Fail {
                fn default() -> Self {
                    Fail {
                        code: "UNKNOWN".into(),
                        message: String::new(),
                        details: BTreeMap::new(),
                    }
                }
            }
            let Fail {
                code,
                message,
                details,
            } = parameters(&event)?;
            Err(Status {
                code: Code::from_name(&code),
                message,
                details,
            })
        }
        "fsi.probe.panic" => panic!("the probe was asked to panic"),
        "fsi.probe.wait" => {
            out.emit(result(SOURCE, "fsi.probe.waiting"))?;
            out.wait_cancelled();
            Err(Status::new(Code::Cancelled, "the wait is over"))
        }
        "fsi.probe.print" => {
            #[derive(Deserialize)]
            struct Print {
                text: String,
            }
            let Print { text } = parameters(&event)?;
            println!("{text}");
            rustix::io::write(rustix::stdio::stdout(), format!("{text}\n").as_bytes())
                .map_err(io::Error::from)?;
            Command::new("echo").arg(&text).status()?;
            out.emit_last(event)
        }
        "fsi.probe.read" => {
            let bytes = io::stdin().read_to_end(&mut Vec::new())?;
            out.emit_last(result(SOURCE, "fsi.probe.read").json(&json!({ "bytes": bytes })))
        }
        "fsi.probe.log" => {
            #[derive(Deserialize)]
            struct Log {
                bytes: usize,
            }
            let Log { bytes } = parameters(&event)?;
            let lines = b"a line of the log, 31 bytes long\n"
                .iter()
                .copied()
                .cycle();
            io::stderr().write_all(&lines.take(bytes).collect::<Vec<_>>())?;
            out.emit_last(event)
        }
        "fsi.probe.context" => {
            out.emit_last(result(SOURCE, "fsi.probe.context").json(&seen(out.context())))
        }
        "fsi.probe.invalid" => out.emit_last(event.to_builder().source("")),
        other => Err(Status::new(
            Code::Unimplemented,
            format!("the probe has nothing for {other:?}"),
        )),
    }
}

/// The data of an event, in whatever kind it came.
fn parameters<'a, T: Deserialize<'a>>(event: &'a Event) -> Result<T, Status> {
    let data = event.data().map_or(&b"{}"[..], Data::as_bytes);
    Ok(serde_json::from_slice(data)?)
}

/// The context as JSON, without what is absent.
fn seen(context: &Context) -> serde_json::Value {
    let mut seen = json!({
        "invocationId": context.invocation_id,
        "attempt": context.attempt,
        "deadlineMs": context.deadline_ms,
        "traceparent": context.traceparent,
        "tracestate": context.tracestate,
        "baggage": context.baggage,
        "extra": context.extra,
    });
    let members = seen.as_object_mut().expect("json! made an object");
    members.retain(|_, value| ![json!(""), json!(0), json!(null), json!({})].contains(value));
    seen
}
