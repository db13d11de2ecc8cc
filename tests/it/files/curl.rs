//! What curl makes of it.

use std::fs::{self, File};
use std::io::Read;
use std::net::SocketAddr;
use std::process::Command;

use seaworthy::Service;

use super::{SHOWN, SHOWN_DATE, Tree, bytes, set_time, time};
use crate::service::{end, serve};
use crate::support::{Engine, note};

both_engines! {
    curl_resumes_and_revalidates_what_it_has,
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
