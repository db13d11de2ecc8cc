//! The service as Kubernetes meets it: a process that is started, asked, and told to end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

#[test]
fn it_greets_and_ends_well_on_sigterm() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_hello"))
        .env_clear()
        .envs([("HOST", "127.0.0.1"), ("PORT", "0")])
        .envs([("DRAIN_DELAY", "0"), ("LOG_FORMAT", "json")])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the service can be started");
    let mut log = BufReader::new(process.stdout.take().expect("a pipe")).lines();
    let mut record = |message: &str| {
        let is_it = |line: &String| line.contains(&format!("\"msg\":\"{message}\""));
        let mut lines = log.by_ref().map(|line| line.expect("the log is text"));
        lines
            .find(is_it)
            .unwrap_or_else(|| panic!("no record {message:?}"))
    };

    let listening = record("listening");
    let (_, address) = listening.split_once("\"addr\":\"").expect("an address");
    let (address, _) = address.split_once('"').expect("its end");
    record("started");

    let mut client = TcpStream::connect(address).expect("it listens");
    client
        .write_all(b"GET /users/ada HTTP/1.1\r\nHost: hello\r\nConnection: close\r\n\r\n")
        .expect("it reads");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("it answers");
    assert!(answer.ends_with("\r\n\r\nHello, ada!\n"), "{answer}");

    let pid = process.id().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(told.expect("there is kill").success());
    let report = record("drained");
    assert!(report.contains("\"abandoned\":0"), "{report}");
    assert_eq!(process.wait().expect("it ends").code(), Some(0));
}
