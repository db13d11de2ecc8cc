//! Bodies that are taken, and those that are not.

use super::harness::{Client, PATIENCE, Site, text};
use std::{net::Shutdown, thread, time::Duration};

/// A body has longer to come than a busy machine takes.
fn summing() -> Site {
    summing_within("20s")
}

fn summing_within(body_timeout: &str) -> Site {
    let settings = [("MAX_BODY_BYTES", "100000"), ("BODY_TIMEOUT", body_timeout)];
    Site::with(&settings, |request| {
        let sum: u64 = request.body().iter().map(|&byte| u64::from(byte)).sum();
        text(format!("{} {sum}", request.body().len()))
    })
}

fn post(client: &mut Client, length: usize) {
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    ));
    client.send(vec![1; length]);
}

#[test]
fn bodies_of_every_length_arrive_whole_on_one_connection() {
    let site = summing();
    let mut client = site.client();
    for length in [0, 1, 1023, 1024, 1025, 2048, 65_536, 100_000] {
        post(&mut client, length);
        assert_eq!(client.answer().text(), format!("{length} {length}"));
    }
}

#[test]
fn chunks_become_one_body_and_the_connection_goes_on() {
    let site = summing();
    let mut client = site.client();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send("3;name=value\r\n\u{1}\u{1}\u{1}\r\n");
        thread::sleep(Duration::from_millis(5));
        client.send("2\r\n\u{1}\u{1}\r\n0\r\n\r\n");
        assert_eq!(client.answer().text(), "5 5");
    }
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it_before_its_body_is_read() {
    let site = summing();
    for length in [10, 5000] {
        let mut client = site.client();
        let expect = "Expect: 100-continue\r\n";
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: x\r\n{expect}Content-Length: {length}\r\n\r\n"
        ));
        assert_eq!(client.head().0, 100);
        client.send(vec![1; length]);
        assert_eq!(client.answer().text(), format!("{length} {length}"));
    }
}

#[test]
fn a_client_that_waits_to_send_too_much_is_told_so_instead() {
    let site = summing();
    let mut client = site.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100001\r\n\r\n",
    );
    assert_eq!(client.answer().status, 413);
    client.expect_end();
}

#[test]
fn a_body_over_the_limit_is_refused_and_its_bytes_are_no_request() {
    let site = summing();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n".repeat(4000);
    assert!(smuggled.len() > 100_001);
    let mut client = site.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{smuggled}",
        smuggled.len()
    ));
    assert_eq!(client.answer().status, 413);
    client.expect_end();

    let mut client = site.client();
    let size = smuggled.len();
    client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("{size:x}\r\n{smuggled}\r\n0\r\n\r\n"));
    assert_eq!(client.answer().status, 413);
    client.expect_end();
    assert!(site.handled().is_empty());
}

#[test]
fn absurd_lengths_are_refused_and_the_process_lives() {
    let site = summing();
    // The last is more than any allocation may have.
    for length in [
        "100001",
        "10000000000",
        "18446744073709551615",
        "99999999999999999999999",
    ] {
        let mut client = site.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\nGET /b HTTP/1.1\r\n"
        ));
        assert_eq!(client.answer().status, 413, "{length}");
        client.expect_end();
    }
    assert_eq!(site.client().get("/alive").status, 200);
    assert_eq!(site.handled(), ["/alive"]);
}

#[test]
fn malformed_chunks_are_refused_and_what_follows_is_no_request() {
    let site = summing();
    for chunks in [
        "x\r\n",
        "3\r\nabcd\r\n",
        "\r\n",
        "3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n",
    ] {
        let mut client = site.client();
        client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(format!("{chunks}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(client.answer().status, 400, "{chunks:?}");
        client.expect_end();
    }
    assert!(site.handled().is_empty());
}

#[test]
fn half_an_upload_is_never_taken_for_a_whole_one() {
    let site = summing();
    for head in [
        "Transfer-Encoding: chunked\r\n\r\n1000\r\n",
        "Content-Length: 4096\r\n\r\n",
    ] {
        let mut client = site.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: x\r\n{head}half"));
        client.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.answer().status, 400, "{head:?}");
        client.expect_end();
    }
    assert!(site.handled().is_empty());
}

#[test]
fn chunks_are_whole_although_their_client_wants_the_connection_closed() {
    let site = summing();
    for _ in 0..150 {
        let mut client = site.client();
        client.send(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        client.send("3\r\n\u{1}\u{1}\u{1}\r\n0\r\n\r\n");
        assert_eq!(client.answer().text(), "3 3");
        client.expect_end();
    }
}

#[test]
fn half_a_chunk_is_not_believed_however_it_ends() {
    let site = summing();
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n";
    for connection in ["", "Connection: close\r\n"] {
        for half in ["5\r\n", "5\r\nhel", "3\r\nabc\r\n5\r\nhel"] {
            let mut client = site.client();
            client.send(format!("{head}{connection}\r\n{half}"));
            // So that it is being waited for, or not yet.
            if half.len() % 2 == 0 {
                thread::sleep(Duration::from_millis(20));
            }
            client.stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(client.answer().status, 400, "{half:?}");
            client.expect_end();
        }
    }
    assert!(site.handled().is_empty());
}

#[test]
fn a_body_that_does_not_come_is_given_up_in_time() {
    let site = summing_within("1s");
    for head in [
        "Transfer-Encoding: chunked\r\n\r\n",
        "Content-Length: 4096\r\n\r\n",
    ] {
        let mut client = site.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: x\r\n{head}"));
        assert_eq!(client.answer().status, 408, "{head:?}");
        client.expect_end();
    }
    assert!(site.handled().is_empty());
}

#[test]
fn bodies_beyond_the_memory_for_them_are_told_to_come_again() {
    let (go, held) = crossbeam_channel::bounded::<()>(0);
    let (begun, has_begun) = crossbeam_channel::unbounded();
    // Half of it is for requests.
    let site = Site::with(&[("BUFFER_MEMORY", "64KiB")], move |request| {
        if request.path() == "/held" {
            begun.send(()).unwrap();
            let _ = held.recv();
        }
        text(request.body().len().to_string())
    });
    let upload = |client: &mut Client, path: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n");
        client.send(head + &"x".repeat(20_000));
    };
    let mut first = site.client();
    upload(&mut first, "/held");
    has_begun
        .recv_timeout(PATIENCE)
        .expect("the first is being handled");
    let mut second = site.client();
    upload(&mut second, "/");
    let answer = second.answer();
    assert!(
        answer.status == 503 && answer.head.contains("Retry-After"),
        "{answer:?}"
    );
    drop(go);
    assert_eq!(first.answer().text(), "20000");
    for _ in 0..3 {
        upload(&mut first, "/");
        assert_eq!(
            first.answer().text(),
            "20000",
            "what an earlier request took was given back"
        );
    }
}
