//! Files of a directory: what clients get of them, and what nobody gets.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use seaworthy::{Config, Ending, Request, Running, ServeDir, Service};

use crate::support::{Client, Engine, PATIENCE, Response, get, note};

both_engines! {
    a_file_is_sent_with_what_its_name_and_its_contents_say,
    what_a_client_has_is_not_sent_again_and_what_it_does_not_have_is,
    replicas_agree_on_tags_and_versions_with_equal_times_do_not,
    a_part_is_sent_and_never_one_of_another_version,
    a_precompressed_neighbour_stands_for_its_file_where_the_client_takes_it,
    a_directory_is_its_index_and_is_told_its_slash,
    a_page_stands_for_every_path_that_is_no_file_and_no_route,
    nothing_outside_is_sent_whatever_the_path_says,
    a_mounted_config_map_is_swapped_under_load_without_a_torn_answer: alone,
    a_missing_directory_is_found_out_at_start,
    curl_resumes_and_revalidates_what_it_has,
}

/// A directory `public` to serve, with room for what is outside beside it; removed when the test ends.
struct Tree(PathBuf);

impl Tree {
    fn new() -> Tree {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("seaworthy-it-files-{}-{number}", std::process::id());
        let tree = Tree(std::env::temp_dir().join(name));
        fs::create_dir_all(tree.path("public")).expect("a directory can be made");
        tree
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    fn write(&self, path: &str, held: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        let parent = path.parent().expect("it lies in the tree");
        fs::create_dir_all(parent).expect("a directory can be made");
        fs::write(&path, held).expect("a file can be written");
        path
    }

    fn serve(&self) -> ServeDir {
        ServeDir::new(self.path("public"))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(service: Service, engine: Engine) -> Running {
    let config = Config::from_pairs([
        ("HTTP_ENGINE", engine.name()),
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("DRAIN_DELAY", "0"),
    ]);
    let config = config.expect("good settings");
    service.start(config).expect("a port is free")
}

fn serve(service: Service, engine: Engine) -> Running {
    let running = start(service, engine);
    running.wait_ready(PATIENCE).expect("it becomes ready");
    running
}

fn end(running: Running) {
    running.stop();
    assert_eq!(running.wait().abandoned_total(), 0);
}

/// Asks on a connection that stays.
struct Asking(Client);

impl Asking {
    fn new(running: &Running) -> Asking {
        Asking(Client::connect(running.addr()))
    }

    fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        self.0.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n"
        ));
        self.0.response_to(method)
    }

    fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.ask("GET", path, headers)
    }
}

/// Bytes of which no two parts are alike.
fn bytes(len: usize) -> Vec<u8> {
    let numbers = (0u32..).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes());
    numbers.take(len).collect()
}

fn set_time(path: &Path, time: SystemTime) {
    let file = File::options().write(true).open(path);
    let file = file.expect("a file can be opened");
    file.set_modified(time).expect("a time can be set");
}

/// In whole seconds, as a file system or an image has it.
fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

const SHOWN: u64 = 784_111_777;
const SHOWN_DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
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

