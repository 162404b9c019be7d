//! Drivers that misbehave towards their callers, and runtimes of which that is all there is to see.

use libfaas::{Code, Status};
use serde_json::{Value, json};

use super::Does::Driver;
use super::wire::{Do, Frame, Memory, Seen, Stderr, Wiring};
use super::{Fault, fault, hygiene};

const RIGHT: Wiring = Wiring::RIGHT;

// A fault a line, so that the list can be read as a table.
#[rustfmt::skip]
pub(super) const FAULTS: &[Fault] = &[
    fault("driver-answers-itself", &[Driver(&Wiring { stream: Some(answers_itself), ..RIGHT })]),
    fault("driver-hello-missing", &[Driver(&Wiring { stream: Some(|_, seen| match seen { Seen::Up(frame) if frame.says_hello() => vec![], other => other.pass() }), ..RIGHT })]),
    fault("driver-hello-always-ok", &[Driver(&Wiring { stream: Some(|_, seen| up(seen, |message| if message["hello"].is_object() && code(&message["hello"]["status"]) != "OK" { message["hello"]["status"] = json!({}); })), ..RIGHT })]),
    fault("driver-claims-misspelt", &[Driver(&Wiring { stream: Some(|_, seen| up(seen, |message| if let Some(level) = message.pointer_mut("/hello/status/details/isolation") { *level = "I9".into(); })), ..RIGHT })]),
    fault("driver-serial", &[Driver(&Wiring { stream: Some(serial), ..RIGHT })]),
    fault("driver-context-lost", &[Driver(&Wiring { stream: Some(context_lost), ..RIGHT })]),
    fault("driver-buffers", &[Driver(&Wiring { stream: Some(buffers), ..RIGHT })]),
    fault("driver-chunks-lost", &[Driver(&Wiring { stream: Some(chunks_lost), ..RIGHT })]),
    fault("driver-log-lost", &[Driver(&Wiring { stderr: Stderr::Lines(|_| String::new()), ..RIGHT })]),
    fault("driver-message-lost", &[Driver(&Wiring { stream: Some(|_, seen| ends(seen, |status| status.message.clear())), ..RIGHT })]),
    fault("driver-tenant-ignored", &[Driver(&Wiring { stream: Some(|_, seen| down(seen, |message| { message.pointer_mut("/context/extra").and_then(Value::as_object_mut).map(|extra| extra.remove("TENANT")); })), ..RIGHT })]),
    fault("driver-update-always-ready", &[Driver(&Wiring { stream: Some(|_, seen| up(seen, |message| if message["event"]["type"] == "fsi.driver.updated" { message["event"]["data"]["state"] = "ready".into(); })), ..RIGHT })]),
    fault("driver-remove-early", &[Driver(&Wiring { stream: Some(remove_early), ..RIGHT })]),
    fault("driver-http-elsewhere", &[Driver(&Wiring { stream: Some(|_, seen| up(seen, |message| if message["event"]["type"] == "fsi.driver.http" { message["event"]["data"]["url"] = format!("{}-elsewhere", message["event"]["data"]["url"].as_str().unwrap_or_default()).into(); })), ..RIGHT })]),
    fault("driver-type-passed", &[Driver(&Wiring { stream: Some(|_, seen| down(seen, |message| if is_for_driver(message) && !["update", "remove", "http"].iter().any(|known| message["event"]["type"] == format!("fsi.driver.{known}")) { message["event"]["type"] = "fsi.other".into(); })), ..RIGHT })]),
    fault("driver-drops-at-eof", &[Driver(&Wiring { stream: Some(|_, seen| match seen { Seen::DownEnd => vec![Do::Kill], other => other.pass() }), ..RIGHT })]),
    fault("driver-exits-early", &[Driver(&Wiring { stream: Some(exits_early), dies_together: false, ..RIGHT })]),
    // contexts
    fault("context-grammar-ignored", &[Driver(&Wiring { stream: Some(|_, seen| down(seen, grammar_ignored)), ..RIGHT })]),
    fault("env-value-repaired", &[Driver(&Wiring { stream: Some(|_, seen| down(seen, value_repaired)), ..RIGHT })]),
    // statuses
    fault("deadline-cancelled", &[Driver(&Wiring { stream: Some(|_, seen| ends(seen, |status| if status.code == Code::DeadlineExceeded { status.code = Code::Cancelled; })), ..RIGHT })]),
    fault("removed-unavailable", &[Driver(&Wiring { stream: Some(removed_unavailable), ..RIGHT })]),
    hygiene("memory-unavailable", &[Driver(&Wiring { stream: Some(|_, seen| ends(seen, |status| if status.code == Code::ResourceExhausted && status.message.contains("memory") { status.code = Code::Unavailable; })), ..RIGHT })]),
    fault("write-blocks-deadline", &[Driver(&Wiring { stream: Some(write_blocks), ..RIGHT })]),
    fault("log-line-unbounded", &[Driver(&Wiring { stream: Some(|_, seen| ends(seen, |status| if status.message.len() > 4000 { status.message = status.message.repeat(20); })), ..RIGHT })]),
    fault("log-raw", &[Driver(&Wiring { stderr: Stderr::Lines(|line| line.replace("\\u{1b}", "\u{1b}").replace("\\u{7}", "\u{7}")), ..RIGHT })]),
    // events
    fault("attribute-limit-ignored", &[Driver(&Wiring { stream: Some(|_, seen| down(seen, |message| if let Some(event) = message["event"].as_object_mut() { event.retain(|name, value| name == "data" || value.as_str().is_none_or(|text| text.len() < 20_000)); })), ..RIGHT })]),
    fault("binary-result-id", &[Driver(&Wiring { stream: Some(result_id), ..RIGHT })]),
    fault("binary-result-uncaused", &[Driver(&Wiring { stream: Some(|_, seen| up(seen, |message| { message["event"].as_object_mut().map(|event| event.remove("causationid")); })), ..RIGHT })]),
    fault("binary-result-lossy", &[Driver(&Wiring { stream: Some(|_, seen| up(seen, lossy)), ..RIGHT })]),
    fault("implied-type-lost", &[Driver(&Wiring { stream: Some(implied_type_lost), ..RIGHT })]),
    // retries
    fault("retry-after-output", &[Driver(&Wiring { stream: Some(|memory, seen| retried(memory, seen, |status, output| output && status.code == Code::Unavailable)), ..RIGHT })]),
    fault("retry-everything", &[Driver(&Wiring { stream: Some(|memory, seen| retried(memory, seen, |status, output| !output && !status.is_ok() && !matches!(status.code, Code::DeadlineExceeded | Code::NotFound))), ..RIGHT })]),
    // revisions and tenants
    hygiene("tenants-share", &[Driver(&Wiring { stream: Some(one_tenant), ..RIGHT })]),
    fault("tenant-names-shared", &[Driver(&Wiring { stream: Some(names_shared), ..RIGHT })]),
    fault("update-ignored", &[Driver(&Wiring { stream: Some(update_ignored), ..RIGHT })]),
    fault("update-kills", &[Driver(&Wiring { stream: Some(|memory, seen| kills_at(memory, seen, "fsi.driver.update")), ..RIGHT })]),
    fault("remove-kills", &[Driver(&Wiring { stream: Some(|memory, seen| kills_at(memory, seen, "fsi.driver.remove")), ..RIGHT })]),
    fault("failed-update-breaks", &[Driver(&Wiring { stream: Some(failed_breaks), ..RIGHT })]),
    fault("update-drops-queued", &[Driver(&Wiring { stream: Some(drops_queued), ..RIGHT })]),
    // resources
    hygiene("descriptor-per-start", &[Driver(&Wiring { stream: Some(descriptor_left), ..RIGHT })]),
];

