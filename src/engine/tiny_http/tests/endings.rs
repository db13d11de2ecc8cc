//! The drain, the deadline, and connections that nobody uses.

use super::harness::{Client, PATIENCE, Site, once_in_five, text};
use crate::engine::{Cut, tiny_http::sock_diag::SockDiag};
use crossbeam_channel::{Sender, bounded};
use std::{
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// A site where `/slow` waits for the sender, and says when it has begun.
fn with_slow_route() -> (Site, Sender<()>) {
    let (go_on, wait) = bounded::<()>(0);
    let site = Site::new(move |request| {
        if request.path() == "/slow" {
            let _ = wait.recv_timeout(PATIENCE);
        }
        text(request.path().to_owned())
    });
    (site, go_on)
}

fn begin_slow(site: &Site) -> Client {
    let mut client = site.client();
    client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    while !site.handled().contains(&"/slow".to_owned()) {
        thread::sleep(Duration::from_millis(1));
    }
    client
}

fn until(mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_drain_finishes_what_is_in_flight_closes_what_is_idle_and_then_ends() {
    let (site, go_on) = with_slow_route();
    let mut idle = site.client();
    assert_eq!(idle.get("/").status, 200);
    let mut busy = begin_slow(&site);
    site.stop();
    idle.expect_end();
    until(|| TcpStream::connect(site.address).is_err());
    assert!(!site.is_over(), "a request is in flight");
    go_on.send(()).unwrap();
    let answer = busy.answer();
    assert!(
        answer.text() == "/slow" && answer.says_close(),
        "{answer:?}"
    );
    busy.expect_end();
    site.join();
}

#[test]
fn a_drain_closes_an_idle_connection_at_once() {
    let is_at_once = || {
        let site = Site::echoing_targets();
        let mut idle = site.client();
        assert_eq!(idle.get("/").status, 200);
        let begun = Instant::now();
        site.stop();
        idle.expect_end();
        // One that has not spoken yet has a second.
        begun.elapsed() < Duration::from_millis(900)
    };
    assert!(once_in_five(is_at_once));
}

#[test]
fn a_drain_without_connections_ends_at_once() {
    let is_at_once = || {
        let site = Site::echoing_targets();
        let begun = Instant::now();
        site.stop();
        site.join();
        begun.elapsed() < Duration::from_secs(2)
    };
    assert!(once_in_five(is_at_once));
}

#[test]
fn a_connection_that_was_just_made_still_gets_its_first_answer_in_a_drain() {
    let site = Site::echoing_targets();
    let (mut speaks, mut silent) = (site.client(), site.client());
    let begun = Instant::now();
    site.stop();
    thread::sleep(Duration::from_millis(100));
    assert!(speaks.get("/late").says_close());
    silent.expect_end();
    // A busy machine comes to it later; without an end of its own it would be `KEEP_ALIVE_TIMEOUT`.
    let patience = begun.elapsed();
    assert!(
        patience > Duration::from_millis(900) && patience < PATIENCE,
        "{patience:?}"
    );
    site.join();
}

/// Whether something that this client has sent has arrived at the server's side of its connection.
fn has_arrived(kernel: &mut SockDiag, address: SocketAddr, peer: SocketAddr) -> bool {
    let known = kernel.ask(address, peer);
    known.is_some_and(|diagnosis| diagnosis.received > 0)
}

#[test]
fn whoever_was_in_the_backlog_when_the_listener_closed_is_served() {
    for _ in 0..10 {
        let site = Site::echoing_targets();
        let mut clients: Vec<Client> = (0..30)
            .map(|_| {
                let mut client = site.client();
                client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
                client
            })
            .collect();
        // A connection of which the client knows and the listener does not yet would be reset, which nobody can help.
        let mut kernel = SockDiag::open();
        for client in &clients {
            let peer = client.stream.local_addr().unwrap();
            until(|| !cfg!(target_os = "linux") || has_arrived(&mut kernel, site.address, peer));
        }
        site.stop();
        for client in &mut clients {
            assert_eq!(client.answer().status, 200);
        }
        drop(clients);
        site.join();
    }
}

#[test]
fn a_deadline_closes_what_no_handler_holds_and_counts_it() {
    let (site, go_on) = with_slow_route();
    let mut in_handler = begin_slow(&site);
    let mut idle = site.client();
    assert_eq!(idle.get("/").status, 200);
    let mut receiving = site.client();
    receiving.send("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n");
    site.wait_until("it is being received", |connections| connections.body == 1);
    assert_eq!(
        site.cut(),
        Cut {
            uploading: Vec::new(),
            receiving: 1,
            sending: Vec::new()
        }
    );
    idle.expect_end();
    receiving.expect_end();
    go_on.send(()).unwrap();
    assert_eq!(in_handler.answer().text(), "/slow");
    site.join();
}

#[test]
fn a_connection_that_nobody_uses_is_closed_after_a_while() {
    let settings = [("KEEP_ALIVE_TIMEOUT", "1s"), ("HEAD_TIMEOUT", "1s")];
    let site = Site::with(&settings, |_| text(String::new()));
    let mut idle = site.client();
    assert!(!idle.get("/").says_close());
    let mut half_a_head = site.client();
    half_a_head.send("GET / HT");
    let mut silent = site.client();
    idle.expect_end();
    silent.expect_end();
    assert_eq!(half_a_head.answer().status, 408);
    half_a_head.expect_end();
}

#[test]
fn a_client_that_takes_nothing_is_cut_and_does_not_hold_its_worker() {
    let site = Site::with(&[("WRITE_TIMEOUT", "300ms")], |_| {
        text("x".repeat(50_000_000))
    });
    let mut client = site.client();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let (status, _) = client.head();
    assert_eq!(status, 200);
    site.wait_until("nothing is written any more", |connections| {
        connections.handed_out + connections.writing == 0
    });
    assert!(
        client.rest().len() < 50_000_000,
        "what it then reads is no whole answer"
    );
}

#[test]
fn nobody_can_connect_once_listening_has_ended_whoever_else_has_the_listener() {
    // As a child process has it that is just being started.
    let (site, _inherited) = Site::with_duplicate(|_| text(String::new()));
    let address = site.address;
    site.stop();
    site.join();
    assert!(TcpStream::connect(address).is_err());
}
