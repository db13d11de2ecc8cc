//! One answer out of two upstreams, which are asked side by side while the client's patience lasts.

use seaworthy::http::{HeaderName, StatusCode};
use seaworthy::{Error, Json, Problem, Request, Service, Settings, layers, trace};
use serde_json::{Value, json};
use std::{process::ExitCode, thread, time::Duration};

/// How many milliseconds the client will wait: it tells us, and we tell the upstreams.
const PATIENCE: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");

struct Upstreams {
    products: String,
    stock: String,
    agent: ureq::Agent,
}

fn main() -> ExitCode {
    Service::build("proxy", |settings: &mut Settings| Upstreams {
        products: settings.required("PRODUCTS_URL"),
        stock: settings.required("STOCK_URL"),
        agent: ureq::agent(),
    })
    .open(|upstreams: Upstreams| {
        Ok(Service::with_state("proxy", upstreams)
            .get("/products/{id}", product)
            .layer(layers::deadline("2s").from_header(PATIENCE))
            .errors(Problem::json))
    })
    .run()
}

/// There is no answer without the product, and one without its stock where that cannot be had.
fn product(request: &Request, upstreams: &Upstreams) -> Result<Json<Value>, Error> {
    let id: u64 = request.param_as("id")?;
    let ask = |base: &str| ask(&upstreams.agent, &format!("{base}/{id}"), request);
    let context = request.context();
    let (product, stock) = thread::scope(|scope| {
        let stock = scope.spawn(|| context.run(|| ask(&upstreams.stock).ok()));
        (ask(&upstreams.products), stock.join())
    });
    Ok(Json(json!({ "product": product?, "stock": stock.ok() })))
}

/// Three tries, each with its share of the time that is left: a GET may be repeated.
fn ask(agent: &ureq::Agent, url: &str, request: &Request) -> Result<Value, Error> {
    for failed in 0..3 {
        thread::sleep(Duration::from_millis(fastrand::u64(0..50)) * failed);
        let time = request.time_left().unwrap_or_default() / (3 - failed);
        let mut span = trace::span("GET").client();
        span.set("url.full", url);
        let mut call = agent
            .get(url)
            .header(PATIENCE, time.as_millis().to_string());
        for (name, value) in span.headers() {
            call = call.header(name, value);
        }
        let answer = call.config().timeout_global(Some(time)).build().call();
        match answer.and_then(|mut answer| answer.body_mut().read_json()) {
            Ok(value) => return Ok(value),
            Err(ureq::Error::StatusCode(404)) => return Err(Error::not_found()),
            Err(error) => {
                log::warn!(url, error:%; "an upstream failed");
                span.fail(error.to_string());
            }
        }
    }
    Err(Error::new(StatusCode::BAD_GATEWAY, "an upstream failed"))
}