/// Changes each message on its way up, as JSON.
fn up(mut seen: Seen, change: fn(&mut Value)) -> Vec<Do> {
    if let Seen::Up(frame) = &mut seen {
        frame.edit_json(change);
    }
    seen.pass()
}

/// The same on its way down.
fn down(mut seen: Seen, change: fn(&mut Value)) -> Vec<Do> {
    if let Seen::Down(frame) = &mut seen {
        frame.edit_json(change);
    }
    seen.pass()
}

/// Changes the status of each call's end.
fn ends(mut seen: Seen, change: fn(&mut Status)) -> Vec<Do> {
    if let Seen::Up(frame) = &mut seen {
        frame.edit(|message| {
            message.end.as_mut().map(change);
        });
    }
    seen.pass()
}

fn code(status: &Value) -> &str {
    status["code"].as_str().unwrap_or("OK")
}

fn is_for_driver(message: &Value) -> bool {
    let ty = message["event"]["type"].as_str();
    ty.is_some_and(|ty| ty.starts_with("fsi.driver."))
}

/// The type of a frame's event.
fn event_type(frame: &Frame) -> Option<&str> {
    Some(frame.message.as_ref()?.event.as_ref()?.ty())
}

fn tenant(frame: &Frame) -> String {
    let context = frame
        .message
        .as_ref()
        .and_then(|message| message.context.as_ref());
    let tenant = context.and_then(|context| context.extra.get("TENANT"));
    tenant.cloned().unwrap_or_default()
}

