//! How uploads end that are not whole, and what is told of those that are.

use std::path::Path;
use std::time::{Duration, Instant};

use seaworthy::Ending;

use super::{files, listing, serve};
use crate::files::Tree;
use crate::library::end;
use crate::support::{Client, Engine, Turn, eventually, get};

both_engines! {
    a_client_that_leaves_in_the_middle_leaves_no_file,
    a_client_that_stops_is_told_408_and_one_that_is_slow_and_honest_is_not,
    without_a_least_rate_a_client_may_be_as_slow_as_it_likes_and_still_may_not_stop,
    at_the_drains_deadline_an_upload_is_named_and_leaves_no_file,
    an_upload_that_ends_in_time_is_awaited_by_the_drain,
    an_upload_is_counted_while_it_is_under_way_and_its_bytes_once_it_is_answered,
}

const HEAD: &str = "PUT /files/a HTTP/1.1\r\nHost: t\r\nContent-Length: 10000\r\n\r\n";

/// An upload whose first bytes have come to the disk.
fn begun(address: std::net::SocketAddr, directory: &Path) -> Client {
    let mut client = Client::connect(address);
    client.send(HEAD);
    client.send("first");
    eventually("the first bytes are written", || {
        listing(directory).iter().any(|(_, length)| *length == 5)
    });
    client
}

fn is_empty(directory: &Path) -> impl Fn() -> bool {
    let directory = directory.to_owned();
    move || listing(&directory).is_empty()
}

fn a_client_that_leaves_in_the_middle_leaves_no_file(engine: Engine) {
    let tree = Tree::new();
    let directory = tree.path("public");
    let (running, address) = serve(files(&directory), engine, &[]);
    for leave in [|client: Client| drop(client), Client::reset] {
        leave(begun(address, &directory));
        eventually("what came is removed", is_empty(&directory));
    }
    end(running);
}

fn a_client_that_stops_is_told_408_and_one_that_is_slow_and_honest_is_not(engine: Engine) {
    let tree = Tree::new();
    let directory = tree.path("public");
    // A body that does not flow would be told 408 after a second.
    let more = [("MIN_BODY_RATE", "1000"), ("BODY_TIMEOUT", "1s")];
    let (running, address) = serve(files(&directory), engine, &more);
    let mut honest = Client::connect(address);
    honest.send(HEAD.replace("/a", "/honest"));
    let began = Instant::now();
    let mut stalled = begun(address, &directory);
    Turn::give_up();
    for _ in 0..10 {
        honest.send([b'h'; 1000]);
        std::thread::sleep(Duration::from_millis(700));
    }
    assert_eq!(honest.response().expect(200).text(), "10000 bytes");
    assert!(stalled.response().expect(408).closes());
    let took = began.elapsed();
    assert!(
        took > Duration::from_secs(5),
        "its grace is 5 s, and was {took:?}"
    );
    drop(stalled);
    eventually("its file is removed", || {
        listing(&directory) == [("honest".to_owned(), 10_000)]
    });
    end(running);
}

fn without_a_least_rate_a_client_may_be_as_slow_as_it_likes_and_still_may_not_stop(engine: Engine) {
    let tree = Tree::new();
    let directory = tree.path("public");
    let more = [("MIN_BODY_RATE", "0"), ("BODY_TIMEOUT", "2s")];
    let (running, address) = serve(files(&directory), engine, &more);
    let mut slow = begun(address, &directory);
    let began = Instant::now();
    // Longer than a body may take that does not flow, without ever pausing for so long.
    while began.elapsed() < Duration::from_secs(4) {
        slow.send("s");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(slow.response().expect(408).closes(), "it has stopped");
    drop(slow);
    eventually("its file is removed", is_empty(&directory));
    end(running);
}

fn at_the_drains_deadline_an_upload_is_named_and_leaves_no_file(engine: Engine) {
    let tree = Tree::new();
    let directory = tree.path("public");
    let (running, address) = serve(files(&directory), engine, &[("SHUTDOWN_TIMEOUT", "300ms")]);
    let _client = begun(address, &directory);
    running.stop();
    let report = running.wait();
    assert_eq!(report.ending, Ending::DeadlinePassed, "{report:?}");
    assert_eq!(report.abandoned, [("/files/{name}".to_owned(), 1)]);
    eventually("what came is removed", is_empty(&directory));
}

fn an_upload_that_ends_in_time_is_awaited_by_the_drain(engine: Engine) {
    let tree = Tree::new();
    let directory = tree.path("public");
    let (running, address) = serve(files(&directory), engine, &[]);
    let mut client = begun(address, &directory);
    running.stop();
    eventually("the listener is closed", || {
        Client::try_connect(address).is_err()
    });
    client.send([b'r'; 9995]);
    assert!(client.response().expect(200).closes());
    drop(client);
    let report = running.wait();
    assert_eq!(report.ending, Ending::Clean, "{report:?}");
    assert_eq!(listing(&directory), [("a".to_owned(), 10_000)]);
}

fn an_upload_is_counted_while_it_is_under_way_and_its_bytes_once_it_is_answered(engine: Engine) {
    let tree = Tree::new();
    let directory = tree.path("public");
    let (running, address) = serve(files(&directory), engine, &[]);
    let active = "http_server_active_requests{http_request_method=\"PUT\",url_scheme=\"http\"}";
    let mut client = begun(address, &directory);
    let metrics = get(address, "/metrics").expect(200);
    assert!(
        metrics.text().contains(&format!("{active} 1")),
        "{}",
        metrics.text()
    );
    client.send([b'r'; 9995]);
    client.response().expect(200);
    let sum = "http_server_request_body_size_bytes_sum{http_request_method=\"PUT\",http_route=\"/files/{name}\"";
    let metrics = get(address, "/metrics").expect(200);
    assert!(!metrics.text().contains(active), "{}", metrics.text());
    let sums: Vec<_> = metrics
        .text()
        .lines()
        .filter(|line| line.starts_with(sum))
        .collect();
    assert!(
        matches!(sums[..], [line] if line.ends_with(" 10000")),
        "{sums:?}"
    );
    drop(client);
    end(running);
}
