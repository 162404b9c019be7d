//! Instances and revisions: how they begin, and how they go.

use std::collections::BTreeSet;

use libfaas::host::State;

use super::*;

#[tokio::test]
async fn a_failed_initialisation_is_what_calls_end_with() {
    let long = Duration::from_secs(15);
    for (init, time, expected) in [
        ("refuse", long, Code::FailedPrecondition),
        ("exit", long, Code::FailedPrecondition),
        ("hang", Duration::from_millis(300), Code::DeadlineExceeded),
    ] {
        let mut options = options();
        options.settings.times.init = time;
        let host = Host::new(options).unwrap();
        let members = format!("env: {{INIT: {init}}}");
        let deployed = within(host.deploy("t", manifest("f", &members), folder()))
            .await
            .unwrap();
        assert_eq!(deployed.status.code, expected, "{init}");
        let state = host.look("t", "f").unwrap().state;
        assert_eq!(state, State::Failed(deployed.status.clone()), "{init}");
        let refused = host.call("t", "f", Context::default()).unwrap_err();
        assert_eq!(refused, deployed.status);
    }
}

#[tokio::test]
async fn one_that_reads_nothing_before_it_fails_has_failed_too() {
    // The host's hello is not taken: writing it fails before anything else is known.
    let yaml = "{fsi: \"1.0\", name: f, command: [sh, -c, 'exec <&-; sleep 0.1; exit 78'], modes: [stream]}";
    let host = Host::new(options()).unwrap();
    let manifest = Manifest::from_yaml(yaml).unwrap();
    let deployed = within(host.deploy("t", manifest, folder())).await.unwrap();
    assert_eq!(deployed.status.code, Code::FailedPrecondition);
}

