//! khttp by its epoll loop and a pool, after its own example.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use benches::{DOWN, GREETING};
use khttp::{ConnectionSetupAction, Headers, Method, Server, Status};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

fn main() -> std::io::Result<()> {
    let stopping = Arc::new(AtomicBool::new(false));
    stop_on_sigterm(Arc::clone(&stopping))?;

    let mut app = Server::builder(benches::address())?;
    app.route(Method::Get, "/", |_, res| res.ok(Headers::empty(), GREETING));
    app.route(Method::Get, "/json", |_, res| {
        let json = serde_json::to_vec(&benches::pod()).expect("a pod is JSON");
        let mut headers = Headers::new();
        headers.add(Headers::CONTENT_TYPE, b"application/json");
        res.ok(&headers, json)
    });
    app.route(Method::Get, "/down", |_, res| res.ok(Headers::empty(), &DOWN[..]));
    app.route(Method::Post, "/up", |mut ctx, res| match ctx.body().vec() {
        Ok(body) => res.ok(Headers::empty(), body.len().to_string()),
        Err(_) => res.send0(&Status::BAD_REQUEST, Headers::close()),
    });
    app.route(Method::Get, "/work", |_, res| res.ok(Headers::empty(), benches::work()));
    app.route(Method::Get, "/block", |_, res| res.ok(Headers::empty(), benches::block()));
    app.route(Method::Get, "/healthz", |_, res| res.ok(Headers::empty(), "ok"));
    app.route(Method::Get, "/readyz", |_, res| res.ok(Headers::empty(), "ok"));
    if let Some(workers) = benches::told_workers() {
        app.thread_count(workers);
    }
    app.connection_setup_hook(move |accepted| match accepted {
        _ if stopping.load(Relaxed) => ConnectionSetupAction::StopAccepting,
        Ok((socket, _)) => ConnectionSetupAction::Proceed(socket),
        Err(_) => ConnectionSetupAction::Drop,
    });
    app.build().serve_epoll()
}

/// Only a new connection makes the loop ask whether to go on, so there is one from here.
fn stop_on_sigterm(stopping: Arc<AtomicBool>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM])?;
    thread::spawn(move || {
        signals.forever().next();
        stopping.store(true, Relaxed);
        let _ = TcpStream::connect(benches::address());
    });
    Ok(())
}
