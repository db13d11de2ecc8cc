//! The admin port's pages: what they tell, in which form and to whom.

pub(crate) mod changes;

use std::net::SocketAddr;
use std::sync::{Mutex, mpsc};

use seaworthy::http::StatusCode;
use seaworthy::{Check, Request, Running, Service, layers};
use serde_json::{Value, json};

use crate::service::{end, serve, serve_with};
use crate::support::{Client, Engine, Response, Setup, eventually, free_port, get};

both_engines! {
    the_pages_are_on_the_admin_port_and_nowhere_else,
    programs_get_the_json_that_kubernetes_components_answer,
    people_get_text_that_begins_as_kubernetes_components_write_it,
    a_browser_gets_a_page_that_runs_and_loads_nothing,
    nothing_that_somebody_else_wrote_becomes_part_of_a_page,
    threadz_tells_what_runs_the_oldest_first,
    tracez_tells_what_failed_and_what_was_slow_without_a_query,
    the_charts_draw_what_was_answered,
    no_page_tells_a_secret,
}

const PAGES: [&str; 4] = ["/statusz", "/flagz", "/threadz", "/tracez"];
const TOKEN: &str = "correct-horse";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn with_admin(service: Service, engine: Engine) -> (Running, SocketAddr) {
    let more = [("ADMIN_PORT", "0"), ("ADMIN_TOKEN", TOKEN)];
    let running = serve_with(service, engine, &more);
    let admin = running.admin_addr().expect("it has an admin port");
    (running, admin)
}

/// Sends a request with these header lines.
fn ask(address: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Response {
    let mut client = Client::connect(address);
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    client.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n{lines}\r\n{body}"
    ));
    client.response_to(method)
}

fn ask_for(address: SocketAddr, path: &str, accept: &str) -> Response {
    ask(address, "GET", path, &[&format!("Accept: {accept}")], "")
}

