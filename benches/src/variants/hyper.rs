//! hyper alone, after its guides on servers and on graceful shutdown.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use benches::{DOWN, GREETING};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

type Answer = Response<Full<Bytes>>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind(benches::address()).await?;
    let connections = GracefulShutdown::new();
    let mut terminated = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => serve(socket, &connections),
                // Out of descriptors, most likely: let some be closed first.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            _ = terminated.recv() => break,
        }
    }
    drop(listener);
    connections.shutdown().await;
    Ok(())
}

fn serve(socket: TcpStream, connections: &GracefulShutdown) {
    let _ = socket.set_nodelay(true);
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service_fn(answer));
    tokio::spawn(connections.watch(connection));
}

async fn answer(request: Request<Incoming>) -> Result<Answer, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => respond(TEXT, GREETING),
        (&Method::GET, "/json") => match serde_json::to_vec(&benches::pod()) {
            Ok(json) => respond(JSON, json),
            Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR),
        },
        (&Method::GET, "/down") => respond(BYTES, &DOWN[..]),
        (&Method::POST, "/up") => match request.into_body().collect().await {
            Ok(body) => respond(TEXT, body.to_bytes().len().to_string()),
            Err(_) => status(StatusCode::BAD_REQUEST),
        },
        (&Method::GET, "/work") => respond(TEXT, benches::work()),
        (&Method::GET, "/block") => match tokio::task::spawn_blocking(benches::block).await {
            Ok(slept) => respond(TEXT, slept),
            Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR),
        },
        (&Method::GET, "/healthz" | "/readyz") => respond(TEXT, "ok"),
        _ => status(StatusCode::NOT_FOUND),
    })
}

fn respond(content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn status(status: StatusCode) -> Answer {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
