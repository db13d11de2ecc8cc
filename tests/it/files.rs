//! Files of a directory: what clients get of them, and what nobody gets.

pub(crate) mod curl;
pub(crate) mod paths;
pub(crate) mod precompressed;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use seaworthy::{Running, ServeDir, Service};

use crate::service::{end, serve};
use crate::support::{Client, Engine, Response, get};

both_engines! {
    a_file_is_sent_with_what_its_name_and_its_contents_say,
    what_a_client_has_is_not_sent_again_and_what_it_does_not_have_is,
    replicas_agree_on_tags_and_versions_with_equal_times_do_not,
    a_part_is_sent_and_never_one_of_another_version,
}

/// A directory `public` to serve, with room for what is outside beside it; removed when the test ends.
pub(crate) struct Tree(PathBuf);

impl Tree {
    pub(crate) fn new() -> Tree {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("seaworthy-it-files-{}-{number}", std::process::id());
        let tree = Tree(std::env::temp_dir().join(name));
        fs::create_dir_all(tree.path("public")).expect("a directory can be made");
        tree
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    pub(crate) fn write(&self, path: &str, held: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        let parent = path.parent().expect("it lies in the tree");
        fs::create_dir_all(parent).expect("a directory can be made");
        fs::write(&path, held).expect("a file can be written");
        path
    }

    pub(crate) fn serve(&self) -> ServeDir {
        ServeDir::new(self.path("public"))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Asks on a connection that stays.
pub(crate) struct Asking(Client);

impl Asking {
    pub(crate) fn new(running: &Running) -> Asking {
        Asking(Client::connect(running.addr()))
    }

    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        self.0.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n"
        ));
        self.0.response_to(method)
    }

    pub(crate) fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.ask("GET", path, headers)
    }
}

/// Bytes of which no two parts are alike.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    let numbers = (0u32..).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes());
    numbers.take(len).collect()
}

pub(crate) fn set_time(path: &Path, time: SystemTime) {
    let file = File::options().write(true).open(path);
    let file = file.expect("a file can be opened");
    file.set_modified(time).expect("a time can be set");
}

/// In whole seconds, as a file system or an image has it.
pub(crate) fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(crate) const SHOWN: u64 = 784_111_777;
pub(crate) const SHOWN_DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

pub(crate) fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    let value = response.header(name);
    value.unwrap_or_else(|| panic!("no {name}: {:?}", response.headers))
}

fn a_file_is_sent_with_what_its_name_and_its_contents_say(engine: Engine) {
    let tree = Tree::new();
    let large = bytes(1_000_003);
    set_time(&tree.write("public/app.js", "let x;"), time(SHOWN));
    tree.write("public/some where/caf\u{e9}.txt", "coffee");
    tree.write("public/empty.css", "");
    tree.write("public/large.bin", &large);
    set_time(&tree.write("public/old.png", "1970"), time(1));
    let running = serve(Service::new("test").nest("/static", tree.serve()), engine);
    let mut client = Asking::new(&running);
    let unknown = "application/octet-stream";
    for (path, content_type, held) in [
        ("app.js", "text/javascript; charset=utf-8", &b"let x;"[..]),
        (
            "some%20where/caf%C3%A9.txt",
            "text/plain; charset=utf-8",
            b"coffee",
        ),
        ("empty.css", "text/css; charset=utf-8", b""),
        ("large.bin", unknown, &large),
        ("old.png", "image/png", b"1970"),
    ] {
        let path = format!("/static/{path}?v=1");
        let whole = client.get(&path, &[]).expect(200);
        assert_eq!(header(&whole, "content-type"), content_type, "{path}");
        assert!(whole.body == held, "{path}");
        assert_eq!(header(&whole, "content-length"), held.len().to_string());
        assert_eq!(header(&whole, "accept-ranges"), "bytes");
        assert_eq!(header(&whole, "cache-control"), "no-cache");
        let is_strong = |etag: &str| etag.starts_with('"') && etag.len() == 18;
        assert!(is_strong(header(&whole, "etag")), "{path}");

        let mut head = client.ask("HEAD", &path, &[]).expect(200);
        let mut headers = whole.headers.clone();
        for headers in [&mut head.headers, &mut headers] {
            headers.retain(|(name, _)| name != "Date");
        }
        assert_eq!(head.headers, headers, "HEAD {path}");
    }
    let modified = |response: Response| response.header("last-modified").map(str::to_owned);
    let shown = client.get("/static/app.js", &[]);
    assert_eq!(modified(shown).as_deref(), Some(SHOWN_DATE));
    let old = client.get("/static/old.png", &[]);
    assert_eq!(modified(old), None, "browsers would keep it for years");
    client.get("/static/missing.js", &[]).expect(404);
    let refused = client.ask("DELETE", "/static/app.js", &[]).expect(405);
    assert_eq!(header(&refused, "allow"), "GET, HEAD");
    end(running);
}