fn page(address: SocketAddr, path: &str) -> String {
    let answer = ask_for(address, path, "text/html,*/*;q=0.8").expect(200);
    answer.text().to_owned()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

fn the_pages_are_on_the_admin_port_and_nowhere_else(engine: Engine) {
    let (running, admin) = with_admin(Service::new("shop"), engine);
    for path in PAGES.iter().chain(&["/loglevel", "/metrics"]) {
        get(admin, path).expect(200);
        get(running.addr(), path).expect(404);
    }
    assert_eq!(
        ask(admin, "POST", "/statusz", &[&bearer(TOKEN)], "").status,
        405,
        "a page is read"
    );
    assert_eq!(
        ask_for(admin, "/", "text/html")
            .expect(303)
            .header("location"),
        Some("/statusz"),
        "whoever has typed the port alone"
    );
    end(running);
    let running = serve(Service::new("shop"), engine);
    for path in PAGES {
        get(running.addr(), path).expect(404);
    }
    end(running);
}

fn programs_get_the_json_that_kubernetes_components_answer(engine: Engine) {
    let (running, admin) = with_admin(Service::new("shop").version("1.2.3"), engine);
    let media = |kind: &str, version: &str| {
        format!("application/json;v={version};g=config.k8s.io;as={kind}")
    };
    for version in ["v1alpha1", "v1beta1"] {
        let answer = ask_for(admin, "/statusz", &media("Statusz", version)).expect(200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let mut status: Value = serde_json::from_str(answer.text()).expect("JSON");
        let started = status["startTime"].take();
        let started = started.as_str().expect("a time");
        assert_eq!((started.len(), &started[19..]), (20, "Z"), "{started}");
        assert!(status["uptimeSeconds"].take().as_u64().expect("seconds") < 600);
        assert_eq!(
            status,
            json!({
                "kind": "Statusz",
                "apiVersion": format!("config.k8s.io/{version}"),
                "metadata": {"name": "shop"},
                "startTime": null,
                "uptimeSeconds": null,
                "goVersion": "",
                "binaryVersion": "1.2.3",
                "paths": ["/flagz", "/healthz", "/livez", "/loglevel", "/metrics", "/readyz", "/startupz", "/statusz",
                    "/threadz", "/tracez", "/version"],
            })
        );
        let answer = ask_for(admin, "/flagz", &media("Flagz", version)).expect(200);
        let flags: Value = serde_json::from_str(answer.text()).expect("JSON");
        assert_eq!(
            flags,
            json!({
                "kind": "Flagz",
                "apiVersion": format!("config.k8s.io/{version}"),
                "metadata": {"name": "shop"},
                "flags": {},
            }),
            "a service that was started with a Config has no settings"
        );
    }
    for (path, accept) in [
        ("/statusz", "application/json".to_owned()),
        ("/statusz", media("Flagz", "v1alpha1")),
        ("/statusz", media("Statusz", "v1")),
        ("/statusz", "application/xml".to_owned()),
        ("/threadz", media("Threadz", "v1alpha1")),
    ] {
        let refused = ask_for(admin, path, &accept).expect(406);
        assert!(refused.text().contains("expected text/plain"), "{accept}");
    }
    end(running);
}

fn people_get_text_that_begins_as_kubernetes_components_write_it(engine: Engine) {
    let service = Service::new("shop")
        .version("1.2.3")
        .check(Check::readiness("stock", || Err::<(), _>("none left")).degraded());
    let (running, admin) = with_admin(service, engine);
    for path in PAGES {
        let answer = ask_for(admin, path, "*/*").expect(200);
        let text = answer.text();
        let begins = format!(
            "\nshop {}\nWarning: This endpoint is not meant to be machine parseable, has no formatting compatibility \
             guarantees and is for debugging purposes only.\n",
            &path[1..]
        );
        assert!(text.starts_with(&begins), "{text}");
        for (name, value) in [
            ("content-type", "text/plain; charset=utf-8"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("vary", "Accept"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
    }
    eventually("the check is told with its error", || {
        let text = get(admin, "/statusz").text().to_owned();
        text.contains("degraded  stock  readiness") && text.contains("none left")
    });
    let text = get(admin, "/statusz").text().to_owned();
    for line in [
        "Up: 0 hr ",
        "Binary version: 1.2.3\n",
        "Phase: running\n",
        "Connections: 0 of ",
    ] {
        assert!(text.contains(line), "{line:?} is missing: {text}");
    }
    end(running);
}

fn a_browser_gets_a_page_that_runs_and_loads_nothing(engine: Engine) {
    let (running, admin) = with_admin(Service::new("shop"), engine);
    for path in PAGES {
        let answer = ask_for(
            admin,
            path,
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        )
        .expect(200);
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        let policy = answer
            .header("content-security-policy")
            .expect("a policy")
            .to_owned();
        for part in [
            "default-src 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        let html = answer.text();
        for forbidden in [
            "<script", "http:", "https:", "//", " on", "style=", "@import", "url(",
        ] {
            let tags = html.split('<').filter_map(|tag| tag.split('>').next());
            let style = html.split("<style>").nth(1).expect("a style");
            let found = tags
                .chain(style.split("</style>").next())
                .find(|part| part.contains(forbidden) && !part.starts_with("!doctype"));
            assert_eq!(found, None, "{path}: {forbidden}");
        }
        assert!(html.contains("<meta http-equiv=refresh content=5>"));
        assert!(html.contains("name=viewport"), "for a phone");
        let paused = page(admin, &format!("{path}?refresh=off"));
        assert!(!paused.contains("http-equiv=refresh"));
    }
    end(running);
}

fn nothing_that_somebody_else_wrote_becomes_part_of_a_page(engine: Engine) {
    const HOSTILE: &str = "</td><script>alert('1')</script><img src=\"x\">";
    let service = Service::new("shop")
        .version(HOSTILE)
        .get("/{*path}", |_: &Request| StatusCode::INTERNAL_SERVER_ERROR)
        .check(Check::readiness("stock", || Err::<(), _>(HOSTILE)).degraded());
    let (running, admin) = with_admin(service, engine);
    let path = "/'><script>alert(1)</script>";
    ask(running.addr(), "GET", path, &[], "").expect(500);
    eventually("the check has failed", || {
        page(admin, "/statusz").contains("degraded")
    });
    for path in PAGES {
        let html = page(admin, path);
        assert!(
            !html.contains("<script") && !html.contains("<img"),
            "{html}"
        );
    }
    assert!(page(admin, "/tracez").contains("GET /&#39;&gt;&lt;script&gt;"));
    end(running);
}

fn threadz_tells_what_runs_the_oldest_first(engine: Engine) {
    let (begun, has_begun) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let (begun, held) = (Mutex::new(begun), Mutex::new(held));
    let service = Service::new("shop")
        .get("/held/{name}", move |_: &Request| {
            begun.lock().unwrap().send(()).unwrap();
            let _ = held.lock().unwrap().recv();
        })
        .layer(layers::request_id());
    let (running, admin) = with_admin(service, engine);
    let mut clients = Vec::new();
    for name in ["first", "second"] {
        let mut client = Client::connect(running.addr());
        client.send(format!(
            "GET /held/{name} HTTP/1.1\r\nHost: test\r\nX-Request-Id: id-{name}\r\n{TRACEPARENT}\r\n\r\n"
        ));
        has_begun.recv().unwrap();
        clients.push(client);
    }
    let status = get(admin, "/statusz").text().to_owned();
    assert!(status.contains("Connections: 2 of "), "{status}");
    assert!(status.contains("Workers: 2 of "), "{status}");
    let text = get(admin, "/threadz").expect(200).text().to_owned();
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("/held/{name}"))
        .collect();
    assert_eq!(rows.len(), 2, "{text}");
    for (row, id) in rows.iter().zip(["id-first", "id-second"]) {
        assert!(row.ends_with(&format!("{id:<12}{TRACE}")), "{text}");
    }
    assert!(page(admin, "/threadz").contains(TRACE));
    assert!(text.contains("\n2 of "), "{text}");
    drop(release);
    for client in &mut clients {
        client.response().expect(200);
    }
    eventually("nothing runs any more, and no id is left", || {
        let text = get(admin, "/threadz").text().to_owned();
        text.contains("\n0 of ") && !text.contains("id-") && !text.contains(TRACE)
    });
    end(running);
}

fn tracez_tells_what_failed_and_what_was_slow_without_a_query(engine: Engine) {
    let service = Service::new("shop")
        .get("/fails/{id}", |_: &Request| StatusCode::BAD_GATEWAY)
        .get("/panics", |_: &Request| -> String { panic!("on purpose") })
        .get("/slow", |_: &Request| {
            std::thread::sleep(std::time::Duration::from_millis(120));
        })
        .get("/", |_: &Request| "fast")
        .layer(layers::request_id());
    let (running, admin) = with_admin(service, engine);
    let id = "X-Request-Id: failed-1";
    ask(
        running.addr(),
        "GET",
        "/fails/7?password=hunter2",
        &[id, TRACEPARENT],
        "",
    )
    .expect(502);
    get(running.addr(), "/panics").expect(500);
    get(running.addr(), "/slow").expect(200);
    for _ in 0..50 {
        get(running.addr(), "/").expect(200);
    }
    let text = get(admin, "/tracez").expect(200).text().to_owned();
    let (failed, slow) = text.split_once("Slowest").expect("two parts");
    let line = |part: &str, words: &[&str]| {
        let found = part
            .lines()
            .find(|line| words.iter().all(|word| line.contains(word)));
        assert!(found.is_some(), "{words:?} is missing: {text}");
    };
    line(
        failed,
        &["502", "GET /fails/7 ", "/fails/{id}", "failed-1", TRACE],
    );
    assert_eq!(
        text.matches(TRACE).count(),
        1,
        "the others have none: {text}"
    );
    line(failed, &["500", "GET /panics"]);
    line(slow, &["200", "GET /slow", "ms"]);
    assert!(!text.contains("hunter2"), "{text}");
    let html = page(admin, "/tracez");
    assert!(html.contains("failed-1") && html.contains(TRACE), "{html}");
    end(running);
}

fn the_charts_draw_what_was_answered(engine: Engine) {
    let service = Service::new("shop").get("/", |_: &Request| "hello");
    let (running, admin) = with_admin(service, engine);
    eventually("a sample has been taken while there was traffic", || {
        get(running.addr(), "/").expect(200);
        let html = page(admin, "/statusz");
        html.matches("<svg").count() == 6 && !html.contains("median –")
    });
    end(running);
}

fn no_page_tells_a_secret(engine: Engine) {
    let port = free_port();
    let setup = Setup::new(engine)
        .set("ADMIN_PORT", port)
        .set("ADMIN_TOKEN", TOKEN)
        .set("DATABASE_URL", "postgres://app:hunter2@127.0.0.1:1/orders");
    let server = setup.start();
    let admin: SocketAddr = (server.address.ip(), port).into();
    let json = "application/json;v=v1alpha1;g=config.k8s.io;as=Flagz";
    for path in PAGES {
        for accept in ["text/plain", "text/html", &format!("{json},text/plain")] {
            let answer = ask_for(admin, path, accept).expect(200);
            for secret in ["hunter2", TOKEN] {
                assert!(!answer.text().contains(secret), "{path}");
            }
        }
    }
    let flags = page(admin, "/flagz");
    assert!(flags.contains("<td>ADMIN_TOKEN<td>[redacted]<td>environment"));
    server.stop().expect_clean();
}
