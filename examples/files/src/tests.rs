//! Over real sockets, as a browser and a download manager would.

use crate::{Store, service};
use seaworthy::{Config, Running};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    path::Path,
    process::Command,
    thread,
    time::Duration,
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

struct Site {
    running: Running,
    data: TempDir,
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Site {
    fn new() -> Site {
        let data = tempfile::tempdir().unwrap();
        let public = Path::new(env!("CARGO_MANIFEST_DIR")).join("public");
        let config = [("HOST", "127.0.0.1"), ("PORT", "0"), ("DRAIN_DELAY", "0")];
        // The directory is not there yet: the service makes it.
        let store = Store {
            data: data.path().join("kept"),
            public,
        };
        let running = service(store)
            .start(Config::from_pairs(config).unwrap())
            .unwrap();
        running.wait_ready(PATIENCE).unwrap();
        Site { running, data }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.running.addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let end = all
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap();
        let body = all.split_off(end + 4);
        let head = String::from_utf8(all).unwrap().to_ascii_lowercase();
        let status = head[9..12].parse().unwrap();
        Answer { status, head, body }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", b"")
    }

    fn put(&self, name: &str, body: &[u8]) -> u16 {
        self.ask("PUT", &format!("/api/files/{name}"), "", body)
            .status
    }

    fn list(&self) -> String {
        String::from_utf8(self.get("/api/files").body).unwrap()
    }
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(known, _)| *known == name)
            .unwrap_or_default()
            .1
    }
}

#[test]
fn what_was_uploaded_is_listed_and_downloaded_until_it_is_deleted() {
    let site = Site::new();
    let large = vec![7; 3_000_000];
    assert_eq!(site.list(), "[]");
    assert_eq!(site.put("b%20c.txt", b"first"), 201);
    assert_eq!(site.put("b%20c.txt", b"text"), 204);
    assert_eq!(site.put("a.bin", &large), 201);
    let all = r#"[["a.bin",3000000],["b c.txt",4]]"#;
    assert_eq!(site.list(), all);
    assert_eq!(site.get("/files/b%20c.txt").body, b"text");
    assert!(site.get("/files/a.bin").body == large);
    assert_eq!(site.ask("DELETE", "/api/files/a.bin", "", b"").status, 204);
    assert_eq!(site.ask("DELETE", "/api/files/a.bin", "", b"").status, 404);
    assert_eq!(site.get("/files/a.bin").status, 404);
}

#[test]
fn a_download_resumes_where_it_broke_off_and_begins_anew_where_the_file_was_replaced() {
    let site = Site::new();
    site.put("a", b"0123456789");
    let etag = site.get("/files/a").header("etag").to_owned();
    let resume = format!("Range: bytes=4-\r\nIf-Range: {etag}\r\n");
    let rest = site.ask("GET", "/files/a", &resume, b"");
    assert_eq!((rest.status, &rest.body[..]), (206, &b"456789"[..]));
    assert_eq!(rest.header("content-range"), "bytes 4-9/10");
    site.put("a", b"abcdefghij");
    let whole = site.ask("GET", "/files/a", &resume, b"");
    assert_eq!((whole.status, &whole.body[..]), (200, &b"abcdefghij"[..]));
}

#[test]
fn no_upload_lands_outside_the_directory_or_under_a_hidden_name() {
    let site = Site::new();
    let long = "n".repeat(256);
    for name in [
        "..%2fup", "%2e%2e", ".hidden", "a%2fb", "a%5cb", "a%00b", &long,
    ] {
        assert_eq!(site.put(name, b"x"), 400, "{name}");
    }
    assert_eq!(site.list(), "[]");
    let around = std::fs::read_dir(site.data.path()).unwrap();
    assert_eq!(around.count(), 1, "the directory itself");
}

#[test]
fn an_upload_that_breaks_off_or_is_too_large_leaves_nothing() {
    let site = Site::new();
    let mut broken = site.connect();
    broken
        .write_all(b"PUT /api/files/a HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nhalf")
        .unwrap();
    broken.shutdown(Shutdown::Both).unwrap();
    let mut large = site.connect();
    let length = 10_u64 * 1024 * 1024 * 1024 + 1;
    let head =
        format!("PUT /api/files/a HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n");
    large.write_all(head.as_bytes()).unwrap();
    let mut status = [0; 12];
    large.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
    assert_eq!(site.list(), "[]");
}

#[test]
fn of_two_uploads_to_one_name_one_is_kept_whole_and_no_reader_sees_a_mixture() {
    let site = Site::new();
    site.put("a", &[0; 100_000]);
    thread::scope(|scope| {
        for letter in 1..=4 {
            let site = &site;
            scope.spawn(move || {
                (0..20).for_each(|_| assert_eq!(site.put("a", &[letter; 100_000]), 204))
            });
        }
        for _ in 0..100 {
            let body = site.get("/files/a").body;
            assert!(body.len() == 100_000 && body.iter().all(|byte| *byte == body[0]));
        }
    });
}

#[test]
fn an_uploaded_page_is_no_page_of_ours_and_an_archive_stands_for_no_other_file() {
    let site = Site::new();
    site.put("page.html", b"<script>alert(1)</script>");
    site.put("notes.html", b"notes");
    site.put("notes.html.gz", b"other");
    let page = site.get("/files/page.html");
    assert_eq!(page.header("content-disposition"), "attachment");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let notes = site.ask("GET", "/files/notes.html", "Accept-Encoding: gzip\r\n", b"");
    assert_eq!(notes.body, b"notes");
}

#[test]
fn each_view_is_the_page_and_what_is_missing_is_not() {
    let site = Site::new();
    let page = site.get("/").body;
    assert!(page.starts_with(b"<!doctype html>"));
    let accept = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    assert!(site.ask("GET", "/view/a%20b.txt", accept, b"").body == page);
    assert_eq!(
        site.get("/app.js").header("content-type"),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(site.get("/app.123.js").status, 404);
    assert_eq!(site.get("/files/missing").status, 404);
    assert_eq!(
        site.ask("POST", "/view/a", "", b"").header("allow"),
        "get, head"
    );
}

#[test]
fn a_browser_shows_what_was_uploaded_in_both_views() {
    let site = Site::new();
    site.put("b%20c.txt", b"text");
    let address = site.running.addr();
    for (path, shown) in [
        ("/", "<td>4 bytes</td>"),
        ("/view/b%20c.txt", "b c.txt, 4 bytes"),
        ("/view/gone", "There is no gone."),
    ] {
        let arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"];
        let browser = Command::new("timeout")
            .args(["60", "chromium", "--virtual-time-budget=10000"])
            .args(arguments)
            .arg(format!("http://{address}{path}"))
            .output()
            .unwrap();
        if browser.status.code() == Some(127) {
            let _ = writeln!(
                io::stderr(),
                "note: there is no chromium: nobody looked at the page"
            );
            return;
        }
        let page = String::from_utf8_lossy(&browser.stdout);
        assert!(page.contains(shown), "{path}: {page}");
    }
}