/// Echoes, without having asked anybody.
fn answers_itself(_: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Down(frame) if frame.call() != 0 => vec![Do::Up(frame)],
        other => other.pass(),
    }
}

fn serial(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Down(frame) if frame.call() != 0 => {
            let busy = memory
                .open
                .keys()
                .find(|call| memory.marked.contains(call))
                .copied();
            if busy.is_none_or(|busy| busy == frame.call()) {
                memory.marked.insert(frame.call());
                return vec![Do::Down(frame)];
            }
            memory.held.push(frame);
            vec![]
        }
        Seen::Up(frame) if frame.ends() => {
            memory.marked.remove(&frame.call());
            let next = memory.held.first().map(Frame::call);
            let of_next = |held: &mut Frame| Some(held.call()) == next;
            let freed: Vec<Frame> = memory.held.extract_if(.., of_next).collect();
            memory.marked.extend(next);
            let freed = freed.into_iter().map(Do::Down);
            [Do::Up(frame)].into_iter().chain(freed).collect()
        }
        other => other.pass(),
    }
}

/// All but the tenant, which has a fault of its own, and what would be refused.
fn context_lost(_: &mut Memory, mut seen: Seen) -> Vec<Do> {
    if let Seen::Down(frame) = &mut seen {
        frame.edit(|message| {
            if let Some(context) = &mut message.context
                && context.validate().is_ok()
            {
                context.deadline_ms = None;
                context.traceparent.clear();
                context.tracestate.clear();
                context.baggage.clear();
                context.extra.retain(|name, _| name == "TENANT");
            }
        });
    }
    seen.pass()
}

fn buffers(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Up(frame) if frame.ends() => {
            let mine = |held: &mut Frame| held.call() == frame.call();
            let held: Vec<Frame> = memory.held.extract_if(.., mine).collect();
            held.into_iter().chain([frame]).map(Do::Up).collect()
        }
        Seen::Up(frame) if frame.call() != 0 => {
            memory.held.push(frame);
            vec![]
        }
        other => other.pass(),
    }
}

fn chunks_lost(_: &mut Memory, mut seen: Seen) -> Vec<Do> {
    if let Seen::Down(frame) = &mut seen {
        frame.edit(|message| {
            message.more = false;
            message.chunk = None;
        });
        if frame
            .message
            .as_ref()
            .is_some_and(|m| m.call != 0 && m.is_empty())
        {
            return vec![];
        }
    }
    seen.pass()
}

/// Answers at once, and leaves out the right answer.
fn remove_early(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Down(frame) if event_type(&frame) == Some("fsi.driver.remove") => {
            let call = frame.call();
            memory.marked.insert(call);
            let answer = json!({
                "call": call,
                "event": {
                    "specversion": "1.0", "id": "early", "source": "/fsi/driver", "type": "fsi.driver.removed",
                    "datacontenttype": "application/json", "data": {},
                },
                "end": {},
            });
            let answer = Frame::raw(format!("{answer}\n").into_bytes());
            vec![Do::Down(frame), Do::Up(answer)]
        }
        Seen::Up(frame) if memory.marked.contains(&frame.call()) => vec![],
        other => other.pass(),
    }
}

/// Its stdout ends when it has nothing more to do with any call.
fn exits_early(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::DownEnd => {
            memory.marked.insert(0);
            vec![Do::EndDown]
        }
        Seen::Tick if memory.marked.contains(&0) && memory.open.is_empty() => {
            std::process::exit(0);
        }
        other => other.pass(),
    }
}

fn grammar_ignored(message: &mut Value) {
    let Some(context) = message.get_mut("context").and_then(Value::as_object_mut) else {
        return;
    };
    let valid = |value: &Value| {
        let context = libfaas::Context {
            traceparent: value.as_str().unwrap_or_default().to_owned(),
            ..libfaas::Context::default()
        };
        context.validate().is_ok()
    };
    if !context.get("traceparent").is_none_or(valid) {
        context.remove("traceparent");
    }
}

fn value_repaired(message: &mut Value) {
    let extra = message
        .pointer_mut("/context/extra")
        .and_then(Value::as_object_mut);
    for value in extra.into_iter().flat_map(|extra| extra.values_mut()) {
        if let Value::String(text) = value {
            text.retain(|c| !c.is_control());
        }
    }
}

