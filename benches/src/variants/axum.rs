//! axum, after its graceful-shutdown example.

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use benches::{BODY, DOWN, GREETING, Pod};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let app = Router::new()
        .route("/", get(|| async { GREETING }))
        .route("/json", get(json))
        .route("/down", get(|| async { &DOWN[..] }))
        .route("/up", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/work", get(|| async { benches::work() }))
        .route("/block", get(block))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(|| async { "ok" }))
        .layer(DefaultBodyLimit::max(16 * BODY));

    let listener = TcpListener::bind(benches::address()).await?.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, app).with_graceful_shutdown(terminated()).await
}

async fn json() -> Json<Pod> {
    Json(benches::pod())
}

async fn block() -> &'static str {
    tokio::task::spawn_blocking(benches::block).await.expect("the wait does not panic")
}

async fn terminated() {
    signal(SignalKind::terminate()).expect("SIGTERM can be handled").recv().await;
}
