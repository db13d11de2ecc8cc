//! The compressed neighbours of files.

use seaworthy::Service;

use super::{Asking, Tree, header};
use crate::service::{end, serve};
use crate::support::Engine;

both_engines! {
    a_precompressed_neighbour_stands_for_its_file_where_the_client_takes_it,
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
