//! The steps that look at a runtime from beside its stdio: `processes`, `leaks`, `lures`, `http`.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::Script;
use crate::deploy::Deployment;
use crate::expect::{mismatch, shortened};
use crate::finding::{Finding, Outcome, Stop};
use crate::http::{Exchange, Request};
use crate::outgoing::Encoded;
use crate::running::seconds;
use crate::step::{Http, Leaks, Presence, Processes, Start};
use crate::subject::launch::Stage;
use crate::watch::{self, Held};

/// How often what can't be waited for is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Descriptors that a driver may hold more of than before: caches, connections, timers.
const SLACK: usize = 8;
/// The call by which a driver is asked for its URL; cases use small numbers.
const URL_CALL: u64 = 4_000_000_000;

/// What a runtime's case has beside the driver.
#[derive(Debug, Default)]
pub(super) struct Around {
    pub(super) deployment: Option<Deployment>,
    held: Option<Held>,
    exchanges: BTreeMap<String, Exchange>,
    url: Option<String>,
}

impl Drop for Around {
    fn drop(&mut self) {
        // What a runtime left behind; the case has judged that already.
        let Some(deployment) = &self.deployment else {
            return;
        };
        for pid in watch::marked(&deployment.mark) {
            if let Some(pid) = Pid::from_raw(pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

impl Script<'_> {
    /// What is started: the subject, or a driver with the manifest of the case.
    pub(super) fn stages(&mut self, start: &Start) -> Outcome<Vec<Stage>> {
        let Some(runtime) = &self.claim.runtime else {
            return Ok(self.claim.stages.clone());
        };
        if self.around.deployment.is_none() {
            let mark = format!("{:x}", fastrand::u64(..));
            let (function, revisions) = (&self.case.function, &self.case.revisions);
            let deployment = runtime
                .bench
                .deploy(function, revisions, self.target, mark)
                .map_err(|e| Stop::Suite(format!("the recorder can't be put in place: {e}")))?;
            self.around.deployment = Some(deployment);
        }
        let deployment = self.around.deployment.as_ref().expect("made above");
        let manifest = deployment
            .manifest(&start.function)
            .ok_or_else(|| Stop::Suite(format!("the case has no function `{}`", start.function)))?;
        let mut facts = deployment.facts();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        facts.insert(
            "start".to_owned(),
            now.map_or(0, |t| t.as_millis() as u64).into(),
        );
        facts.extend(runtime.times.facts());
        let mut stages = self.claim.stages.clone();
        for stage in &mut stages {
            stage.argv.push(manifest.to_string_lossy().into_owned());
        }
        self.facts = facts.into();
        self.around.url = None;
        Ok(stages)
    }

    fn deployment(&self) -> Outcome<&Deployment> {
        let none = || Stop::Suite("only a runtime's case has surroundings".to_owned());
        self.around.deployment.as_ref().ok_or_else(none)
    }

    /// Goes on with the subject until something beside it has come true; false: it has not.
    fn until_seen(
        &mut self,
        within: Duration,
        mut seen: impl FnMut(&Self) -> bool,
    ) -> Outcome<bool> {
        let deadline = Instant::now() + within;
        loop {
            if seen(self) {
                return Ok(true);
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(false);
            }
            self.until(deadline.min(now + LOOK), |_| false)?;
        }
    }

    pub(super) fn processes(&mut self, wanted: &Processes) -> Outcome {
        let mark = self.deployment()?.mark.clone();
        let within = self.within(wanted.within.as_ref());
        let presence = wanted.processes;
        let seen = self.until_seen(within, |_| {
            watch::marked(&mark).is_empty() == (presence == Presence::None)
        })?;
        match (seen, presence) {
            (true, _) => Ok(()),
            (false, Presence::Some) => Err(Stop::Unseen(
                "no process of the function can be seen from here".to_owned(),
            )),
            (false, Presence::None) => {
                let left: Vec<String> = watch::marked(&mark).iter().map(i32::to_string).collect();
                Err(Stop::Finding(Finding {
                    expected: "no process of the function any more".to_owned(),
                    actual: format!(
                        "after {} there is still process {}",
                        seconds(within),
                        left.join(", ")
                    ),
                    ..Finding::default()
                }))
            }
        }
    }

    pub(super) fn leaks(&mut self, leaks: Leaks) -> Outcome {
        let pid = self.running()?.subject.pid();
        let before = match (leaks, self.around.held) {
            (Leaks::Count, _) => {
                self.around.held = Some(watch::held(pid));
                return Ok(());
            }
            (Leaks::None, Some(before)) => before,
            (Leaks::None, None) => {
                return Err(Stop::Suite("`leaks = \"count\"` comes first".to_owned()));
            }
        };
        if before.descriptors == 0 {
            return Err(Stop::Unseen(
                "the descriptors of the driver can't be seen from here".to_owned(),
            ));
        }
        let within = self.within(None);
        let fine = |now: Held| {
            now.zombies <= before.zombies && now.descriptors <= before.descriptors + SLACK
        };
        match self.until_seen(within, |_| fine(watch::held(pid)))? {
            true => Ok(()),
            false => {
                let now = watch::held(pid);
                Err(Stop::Finding(Finding {
                    expected: format!(
                        "as before {} descriptors and {} zombies",
                        before.descriptors, before.zombies
                    ),
                    actual: format!(
                        "{} descriptors and {} zombies",
                        now.descriptors, now.zombies
                    ),
                    ..Finding::default()
                }))
            }
        }
    }

    pub(super) fn lures(&mut self) -> Outcome {
        match self.deployment()?.lures.touched() {
            None => Ok(()),
            Some(what) => Err(Stop::Finding(Finding {
                expected: "nothing outside the function to be reached".to_owned(),
                actual: what,
                ..Finding::default()
            })),
        }
    }

    pub(super) fn http(&mut self, http: &Http) -> Outcome {
        let request = self.request(http)?;
        let within = self.within(http.within.as_ref());
        let failed = |e: std::io::Error| {
            Stop::Finding(Finding {
                expected: "an answer over HTTP".to_owned(),
                actual: e.to_string(),
                ..Finding::default()
            })
        };
        let Some(pattern) = http.answer.as_ref().and_then(|texts| texts.0.first()) else {
            let exchange = Exchange::begin(&request, within).map_err(failed)?;
            self.around.exchanges.insert(http.name.clone(), exchange);
            return Ok(());
        };
        // The driver's stdio goes on meanwhile.
        let (to, from) = mpsc::channel();
        let asked = request.clone();
        std::thread::spawn(move || {
            let _ = to.send(Exchange::begin(&asked, within).and_then(Exchange::finish));
        });
        let mut answer = None;
        self.until_seen(within, |_| {
            answer = from.try_recv().ok();
            answer.is_some()
        })?;
        let pattern = self.values().fill(pattern);
        let expected = format!("{} {}: {}", http.http, request.url, shortened(&pattern));
        let actual = match answer {
            None => Some(format!("no answer for {}", seconds(within))),
            Some(Err(e)) => Some(e.to_string()),
            Some(Ok(answer)) => {
                mismatch(&pattern, &answer).map(|why| format!("{}\n{why}", shortened(&answer)))
            }
        };
        match actual {
            None => Ok(()),
            Some(actual) => Err(Stop::Finding(Finding {
                expected,
                actual,
                ..Finding::default()
            })),
        }
    }

    pub(super) fn hang_up(&mut self, name: &str) -> Outcome {
        let exchange = self.around.exchanges.remove(name);
        let none = || Stop::Suite(format!("no request named `{name}` is open"));
        exchange.ok_or_else(none)?.hang_up();
        Ok(())
    }

    fn request(&mut self, http: &Http) -> Outcome<Request> {
        // Before the driver's hello there may be no function.
        let deadline = self.deadline(Duration::ZERO)?;
        self.until(deadline, |r| r.incoming.spoke_of(0) || r.finished)?;
        let mut url = self.url()?;
        if let Some(path) = &http.path {
            let host = url.find("://").map_or(0, |at| at + 3);
            let end = url[host..].find('/').map_or(url.len(), |at| host + at);
            let mut names = url[end..].trim_matches('/').rsplit('/');
            let function = names.next().unwrap_or_default().to_owned();
            let tenant = names.next().unwrap_or_default().to_owned();
            let path = path
                .replace("{tenant}", &tenant)
                .replace("{function}", &function);
            url.replace_range(end.., &path);
        }
        url.push_str(&http.suffix);
        let body = match (&http.body, &http.event, http.size) {
            (Some(text), _, _) => text.clone().into_bytes(),
            (_, Some(events), _) => {
                let events = events.0.iter();
                let documents: Vec<String> = events
                    .map(|event| self.values().any_event(event).map(|e| e.to_json()))
                    .collect::<Result<_, _>>()
                    .map_err(Stop::Suite)?;
                match &documents[..] {
                    [one] => one.clone().into_bytes(),
                    several => format!("[{}]", several.join(",")).into_bytes(),
                }
            }
            (_, _, size) => vec![b'x'; size.unwrap_or(0)],
        };
        Ok(Request {
            method: http.http.clone(),
            url,
            headers: http.headers.clone(),
            body,
        })
    }

    /// Where the function takes requests: as the person said, or as the driver says.
    fn url(&mut self) -> Outcome<String> {
        let given = self.claim.runtime.as_ref().and_then(|r| r.http.clone());
        if let Some(template) = given {
            return Ok(template
                .replace("{tenant}", &self.deployment()?.tenant("main"))
                .replace("{function}", "recorder"));
        }
        if let Some(url) = &self.around.url {
            return Ok(url.clone());
        }
        let question = json!({
            "call": URL_CALL,
            "event": {
                "specversion": "1.0", "id": "url", "source": "/suite", "type": "fsi.driver.http",
                "datacontenttype": "application/json", "data": {},
            },
            "end": {},
        });
        let message = self.values().message(&question, self.encoding);
        let Encoded { bytes, text } = message.map_err(Stop::Suite)?;
        self.running()?.subject.write(bytes, false, Some(text));
        let within = self.within(None);
        let deadline = self.deadline(within)?;
        let came = self.next_item(URL_CALL, deadline)?;
        let url = came
            .as_ref()
            .and_then(|item| item.view()["data"]["url"].as_str());
        match url {
            Some(url) => {
                self.around.url = Some(url.to_owned());
                Ok(url.to_owned())
            }
            None => {
                let actual = came.map_or_else(
                    || format!("nothing for {}", seconds(within)),
                    |item| shortened(item.view()),
                );
                Err(Stop::Finding(Finding {
                    expected: "the URL of the function, as the data of `fsi.driver.http`".to_owned(),
                    actual,
                    rule: Some("driver-http".to_owned()),
                    hint: Some("A driver that can't open an endpoint does not claim `http`; one whose endpoint is elsewhere is helped by `--http URL`.".to_owned()),
                }))
            }
        }
    }
}
