//! Uploads for which there are no descriptors.

use crate::{serving::Serving, uploads::Data};
use std::{
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// Of which 64 are for connections and uploads.
const LIMIT: &str = "ulimit -n 96";

/// The first of those that no file of an upload has.
const KEPT: usize = 80;

const PATIENCE: Duration = Duration::from_secs(30);

fn start(data: &Data) -> Serving {
    let settings = [("QUEUE", "queue"), ("DATA_DIR", &data.path())];
    Serving::start_after(LIMIT, &settings)
}

/// The status of what the connection is told next: 100 where its upload goes on. None where it was idle, and has made room
/// for another.
fn status(stream: &mut TcpStream) -> Option<String> {
    let mut line = [0; 12];
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.read_exact(&mut line).ok()?;
    Some(String::from_utf8_lossy(&line[9..]).into_owned())
}

fn send_head(stream: &mut TcpStream, name: usize) -> io::Result<()> {
    let head = format!(
        "PUT /files/{name} HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
    );
    stream.write_all(head.as_bytes())
}

fn connect(serving: &Serving) -> TcpStream {
    TcpStream::connect(serving.address()).expect("it listens")
}

fn is_ready(serving: &Serving) -> bool {
    serving.get("/readyz", "").starts_with("HTTP/1.1 200")
}

/// By which descriptors the process has files of uploads.
fn descriptors_of_files(serving: &Serving, data: &Data) -> Vec<usize> {
    let all = fs::read_dir(format!("/proc/{}/fd", serving.pid())).expect("it runs");
    let is_file = |entry: &fs::DirEntry| {
        fs::read_link(entry.path()).is_ok_and(|file| file.starts_with(data.path()))
    };
    let files = all.flatten().filter(is_file);
    files
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Once those that took the descriptors have gone, all is as before.
fn expect_recovery(serving: &Serving) {
    let begun = Instant::now();
    loop {
        let mut stream = connect(serving);
        send_head(&mut stream, 0).expect("it reads");
        if status(&mut stream).as_deref() == Some("100") {
            stream.write_all(b"\r\nnine more").expect("it reads");
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "no upload is taken any more");
        thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn uploads_take_two_places_so_that_descriptors_are_left_for_probes_and_the_service() {
    let data = Data::new("places");
    let serving = start(&data);
    let mut begun = Vec::new();
    for name in 0..60 {
        let mut stream = connect(&serving);
        send_head(&mut stream, name).expect("it reads");
        match status(&mut stream).as_deref() {
            Some("100") => begun.push(stream),
            told => assert_eq!(told, Some("503")),
        }
        assert!(is_ready(&serving), "with {name} uploads");
    }
    assert!((24..=33).contains(&begun.len()), "{} uploads", begun.len());
    drop(begun);
    expect_recovery(&serving);
    serving.end();
}

pub(crate) fn uploads_on_open_connections_are_told_503_where_the_last_descriptors_are_left() {
    let data = Data::new("descriptors");
    let serving = start(&data);
    let mut clients: Vec<TcpStream> = (0..64).map(|_| connect(&serving)).collect();
    for client in &mut clients {
        let request = b"GET /shards HTTP/1.1\r\nHost: test\r\n\r\n";
        client.write_all(request).expect("it reads");
        assert_eq!(status(client).as_deref(), Some("200"));
        // The rest of the answer.
        let mut rest = [0; 1024];
        assert!(client.read(&mut rest).expect("it answers") > 0);
    }
    // All at once, before any that is idle makes room.
    for (name, client) in clients.iter_mut().enumerate() {
        send_head(client, name).expect("it is open");
    }
    let told: Vec<String> = clients.iter_mut().filter_map(status).collect();
    assert!(is_ready(&serving));
    assert!(
        told.iter().all(|status| status == "100" || status == "503"),
        "{told:?}"
    );
    assert!(told.contains(&"503".to_owned()), "{told:?}");
    let files = descriptors_of_files(&serving, &data);
    assert!(
        !files.is_empty() && files.iter().all(|one| *one < KEPT),
        "{files:?}"
    );
    drop(clients);
    expect_recovery(&serving);
    let log = serving.end();
    let cause = "no file can be created in";
    let is_told = |record: &serde_json::Value| {
        let told = record["cause"].as_str();
        told.is_some_and(|told| told.contains(cause) && told.contains("Too many open files"))
    };
    assert!(log.iter().any(is_told), "{log:?}");
}
