//! axum, after its graceful-shutdown example.

use std::convert::Infallible;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use benches::{BACKLOG, BODY, DOWN, GREETING, Pod};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt};

type News = broadcast::Sender<String>;

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
        .route("/events", get(events))
        .route("/say", post(say))
        .with_state(broadcast::Sender::<String>::new(BACKLOG))
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

async fn events(State(news): State<News>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    // Who lags behind misses what is overwritten.
    let events = BroadcastStream::new(news.subscribe()).filter_map(Result::ok);
    Sse::new(events.map(|text| Ok(Event::default().data(text)))).keep_alive(KeepAlive::default())
}

async fn say(State(news): State<News>, text: String) -> &'static str {
    // Nobody may be there to be told.
    let _ = news.send(text);
    "told"
}

async fn terminated() {
    signal(SignalKind::terminate()).expect("SIGTERM can be handled").recv().await;
}
