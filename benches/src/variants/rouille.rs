//! rouille, stopped as the documentation of `Server::join` shows.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use benches::{BODY, DOWN, GREETING};
use rouille::{Request, Response, Server, router};
use signal_hook::consts::SIGTERM;

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stopping = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGTERM, Arc::clone(&stopping))?;

    // The default of `start_server_with_pool`.
    let cpus = std::thread::available_parallelism().map_or(1, |count| count.get());
    let server = Server::new(benches::address(), answer)?.pool_size(benches::workers(8 * cpus));
    while !stopping.load(Relaxed) {
        server.poll_timeout(Duration::from_millis(100));
    }
    server.poll_timeout(Duration::from_millis(100));
    server.join();
    Ok(())
}

fn answer(request: &Request) -> Response {
    router!(request,
        (GET) (/) => { Response::text(GREETING) },
        (GET) (/json) => { Response::json(&benches::pod()) },
        (GET) (/down) => { Response::from_data("application/octet-stream", &DOWN[..]) },
        (POST) (/up) => {
            let mut body = Vec::with_capacity(BODY);
            match request.data().map(|mut data| data.read_to_end(&mut body)) {
                Some(Ok(length)) => Response::text(length.to_string()),
                _ => Response::empty_400(),
            }
        },
        (GET) (/work) => { Response::text(benches::work()) },
        (GET) (/block) => { Response::text(benches::block()) },
        (GET) (/healthz) => { Response::text("ok") },
        (GET) (/readyz) => { Response::text("ok") },
        _ => Response::empty_404()
    )
}