fn a_precompressed_neighbour_stands_for_its_file_where_the_client_takes_it(engine: Engine) {
    let tree = Tree::new();
    for (name, held) in [
        ("app.js", "plain"),
        ("app.js.gz", "gzipped"),
        ("app.js.br", "brotli"),
        ("app.js.zst", "zstandard"),
        ("only.css", "plain"),
        ("only.css.gz", "gzipped"),
        ("photo.png", "plain"),
        ("photo.png.gz", "gzipped"),
        ("docs/index.html", "plain"),
        ("docs/index.html.gz", "gzipped"),
        ("lonely.js.gz", "gzipped"),
    ] {
        tree.write(&format!("public/{name}"), held);
    }
    let service = Service::new("test")
        .nest("/plain", tree.serve().precompressed(false))
        .merge(tree.serve());
    let running = serve(service, engine);
    let mut client = Asking::new(&running);
    for (path, accepted, coding) in [
        ("/app.js", "gzip, deflate, br, zstd", Some("br")),
        ("/app.js", "gzip, zstd", Some("zstd")),
        ("/app.js", "gzip, br;q=0.5", Some("gzip")),
        ("/app.js", "br;q=0, *;q=0.1", Some("zstd")),
        ("/app.js", "gzip;q=0.5, identity", None),
        ("/app.js", "deflate", None),
        ("/app.js", "", None),
        ("/only.css", "gzip, deflate, br, zstd", Some("gzip")),
        ("/only.css", "br", None),
        ("/photo.png", "gzip", None),
        ("/docs/", "gzip", Some("gzip")),
        ("/plain/app.js", "gzip", None),
    ] {
        let answer = client
            .get(path, &[("Accept-Encoding", accepted)])
            .expect(200);
        let held = match coding {
            Some("gzip") => "gzipped",
            Some("br") => "brotli",
            Some("zstd") => "zstandard",
            _ => "plain",
        };
        let told = (answer.text(), answer.header("content-encoding"));
        assert_eq!(told, (held, coding), "{path} {accepted:?}");
        let varies = path != "/photo.png" && path != "/plain/app.js";
        let vary = varies.then_some("accept-encoding");
        assert_eq!(answer.header("vary"), vary, "{path}");
    }
    client
        .get("/lonely.js", &[("Accept-Encoding", "gzip")])
        .expect(404);
    let archive = client
        .get("/app.js.gz", &[("Accept-Encoding", "gzip")])
        .expect(200);
    assert_eq!(header(&archive, "content-type"), "application/gzip");
    assert_eq!(archive.header("content-encoding"), None);

    let plain = client.get("/app.js", &[]).expect(200);
    let gzip = ("Accept-Encoding", "gzip");
    let gzipped = client.get("/app.js", &[gzip]).expect(200);
    let (etag, other) = (header(&gzipped, "etag"), header(&plain, "etag"));
    assert_ne!(etag, other);
    assert_eq!(
        header(&gzipped, "content-type"),
        "text/javascript; charset=utf-8"
    );
    let part = [gzip, ("Range", "bytes=2-4"), ("If-Range", etag)];
    let part = client.get("/app.js", &part).expect(206);
    assert_eq!(
        (part.text(), header(&part, "content-range")),
        ("ipp", "bytes 2-4/7")
    );
    assert_eq!(header(&part, "content-encoding"), "gzip");
    client
        .get("/app.js", &[gzip, ("If-None-Match", etag)])
        .expect(304);
    client
        .get("/app.js", &[gzip, ("If-None-Match", other)])
        .expect(200);
    end(running);
}

fn a_directory_is_its_index_and_is_told_its_slash(engine: Engine) {
    let tree = Tree::new();
    tree.write("public/index.html", "top");
    tree.write("public/docs/index.html", "docs");
    tree.write("public/docs/part/index.html", "part");
    tree.write("public/images/logo.svg", "logo");
    tree.write("public/page/index.html/x", "no page");
    let service = Service::new("test")
        .nest("/static", tree.serve())
        .merge(tree.serve());
    let running = serve(service, engine);
    let mut client = Asking::new(&running);
    for prefix in ["", "/static"] {
        for (path, held) in [
            ("/", "top"),
            ("/index.html", "top"),
            ("/docs/", "docs"),
            ("/docs/part/?x=1", "part"),
        ] {
            let answer = client.get(&format!("{prefix}{path}"), &[]).expect(200);
            assert_eq!(answer.text(), held, "{prefix}{path}");
            assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8");
        }
        for (path, location) in [
            ("/docs", "./docs/"),
            ("/docs/part?x=1", "./part/?x=1"),
            ("/do%63s", "./do%63s/"),
        ] {
            let told = client.get(&format!("{prefix}{path}"), &[]).expect(307);
            assert_eq!(header(&told, "location"), location, "{prefix}{path}");
        }
        for path in [
            "/images",
            "/images/",
            "/index.html/",
            "/docs/index.html/",
            "/page",
            "/page/",
            "//docs/",
            "/docs//",
        ] {
            client.get(&format!("{prefix}{path}"), &[]).expect(404);
        }
    }
    let told = client.get("/static", &[]).expect(307);
    assert_eq!(header(&told, "location"), "./static/");
    end(running);
}