#[tokio::test]
async fn a_call_that_comes_while_the_first_instance_starts_waits() {
    let host = Host::new(options()).unwrap();
    let deploying = host.deploy("t", manifest("f", "env: {INIT: slow}"), folder());
    let calling = async {
        // The function is known once the deployment has begun.
        let call = loop {
            match host.call("t", "f", Context::default()) {
                Ok(call) => break call,
                Err(status) => assert_eq!(status.code, Code::NotFound),
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(host.look("t", "f").unwrap().state, State::Initializing);
        within(call.unary(event("echo", "1"))).await
    };
    let (deployed, called) = tokio::join!(deploying, calling);
    assert_eq!(deployed.unwrap().status, Status::ok());
    assert_eq!(data(called), 1);
}

#[tokio::test]
async fn idle_instances_go_and_come_back() {
    let mut options = options();
    options.scale.idle = Duration::from_millis(100);
    let host = host(options, "").await;
    let first = data(unary(&host, "who", "{}").await)["pid"].clone();
    gone(first.as_i64().unwrap() as i32).await;
    within(async {
        while host.look("t", "f").unwrap().instances > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(host.look("t", "f").unwrap().state, State::Ready);
    assert_ne!(data(unary(&host, "who", "{}").await)["pid"], first);
}

#[tokio::test]
async fn as_many_instances_are_kept_as_is_asked_for() {
    let mut options = options();
    options.scale.min = 2;
    let host = host(options, "").await;
    let running = || host.look("t", "f").unwrap().instances;
    within(async {
        while running() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let pid = data(unary(&host, "who", "{}").await)["pid"]
        .as_i64()
        .unwrap() as i32;
    assert_eq!(code(&unary(&host, "echo", "1").await), Code::Ok);
    kill(pid);
    gone(pid).await;
    within(async {
        while running() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_revision_takes_over_when_it_is_ready_and_no_call_is_lost() {
    let host = host(alone(options()), "").await;
    let old = data(unary(&host, "who", "{}").await);
    let (in_flight, pid) = hanging(&host, "{}").await;
    let deployed = within(host.deploy("t", manifest("f", "env: {INIT: slow}"), folder()));
    let mut waiting = call(&host);
    waiting.send(Part::last(event("who", "{}"))).await;
    let deployed = deployed.await.unwrap();
    assert_eq!(deployed.status, Status::ok());
    assert_ne!(old["revision"], deployed.revision);
    // The call that waited had not begun: the new revision has it.
    let part = within(waiting.next()).await.unwrap();
    let who: serde_json::Value =
        serde_json::from_slice(part.event.unwrap().data().unwrap().as_bytes()).unwrap();
    assert_eq!(who["revision"], deployed.revision);
    // The one in flight goes on where it is.
    assert!(is_alive(pid));
    drop(in_flight);
    gone(pid).await;
    assert_eq!(
        data(unary(&host, "who", "{}").await)["revision"],
        deployed.revision
    );
}

#[tokio::test]
async fn a_revision_that_fails_changes_nothing() {
    let host = host(options(), "").await;
    let old = data(unary(&host, "who", "{}").await)["revision"].clone();
    let failed = host
        .deploy("t", manifest("f", "env: {INIT: refuse}"), folder())
        .await
        .unwrap();
    assert_eq!(failed.status.code, Code::FailedPrecondition);
    let refused = host.deploy(
        "t",
        manifest("f", "features: []").clone_with_major("2.0"),
        folder(),
    );
    assert_eq!(refused.await.unwrap_err().code, Code::FailedPrecondition);
    assert_eq!(data(unary(&host, "who", "{}").await)["revision"], old);
    assert_eq!(host.look("t", "f").unwrap().state, State::Ready);
}

#[tokio::test]
async fn every_revision_has_an_id_of_its_own() {
    let host = host(options(), "").await;
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        let deployed = host.deploy("t", manifest("f", ""), folder()).await.unwrap();
        assert!(ids.insert(deployed.revision));
        within(host.remove("t", "f")).await.unwrap();
    }
}

#[tokio::test]
async fn an_update_under_load_loses_no_call() {
    let host = host(options(), "concurrency: 2").await;
    let load = async {
        let callers = (0..8).map(|_| async {
            for n in 0..40 {
                assert_eq!(data(unary(&host, "echo", &n.to_string()).await), n);
            }
        });
        futures_join(callers.collect()).await;
    };
    let updates = async {
        for _ in 0..4 {
            let deployed = host
                .deploy("t", manifest("f", "concurrency: 2"), folder())
                .await;
            assert_eq!(deployed.unwrap().status, Status::ok());
        }
    };
    tokio::join!(load, updates);
    assert_eq!(host.look("t", "f").unwrap().counters.retries, 0);
}

#[tokio::test]
async fn removal_drains_and_then_nothing_is_found() {
    let host = host(alone(options()), "").await;
    let (mut complete, pid) = hanging(&host, "{}").await;
    let mut waiting = call(&host);
    waiting.send(Part::last(event("echo", "1"))).await;
    let removing = host.remove("t", "f");
    let finish = async {
        // At EOF the function finishes the call whose input is complete.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(
            host.call("t", "f", Context::default()).unwrap_err().code,
            Code::NotFound
        );
        complete.cancel("so that the one behind it gets its turn");
        within(complete.next()).await;
        let part = within(waiting.next()).await.unwrap();
        assert_eq!(part.end, Some(Status::ok()));
    };
    let (removed, ()) = tokio::join!(removing, finish);
    assert_eq!(removed, Ok(()));
    assert!(!is_alive(pid));
    assert!(host.functions().is_empty());
    assert_eq!(
        host.remove("t", "f").await.unwrap_err().code,
        Code::NotFound
    );
}

#[tokio::test]
async fn the_ladder_has_a_rung_for_everybody() {
    // Finishes at EOF; is ended by SIGTERM; ignores that too.
    let short = Duration::from_millis(500);
    for (env, drain, message) in [
        ("INIT: none", Duration::from_secs(15), "finished at EOF"),
        ("DRAIN: never", short, ""),
        ("{DRAIN: never, TERM: ignore}", short, ""),
    ] {
        let mut options = once(options());
        options.settings.times.drain = drain;
        let env = env.trim_matches(['{', '}']);
        let host = host(options, &format!("env: {{{env}}}")).await;
        let (mut call, pid) = hanging(&host, "{}").await;
        let begun = std::time::Instant::now();
        let ((), part) = tokio::join!(within(host.shutdown()), call.next());
        let end = part.unwrap().end.unwrap();
        assert!(!is_alive(pid), "{env}");
        if message.is_empty() {
            assert_eq!(end.code, Code::Unavailable, "{env}");
            assert!(begun.elapsed() >= drain, "{env}");
        } else {
            assert_eq!((end.code, end.message.as_str()), (Code::Ok, message));
        }
        let refused = host.call("t", "f", Context::default()).unwrap_err();
        assert_eq!(refused.code, Code::Unavailable);
    }
}

#[tokio::test]
async fn a_call_whose_input_stays_open_is_aborted_when_its_function_is_removed() {
    let mut options = options();
    // Its stdin is closed at half of this, and then it may take as long.
    options.settings.times.drain = Duration::from_secs(4);
    let host = host(options, "").await;
    let mut open = call(&host);
    open.send(Part::event(event("count", "{}"))).await;
    // It has to have arrived.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (removed, part) = tokio::join!(within(host.remove("t", "f")), within(open.next()));
    assert_eq!(removed, Ok(()));
    assert_eq!(part.unwrap().end.unwrap().code, Code::Aborted);
}

#[tokio::test]
async fn a_function_is_drained_although_the_last_call_that_waited_was_given_up() {
    let mut options = alone(options());
    options.settings.ceilings.timeout = None;
    let host = host(options, "").await;
    let (mut first, _) = hanging(&host, "{}").await;
    let mut second = call(&host);
    let removing = host.remove("t", "f");
    let finish = async {
        // It is removed once it is looked for in vain.
        while host.call("t", "f", Context::default()).is_ok() {
            tokio::task::yield_now().await;
        }
        second.cancel("never mind");
        // At EOF the function finishes the call.
        let end = within(first.next()).await.unwrap().end.unwrap();
        assert_eq!(end.message, "finished at EOF");
    };
    let (removed, ()) = tokio::join!(removing, finish);
    assert_eq!(removed, Ok(()));
}

#[tokio::test]
async fn who_stops_waiting_for_a_removal_leaves_nothing_behind() {
    let host = host(options(), "").await;
    let removed = tokio::time::timeout(Duration::ZERO, host.remove("t", "f")).await;
    assert!(removed.is_err(), "an instance takes longer to go");
    within(async {
        while !host.functions().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[test]
fn nothing_is_deployed_once_the_host_has_shut_down() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let mut manifest = manifest("f", "triggers: [{events: {filters: []}}]");
    for trigger in &mut manifest.triggers {
        if let libfaas::Trigger::Events { filters } = trigger {
            // They are looked through before the function is known, which takes some time.
            filters.resize(300_000, libfaas::Filter::All(Vec::new()));
        }
    }
    let host = Host::new(options()).unwrap();
    let (begin, begun) = std::sync::mpsc::channel();
    let deploying = {
        let (host, handle) = (host.clone(), runtime.handle().clone());
        std::thread::spawn(move || {
            begin.send(()).unwrap();
            handle.block_on(host.deploy("t", manifest, folder()))
        })
    };
    begun.recv().unwrap();
    std::thread::sleep(Duration::from_millis(1));
    runtime.block_on(within(host.shutdown()));
    // Either it came first, and was drained, or it was refused.
    let _ = deploying.join().unwrap();
    assert!(host.functions().is_empty());
}

#[tokio::test]
async fn one_that_does_not_read_its_input_is_drained_in_peace() {
    let mut options = once(options());
    options.settings.ceilings.timeout = None;
    options.settings.times.drain = Duration::from_secs(4);
    let host = host(options, "").await;
    let mut deaf = call(&host);
    deaf.send(Part::event(event("deaf", "{}"))).await;
    // More than a pipe takes.
    let more = Event::builder("2", "/test", "more").data(vec![b'x'; 2 << 20]);
    deaf.send(Part::event(more.build().unwrap())).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    // All tasks run on this thread.
    let busy = || {
        const HUNDREDTHS: u64 = 10;
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks = fields[11..13].iter().map(|n| n.parse::<u64>().unwrap());
        Duration::from_millis(ticks.sum::<u64>() * HUNDREDTHS)
    };
    let before = busy();
    within(host.shutdown()).await;
    let took = busy() - before;
    assert!(
        took < Duration::from_millis(200),
        "{took:?} in four seconds"
    );
    let end = within(deaf.next()).await.unwrap().end.unwrap();
    assert_eq!(end.code, Code::Unavailable);
}

#[tokio::test]
async fn times_may_be_endless() {
    let mut options = options();
    let times = &mut options.settings.times;
    times.init = Duration::MAX;
    times.cancel_grace = Duration::MAX;
    times.drain = Duration::MAX;
    times.term_grace = Duration::MAX;
    options.scale.idle = Duration::MAX;
    options.scale.backoff = Duration::MAX;
    let host = host(options, "").await;
    let (mut hanging, _) = hanging(&host, "{}").await;
    hanging.cancel("enough");
    let end = within(hanging.next()).await.unwrap().end.unwrap();
    assert_eq!(end.message, "cancelled");
    within(host.shutdown()).await;
}

#[tokio::test]
async fn nothing_outlives_its_instance() {
    let host = host(options(), "").await;
    let grandchild = data(unary(&host, "grandchild", "{}").await)
        .as_i64()
        .unwrap() as i32;
    assert!(is_alive(grandchild));
    within(host.shutdown()).await;
    assert!(!is_alive(grandchild));
}

#[test]
fn a_host_that_is_dropped_leaves_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let (pid, call) = runtime.block_on(async {
        let host = host(options(), "").await;
        let (call, pid) = hanging(&host, "{}").await;
        (pid, call)
    });
    drop(runtime);
    let begun = std::time::Instant::now();
    while is_alive(pid) {
        assert!(begun.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(call);
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

async fn futures_join<T>(futures: Vec<impl Future<Output = T>>) {
    let mut futures: Vec<_> = futures
        .into_iter()
        .map(|future| Some(Box::pin(future)))
        .collect();
    std::future::poll_fn(|cx| {
        for slot in &mut futures {
            if let Some(future) = slot
                && future.as_mut().poll(cx).is_ready()
            {
                *slot = None;
            }
        }
        match futures.iter().all(Option::is_none) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

trait OfMajor {
    fn clone_with_major(self, fsi: &str) -> Self;
}

impl OfMajor for Manifest {
    fn clone_with_major(mut self, fsi: &str) -> Self {
        self.fsi = fsi.to_owned();
        self
    }
}

#[test]
fn a_runtime_may_end_before_the_host() {
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut options = options();
        // Whatever becomes of an instance, there has to be one.
        options.scale.min = 1;
        let host = runtime.block_on(host(options, "env: {}"));
        drop(runtime);
        done.send(host.call("t", "f", Context::default()).map(drop))
    });
    let refused = ended.recv_timeout(Duration::from_secs(30));
    let refused = refused.expect("nobody waits for a lock that he holds");
    assert_eq!(refused.unwrap_err().code, Code::Unavailable);
}
