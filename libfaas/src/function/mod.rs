//! The function side: turns a handler into a function that serves every mode and encoding.
//!
//! | entry | the handler | for |
//! |---|---|---|
//! | [`serve`] | `Event → Result<Event>` | one result for each event |
//! | [`serve_many`] | `(Event, &mut Emitter) → Result<()>` | any number of results, as they come; the context; cancellation |
//! | [`serve_calls`] | `&mut Call → Result<()>` | a whole call: its events together, data in pieces |
//! | `Function::serve_async` | `(Event, Context) → Future` | handlers that are futures (feature `async`) |
//!
//! [`Function`] has the options: a manifest, initialisation that may fail, limits.
//!
//! The library reads the mode and the encoding from the environment, moves the protocol off
//! descriptors 0 and 1 before any code of the handler runs, runs up to `FAAS_CONCURRENCY` calls at
//! once, copies context and cancels, makes statuses of panics and errors, and drains on EOF and
//! SIGTERM. There is no async runtime in it.
//!
//! ```no_run
//! use libfaas::function::result;
//! use libfaas::{Event, serve};
//!
//! fn main() -> std::process::ExitCode {
//!     serve(|event: Event| {
//!         let greeting = format!("Hello, {}!", event.subject().unwrap_or("World"));
//!         Ok(result("/hello", "example.greeting").datacontenttype("text/plain").data(greeting))
//!     })
//! }
//! ```

mod call;
mod exit;
mod failure;
#[cfg(feature = "async")]
mod future;
mod guard;
mod hello;
pub(crate) mod io;
mod log;
mod oneshot;
mod pieces;
mod result;
pub(crate) mod session;
mod stream;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use crate::{Code, Environment, Event, Manifest, Mode, Status};

pub use call::{Body, Call, Emitter};
pub use exit::Exit;
#[cfg(feature = "async")]
pub use future::each_async;
pub use guard::Streams;
pub use log::Severity;
pub use pieces::Piece;
pub use result::{ResultEvent, result};
#[doc(hidden)]
pub use stream::Turns;

/// Serves a handler that gives one result for each event: an [`Event`], or a builder of one (see
/// [`result`]).
///
/// Call it first in `main`, and return what it returns.
pub fn serve<R: Into<ResultEvent>>(
    handler: impl Fn(Event) -> Result<R, Status> + Send + Sync + 'static,
) -> ExitCode {
    Function::new().serve(handler)
}

/// Serves a handler that gives any number of results for each event, each written when it is given.
pub fn serve_many(
    handler: impl Fn(Event, &mut Emitter<'_>) -> Result<(), Status> + Send + Sync + 'static,
) -> ExitCode {
    Function::new().serve_many(handler)
}

/// Serves a handler of whole calls.
pub fn serve_calls(
    handler: impl Fn(&mut Call) -> Result<(), Status> + Send + Sync + 'static,
) -> ExitCode {
    Function::new().serve_calls(handler)
}

/// A handler of whole calls that gives one result for each event.
pub fn each<R: Into<ResultEvent>>(
    handler: impl Fn(Event) -> Result<R, Status> + Send + Sync + 'static,
) -> impl Fn(&mut Call) -> Result<(), Status> + Send + Sync + 'static {
    move |call| {
        while let Some(event) = call.next_event()? {
            let result = handler(event)?;
            call.emit_last(result)?;
        }
        Ok(())
    }
}

/// A handler of whole calls that gives any number of results for each event.
pub fn many(
    handler: impl Fn(Event, &mut Emitter<'_>) -> Result<(), Status> + Send + Sync + 'static,
) -> impl Fn(&mut Call) -> Result<(), Status> + Send + Sync + 'static {
    move |call| {
        while let Some(event) = call.next_event()? {
            handler(event, &mut Emitter { call })?;
        }
        Ok(())
    }
}

/// A function with options.
///
/// ```no_run
/// use libfaas::function::Function;
///
/// fn main() -> std::process::ExitCode {
///     Function::new()
///         .init(|| Ok(std::fs::create_dir_all("cache")?))
///         .serve(|event| Ok(event))
/// }
/// ```
#[derive(Default)]
pub struct Function {
    manifest: Option<OwnManifest>,
    producer: Option<String>,
    concurrency: Option<usize>,
    max_event_bytes: Option<usize>,
    init: Option<Box<dyn FnOnce() -> Result<Details, Status> + Send>>,
    at_exit: Option<AtExit>,
}

/// A manifest, and what prints it: named only where there is one, so that other programs come
/// without a parser of YAML, which is a quarter of a small one.
struct OwnManifest {
    text: String,
    print: fn(&str, &Streams) -> Exit,
}

