//! Requests that are served, and the form of their responses.

use super::harness::{Client, Site, text};
use crate::message::response::Response;
use crossbeam_channel::bounded;
use http::{HeaderValue, StatusCode, header};
use std::{io, thread, time::Duration};

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let site = Site::echoing_targets();
    let mut client = site.client();
    for path in ["/one", "/two", "/three"] {
        let answer = client.get(path);
        assert_eq!(
            (answer.status, answer.text(), answer.says_close()),
            (200, path, false)
        );
    }
}

#[test]
fn what_a_handler_sees_is_what_the_client_sent() {
    let site = Site::new(|request| {
        let cookie = request.header("x-Token").unwrap_or("none");
        text(format!(
            "{} {} {:?} {cookie}",
            request.method(),
            request.path(),
            request.query()
        ))
    });
    let mut client = site.client();
    client.send("PATCH http://other/a/b?c=d?e HTTP/1.1\r\nHost: x\r\nX-Token:  a b \r\n\r\n");
    assert_eq!(client.answer().text(), "PATCH /a/b Some(\"c=d?e\") a b");
    client.send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.answer().text(), "OPTIONS * None none");
}

#[test]
fn pipelined_requests_are_answered_in_order_although_the_first_takes_longest() {
    let (go_on, wait) = bounded::<()>(0);
    let site = Site::new(move |request| {
        if request.path() == "/slow" {
            let _ = wait.recv_timeout(super::harness::PATIENCE);
        }
        text(request.path().to_owned())
    });
    let mut client = site.client();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    client.send([get("/slow"), get("/a"), get("/b")].concat());
    while site.handled().is_empty() {
        thread::sleep(Duration::from_millis(1));
    }
    // Others are served meanwhile: nothing that pipelines holds the thread that pulls.
    assert_eq!(site.client().get("/other").status, 200);
    assert_eq!(
        site.handled(),
        ["/slow", "/other"],
        "a pipelined request waits for its turn"
    );
    go_on.send(()).unwrap();
    for path in ["/slow", "/a", "/b"] {
        assert_eq!(client.answer().text(), path);
    }
}

#[test]
fn a_client_that_pipelines_without_end_gets_its_answer_and_a_close() {
    let (go_on, wait) = bounded::<()>(0);
    let site = Site::new(move |request| {
        let _ = wait.recv_timeout(super::harness::PATIENCE);
        text(request.path().to_owned())
    });
    let mut client = site.client();
    client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200));
    // By now all of them have come out of tiny_http, since this one has.
    let mut other = site.client();
    other.send("GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    while site.handled().len() < 2 {
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(50));
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    let answer = client.answer();
    assert!(answer.says_close(), "{answer:?}");
    client.expect_end();
    assert_eq!(other.answer().status, 200);
}

#[test]
fn a_head_request_gets_the_length_and_not_one_byte_of_the_body() {
    let site = Site::echoing_targets();
    let mut client = site.client();
    client.send("HEAD /path HTTP/1.1\r\nHost: x\r\n\r\n");
    let (status, head) = client.head();
    assert!(
        status == 200 && head.contains("Content-Length: 5\r\n"),
        "{head}"
    );
    assert_eq!(client.get("/next").text(), "/next");
}

#[test]
fn statuses_without_a_body_have_none_and_the_connection_goes_on() {
    let site = Site::new(|request| match request.path() {
        "/204" => text("never seen".to_owned()).with_status(StatusCode::NO_CONTENT),
        "/304" => text("never seen".to_owned()).with_status(StatusCode::NOT_MODIFIED),
        other => text(other.to_owned()),
    });
    let mut client = site.client();
    for (path, status) in [("/204", 204), ("/304", 304)] {
        let answer = client.get(path);
        assert_eq!(answer.status, status);
        assert!(
            !answer.head.contains("Content-Length") && !answer.head.contains("Transfer-Encoding")
        );
    }
    assert_eq!(client.get("/next").text(), "/next");
}

#[test]
fn an_http_1_0_client_gets_a_close_unless_it_asks_for_more() {
    let site = Site::echoing_targets();
    let mut client = site.client();
    client.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.answer();
    assert!(
        answer.head.contains("\r\nConnection: keep-alive\r\n"),
        "{answer:?}"
    );
    client.send("GET /b HTTP/1.0\r\n\r\n");
    assert!(client.answer().says_close());
    client.expect_end();
}

