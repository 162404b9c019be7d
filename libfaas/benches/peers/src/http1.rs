//! hyper, bare, over a Unix socket; and functions-framework-python behind TCP.

use std::convert::Infallible;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixListener, UnixStream};

use crate::server::{Folder, Server, ready};
use crate::turns::{Caller, callers, serve as serve_turns};
use crate::{Error, Options, payload};

pub(crate) async fn measure_unix(options: Options) -> Result<(), Error> {
    let folder = Folder::new()?;
    let _server = Server::start("hyper-server", &options, &folder.socket())?;
    let body = Bytes::from(payload::event(options.size).encode_to_vec());
    let mut all = Vec::new();
    for _ in 0..callers(&options) {
        let stream = UnixStream::connect(folder.socket()).await?;
        all.push(Client::new(stream, body.clone(), "bench").await?);
    }
    serve_turns(all, &options).await
}

/// Sends back the body, once it is whole.
pub(crate) async fn serve(options: Options) -> Result<(), Error> {
    let listener = UnixListener::bind(&options.address)?;
    ready();
    loop {
        let (stream, _) = listener.accept().await?;
        let echo = service_fn(|request: Request<Incoming>| async {
            let body = request.into_body().collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            Ok::<_, Infallible>(Response::new(Full::new(body)))
        });
        let connection = hyper::server::conn::http1::Builder::new();
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), echo));
    }
}

pub(crate) async fn measure_framework(options: Options) -> Result<(), Error> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let program = options.program.clone().ok_or("expected --program")?;
    let mut command = Command::new(program);
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/echo.py");
    command.args([
        "--target",
        "echo",
        "--source",
        source,
        "--host",
        "127.0.0.1",
    ]);
    command.args(["--port", &port.to_string()]);
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let _server = Server::spawn(command)?;
    let address = format!("127.0.0.1:{port}");
    let body = Bytes::from(vec![b'x'; options.size]);
    let mut all = Vec::new();
    let begin = Instant::now();
    while all.len() < callers(&options) {
        match TcpStream::connect(&address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                all.push(Client::new(stream, body.clone(), &address).await?);
            }
            // It doesn't say when it listens.
            Err(_) if begin.elapsed() < Duration::from_secs(20) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    serve_turns(all, &options).await
}

/// A connection that is kept.
struct Client {
    send: SendRequest<Full<Bytes>>,
    body: Bytes,
    host: String,
}

impl Client {
    async fn new<S>(stream: S, body: Bytes, host: &str) -> Result<Client, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (send, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let host = host.to_owned();
        Ok(Client { send, body, host })
    }
}

impl Caller for Client {
    async fn call(&mut self) -> Result<(), Error> {
        let request = Request::post("/").header("host", &self.host);
        let request = request.body(Full::new(self.body.clone()))?;
        self.send.ready().await?;
        let response = self.send.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        match status == StatusCode::OK && body.len() == self.body.len() {
            true => Ok(()),
            false => Err(format!("{status} with {} bytes", body.len()).into()),
        }
    }
}