/// What the status of a hello has for programs.
type Details = BTreeMap<String, String>;

type AtExit = Box<dyn FnOnce(&Exit) + Send>;

type Handler = Arc<dyn Fn(&mut Call) -> Result<(), Status> + Send + Sync>;

impl Function {
    /// A function with the default options.
    pub fn new() -> Self {
        Function::default()
    }

    /// The manifest, as the text of `function.yaml` or `function.json`: printed in mode `describe`.
    pub fn manifest(self, text: impl Into<String>) -> Self {
        let manifest = OwnManifest {
            text: text.into(),
            print,
        };
        Function {
            manifest: Some(manifest),
            ..self
        }
    }

    /// The name and the version of the function, for people who read its `hello`.
    pub fn producer(self, producer: impl Into<String>) -> Self {
        Function {
            producer: Some(producer.into()),
            ..self
        }
    }

    /// Runs no more calls at once than this, but one at least, whatever `FAAS_CONCURRENCY` allows.
    pub fn concurrency(self, most: usize) -> Self {
        Function {
            concurrency: Some(most),
            ..self
        }
    }

    /// The most data of one event that is put together in memory: by default 64 MiB, or the message
    /// limit where that is larger.
    pub fn max_event_bytes(self, most: usize) -> Self {
        Function {
            max_event_bytes: Some(most),
            ..self
        }
    }

    /// What has to be done before the first call. If it fails, so does the function, with its
    /// status.
    pub fn init(self, init: impl FnOnce() -> Result<(), Status> + Send + 'static) -> Self {
        self.init_with_details(|| init().map(|()| Details::new()))
    }

    /// As [`init`](Self::init); what it gives becomes the details of the status in the function's
    /// `hello`, for who has to know before the first call.
    pub fn init_with_details(
        self,
        init: impl FnOnce() -> Result<BTreeMap<String, String>, Status> + Send + 'static,
    ) -> Self {
        Function {
            init: Some(Box::new(init)),
            ..self
        }
    }

    /// What has to be done when nothing more is served, before the process ends, which may be by a
    /// signal: [`Exit`] says how. Only for functions on the process's own stdio.
    pub fn at_exit(self, at_exit: impl FnOnce(&Exit) + Send + 'static) -> Self {
        Function {
            at_exit: Some(Box::new(at_exit)),
            ..self
        }
    }

    /// See [`serve`](fn@serve).
    pub fn serve<R: Into<ResultEvent>>(
        self,
        handler: impl Fn(Event) -> Result<R, Status> + Send + Sync + 'static,
    ) -> ExitCode {
        self.serve_calls(each(handler))
    }

