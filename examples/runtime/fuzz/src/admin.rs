//! Requests of administrators.

use std::cell::LazyCell;
use std::sync::Arc;

use faas_runtime::log::{Form, Log};
use faas_runtime::serve::admin::Admin;
use faas_runtime::serve::catalog::Catalog;
use faas_runtime::serve::token::Token;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode};
use http_body_util::Full;
use libfaas::host::{Host, Settings};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// An admin API of which nothing can be deployed: no folder that it may take manifests from has any.
struct Bench {
    runtime: Runtime,
    admin: Admin,
    catalog: Arc<Catalog>,
    token: Token,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let roots = vec![folder.path().join("roots")];
        std::fs::create_dir(&roots[0]).expect("a folder");
        let token = Token::load_or_make(Some(&folder.path().join("token"))).expect("a token");
        let host = runtime
            .block_on(async { Host::new(Settings::default()) })
            .expect("a host");
        let catalog = Catalog::on_demand(host, Log::new(Form::Json, std::io::sink()));
        let (_, ready) = watch::channel(true);
        let admin = Admin::new(catalog.clone(), token.clone(), roots, ready);
        Bench {
            runtime,
            admin,
            catalog,
            token,
            _folder: folder,
        }
    }
}

/// Without the token nobody learns or changes anything; with it every request has an answer, and nothing is deployed from
/// outside the folders that manifests may be in.
pub fn admin(bytes: &[u8]) {
    thread_local!(static BENCH: LazyCell<Bench> = LazyCell::new(Bench::new));
    let Some(mut request) = crate::request(bytes) else {
        return;
    };
    BENCH.with(|bench| {
        let open = ["/healthz", "/readyz", "/metrics"].contains(&request.uri().path());
        let reads = [Method::GET, Method::HEAD].contains(request.method());
        let shown = request
            .headers()
            .get(AUTHORIZATION)
            .map(|shown| shown.as_bytes().to_vec());
        let stranger = shown.is_none_or(|shown| shown != bench.token.header().as_bytes());
        let ask = |request: http::Request<bytes::Bytes>| {
            bench
                .runtime
                .block_on(bench.admin.handle(request.map(Full::new)))
        };
        let response = ask(request.clone());
        assert!(!stranger || (open && reads) || response.status() == StatusCode::UNAUTHORIZED);
        let token = HeaderValue::from_str(&bench.token.header()).expect("visible ASCII");
        request.headers_mut().insert(AUTHORIZATION, token);
        let response = ask(request);
        assert_ne!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(
            !response.status().is_server_error() || response.headers().contains_key("fsi-status")
        );
        assert!(bench.catalog.host().functions().is_empty());
    });
}
