//! What a browser and curl make of answers: they are the judges of what a test can only state.
//!
//! `BROWSER=chromium CURL=curl cargo test --all-features --test it real_clients::` runs them with those programs;
//! what is not named there is not run, and said not to be.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use seaworthy::http::{Method, StatusCode, header};
use seaworthy::{Html, Next, Redirect, Request, Response, Routes, Service, layers};
use serde_json::{Value, json};

use crate::service::{end, serve};
use crate::support::{Engine, note};

/// A browser takes a while to start, above all beside others' work.
const BROWSERS_PATIENCE: Duration = Duration::from_secs(60);

fn program(variable: &str) -> Option<String> {
    let named = std::env::var(variable).ok();
    if named.is_none() {
        note(&format!(
            "{variable} names no program: what it would make of answers was not seen"
        ));
    }
    named
}

/// A browser without a screen and without traffic of its own, ended when dropped.
struct Browser(
    Child,
    #[expect(dead_code, reason = "its profile lives as long")] Profile,
);

struct Profile(PathBuf);

impl Browser {
    fn open(program: &str, address: &str) -> Browser {
        let profile =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("browser-{}", std::process::id()));
        let child = Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(address)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
        Browser(child, Profile(profile))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With the processes that it has started.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the page's script does, and says of it to where it came from. `API` is the other origin.
const SCRIPT: &str = r#"
const say = {};
const ask = async (path, options, read) => {
  try {
    const response = await fetch(API + path, options);
    return [response.status, read ? read(response) : await response.text()];
  } catch (error) {
    return error.name;
  }
};
const bearer = token => ({ headers: { Authorization: "Bearer " + token } });
const framed = path => new Promise(done => {
  const frame = document.createElement("iframe");
  frame.onload = () => done(!!frame.contentDocument && frame.contentDocument.body.textContent);
  frame.src = path;
  document.body.append(frame);
});
const script = path => new Promise(done => {
  const element = document.createElement("script");
  element.onload = () => done("ran");
  element.onerror = () => done("refused");
  element.src = path;
  document.body.append(element);
});
(async () => {
  document.cookie = "session=7";
  say.allowed = await ask("/shop");
  say.refused_with_a_status = await ask("/guarded", bearer("wrong"));
  say.let_in = await ask("/guarded", bearer("token"));
  say.json = await ask("/guarded", { method: "POST", headers: { Authorization: "Bearer token", "Content-Type": "application/json" }, body: "{}" });
  say.deleted = await ask("/shop", { method: "DELETE" });
  say.deleted_again = await ask("/shop", { method: "DELETE" });
  say.method_not_allowed = await ask("/shop", { method: "PUT" });
  say.header_not_allowed = await ask("/shop", { headers: { "X-Custom": "1" } });
  say.exposed = await ask("/shop", {}, response => [response.headers.get("x-exposed"), response.headers.get("x-hidden")]);
  say.not_found = await ask("/shop/nowhere");
  say.other_origin = await ask("/foreign");
  say.any = await ask("/any", { headers: { "X-Custom": "1" } });
  say.any_with_credentials = await ask("/any", { credentials: "include" });
  say.credentials = await ask("/credentials", { credentials: "include" });
  say.no_credentials = await ask("/credentials");
  const first = await fetch("/tagged");
  const again = await fetch("/tagged", { cache: "no-cache" });
  say.tagged = [await first.text(), again.status, await again.text()];
  const large = await fetch("/large");
  say.large = [(await large.text()).length, large.headers.get("content-encoding")];
  say.framed = [await framed("/frame/allowed"), await framed("/frame/denied")];
  say.scripts = [await script("/script/sniffed"), await script("/script/nosniff")];
  await fetch("/done", { method: "POST", body: JSON.stringify(say) });
})();
"#;

/// Counts what passes and is told apart by `is_counted`.
fn counting(
    is_counted: fn(&Request, &Response) -> bool,
) -> (
    Arc<AtomicUsize>,
    impl Fn(&mut Request, Next<'_>) -> Response + Send + Sync,
) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let layer = move |request: &mut Request, next: Next<'_>| {
        let response = next.run(request);
        counter.fetch_add(
            usize::from(is_counted(request, &response)),
            Ordering::SeqCst,
        );
        response
    };
    (count, layer)
}

