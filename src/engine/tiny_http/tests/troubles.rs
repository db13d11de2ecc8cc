//! tiny_http's acceptor dies, and nobody but the watch notices. How it dies of a want of descriptors or threads is
//! tested on the binary, which can have limits of its own.

use super::harness::{Answer, Client, PATIENCE, Site, once_in_five, text};
use crossbeam_channel::bounded;
use socket2::SockRef;
use std::{
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// Makes the acceptor's next `accept` fail. `duplicate` shares the listener's options with the acceptor.
fn kill_acceptor(duplicate: &TcpListener) {
    let options = SockRef::from(duplicate);
    options
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    // A wait in progress goes by the old option.
    drop(TcpStream::connect(duplicate.local_addr().unwrap()));
    thread::sleep(Duration::from_millis(20));
    options.set_read_timeout(None).unwrap();
}

/// Asks until there is an acceptor; until then clients are told to come again.
fn served_again(site: &Site, target: &str) -> Answer {
    loop {
        let answer = site.client().get(target);
        if answer.status == 200 {
            return answer;
        }
        assert_eq!(answer.status, 503);
    }
}

#[test]
fn a_service_whose_acceptor_died_serves_again_within_a_second() {
    let (site, duplicate) = Site::with_duplicate(|request| text(request.path().to_owned()));
    let is_soon = || {
        kill_acceptor(&duplicate);
        let begun = Instant::now();
        served_again(&site, "/");
        begun.elapsed() < Duration::from_secs(1)
    };
    for _ in 0..3 {
        assert!(once_in_five(is_soon), "it took longer each time");
    }
    drop(duplicate);
    site.stop();
    site.join();
}

#[test]
fn requests_in_flight_survive_the_acceptor_and_end_their_connections() {
    let (go_on, wait) = bounded::<()>(0);
    let (site, duplicate) = Site::with_duplicate(move |request| {
        if request.path() == "/slow" {
            let _ = wait.recv_timeout(PATIENCE);
        }
        text(format!("{} {}", request.path(), request.body().len()))
    });
    let mut idle = site.client();
    assert!(!idle.get("/idle").says_close());
    let mut busy = site.client();
    busy.send("POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n");
    busy.send([b'x'; 2000]);
    while !site.handled().contains(&"/slow".to_owned()) {
        thread::sleep(Duration::from_millis(1));
    }
    kill_acceptor(&duplicate);
    idle.expect_end();
    assert_eq!(served_again(&site, "/new").text(), "/new 0");
    go_on.send(()).unwrap();
    let answer = busy.answer();
    assert!(
        answer.text() == "/slow 2000" && answer.says_close(),
        "{answer:?}"
    );
    busy.expect_end();
}

#[test]
fn a_drain_ends_although_the_acceptor_died_before() {
    let (site, duplicate) = Site::with_duplicate(|_| text(String::new()));
    kill_acceptor(&duplicate);
    drop(duplicate);
    site.stop();
    site.join();
}

#[test]
fn a_hundred_connections_that_were_opened_beforehand_are_served_when_they_speak() {
    let site = Site::echoing_targets();
    let mut clients: Vec<Client> = (0..100).map(|_| site.client()).collect();
    thread::sleep(Duration::from_millis(100));
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
}
