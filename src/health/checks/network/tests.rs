use super::*;
use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// A server for one request, which it returns, and its URL.
fn serve(answer: &'static str) -> (thread::JoinHandle<String>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = vec![0; 1024];
        let length = stream.read(&mut head).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&head[..length]).into_owned()
    });
    (server, url)
}

#[test]
fn a_url_is_asked_as_it_is_written() {
    let (server, url) = serve("HTTP/1.1 204 No Content\r\n\r\n");
    let target = Target::parse(&format!("{url}/livez?verbose")).unwrap();
    assert_eq!(target.ask(soon()), Ok(()));
    let host = url.strip_prefix("http://").unwrap();
    let expected =
        format!("GET /livez?verbose HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    assert_eq!(server.join().unwrap(), expected);
}

#[test]
fn a_service_that_answers_an_error_fails_the_check() {
    for (answer, expected) in [
        ("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", Ok(())),
        (
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
            Err("it answers 503".to_owned()),
        ),
        (
            "SSH-2.0-OpenSSH\r\n",
            Err("the answer is not HTTP".to_owned()),
        ),
    ] {
        let (server, url) = serve(answer);
        assert_eq!(Target::parse(&url).unwrap().ask(soon()), expected);
        server.join().unwrap();
    }
}

#[test]
fn a_service_that_does_not_answer_is_left_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let began = Instant::now();
    let verdict = Target::parse(&url)
        .unwrap()
        .ask(began + Duration::from_millis(100));
    assert_eq!(verdict, Err("it does not answer".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn whoever_is_not_there_is_named_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert!(connect("127.0.0.1", address.port(), soon()).is_ok());
    drop(listener);
    let problem = connect("127.0.0.1", address.port(), soon()).unwrap_err();
    assert!(problem.starts_with(&format!("{address}: ")), "{problem}");
    let problem = connect("no.such.host.invalid", 80, soon()).unwrap_err();
    assert!(problem.contains("no.such.host.invalid"), "{problem}");
}

#[test]
fn host_port_and_path_are_read_from_any_url_that_is_one() {
    for (url, host, port, authority, path) in [
        ("http://orders", "orders", 80, "orders", "/"),
        ("http://orders/", "orders", 80, "orders", "/"),
        ("http://orders:/a", "orders", 80, "orders", "/a"),
        (
            "HTTP://orders:8080?a=b",
            "orders",
            8080,
            "orders:8080",
            "/?a=b",
        ),
        (
            "http://[::1]:8080/livez",
            "::1",
            8080,
            "[::1]:8080",
            "/livez",
        ),
        ("http://[::1]/", "::1", 80, "[::1]", "/"),
    ] {
        let target = Target::parse(url).unwrap_or_else(|problem| panic!("{url}: {problem}"));
        assert_eq!(
            (
                &*target.host,
                target.port,
                &*target.authority,
                &*target.path
            ),
            (host, port, authority, path),
            "{url}"
        );
    }
}

#[test]
fn a_url_that_cannot_be_asked_is_refused_with_what_would_be_right() {
    for (url, problem) in [
        ("", "expected a URL such as"),
        ("orders:8080", "expected a URL such as"),
        ("/livez", "expected a URL such as"),
        ("ftp://orders", "expected a URL such as"),
        ("https://orders/livez", "TLS is not spoken here"),
        ("http://me:secret@orders/", "without a user"),
        ("http://orders:0/", "a port is from 1 to 65535"),
        ("http://orders:65536/", "a port is from 1 to 65535"),
    ] {
        let refused = Target::parse(url).err();
        assert!(
            refused
                .as_deref()
                .is_some_and(|told| told.contains(problem)),
            "{url}: {refused:?}"
        );
    }
}
