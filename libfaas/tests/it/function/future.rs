//! Handlers that are futures.

use std::future::{pending, ready};
use std::rc::Rc;
use std::sync::{Mutex, mpsc};

use libfaas::function::each_async;
use libfaas::{Code, Context, Event, Message, Status};

use super::peer::{PATIENCE, Peer, cancel, context, event, unary};

#[test]
fn the_result_of_a_future_is_the_call_s() {
    let handler = each_async(|event: Event, context: Context| async move {
        // A future stays on its thread, so that it may hold what can't be sent.
        let event = Rc::new(event);
        tokio::task::spawn(ready(()))
            .await
            .expect("the runtime runs");
        assert_eq!(context.invocation_id, "i");
        Ok(Event::clone(&event))
    });
    let mut peer = Peer::start(&[], handler.unwrap());
    let message = Message {
        context: context("i"),
        ..unary(1, event("1"))
    };
    peer.send(message.clone());
    assert_eq!(peer.receive(), message);
    peer.close();
}

#[test]
fn a_future_is_dropped_when_its_call_is_cancelled() {
    struct Dropped(mpsc::Sender<()>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    let ((started, is_started), (dropped, is_dropped)) = (mpsc::channel(), mpsc::channel());
    let senders = Mutex::new((started, dropped));
    let handler = each_async(move |_, _| {
        let (started, dropped) = senders.lock().unwrap().clone();
        async move {
            let _dropped = Dropped(dropped);
            started.send(()).unwrap();
            pending::<()>().await;
            Err::<Event, _>(Status::ok())
        }
    });
    let mut peer = Peer::start(&[], handler.unwrap());
    peer.send(unary(1, event("1")));
    is_started.recv_timeout(PATIENCE).unwrap();
    peer.send(cancel(1));
    assert_eq!(peer.receive(), cancel(1));
    assert_eq!(peer.receive_end(1).code, Code::Cancelled);
    is_dropped.recv_timeout(PATIENCE).unwrap();
    peer.close();
}
