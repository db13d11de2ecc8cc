//! actix-web, which stops gracefully on SIGTERM by itself.

use std::time::Duration;

use actix_web::web::{self, Bytes, Json, PayloadConfig};
use actix_web::{App, HttpServer};
use benches::{BODY, DOWN, GREETING, Pod};

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let app = || {
        App::new()
            .app_data(PayloadConfig::new(16 * BODY))
            .route("/", web::get().to(async || GREETING))
            .route("/json", web::get().to(json))
            .route("/down", web::get().to(async || &DOWN[..]))
            .route("/up", web::post().to(async |body: Bytes| body.len().to_string()))
            .route("/work", web::get().to(async || benches::work()))
            .route("/block", web::get().to(block))
            .route("/healthz", web::get().to(async || "ok"))
            .route("/readyz", web::get().to(async || "ok"))
    };
    HttpServer::new(app)
        // The default of 5 s would close the idle connections that are to be measured.
        .keep_alive(Duration::from_secs(75))
        .tcp_nodelay(true)
        .shutdown_timeout(20)
        .bind(benches::address())?
        .run()
        .await
}

async fn json() -> Json<Pod> {
    Json(benches::pod())
}

async fn block() -> &'static str {
    web::block(benches::block).await.expect("the blocking pool runs")
}