fn a_page_stands_for_every_path_that_is_no_file_and_no_route(engine: Engine) {
    let tree = Tree::new();
    tree.write("public/index.html", "the application");
    tree.write("public/app.js", "its script");
    fs::create_dir(tree.path("public/orders")).expect("a directory can be made");
    let application = || tree.serve().fallback("index.html");
    let service = Service::new("test")
        .get("/api/orders", |_: &Request| "[]")
        .nest("/admin", application())
        .merge(application());
    let running = serve(service, engine);
    let mut client = Asking::new(&running);
    for prefix in ["", "/admin"] {
        for (path, held) in [
            ("/", "the application"),
            ("/app.js", "its script"),
            ("/orders", "the application"),
            ("/orders/", "the application"),
            ("/orders/7?tab=1", "the application"),
            ("/users/john.doe", "the application"),
            ("/caf%C3%A9", "the application"),
        ] {
            let answer = client.get(&format!("{prefix}{path}"), &[]).expect(200);
            assert_eq!(answer.text(), held, "{prefix}{path}");
        }
        for path in ["/app.123.js", "/.env", "/a/..%2fx", "/a//b"] {
            client.get(&format!("{prefix}{path}"), &[]).expect(404);
        }
    }
    let browser = [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    client.get("/view/notes.txt", &[]).expect(404);
    client.get("/view/notes.txt", &browser).expect(200);
    let page = client.get("/orders/7", &[]).expect(200);
    let etag = header(&page, "etag");
    client
        .get("/orders/8", &[("If-None-Match", etag)])
        .expect(304);
    assert_eq!(client.get("/api/orders", &[]).expect(200).text(), "[]");
    let refused = client.ask("POST", "/orders/7", &[]).expect(405);
    assert_eq!(header(&refused, "allow"), "GET, HEAD");
    let refused = client.ask("DELETE", "/api/orders", &[]).expect(405);
    assert_eq!(header(&refused, "allow"), "GET, HEAD");
    client.ask("BREW", "/orders/7", &[]).expect(501);
    end(running);
}

fn nothing_outside_is_sent_whatever_the_path_says(engine: Engine) {
    let tree = Tree::new();
    tree.write("secret", "secret");
    tree.write("public/deep/file", "public");
    tree.write("public/.env", "secret");
    tree.write("public/.git/config", "secret");
    tree.write("public/deep/.hidden", "secret");
    tree.write("public/.well-known/security.txt", "public");
    symlink("../secret", tree.path("public/link")).expect("a link can be made");
    symlink("/etc", tree.path("public/etc")).expect("a link can be made");
    symlink("..", tree.path("public/deep/up")).expect("a link can be made");
    symlink("../..", tree.path("public/deep/out")).expect("a link can be made");
    symlink("/dev/zero", tree.path("public/zero")).expect("a link can be made");
    let made = Command::new("mkfifo")
        .arg(tree.path("public/fifo"))
        .status();
    assert!(made.expect("mkfifo is there").success());
    let service = Service::new("test")
        .nest("/static", tree.serve())
        .merge(tree.serve());
    let running = serve(service, engine);
    let mut client = Asking::new(&running);
    let absolute = tree.path("secret").display().to_string();
    for prefix in ["", "/static"] {
        for path in [
            "/../secret",
            "/deep/../../secret",
            "/deep/%2e%2e/%2e%2e/secret",
            "/.%2e/secret",
            "/%2e./secret",
            "/..%2fsecret",
            "/..%2Fsecret",
            "/..%5csecret",
            "/..\\secret",
            "/%252e%252e/secret",
            "/%c0%ae%c0%ae/secret",
            "/deep/..;/..;/secret",
            "/deep/file%00",
            "/%00",
            "/deep%2ffile",
            "/./deep/file",
            "//deep/file",
            &format!("/{absolute}"),
            &format!("/{}", absolute.replace('/', "%2f")),
            "//etc/passwd",
            "/etc/passwd",
            "/link",
            "/deep/out/secret",
            "/zero",
            "/fifo",
            "/.env",
            "/%2eenv",
            "/.git/config",
            "/deep/.hidden",
            "/deep/.well-known/x",
            "/deep/file/",
            "/deep/file/more",
        ] {
            let answer = client.get(&format!("{prefix}{path}"), &[]);
            assert!(!answer.body.ends_with(b"secret"), "{prefix}{path}");
            answer.expect(404);
        }
        for path in [
            "/deep/file",
            "/de%65p/fil%65",
            "/deep/up/deep/file",
            "/.well-known/security.txt",
        ] {
            let answer = client.get(&format!("{prefix}{path}"), &[]).expect(200);
            assert_eq!(answer.text(), "public", "{prefix}{path}");
        }
    }
    end(running);
}

/// Every answer under load is of one version as a whole, none is missing, and its tag belongs to what it holds.
fn a_mounted_config_map_is_swapped_under_load_without_a_torn_answer(engine: Engine) {
    // The number of a version over and over, so that its size says nothing.
    const FILES: [(&str, usize); 2] = [("settings.json", 400), ("large.bin", 60_000)];
    let tree = Tree::new();
    // As the kubelet does it: a new directory, a new link to it, renamed over the old link; then the old one goes.
    let publish = |version: u32| {
        for (name, times) in FILES {
            let held = format!("{version:08}").repeat(times);
            tree.write(&format!("public/..{version}/{name}"), held);
        }
        let new = tree.path("public/..data_tmp");
        symlink(format!("..{version}"), &new).expect("a link can be made");
        fs::rename(&new, tree.path("public/..data")).expect("a link can be renamed");
        if let Some(last) = version.checked_sub(1) {
            let _ = fs::remove_dir_all(tree.path(&format!("public/..{last}")));
        }
    };
    publish(0);
    for (name, _) in FILES {
        let link = tree.path(&format!("public/{name}"));
        symlink(format!("..data/{name}"), link).expect("a link can be made");
    }
    let running = serve(Service::new("test").nest("/config", tree.serve()), engine);
    let is_over = AtomicBool::new(false);
    let read = |name: &str, times: usize| {
        let mut client = Asking::new(&running);
        let mut seen = BTreeMap::new();
        while !is_over.load(Ordering::Relaxed) {
            let answer = client.get(&format!("/config/{name}"), &[]).expect(200);
            let version = answer.text()[..8].to_owned();
            assert!(answer.text() == version.repeat(times), "{name}: torn");
            let etag = header(&answer, "etag").to_owned();
            let known = seen.entry(version).or_insert_with(|| etag.clone());
            assert_eq!(*known, etag, "{name}: two tags for one version");
        }
        seen.len()
    };
    let versions: Vec<usize> = thread::scope(|scope| {
        let readers: Vec<_> = [FILES, FILES]
            .as_flattened()
            .iter()
            .map(|(name, times)| scope.spawn(move || read(name, *times)))
            .collect();
        for version in 1..250 {
            publish(version);
            thread::sleep(Duration::from_millis(3));
            if readers.iter().any(thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        let joined = readers.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .map(|seen| seen.expect("no answer was torn"))
            .collect()
    });
    assert!(
        versions.iter().all(|seen| *seen > 5),
        "only {versions:?} were seen"
    );
    end(running);
}

fn a_missing_directory_is_found_out_at_start(engine: Engine) {
    let tree = Tree::new();
    tree.write("public/index.html", "");
    for (files, named) in [
        (ServeDir::new(tree.path("missing")), "missing"),
        (tree.serve().fallback("app.html"), "public/app.html"),
    ] {
        let running = start(Service::new("test").nest("/static", files), engine);
        running.wait_ready(PATIENCE).expect_err("nothing to serve");
        let report = running.wait();
        assert_eq!(report.ending, Ending::StartFailed);
        let path = tree.path(named).display().to_string();
        assert!(report.failures[0].1.contains(&path), "{report:?}");
    }
    // A start-up task may still make it.
    let made = tree.path("made");
    let make = made.clone();
    let service = Service::new("test")
        .nest("/static", ServeDir::new(made))
        .on_start("make", move || fs::create_dir(make));
    end(serve(service, engine));
}

fn curl_resumes_and_revalidates_what_it_has(engine: Engine) {
    if Command::new("curl").arg("--version").output().is_err() {
        return note("there is no curl: what it makes of ranges and tags was not looked at");
    }
    let tree = Tree::new();
    let large = bytes(700_000);
    set_time(&tree.write("public/large.bin", &large), time(SHOWN));
    tree.write("public/page.html", "plain");
    tree.write("public/page.html.gz", "\x1f\u{8b}");
    let running = serve(Service::new("test").merge(tree.serve()), engine);
    let part = tree.write("part", &large[..300_000]);
    let part = part.to_str().expect("a temporary path is text");
    let etags = tree.path("etag").display().to_string();
    let url = |path: &str| url_of(running.addr(), path);
    let large_url = url("/large.bin");

    curl(&["-C", "-", "-o", part, &large_url], "206");
    assert!(read(part) == large, "a resumed download");
    // All of it is there already.
    curl(&["-C", "-", "-o", part, &large_url], "416");
    assert!(read(part) == large, "a resumed download that was whole");
    curl(&["-r", "100-199", "-o", part, &large_url], "206");
    assert!(read(part) == large[100..200]);
    curl(&["-r", "-50", "-o", part, &large_url], "206");
    assert!(read(part) == large[large.len() - 50..]);
    curl(&["-r", "0-4,10-14", "-o", part, &large_url], "200");
    assert!(read(part) == large);

    curl(&["--etag-save", &etags, "-o", part, &large_url], "200");
    curl(
        &["--etag-compare", &etags, "-o", "/dev/null", &large_url],
        "304",
    );
    curl(&["-z", SHOWN_DATE, "-o", "/dev/null", &large_url], "304");
    curl(
        &[
            "-z",
            "Sat, 05 Nov 1994 08:49:37 GMT",
            "-o",
            part,
            &large_url,
        ],
        "200",
    );
    curl(&["-R", "-o", part, &large_url], "200");
    let kept = fs::metadata(part).and_then(|metadata| metadata.modified());
    assert_eq!(kept.expect("it has a time"), time(SHOWN));

    let path = "/deep/../../part";
    curl(&["--path-as-is", "-o", "/dev/null", &url(path)], "404");
    curl(
        &[
            "-H",
            "Accept-Encoding: gzip",
            "-o",
            part,
            &url("/page.html"),
        ],
        "200",
    );
    assert!(read(part) != b"plain");
    end(running);
}

fn url_of(address: SocketAddr, path: &str) -> String {
    format!("http://{address}{path}")
}

/// Runs curl, whose exit code has to be 0, and expects a status.
fn curl(arguments: &[&str], status: &str) {
    let always = [
        "--silent",
        "--show-error",
        "--noproxy",
        "*",
        "--max-time",
        "20",
    ];
    let output = Command::new("curl")
        .args(always)
        .args(["--write-out", "%{http_code}"])
        .args(arguments)
        .output()
        .expect("curl is there");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        told == status && output.status.success(),
        "{arguments:?}: {output:?}"
    );
}

fn read(path: &str) -> Vec<u8> {
    let mut held = Vec::new();
    let file = File::open(path).and_then(|mut file| file.read_to_end(&mut held));
    file.expect("curl wrote a file");
    held
}
