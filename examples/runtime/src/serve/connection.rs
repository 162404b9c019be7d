//! Listening, and the connections that come of it: HTTP/1.1 with a bound on everything that a
//! client can make longer, and an end that loses no request.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;

/// Where a server listens or is found: `HOST:PORT`, or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP. Port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address like 127.0.0.1:8080, [::1]:8080 or unix:/run/faas.sock")]
pub struct InvalidAddress;

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        match text.strip_prefix("unix:") {
            Some("") => Err(InvalidAddress),
            Some(path) => Ok(Address::Unix(path.into())),
            None => text.parse().map(Address::Tcp).map_err(|_| InvalidAddress),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What a client may make longer.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once. Others wait to be accepted.
    pub connections: usize,
    /// From the beginning of a connection or the end of a request to the end of the next one's
    /// headers.
    pub headers: Duration,
    /// How long it may take none of an answer.
    pub stalls: Duration,
}

/// How long an idle connection may still bring the request that is on its way when the end comes.
const LINGER: Duration = Duration::from_millis(250);
/// Bytes of a request's line and headers together.
const HEADER_BYTES: usize = 64 << 10;

/// A socket that listens.
pub struct Listener {
    socket: Socket,
    address: Address,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Both kinds of stream, as hyper reads them.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Listener {
    /// Starts to listen. A Unix socket is made for its owner alone, in place of one that a dead
    /// server left behind.
    ///
    /// # Errors
    ///
    /// What the system says: the address is taken, or not this machine's.
    pub async fn bind(address: &Address) -> io::Result<Listener> {
        let (socket, address) = match address {
            Address::Tcp(address) => {
                let listener = TcpListener::bind(address).await?;
                let address = Address::Tcp(listener.local_addr()?);
                (Socket::Tcp(listener), address)
            }
            Address::Unix(path) => (Socket::Unix(bind_unix(path)?), address.clone()),
        };
        Ok(Listener { socket, address })
    }

    /// Where it listens: with the port that the system chose.
    pub fn address(&self) -> &Address {
        &self.address
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // An answer is written whole; waiting for more of it would only add to its time.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Socket::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }

    /// Serves requests until `closing` turns true. Then it takes the connections that the system
    /// had accepted for it, listens no more, lets each connection finish its requests and the one
    /// that may be on its way, and comes back when all are closed.
    pub async fn serve<H, F>(self, bounds: Bounds, closing: watch::Receiver<bool>, handler: H)
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Bytes>> + Send + 'static,
    {
        let room = Arc::new(Semaphore::new(bounds.connections));
        let mut connections = JoinSet::new();
        let mut stop = closing.clone();
        let mut stopping = pin!(async move { stop.wait_for(|closing| *closing).await.is_ok() });
        loop {
            let permit = tokio::select! {
                biased;
                _ = &mut stopping => break,
                permit = Arc::clone(&room).acquire_owned() => permit,
            };
            let accepted = tokio::select! {
                biased;
                _ = &mut stopping => break,
                accepted = self.accept() => accepted,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok(stream) => {
                    let serving = connection(stream, bounds, closing.clone(), handler.clone());
                    connections.spawn(async move {
                        serving.await;
                        drop(permit);
                    });
                }
                // Out of descriptors, or a client that has gone already: neither is cured by haste.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        while let Some(Ok(stream)) = at_once(self.accept()).await {
            connections.spawn(connection(stream, bounds, closing.clone(), handler.clone()));
        }
        drop(self);
        while connections.join_next().await.is_some() {}
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Address::Unix(path) = &self.address {
            // It may have been replaced or removed already.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let stale = std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket());
    if stale && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

/// What the future has if it does not have to wait.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = future => Some(done),
        () = std::future::ready(()) => None,
    }
}

async fn connection<H, F>(
    stream: Box<dyn Stream>,
    bounds: Bounds,
    mut closing: watch::Receiver<bool>,
    handler: H,
) where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Bytes>> + Send + 'static,
{
    let last = closing.clone();
    let service = service_fn(move |request| {
        let (answer, last) = (handler(request), last.clone());
        async move {
            let mut response = answer.await.map(Full::new);
            if *last.borrow() {
                let close = http::HeaderValue::from_static("close");
                response
                    .headers_mut()
                    .insert(http::header::CONNECTION, close);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(bounds.stalls));
    let stream = Box::pin(stream);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.headers)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // How a connection ends is its client's affair: whatever was to be said has been, or could not be.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = closing.wait_for(|closing| *closing) => {}
    }
    // A request that the client has sent and nobody has read would be lost if this closed at once.
    // Its answer will say `Connection: close`; only a connection that stays idle is closed here.
    if tokio::time::timeout(LINGER, connection.as_mut())
        .await
        .is_err()
    {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Instant;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        connections: 8,
        headers: Duration::from_millis(300),
        stalls: Duration::from_millis(300),
    };

    /// A server that answers each request after `delay`, on a thread of its own.
    fn server(
        bounds: Bounds,
        delay: Duration,
    ) -> (SocketAddr, watch::Sender<bool>, std::thread::JoinHandle<()>) {
        let (stop, closing) = watch::channel(false);
        let (tell, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let any = Address::Tcp(([127, 0, 0, 1], 0).into());
                let listener = Listener::bind(&any).await.unwrap();
                let Address::Tcp(address) = listener.address() else {
                    panic!("TCP");
                };
                tell.send(*address).unwrap();
                let handler = move |request: Request<Incoming>| async move {
                    tokio::time::sleep(delay).await;
                    match request.uri().path() {
                        "/large" => Response::new(Bytes::from(vec![0; 64 << 20])),
                        _ => Response::new(Bytes::from_static(b"done")),
                    }
                };
                listener.serve(bounds, closing, handler).await;
            });
        });
        (address.recv().unwrap(), stop, thread)
    }

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    fn rest(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_end_loses_no_request() {
        let (address, stop, thread) = server(BOUNDS, Duration::from_millis(100));
        let connect = || TcpStream::connect(address).unwrap();
        let (mut busy, mut late, idle) = (connect(), connect(), connect());
        late.write_all(REQUEST).unwrap();
        late.read_exact(&mut [0; 4]).unwrap();
        busy.write_all(REQUEST).unwrap();
        stop.send(true).unwrap();
        // On its way when the end came, over a connection that was used before.
        late.write_all(REQUEST).unwrap();
        for answers in [rest(busy), rest(late)] {
            assert!(answers.ends_with("done"), "{answers}");
            assert!(answers.contains("connection: close"), "{answers}");
        }
        assert_eq!(rest(idle), "");
        thread.join().unwrap();
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn slow_headers_are_not_waited_for() {
        let (address, stop, thread) = server(BOUNDS, Duration::ZERO);
        let start = Instant::now();
        let mut slow = TcpStream::connect(address).unwrap();
        slow.write_all(b"GET / HT").unwrap();
        let answer = rest(slow);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
            "{answer}"
        );
        assert!(start.elapsed() < Duration::from_secs(20));
        stop.send(true).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn clients_that_do_not_read_are_not_waited_for() {
        let (address, stop, thread) = server(BOUNDS, Duration::ZERO);
        let mut stalled = TcpStream::connect(address).unwrap();
        stalled
            .write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        stalled.peek(&mut [0]).unwrap();
        stop.send(true).unwrap();
        // It ends although the client has not gone.
        thread.join().unwrap();
        drop(stalled);
    }

    #[test]
    fn idle_connections_are_closed() {
        let (address, stop, thread) = server(BOUNDS, Duration::ZERO);
        let fresh = TcpStream::connect(address).unwrap();
        let mut used = TcpStream::connect(address).unwrap();
        used.write_all(REQUEST).unwrap();
        let start = Instant::now();
        assert_eq!(rest(fresh), "");
        assert!(rest(used).ends_with("done"));
        assert!(start.elapsed() < Duration::from_secs(20));
        stop.send(true).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn large_headers_are_refused() {
        let (address, stop, thread) = server(BOUNDS, Duration::ZERO);
        let mut stream = TcpStream::connect(address).unwrap();
        let header = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(HEADER_BYTES));
        stream.write_all(header.as_bytes()).unwrap();
        let answer = rest(stream);
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
        stop.send(true).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn surplus_connections_wait_for_their_turn() {
        let bounds = Bounds {
            connections: 1,
            ..BOUNDS
        };
        let (address, stop, thread) = server(bounds, Duration::ZERO);
        let first = TcpStream::connect(address).unwrap();
        let mut second = TcpStream::connect(address).unwrap();
        second
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .unwrap();
        second
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        assert!(second.read(&mut [0]).is_err());
        drop(first);
        assert!(rest(second).ends_with("done"));
        stop.send(true).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn addresses() {
        for text in ["127.0.0.1:80", "[::1]:0", "unix:/run/x.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "unix:",
            "localhost:80",
            "127.0.0.1",
            ":80",
            "/run/x.sock",
        ] {
            assert_eq!(text.parse::<Address>(), Err(InvalidAddress), "{text}");
        }
    }

    #[tokio::test]
    async fn a_unix_socket_is_its_owners_and_replaces_a_dead_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let address = Address::Unix(path.clone());
        let listener = Listener::bind(&address).await.unwrap();
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            Listener::bind(&address).await.is_err(),
            "one that lives is left alone"
        );
        drop(listener);
        assert!(!path.exists());
    }
}
