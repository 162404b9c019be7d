//! tonic, unary, over a Unix socket: a message that is a CloudEvent, there and back.

use std::convert::Infallible;
use std::future::{Future, Ready, ready as now};
use std::pin::Pin;
use std::task::{Context, Poll};

use faas_schemas::protobuf::io::cloudevents::v1::CloudEvent;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use crate::server::{Folder, Server, ready};
use crate::turns::{Caller, callers, serve as serve_turns};
use crate::{Error, Options, payload};

type Codec = ProstCodec<CloudEvent, CloudEvent>;

pub(crate) async fn measure(options: Options) -> Result<(), Error> {
    let folder = Folder::new()?;
    let _server = Server::start("tonic-server", &options, &folder.socket())?;
    let socket = folder.socket();
    let connect = service_fn(move |_| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    // One connection, as gRPC has it; the address is not used.
    let channel = Endpoint::from_static("http://localhost")
        .connect_with_connector(connect)
        .await?;
    let event = payload::event(options.size);
    let client = Client {
        grpc: tonic::client::Grpc::new(channel),
        event,
    };
    serve_turns(vec![client; callers(&options)], &options).await
}

pub(crate) async fn serve(options: Options) -> Result<(), Error> {
    let listener = UnixListener::bind(&options.address)?;
    ready();
    let server = tonic::transport::Server::builder().add_service(Echo);
    Ok(server
        .serve_with_incoming(UnixListenerStream::new(listener))
        .await?)
}

#[derive(Clone)]
struct Client {
    grpc: tonic::client::Grpc<Channel>,
    event: CloudEvent,
}

impl Caller for Client {
    async fn call(&mut self) -> Result<(), Error> {
        self.grpc.ready().await?;
        let request = tonic::Request::new(self.event.clone());
        let path = PathAndQuery::from_static("/bench.Echo/Call");
        let response: tonic::Response<CloudEvent> =
            self.grpc.unary(request, path, Codec::default()).await?;
        match response.get_ref().data == self.event.data {
            true => Ok(()),
            false => Err("another event came back".into()),
        }
    }
}

/// What tonic's generator would have written for a service with one method.
#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "bench.Echo";
}

impl UnaryService<CloudEvent> for Echo {
    type Response = CloudEvent;
    type Future = Ready<Result<tonic::Response<CloudEvent>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<CloudEvent>) -> Self::Future {
        now(Ok(tonic::Response::new(request.into_inner())))
    }
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Codec::default());
            Ok(grpc.unary(Echo, request).await)
        })
    }
}