fn removed_unavailable(memory: &mut Memory, mut seen: Seen) -> Vec<Do> {
    match &mut seen {
        Seen::Down(frame) if event_type(frame) == Some("fsi.driver.remove") => {
            memory.marked.insert(0);
        }
        Seen::Up(frame) if memory.marked.contains(&0) => frame.edit(|message| {
            if let Some(status) = message
                .end
                .as_mut()
                .filter(|end| end.code == Code::NotFound)
            {
                status.code = Code::Unavailable;
            }
        }),
        _ => {}
    }
    seen.pass()
}

/// The deadline of a call that is larger than a pipe passes unnoticed.
fn write_blocks(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    const PIPE: usize = 64 << 10;
    match seen {
        Seen::Up(frame) if frame.end_code() == Some(Code::DeadlineExceeded) => {
            let came = memory.open.get(&frame.call()).into_iter().flatten();
            let events = came.filter_map(|frame| frame.message.as_ref()?.event.as_ref()?.data());
            let size: usize = events.map(|data| data.as_bytes().len()).sum();
            if size > PIPE {
                vec![]
            } else {
                vec![Do::Up(frame)]
            }
        }
        other => other.pass(),
    }
}

fn result_id(memory: &mut Memory, mut seen: Seen) -> Vec<Do> {
    if let Seen::Up(frame) = &mut seen {
        let call = frame.call();
        let came = memory.open.get(&call).into_iter().flatten();
        let input = came.filter_map(|frame| frame.message.as_ref()?.event.as_ref());
        if let Some(id) = input.map(|event| event.id().to_owned()).next() {
            frame.edit_json(move |message| {
                if message["event"]["causationid"].is_string() {
                    message["event"]["id"] = id.into();
                }
            });
        }
    }
    seen.pass()
}

/// Bytes become text.
fn lossy(message: &mut Value) {
    let Some(event) = message.get_mut("event").and_then(Value::as_object_mut) else {
        return;
    };
    let json = event
        .get("datacontenttype")
        .is_some_and(|ty| ty == "application/json");
    if json && event.remove("data_base64").is_some() {
        event.insert("data".to_owned(), "\u{fffd}".into());
    }
}

fn implied_type_lost(memory: &mut Memory, mut seen: Seen) -> Vec<Do> {
    if let Seen::Up(frame) = &mut seen {
        let came = memory.open.get(&frame.call()).into_iter().flatten();
        let mut events = came.filter_map(|frame| frame.message.as_ref()?.event.as_ref());
        if events.any(|event| event.datacontenttype().is_none()) {
            frame.edit_json(|message| {
                message["event"]
                    .as_object_mut()
                    .map(|event| event.remove("datacontenttype"));
            });
        }
    }
    seen.pass()
}

/// Does a call once more under another number where `again` says so of its status and of whether it
/// has given an event.
fn retried(memory: &mut Memory, seen: Seen, again: fn(&Status, bool) -> bool) -> Vec<Do> {
    const SECOND: u64 = 1 << 40;
    match seen {
        Seen::Up(mut frame) => {
            let number = frame.call();
            let second = number >= SECOND;
            let call = if second { number - SECOND } else { number };
            if frame.has_event() {
                memory.marked.insert(call);
            }
            let output = memory.marked.contains(&call);
            let end = frame
                .message
                .as_ref()
                .and_then(|message| message.end.as_ref());
            let came = memory.open.get(&call);
            if let (false, Some(end), Some(came)) = (second, end, came)
                && again(end, output)
            {
                let came = came.iter().cloned().map(|mut frame| {
                    frame.edit(|message| {
                        message.call += SECOND;
                        if message.event.is_some() {
                            message.context.get_or_insert_default().attempt = 2;
                        }
                    });
                    Do::Down(frame)
                });
                let mut done: Vec<Do> = came.collect();
                frame.edit(|message| message.end = None);
                if frame.has_event() {
                    done.push(Do::Up(frame));
                }
                return done;
            }
            frame.edit(|message| {
                message.call = call;
                if second {
                    message.context = None;
                }
            });
            vec![Do::Up(frame)]
        }
        other => other.pass(),
    }
}

/// Every tenant is the first one.
fn one_tenant(memory: &mut Memory, mut seen: Seen) -> Vec<Do> {
    if let Seen::Down(frame) = &mut seen {
        let tenant = tenant(frame);
        if !tenant.is_empty() {
            let first = memory
                .texts
                .entry("first".to_owned())
                .or_insert(tenant)
                .clone();
            frame.edit(|message| {
                if let Some(context) = &mut message.context {
                    context.extra.insert("TENANT".to_owned(), first);
                }
            });
        }
    }
    seen.pass()
}

