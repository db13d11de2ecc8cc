//! tiny_http as most people write it: a few threads that pull requests from one server.

use std::sync::Arc;
use std::thread;

use benches::{DOWN, GREETING};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use tiny_http::{Header, Method, Request, Response, Server};

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut signals = Signals::new([SIGTERM])?;
    let server = Arc::new(Server::http(benches::address())?);
    let count = benches::workers(4);
    let workers: Vec<_> = (0..count)
        .map(|_| {
            let server = Arc::clone(&server);
            thread::spawn(move || server.incoming_requests().for_each(answer))
        })
        .collect();

    signals.forever().next();
    // Each call ends one thread's loop.
    (0..count).for_each(|_| server.unblock());
    for worker in workers {
        let _ = worker.join();
    }
    Ok(())
}

fn answer(mut request: Request) {
    // A client that has gone away is no fault of the server.
    let _ = match (request.method(), request.url()) {
        (Method::Get, "/") => request.respond(Response::from_string(GREETING)),
        (Method::Get, "/json") => {
            let json = serde_json::to_vec(&benches::pod()).expect("a pod is JSON");
            request.respond(Response::from_data(json).with_header(json_type()))
        }
        (Method::Get, "/down") => request.respond(Response::from_data(&DOWN[..])),
        (Method::Post, "/up") => {
            let mut body = Vec::with_capacity(request.body_length().unwrap_or(0).min(1 << 20));
            match request.as_reader().read_to_end(&mut body) {
                Ok(length) => request.respond(Response::from_string(length.to_string())),
                Err(_) => request.respond(Response::empty(400)),
            }
        }
        (Method::Get, "/work") => request.respond(Response::from_string(benches::work())),
        (Method::Get, "/block") => request.respond(Response::from_string(benches::block())),
        (Method::Get, "/healthz" | "/readyz") => request.respond(Response::from_string("ok")),
        _ => request.respond(Response::empty(404)),
    };
}

fn json_type() -> Header {
    "Content-Type: application/json".parse().expect("a header")
}
