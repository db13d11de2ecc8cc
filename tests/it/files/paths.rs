//! Which file a path names, and that none names what is outside.

use std::collections::BTreeMap;
use std::fs::{self};
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use seaworthy::{Ending, Request, ServeDir, Service};

use super::{Asking, Tree, header};
use crate::service::{end, serve, start};
use crate::support::{Engine, PATIENCE};

both_engines! {
    a_directory_is_its_index_and_is_told_its_slash,
    a_page_stands_for_every_path_that_is_no_file_and_no_route,
    nothing_outside_is_sent_whatever_the_path_says,
    a_missing_directory_is_found_out_at_start,
    a_mounted_config_map_is_swapped_under_load_without_a_torn_answer: long,
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
        let running = start(Service::new("test").nest("/static", files), engine, &[]);
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