/// An update is made for every tenant that has called; the one that asked for it comes last.
fn names_shared(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    const OTHERS: u64 = 1 << 40;
    match seen {
        Seen::Down(frame) if event_type(&frame) == Some("fsi.driver.update") => {
            let mine = tenant(&frame);
            let others = memory.texts.keys().filter(|tenant| **tenant != mine);
            let mut done = Vec::new();
            for (n, other) in others.cloned().enumerate() {
                let mut for_other = frame.clone();
                for_other.edit(|message| {
                    message.call = OTHERS + n as u64;
                    let context = message.context.get_or_insert_default();
                    context.extra.insert("TENANT".to_owned(), other);
                });
                memory.marked.insert(for_other.call());
                done.push(Do::Down(for_other));
            }
            memory.held.push(frame);
            if done.is_empty() {
                done.extend(memory.held.drain(..).map(Do::Down));
            }
            done
        }
        Seen::Down(frame) => {
            let tenant = tenant(&frame);
            if !tenant.is_empty() {
                memory.texts.insert(tenant, String::new());
            }
            vec![Do::Down(frame)]
        }
        Seen::Up(frame) if frame.call() >= OTHERS => {
            if frame.ends() {
                memory.marked.remove(&frame.call());
            }
            if !memory.marked.is_empty() {
                return vec![];
            }
            memory.held.drain(..).map(Do::Down).collect()
        }
        other => other.pass(),
    }
}

fn update_ignored(_: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Down(frame) if event_type(&frame) == Some("fsi.driver.update") => {
            let answer = json!({
                "call": frame.call(),
                "event": {
                    "specversion": "1.0", "id": "ignored", "source": "/fsi/driver", "type": "fsi.driver.updated",
                    "datacontenttype": "application/json", "data": {"state": "ready", "revision": "r"},
                },
                "end": {},
            });
            vec![Do::Up(Frame::raw(format!("{answer}\n").into_bytes()))]
        }
        other => other.pass(),
    }
}

/// Every open call ends when the driver is asked for something of this type.
fn kills_at(memory: &mut Memory, seen: Seen, ty: &str) -> Vec<Do> {
    match seen {
        Seen::Down(frame) if event_type(&frame) == Some(ty) => {
            let others: Vec<u64> = memory
                .open
                .keys()
                .copied()
                .filter(|&call| call != frame.call())
                .collect();
            memory.marked.extend(&others);
            let mut done = Vec::new();
            for call in others {
                let status = Status::new(Code::Unavailable, "killed");
                done.push(Do::Up(Frame::end(call, status)));
                let cancel = libfaas::Message {
                    call,
                    cancel: Some(libfaas::Cancel {
                        reason: "killed".to_owned(),
                    }),
                    ..libfaas::Message::default()
                };
                done.push(Do::Down(Frame::of(cancel)));
            }
            done.push(Do::Down(frame));
            done
        }
        Seen::Up(frame) if memory.marked.contains(&frame.call()) => vec![],
        Seen::Down(frame) if memory.marked.contains(&frame.call()) => vec![],
        other => other.pass(),
    }
}

fn failed_breaks(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    match seen {
        Seen::Up(mut frame) => {
            let mut failed = false;
            frame.edit_json(|message| {
                failed = message["event"]["type"] == "fsi.driver.updated"
                    && message["event"]["data"]["state"] == "failed";
            });
            if failed {
                memory.marked.insert(0);
            }
            vec![Do::Up(frame)]
        }
        Seen::Down(frame)
            if memory.marked.contains(&0)
                && event_type(&frame).is_some_and(|ty| !ty.starts_with("fsi.driver.")) =>
        {
            let status = Status::new(Code::Unavailable, "the function has failed");
            vec![Do::Up(Frame::end(frame.call(), status))]
        }
        other => other.pass(),
    }
}

/// The last of many calls that are open at an update is never answered.
fn drops_queued(memory: &mut Memory, seen: Seen) -> Vec<Do> {
    const MANY: usize = 8;
    match seen {
        Seen::Down(frame) if event_type(&frame) == Some("fsi.driver.update") => {
            let waiting = memory
                .open
                .keys()
                .copied()
                .filter(|&call| call != frame.call());
            let waiting: Vec<u64> = waiting.collect();
            if waiting.len() > MANY {
                memory.marked.extend(waiting.last());
            }
            vec![Do::Down(frame)]
        }
        Seen::Up(frame) if memory.marked.contains(&frame.call()) => vec![],
        other => other.pass(),
    }
}

/// Opens a file for each call and forgets it.
fn descriptor_left(_: &mut Memory, seen: Seen) -> Vec<Do> {
    if let Seen::Down(frame) = &seen
        && frame.call() != 0
        && let Ok(file) = std::fs::File::open("/dev/null")
    {
        std::mem::forget(file);
    }
    seen.pass()
}
