//! What can be changed by the admin port, and by whom; what a service adds to it.

use std::sync::{Arc, Mutex, mpsc};

use seaworthy::{Request, Service};

use super::{TOKEN, ask, bearer, page, with_admin};
use crate::service::{end, serve_with};
use crate::support::{Client, Engine, Setup, free_port, get};

both_engines! {
    only_who_has_the_token_changes_the_log_level,
    without_a_token_nothing_can_be_changed,
    a_services_own_page_that_blocks_keeps_no_probe_waiting,
    a_services_own_action_needs_the_token_and_comes_from_no_other_site,
}

fn only_who_has_the_token_changes_the_log_level(engine: Engine) {
    let port = free_port();
    let setup = Setup::new(engine)
        .set("ADMIN_PORT", port)
        .set("ADMIN_TOKEN", TOKEN)
        .set("ACCESS_LOG", "all");
    let server = setup.start().ready();
    let admin = (server.address.ip(), port).into();
    let right = bearer(TOKEN);
    let refused = ask(admin, "POST", "/loglevel", &[], "debug").expect(401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    ask(admin, "POST", "/loglevel", &[&bearer("wrong")], "debug").expect(401);
    for from in ["Sec-Fetch-Site: cross-site", "Origin: https://evil.example"] {
        ask(admin, "POST", "/loglevel", &[&right, from], "debug").expect(403);
    }
    ask(admin, "PUT", "/loglevel", &[&right], "debug").expect(405);
    let refused = ask(admin, "POST", "/loglevel", &[&right], "loud").expect(400);
    assert!(refused.text().contains("debug"), "{}", refused.text());
    assert_eq!(get(admin, "/loglevel").expect(200).text(), "info\n");

    let same = format!("Origin: http://{admin}");
    ask(admin, "POST", "/loglevel", &[&right, &same], "debug").expect(200);
    assert_eq!(get(admin, "/loglevel").expect(200).text(), "debug\n");
    let flags = get(admin, "/flagz").text().to_owned();
    let line = flags.lines().find(|line| line.starts_with("LOG_LEVEL="));
    let line = line.expect("the setting is told");
    assert!(
        line.starts_with("LOG_LEVEL=debug ") && line.ends_with("# POST /loglevel"),
        "{line}"
    );
    // What is logged at debug alone.
    server.get("/livez").expect(200);
    let exit = server.stop();
    let says = |message: &str, path: Option<&str>| {
        let mut records = exit.records.iter();
        records.any(|record| {
            record["msg"] == message && path.is_none_or(|path| record["path"] == path)
        })
    };
    assert!(says("the log level was changed", None));
    assert!(says("request", Some("/livez")));
    exit.expect_clean();
}

fn without_a_token_nothing_can_be_changed(engine: Engine) {
    let service = Service::new("shop").admin_post("/clear", |_: &Request| "cleared");
    let running = serve_with(service, engine, &[("ADMIN_PORT", "0")]);
    let admin = running.admin_addr().expect("it has an admin port");
    for path in ["/loglevel", "/clear"] {
        for header in [bearer(""), bearer("anything")] {
            let refused = ask(admin, "POST", path, &[&header], "debug").expect(403);
            assert!(refused.text().contains("ADMIN_TOKEN"), "{path}");
        }
    }
    end(running);
}

fn a_services_own_page_that_blocks_keeps_no_probe_waiting(engine: Engine) {
    let (begun, has_begun) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let (begun, held) = (Mutex::new(begun), Mutex::new(held));
    let service = Service::with_state("shop", Arc::new(17))
        .admin_get("/cachez", move |_: &Request, entries: &Arc<i32>| {
            begun.lock().unwrap().send(()).unwrap();
            let _ = held.lock().unwrap().recv();
            format!("{entries} entries")
        })
        .admin_get("/panicz", |_: &Request| -> String { panic!("on purpose") });
    let running = serve_with(service, engine, &[("ADMIN_PORT", "0")]);
    let admin = running.admin_addr().expect("it has an admin port");
    let mut client = Client::connect(admin);
    client.send("GET /cachez HTTP/1.1\r\nHost: test\r\n\r\n");
    has_begun.recv().unwrap();
    get(admin, "/livez").expect(200);
    get(admin, "/statusz").expect(200);
    drop(release);
    let answer = client.response().expect(200);
    assert_eq!(answer.text(), "17 entries");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("content-security-policy").is_some());
    get(admin, "/panicz").expect(500);
    get(running.addr(), "/cachez").expect(404);
    assert!(page(admin, "/statusz").contains("<a href=\"/cachez\">"));
    end(running);
}

fn a_services_own_action_needs_the_token_and_comes_from_no_other_site(engine: Engine) {
    let (told, asked) = mpsc::channel();
    let told = Mutex::new(told);
    let service = Service::new("shop").admin_post("/clear/{name}", move |request: &Request| {
        told.lock()
            .unwrap()
            .send(request.param("name").to_owned())
            .unwrap();
        "cleared"
    });
    let (running, admin) = with_admin(service, engine);
    let right = bearer(TOKEN);
    ask(admin, "POST", "/clear/all", &[], "").expect(401);
    ask(
        admin,
        "POST",
        "/clear/all",
        &[&right, "Sec-Fetch-Site: cross-site"],
        "",
    )
    .expect(403);
    get(admin, "/clear/all").expect(405);
    ask(admin, "POST", "/elsewhere", &[&right], "").expect(404);
    assert!(asked.try_recv().is_err(), "nothing was changed so far");
    let answer = ask(admin, "POST", "/clear/all", &[&right], "").expect(200);
    assert_eq!(answer.text(), "cleared");
    assert_eq!(asked.try_recv(), Ok("all".to_owned()));
    end(running);
}