#[test]
fn a_client_that_says_close_gets_one_answer_and_the_end() {
    let site = Site::echoing_targets();
    // tiny_http by itself sees neither the second of these lines nor the whole word.
    for fields in [
        "Connection: close",
        "Connection: x\r\nConnection: close",
        "Connection: closed",
    ] {
        let mut client = site.client();
        client.send(format!(
            "GET /a HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n"
        ));
        assert!(client.answer().says_close(), "{fields}");
        client.expect_end();
    }
    assert!(!site.handled().contains(&"/b".to_owned()));
}

#[test]
fn an_offer_to_upgrade_is_declined_and_its_body_is_read_all_the_same() {
    let site = Site::new(|request| text(request.body().len().to_string()));
    let offer =
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n";
    let mut client = site.client();
    client.send(format!("{offer}Content-Length: 5\r\n\r\nhello"));
    let answer = client.answer();
    assert!(answer.text() == "5" && answer.says_close(), "{answer:?}");
    let mut client = site.client();
    client.send(format!(
        "{offer}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    ));
    assert_eq!(client.answer().text(), "3");
    client.expect_end();
}

#[test]
fn a_stream_reaches_each_client_whole_in_the_form_it_understands() {
    let site = Site::new(|request| match request.path() {
        "/sized" => Response::stream_sized(io::repeat(b'x'), 100_000),
        _ => Response::stream(io::Read::take(io::repeat(b'x'), 100_000)),
    });
    let mut client = site.client();
    let chunked = client.get("/unsized");
    assert!(chunked.body.len() == 100_000 && chunked.head.contains("Transfer-Encoding: chunked"));
    let sized = client.get("/sized");
    assert!(sized.body.len() == 100_000 && sized.head.contains("Content-Length: 100000"));
    client.send("GET /unsized HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let until_close = client.answer();
    assert!(until_close.body.len() == 100_000 && until_close.says_close());
}

#[test]
fn a_stream_that_fails_is_never_taken_for_a_whole_one() {
    struct Failing(&'static str);
    impl io::Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0 {
                "/panic" => panic!("a reader's panic, on purpose"),
                "/error" => Err(io::Error::other("on purpose")),
                _ => io::Read::take(io::repeat(b'x'), 10).read(buffer),
            }
        }
    }
    let site = Site::new(|request| match request.path() {
        "/short" => Response::stream_sized(io::Read::take(Failing(""), 10), 100),
        "/panic" => Response::stream(Failing("/panic")),
        _ => Response::stream(Failing("/error")),
    });
    for path in ["/short", "/panic", "/error"] {
        let mut client = site.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let (status, head) = client.head();
        assert_eq!(status, 200);
        let rest = client.rest();
        let is_whole = rest.ends_with(b"0\r\n\r\n") || head.contains("Length") && rest.len() == 100;
        assert!(!is_whole, "{path}: {:?}", String::from_utf8_lossy(&rest));
    }
}

#[test]
fn a_large_response_arrives_whole() {
    let body: Vec<u8> = (0..5_000_000u32).map(|number| number as u8).collect();
    let expected = body.clone();
    let site = Site::new(move |_| {
        let mut response = Response::new(StatusCode::OK);
        response.body = crate::message::body::Body::Bytes(body.clone());
        response.with_header(header::ETAG, HeaderValue::from_static("\"1\""))
    });
    let answer = site.client().get("/");
    assert!(
        answer.body == expected
            && answer.head.contains("\r\nDate: ")
            && answer.head.contains("Etag: \"1\"\r\n")
    );
}

#[test]
fn a_request_that_is_dropped_unanswered_ends_visibly_and_without_a_made_up_answer() {
    let site = Site::echoing_targets();
    let mut client = site.client();
    client.send("GET /drop HTTP/1.1\r\nHost: x\r\n\r\nGET /behind HTTP/1.1\r\nHost: x\r\n\r\n");
    client.expect_end();
    assert_eq!(site.handled(), ["/drop"]);
}

#[test]
fn a_hundred_clients_at_once_are_all_served() {
    let site = Site::echoing_targets();
    let mut clients: Vec<Client> = (0..100).map(|_| site.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
}
