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
    assert_eq!(ask(&target, soon()), Ok(()));
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
        let target = Target::parse(&url).unwrap();
        assert_eq!(ask(&target, soon()), expected);
        server.join().unwrap();
    }
}

#[test]
fn a_service_that_does_not_answer_is_left_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let began = Instant::now();
    let target = Target::parse(&url).unwrap();
    let verdict = ask(&target, began + Duration::from_millis(100));
    assert_eq!(verdict, Err("it does not answer".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_url_that_is_none_is_refused_with_one_that_is() {
    let refused = Check::<()>::http("orders", "https://orders/").err();
    let expected = "expected a URL such as http://orders:8080/livez: TLS is not spoken here";
    assert_eq!(refused.as_deref(), Some(expected));
}