fn large() -> String {
    "the same again and again, ".repeat(1000)
}

#[test]
fn a_browser_lets_pages_of_other_origins_do_what_they_may_and_nothing_else() {
    let Some(browser) = program("BROWSER") else {
        return;
    };
    let (told, done) = mpsc::channel::<Value>();
    let told = Mutex::new(told);
    let script = Arc::new(Mutex::new(String::new()));
    let page = Arc::clone(&script);
    let (unmodified, count_unmodified) =
        counting(|_, response| response.status() == StatusCode::NOT_MODIFIED);
    let frame = || Routes::new().get("/", |_: &Request| "framed");
    let text = || Routes::new().get("/", |_: &Request| "1 + 1");
    let shop = Service::new("page")
        .get("/", move |_: &Request| {
            Html(format!(
                "<!doctype html><body><script>{}</script>",
                page.lock().unwrap()
            ))
        })
        .post("/done", move |request: &Request| {
            let said = serde_json::from_slice(request.body()).expect("the script sends JSON");
            let _ = told.lock().unwrap().send(said);
        })
        .nest(
            "/tagged",
            Routes::new()
                .get("/", |_: &Request| "tagged")
                .layer(layers::etag())
                .layer(count_unmodified),
        )
        .nest("/frame/allowed", frame())
        .nest("/frame/denied", frame().layer(layers::security_headers()))
        .nest("/script/sniffed", text())
        .nest("/script/nosniff", text().layer(layers::security_headers()));
    let large = Routes::new().get("/large", |_: &Request| large());
    #[cfg(feature = "compression")]
    let large = large.layer(layers::compression());
    let page = serve(shop.merge(large), Engine::Native);
    let origin = format!("http://{}", page.addr());

    let own = || layers::cors().allow_origin(&*origin);
    let hello = |_: &Request| ([("x-exposed", "seen"), ("x-hidden", "unseen")], "hello");
    let (preflights, count_preflights) = counting(|request, _| request.method() == Method::OPTIONS);
    let open = own()
        .allow_methods([Method::GET, Method::DELETE])
        .expose_headers([header::HeaderName::from_static("x-exposed")])
        .max_age("10m");
    let guarded = own().allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE]);
    let cookie = |request: &Request| request.cookie("session").unwrap_or("none").to_owned();
    let api = Service::new("api")
        .nest(
            "/shop",
            Routes::new()
                .get("/", hello)
                .delete("/", |_: &Request| "deleted")
                .fallback(|_: &Request| StatusCode::NOT_FOUND)
                .layer(open)
                .layer(count_preflights),
        )
        .nest(
            "/guarded",
            Routes::new()
                .any("/", hello)
                .layer(layers::bearer("token"))
                .layer(guarded),
        )
        .nest(
            "/foreign",
            Routes::new()
                .get("/", hello)
                .layer(layers::cors().allow_origin("https://shop.example")),
        )
        .nest(
            "/any",
            Routes::new().get("/", hello).layer(
                layers::cors()
                    .allow_origin(layers::Any)
                    .allow_headers(layers::Any),
            ),
        )
        .nest(
            "/credentials",
            Routes::new()
                .get("/", cookie)
                .layer(own().allow_credentials(true)),
        );
    let api = serve(api, Engine::Native);
    *script.lock().unwrap() = SCRIPT.replace("API", &format!("\"http://{}\"", api.addr()));

    let browser = Browser::open(&browser, &origin);
    let said = done
        .recv_timeout(BROWSERS_PATIENCE)
        .expect("the page's script comes to its end");
    drop(browser);
    let compressed = cfg!(feature = "compression").then_some("gzip");
    let expected = json!({
        "allowed": [200, "hello"],
        "refused_with_a_status": [401, "unauthorized"],
        "let_in": [200, "hello"],
        "json": [200, "hello"],
        "deleted": [200, "deleted"],
        "deleted_again": [200, "deleted"],
        "method_not_allowed": "TypeError",
        "header_not_allowed": "TypeError",
        "exposed": [200, ["seen", null]],
        "not_found": [404, ""],
        "other_origin": "TypeError",
        "any": [200, "hello"],
        "any_with_credentials": "TypeError",
        "credentials": [200, "7"],
        "no_credentials": [200, "none"],
        "tagged": ["tagged", 200, "tagged"],
        "large": [26_000, compressed],
        "framed": ["framed", false],
        "scripts": ["ran", "refused"],
    });
    for (name, expected) in expected.as_object().unwrap() {
        assert_eq!(&said[name], expected, "{name} in {said}");
    }
    assert_eq!(
        unmodified.load(Ordering::SeqCst),
        1,
        "the second time it had it already"
    );
    // One for both DELETEs, for it is remembered; one for PUT, one for the header.
    assert_eq!(preflights.load(Ordering::SeqCst), 3);
    end(page);
    end(api);
}