    /// See [`serve_many`].
    pub fn serve_many(
        self,
        handler: impl Fn(Event, &mut Emitter<'_>) -> Result<(), Status> + Send + Sync + 'static,
    ) -> ExitCode {
        self.serve_calls(many(handler))
    }

    /// See [`serve_calls`].
    pub fn serve_calls(
        mut self,
        handler: impl Fn(&mut Call) -> Result<(), Status> + Send + Sync + 'static,
    ) -> ExitCode {
        let at_exit = self.at_exit.take();
        let vars = std::env::vars_os().collect();
        let wake = stream::Wake::of_a_process;
        let exit = match guard::move_streams() {
            Ok(streams) => self.start(vars, streams, wake, Arc::new(handler)),
            Err(error) => Exit::broken("moving stdin and stdout out of the handler's way", error),
        };
        if let Some(at_exit) = at_exit {
            at_exit(&exit);
        }
        exit.report()
    }

    /// Serves a handler that is a future, on a tokio runtime with its own threads. When a call is
    /// given up, its future is dropped.
    #[cfg(feature = "async")]
    pub fn serve_async<F, R>(
        self,
        handler: impl Fn(Event, crate::Context) -> F + Send + Sync + 'static,
    ) -> ExitCode
    where
        F: Future<Output = Result<R, Status>>,
        R: Into<ResultEvent>,
    {
        match each_async(handler) {
            Ok(handler) => self.serve_calls(handler),
            Err(error) => Exit::broken("starting tokio", error).report(),
        }
    }

    /// Serves a handler of whole calls on streams and in an environment that are given, and leaves
    /// the process's own alone: for tests. [`each`], [`many`] and `each_async` make a handler of whole calls.
    pub fn run<K: Into<OsString>, V: Into<OsString>>(
        self,
        vars: impl IntoIterator<Item = (K, V)>,
        streams: Streams,
        handler: impl Fn(&mut Call) -> Result<(), Status> + Send + Sync + 'static,
    ) -> Exit {
        let vars = vars
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        self.start(
            vars,
            streams,
            stream::Wake::within_a_process,
            Arc::new(handler),
        )
    }

    /// The loop of stream mode without its threads; see [`Turns`].
    #[doc(hidden)]
    pub fn turns<K: Into<OsString>, V: Into<OsString>>(
        vars: impl IntoIterator<Item = (K, V)>,
        streams: Streams,
        handler: impl Fn(&mut Call) -> Result<(), Status> + Send + Sync + 'static,
    ) -> Result<Turns, Exit> {
        let vars: Vec<(OsString, OsString)> = vars
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let environment = Environment::from_vars(vars.iter().map(|(name, value)| (name, value)))
            .map_err(|error| Exit::Failed(error.status()))?;
        let settings = settings(&environment);
        Turns::new(&environment, settings, streams, Arc::new(handler))
    }

    fn start(
        self,
        vars: Vec<(OsString, OsString)>,
        streams: Streams,
        wake: impl FnOnce() -> std::io::Result<(stream::Wake, Option<stream::Wake>)>,
        handler: Handler,
    ) -> Exit {
        let environment =
            match Environment::from_vars(vars.iter().map(|(name, value)| (name, value))) {
                Ok(environment) => environment,
                Err(error) => return Exit::Failed(error.status()),
            };
        if environment.describe {
            return describe(self.manifest, &streams);
        }
        let max_event_bytes = self
            .max_event_bytes
            .unwrap_or(environment.max_message_bytes.max(64 << 20));
        let spec = environment.spec.clone();
        let init = self.init;
        let init = move || {
            if !hello::is_served(&spec) {
                let message = format!("FAAS_SPEC: expected version 1 of FSI, got {spec}");
                return Err(Status::new(Code::FailedPrecondition, message));
            }
            let Some(init) = init else {
                return Ok(Details::new());
            };
            let panicked = |_| {
                Err(Status::new(
                    Code::Internal,
                    "the initialisation panicked; stderr has its message",
                ))
            };
            catch_unwind(AssertUnwindSafe(init)).unwrap_or_else(panicked)
        };
        if environment.mode == Mode::Stream {
            let settings = settings(&environment);
            let most = self.concurrency.unwrap_or(usize::MAX).max(1);
            let settings = stream::Settings {
                concurrency: settings.concurrency.min(most),
                max_event_bytes,
                producer: self.producer.unwrap_or(settings.producer),
                ..settings
            };
            return stream::serve(&environment, settings, streams, wake, init, handler);
        }
        if let Err(status) = init() {
            return Exit::Failed(status);
        }
        let trouble = oneshot::Trouble::default();
        if environment.mode == Mode::Structured {
            let port = oneshot::StructuredPort::new(streams, &environment, trouble.clone());
            return oneshot::serve(port, trouble, max_event_bytes, &handler);
        }
        let port = oneshot::BinaryPort::new(
            streams,
            environment.context,
            vars,
            max_event_bytes,
            trouble.clone(),
        );
        oneshot::serve(port, trouble, max_event_bytes, &handler)
    }
}

/// What the environment asks for, where the function has nothing to say.
fn settings(environment: &Environment) -> stream::Settings {
    stream::Settings {
        encoding: environment.encoding,
        concurrency: environment.concurrency,
        max_message_bytes: environment.max_message_bytes,
        max_event_bytes: environment.max_message_bytes,
        chunks: environment.has_feature("chunks"),
        producer: concat!("libfaas/", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

fn describe(manifest: Option<OwnManifest>, streams: &Streams) -> Exit {
    match manifest {
        Some(OwnManifest { text, print }) => print(&text, streams),
        None => Exit::Failed(Status::new(
            Code::Unimplemented,
            "this function has no manifest of its own",
        )),
    }
}

/// Prints the manifest as one JSON document.
fn print(text: &str, streams: &Streams) -> Exit {
    let manifest = match text.trim_start().starts_with('{') {
        true => Manifest::from_json(text),
        false => Manifest::from_yaml(text),
    };
    let json = match manifest {
        Ok(manifest) => format!("{}\n", manifest.to_json()),
        Err(error) => {
            let message = format!("the manifest that this function was built with: {error}");
            return Exit::Failed(Status::new(Code::Internal, message));
        }
    };
    match io::write_all(&streams.output, json.as_bytes()) {
        Ok(()) => Exit::Done,
        Err(error) => Exit::broken("writing to stdout", error),
    }
}
