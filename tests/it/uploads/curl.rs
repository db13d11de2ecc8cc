//! curl as a client: it waits for `100 Continue` before a large body, and has its own way of writing forms.

use std::fs;
use std::path::Path;
use std::process::Command;

use seaworthy::http::{Method, StatusCode};
use seaworthy::{IntoResponse, Next, Request};

use super::{files, listing, readymade, serve};
use crate::files::Tree;
use crate::library::end;
use crate::support::{Engine, note};

both_engines! {
    curl_uploads_after_it_was_told_to_go_on_and_sends_nothing_where_it_is_refused,
    curls_forms_come_apart,
}

/// What curl prints; none where it is not there.
fn curl(arguments: &[&str]) -> Option<String> {
    let run = Command::new("curl")
        .args(["--silent", "--max-time", "60"])
        .args(arguments)
        .output();
    match run {
        Ok(output) => Some(String::from_utf8(output.stdout).expect("text")),
        Err(error) => {
            note(&format!("curl cannot be run: {error}"));
            None
        }
    }
}

fn written(directory: &Path, name: &str, bytes: &[u8]) -> String {
    let path = directory.join(name);
    fs::write(&path, bytes).expect("a file can be written");
    path.to_string_lossy().into_owned()
}

fn curl_uploads_after_it_was_told_to_go_on_and_sends_nothing_where_it_is_refused(engine: Engine) {
    let tree = Tree::new();
    let directory = tree.path("public");
    let only_with_token = |request: &mut Request, next: Next<'_>| {
        let is_known = request.method() == Method::PUT && request.header("authorization").is_some();
        match is_known {
            true => next.run(request),
            false => StatusCode::UNAUTHORIZED.into_response(),
        }
    };
    let service = files(&directory).layer(only_with_token);
    let (running, address) = serve(service, engine, &[]);
    let local = written(&tree.path(""), "local", &[7; 3_000_000]);
    let to = format!("http://{address}/files/a");
    let told = "%{http_code} %{size_upload}";
    let refused = [
        "--upload-file",
        &local,
        "--write-out",
        told,
        "--header",
        "Expect: 100-continue",
        &to,
    ];
    let Some(refused) = curl(&refused) else {
        return;
    };
    assert_eq!(refused, "401 0");
    let mut arguments = vec![
        "--upload-file",
        &local,
        "--write-out",
        told,
        "--oauth2-bearer",
        "t",
        &to,
    ];
    assert_eq!(
        curl(&arguments).as_deref(),
        Some("3000000 bytes200 3000000")
    );
    arguments.extend(["--header", "Transfer-Encoding: chunked"]);
    let chunked = curl(&arguments).unwrap_or_default();
    assert!(chunked.starts_with("3000000 bytes200 "), "{chunked}");
    assert_eq!(listing(&directory), [("a".to_owned(), 3_000_000)]);
    end(running);
}

fn curls_forms_come_apart(engine: Engine) {
    let tree = Tree::new();
    let directory = tree.path("public");
    let (running, address) = serve(readymade::service(&directory), engine, &[]);
    let photo = written(&tree.path(""), "day.png", b"PNG");
    let photo = format!("photo=@{photo};type=image/png");
    let draft = format!(
        "draft=@{};filename=../x",
        written(&tree.path(""), "x", &[0; 100_000])
    );
    let to = format!("http://{address}/form");
    let form = [
        "--form",
        "title=A \"day\"",
        "--form",
        &photo,
        "--form",
        &draft,
        &to,
    ];
    if let Some(answer) = curl(&form) {
        assert_eq!(answer, "Some(\"A \\\"day\\\"\") PNG 3");
        assert_eq!(listing(&directory), [("day.png".to_owned(), 3)]);
    }
    end(running);
}