#[test]
fn curl_takes_what_is_compressed_tagged_redirected_and_cut_for_what_it_is() {
    let Some(curl) = program("CURL") else {
        return;
    };
    let service = Service::new("test")
        .get("/large", |_: &Request| large())
        .get("/streamed", |_: &Request| {
            let text = "text/plain".parse().expect("a header");
            let streamed = Response::write_with(|out| Ok(out.write_all(large().as_bytes())?));
            streamed.with_header(header::CONTENT_TYPE, text)
        })
        .get("/cut", |_: &Request| {
            Response::write_with(|out| {
                out.write_all(b"the first half")?;
                Err(io::Error::other("on purpose"))?
            })
        })
        .post("/form", |_: &Request| Redirect::to("/done"))
        .post("/again", |_: &Request| Redirect::permanent("/echo"))
        .get("/done", |_: &Request| "done")
        .post("/echo", |request: &Request| request.body().to_vec())
        .layer(layers::etag());
    #[cfg(feature = "compression")]
    let service = service.layer(layers::compression());
    let running = serve(service, Engine::Native);
    let run = |path: &str, arguments: &[&str]| {
        let output = Command::new(&curl)
            .args(["--silent", "--max-time", "20"])
            .args(arguments)
            .arg(format!("http://{}{path}", running.addr()))
            .output()
            .unwrap_or_else(|error| panic!("{curl} cannot be run: {error}"));
        (
            output.status.code(),
            String::from_utf8(output.stdout).expect("text"),
        )
    };
    for path in ["/large", "/streamed"] {
        assert_eq!(run(path, &[]), (Some(0), large()));
        assert_eq!(run(path, &["--compressed"]), (Some(0), large()));
        let size = [
            "--compressed",
            "--output",
            "/dev/null",
            "--write-out",
            "%{size_download}",
        ];
        let size: usize = run(path, &size).1.parse().expect("a number");
        assert_eq!(
            size < 1000,
            cfg!(feature = "compression"),
            "{path}: {size} bytes"
        );
    }
    let tag = std::env::temp_dir().join(format!("seaworthy-etag-{}", std::process::id()));
    let tag = tag.to_str().expect("a path in UTF-8");
    for coding in [&[][..], &["--compressed"]] {
        let saved = run("/large", &[coding, &["--etag-save", tag]].concat());
        assert_eq!(saved, (Some(0), large()));
        let status = ["--etag-compare", tag, "--write-out", "%{http_code}"];
        assert_eq!(
            run("/large", &[coding, &status].concat()),
            (Some(0), "304".to_owned())
        );
    }
    let _ = std::fs::remove_file(tag);
    assert_eq!(
        run("/form", &["--location", "--data", "a=b"]),
        (Some(0), "done".to_owned())
    );
    assert_eq!(
        run("/again", &["--location", "--data", "a=b"]),
        (Some(0), "a=b".to_owned())
    );
    // A partial file, or nothing more to be received.
    assert!(matches!(run("/cut", &[]).0, Some(18 | 56)));
    running.stop();
    let _ = running.wait();
}
