//! Greets whoever the event is about. In a shell, with no host:
//!
//! ```sh
//! echo '{"specversion":"1.0","id":"1","source":"/me","type":"visit","subject":"Ada"}' | cargo run -q --example hello
//! ```
use libfaas::{Event, function::result, serve};

fn main() -> std::process::ExitCode {
    serve(|event: Event| {
        let greeting = format!("Hello, {}!", event.subject().unwrap_or("World"));
        Ok(result("/hello", "example.greeting")
            .datacontenttype("text/plain")
            .data(greeting))
    })
}
