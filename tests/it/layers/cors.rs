//! Pages of other origins: what their browsers are told.

use seaworthy::http::{Method, header};
use seaworthy::layers::{self, AllowHeaders, AllowMethods, AllowOrigin, Any};
use seaworthy::{Request, Routes, Service};

use super::ask;
use crate::service::{end, serve};
use crate::support::Engine;

both_engines! {
    a_preflight_is_answered_for_routes_that_take_no_options_and_by_no_handler,
    pages_of_allowed_origins_may_read_answers_and_refusals,
    caches_learn_whether_an_answer_depends_on_the_origin,
    other_options_requests_are_the_routes_business,
}

pub(crate) const SHOP: &str = "Origin: https://shop.example";
const EVIL: &str = "Origin: https://evil.example";

fn shop() -> layers::Cors {
    layers::cors()
        .allow_origin(["https://shop.example", "http://localhost:3000"])
        .allow_methods([Method::GET, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .allow_credentials(true)
        .expose_headers([header::ETAG])
        .max_age("10m")
}

fn a_preflight_is_answered_for_routes_that_take_no_options_and_by_no_handler(engine: Engine) {
    let mirrors = layers::cors()
        .allow_origin(AllowOrigin::predicate(|origin, request| {
            origin.ends_with(".example") && request.path() != "/mirror/closed"
        }))
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true);
    let any = layers::cors()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers(Any);
    let never = |_: &Request| -> () { panic!("no handler sees a preflight") };
    let shop = Routes::new()
        .delete("/orders", never)
        .layer(layers::bearer("token"))
        .layer(shop());
    let service = Service::new("test")
        .nest("/shop", shop)
        .nest(
            "/mirror",
            Routes::new()
                .any("/", never)
                .get("/closed", never)
                .layer(mirrors),
        )
        .nest("/any", Routes::new().any("/", never).layer(any));
    let running = serve(service, engine);
    let preflight = |path: &str, origin: &str, method: &str| {
        let line = format!("OPTIONS {path}");
        let method = format!("Access-Control-Request-Method: {method}");
        let headers = "Access-Control-Request-Headers: authorization,x-custom";
        let answer = ask(running.addr(), &[&line, origin, &method, headers]).expect(204);
        let vary = answer
            .headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("vary"));
        let vary: Vec<&str> = vary.map(|(_, value)| value.as_str()).collect();
        let about = [
            "Origin",
            "Access-Control-Request-Method",
            "Access-Control-Request-Headers",
        ];
        assert_eq!(vary, about, "{path}");
        let told = |name: &str| answer.header(name).map(str::to_owned);
        let allowed = ["origin", "credentials", "methods", "headers"]
            .map(|name| told(&format!("access-control-allow-{name}")));
        (allowed, told("access-control-max-age"))
    };
    let some = |texts: [&str; 4]| texts.map(|text| Some(text.to_owned()));
    let allowed = some([
        "https://shop.example",
        "true",
        "GET, DELETE",
        "authorization, content-type",
    ]);
    let ten_minutes = Some("600".to_owned());
    assert_eq!(
        preflight("/shop/orders", SHOP, "DELETE"),
        (allowed, ten_minutes)
    );
    let nothing = ([const { None }; 4], None);
    assert_eq!(preflight("/shop/orders", EVIL, "DELETE"), nothing);
    let mirrored = some([
        "https://evil.example",
        "true",
        "PURGE",
        "authorization,x-custom",
    ]);
    assert_eq!(preflight("/mirror", EVIL, "PURGE"), (mirrored, None));
    assert_eq!(preflight("/mirror/closed", EVIL, "PUT"), nothing);
    assert_eq!(
        preflight("/mirror", "Origin: https://shop.test", "PUT"),
        nothing
    );
    let star = || Some("*".to_owned());
    assert_eq!(
        preflight("/any", EVIL, "PUT"),
        ([star(), None, star(), star()], None)
    );
    end(running);
}

fn pages_of_allowed_origins_may_read_answers_and_refusals(engine: Engine) {
    let service = Service::new("test")
        .get("/", |_: &Request| "hello")
        .get("/panics", |_: &Request| -> () { panic!("on purpose") })
        .layer(layers::bearer("token"))
        .layer(shop());
    let running = serve(service, engine);
    let token = "Authorization: Bearer token";
    for (lines, status) in [
        (&["GET /", token][..], 200),
        (&["GET /"], 401),
        (&["GET /nowhere", token], 404),
        (&["DELETE /", token], 405),
        (&["GET /panics", token], 500),
    ] {
        for (origin, expected) in [
            (SHOP, Some("https://shop.example")),
            (EVIL, None),
            ("X-No: origin", None),
        ] {
            let lines: Vec<&str> = lines.iter().copied().chain([origin]).collect();
            let answer = ask(running.addr(), &lines).expect(status);
            assert_eq!(
                answer.header("access-control-allow-origin"),
                expected,
                "{lines:?}"
            );
            let is_allowed = expected.is_some();
            assert_eq!(
                answer.header("access-control-allow-credentials").is_some(),
                is_allowed
            );
            assert_eq!(
                answer.header("access-control-expose-headers").is_some(),
                is_allowed
            );
            assert_eq!(answer.header("access-control-allow-methods"), None);
            assert_eq!(answer.header("vary"), Some("Origin"), "{lines:?}");
        }
    }
    end(running);
}

fn caches_learn_whether_an_answer_depends_on_the_origin(engine: Engine) {
    let varied = |_: &Request| ([(header::VARY, "Accept, origin")], "");
    let any = layers::cors().allow_origin(Any);
    let one = layers::cors().allow_origin("https://shop.example");
    let service = Service::new("test")
        .nest("/any", Routes::new().get("/", |_: &Request| "").layer(any))
        .nest("/one", Routes::new().get("/", varied).layer(one));
    let running = serve(service, engine);
    for origin in [SHOP, "X-No: origin"] {
        // The same to everybody, so that what a cache has from one it may give to all.
        let answer = ask(running.addr(), &["GET /any", origin]).expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("vary"), None);
        let answer = ask(running.addr(), &["GET /one", origin]).expect(200);
        assert_eq!(
            answer.header("vary"),
            Some("Accept, origin"),
            "it is named already"
        );
    }
    end(running);
}

fn other_options_requests_are_the_routes_business(engine: Engine) {
    let service = Service::new("test")
        .options("/", |_: &Request| "what can be done here")
        .get("/get", |_: &Request| "")
        .layer(shop());
    let running = serve(service, engine);
    for more in [&[][..], &[SHOP], &["Access-Control-Request-Method: GET"]] {
        let answer = ask(running.addr(), &[&["OPTIONS /"], more].concat()).expect(200);
        assert_eq!(answer.text(), "what can be done here");
        ask(running.addr(), &[&["OPTIONS /get"], more].concat()).expect(405);
    }
    end(running);
}

#[test]
#[should_panic(expected = "browsers refuse layers::Any with credentials")]
fn credentials_for_any_origin_are_refused_at_start() {
    let _ = layers::cors().allow_origin(Any).allow_credentials(true);
}

#[test]
fn credentials_beside_any_method_header_or_exposed_header_are_refused_at_start_in_any_order() {
    let refused: [fn() -> layers::Cors; 4] = [
        || layers::cors().allow_credentials(true).allow_origin(Any),
        || layers::cors().allow_methods(Any).allow_credentials(true),
        || layers::cors().allow_credentials(true).allow_headers(Any),
        || layers::cors().expose_headers(Any).allow_credentials(true),
    ];
    for build in refused {
        assert!(std::panic::catch_unwind(build).is_err());
    }
}
