//! lambda_runtime, against the least Runtime API that serves it: hyper over TCP, as Lambda has it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::process::Command;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lambda_runtime::LambdaEvent;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};

use crate::server::Server;
use crate::turns::{Caller, callers, serve as serve_turns};
use crate::{Error, Options};

/// The function: what comes, as it came.
pub(crate) async fn function() -> Result<(), Error> {
    let echo = |event: LambdaEvent<Box<RawValue>>| async { Ok::<_, Error>(event.payload) };
    lambda_runtime::run(lambda_runtime::service_fn(echo)).await
}

pub(crate) async fn measure(options: Options) -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["lambda-function", "--cores", &options.cores.to_string()]);
    command.env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string());
    let surroundings = [
        ("AWS_LAMBDA_FUNCTION_NAME", "echo"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "bench"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
    ];
    let _function = Server::spawn({
        command.envs(surroundings);
        command
    })?;
    let (calls, queue) = mpsc::unbounded_channel();
    let api = Arc::new(Api {
        queue: AsyncMutex::new(queue),
        open: Mutex::default(),
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let api = Arc::clone(&api);
            let serve = service_fn(move |request| Arc::clone(&api).serve(request));
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), serve));
        }
    });
    let payload = Bytes::from(format!("{{\"data\":\"{}\"}}", "x".repeat(options.size)));
    let client = Client { calls, payload };
    serve_turns(vec![client; callers(&options)], &options).await
}

type Call = (Bytes, oneshot::Sender<Bytes>);

/// Puts a call into the queue that the function polls, and waits for its response.
#[derive(Clone)]
struct Client {
    calls: mpsc::UnboundedSender<Call>,
    payload: Bytes,
}

impl Caller for Client {
    async fn call(&mut self) -> Result<(), Error> {
        let (sender, response) = oneshot::channel();
        self.calls.send((self.payload.clone(), sender))?;
        match response.await? == self.payload {
            true => Ok(()),
            false => Err("another payload came back".into()),
        }
    }
}

struct Api {
    queue: AsyncMutex<mpsc::UnboundedReceiver<Call>>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    last: u64,
    calls: HashMap<String, oneshot::Sender<Bytes>>,
}

impl Api {
    async fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path().to_owned();
        let path = path.strip_prefix("/2018-06-01/runtime/invocation/");
        let response = match (request.method(), path.unwrap_or_default()) {
            (&Method::GET, "next") => self.next().await,
            (&Method::POST, path) if path.ends_with("/response") => {
                let body = request.into_body().collect().await;
                self.respond(
                    path.trim_end_matches("/response"),
                    body.map(|body| body.to_bytes()),
                )
            }
            _ => None,
        };
        Ok(response.unwrap_or_else(|| {
            let mut refused = Response::new(Full::default());
            *refused.status_mut() = StatusCode::BAD_REQUEST;
            refused
        }))
    }

    async fn next(&self) -> Option<Response<Full<Bytes>>> {
        let Some((payload, sender)) = self.queue.lock().await.recv().await else {
            // No more calls: the function waits until it is killed, as a frozen one does.
            std::future::pending().await
        };
        let id = {
            let mut open = self.open.lock().ok()?;
            open.last += 1;
            let id = open.last.to_string();
            open.calls.insert(id.clone(), sender);
            id
        };
        Response::builder()
            .header("lambda-runtime-aws-request-id", id)
            .header("lambda-runtime-deadline-ms", "4102444800000")
            .header(
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:local:0:function:echo",
            )
            .header("lambda-runtime-trace-id", "Root=1-0-0")
            .header("content-type", "application/json")
            .body(Full::new(payload))
            .ok()
    }

    fn respond(&self, id: &str, body: hyper::Result<Bytes>) -> Option<Response<Full<Bytes>>> {
        let sender = self.open.lock().ok()?.calls.remove(id)?;
        sender.send(body.ok()?).ok()?;
        let accepted = Response::builder().status(StatusCode::ACCEPTED);
        accepted.body(Full::default()).ok()
    }
}