fn what_a_client_has_is_not_sent_again_and_what_it_does_not_have_is(engine: Engine) {
    let tree = Tree::new();
    let path = tree.write("public/page.html", "one");
    set_time(&path, time(SHOWN));
    let kept = "public, max-age=60";
    let service = Service::new("test").merge(tree.serve().cache_control(kept));
    let running = serve(service, engine);
    let mut client = Asking::new(&running);
    let first = client.get("/page.html", &[]).expect(200);
    let etag = header(&first, "etag");
    let again = client
        .get("/page.html", &[("If-None-Match", etag)])
        .expect(304);
    for name in ["etag", "cache-control", "last-modified", "vary"] {
        assert_eq!(header(&again, name), header(&first, name), "{name}");
    }
    assert_eq!(header(&again, "cache-control"), kept);
    assert_eq!(again.header("content-type"), None);
    let weakened = format!("\"other\", W/{etag}");
    client
        .get("/page.html", &[("If-None-Match", &weakened)])
        .expect(304);
    client
        .ask("HEAD", "/page.html", &[("If-None-Match", etag)])
        .expect(304);
    client
        .get("/page.html", &[("If-Modified-Since", SHOWN_DATE)])
        .expect(304);
    client.get("/page.html", &[("If-Match", etag)]).expect(200);
    client
        .get("/page.html", &[("If-Match", "\"other\"")])
        .expect(412);
    client
        .get("/page.html", &[("If-Unmodified-Since", SHOWN_DATE)])
        .expect(200);

    tree.write("public/page.html", "two");
    set_time(&path, time(SHOWN));
    let news = client
        .get("/page.html", &[("If-None-Match", etag)])
        .expect(200);
    assert_eq!(news.text(), "two");
    // The tag weighs more than the time, which has not changed.
    let both = [("If-None-Match", etag), ("If-Modified-Since", SHOWN_DATE)];
    client.get("/page.html", &both).expect(200);
    client.get("/page.html", &[("If-Match", etag)]).expect(412);
    set_time(&path, time(SHOWN + 1));
    client
        .get("/page.html", &[("If-Modified-Since", SHOWN_DATE)])
        .expect(200);
    client
        .get("/page.html", &[("If-Unmodified-Since", SHOWN_DATE)])
        .expect(412);
    end(running);
}

fn replicas_agree_on_tags_and_versions_with_equal_times_do_not(engine: Engine) {
    let etag = |held: &[u8], at: u64| {
        let tree = Tree::new();
        set_time(&tree.write("public/app.js", held), time(at));
        let running = serve(Service::new("test").merge(tree.serve()), engine);
        let answer = get(running.addr(), "/app.js").expect(200);
        end(running);
        header(&answer, "etag").to_owned()
    };
    let mut large = bytes(300_000);
    let tag = etag(&large, SHOWN);
    assert_eq!(tag, etag(&large, SHOWN + 5), "one file in two replicas");
    large[150_000] ^= 1;
    assert_ne!(tag, etag(&large, SHOWN), "two versions of an image");
}

fn a_part_is_sent_and_never_one_of_another_version(engine: Engine) {
    let tree = Tree::new();
    let (small, large) = (bytes(1000), bytes(1_000_000));
    tree.write("public/small", &small);
    tree.write("public/large", &large);
    tree.write("public/empty", "");
    let running = serve(Service::new("test").merge(tree.serve()), engine);
    let mut client = Asking::new(&running);
    for (path, held) in [("/small", &small), ("/large", &large)] {
        let len = held.len();
        for (range, start, end) in [
            ("bytes=0-0".to_owned(), 0, 1),
            ("bytes=100-199".to_owned(), 100, 200),
            ("bytes=500-".to_owned(), 500, len),
            ("bytes=-7".to_owned(), len - 7, len),
            (format!("bytes=1-{}", 2 * len), 1, len),
            (format!("bytes=-{}", 2 * len), 0, len),
        ] {
            let part = client.get(path, &[("Range", &range)]).expect(206);
            let content_range = format!("bytes {start}-{}/{len}", end - 1);
            assert_eq!(header(&part, "content-range"), content_range);
            assert!(part.body == held[start..end], "{path} {range}");
            assert_eq!(part.header("content-encoding"), None);
        }
        let past = format!("bytes={len}-");
        let refused = client.get(path, &[("Range", &past)]).expect(416);
        assert_eq!(header(&refused, "content-range"), format!("bytes */{len}"));
        for range in ["bytes=0-1,5-6", "bytes=5-2", "lines=1-2", "bytes"] {
            let whole = client.get(path, &[("Range", range)]).expect(200);
            assert!(whole.body == *held, "{path} {range}");
        }
        client
            .ask("HEAD", path, &[("Range", "bytes=0-9")])
            .expect(200);

        let whole = client.get(path, &[]).expect(200);
        let (etag, date) = (header(&whole, "etag"), header(&whole, "last-modified"));
        for (if_range, status) in [
            (etag, 206),
            (date, 206),
            ("\"other\"", 200),
            (&format!("W/{etag}"), 200),
            (SHOWN_DATE, 200),
        ] {
            let headers = [("Range", "bytes=5-9"), ("If-Range", if_range)];
            client.get(path, &headers).expect(status);
        }
        let changed: Vec<u8> = held.iter().map(|byte| !byte).collect();
        tree.write(&format!("public{path}"), &changed);
        let headers = [("Range", "bytes=5-9"), ("If-Range", etag)];
        let whole = client.get(path, &headers).expect(200);
        assert!(
            whole.body == changed,
            "{path}: two versions in one download"
        );
    }
    client.get("/empty", &[("Range", "bytes=0-")]).expect(200);
    end(running);
}
