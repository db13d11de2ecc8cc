use super::*;
use http::HeaderValue;

fn application(routes: Routes) -> Stateful<()> {
    Stateful {
        routes,
        state: Arc::default(),
        render: None,
    }
}

fn routes() -> Routes {
    Routes::new()
        .get("/", |_: &Request| "root")
        .get("/users/{id}", |request: &Request| {
            format!("user {}", request.param("id"))
        })
        .delete("/users/{id}", |_: &Request| "deleted")
        .get("/files/{*path}", |request: &Request| {
            format!("file {}", request.param("path"))
        })
}

/// The status, the body and `Allow`.
fn ask(routes: Routes, mut request: Request) -> (u16, String, Option<HeaderValue>) {
    let application = application(routes);
    application.find(&mut request);
    let response = application.run(&mut request);
    let text = String::from_utf8_lossy(response.body().unwrap_or_default()).into_owned();
    let allow = response.headers().get(header::ALLOW).cloned();
    (response.status().as_u16(), text, allow)
}

fn get(routes: Routes, target: &str) -> (u16, String) {
    let (status, text, _) = ask(routes, Request::get(target));
    (status, text)
}

#[test]
fn parameters_and_wildcards_reach_the_handler_decoded() {
    for (target, answer) in [
        ("/", "root"),
        ("/users/7", "user 7"),
        ("/users/a%20b%2Fc?x=1", "user a b/c"),
        ("/users/100%25%", "user 100%%"),
        ("/files/a/b.txt", "file a/b.txt"),
        ("/files/a%2fb/c%20d", "file a/b/c d"),
    ] {
        assert_eq!(get(routes(), target), (200, answer.to_owned()), "{target}");
    }
}

#[test]
fn a_route_is_found_however_its_characters_are_written_but_never_by_an_encoded_slash() {
    let routes = || {
        Routes::new()
            .get("/café", |_: &Request| "café")
            .get("/a b", |_: &Request| "a b")
            .get("/delay/{n}", |request: &Request| {
                request.param("n").to_owned()
            })
            .get("/x%2Fy", |_: &Request| "encoded")
            .get("/z/y", |_: &Request| "slash")
    };
    for (target, answer) in [
        ("/caf%C3%A9", Some("café")),
        ("/caf%c3%a9", Some("café")),
        ("/a%20b", Some("a b")),
        ("/%64elay/0", Some("0")),
        ("/x%2fy", Some("encoded")),
        ("/z%2Fy", None),
        ("/delay%2F0", None),
    ] {
        let (status, text) = get(routes(), target);
        assert_eq!(
            (status == 200).then_some(&*text),
            answer,
            "{target}: {status}"
        );
    }
}

#[test]
fn a_wrong_path_is_404_and_a_wrong_method_405_with_what_is_allowed() {
    assert_eq!(get(routes(), "/nowhere").0, 404);
    let (status, _, allow) = ask(routes(), Request::post("/users/7", ""));
    assert_eq!(
        (status, allow.unwrap()),
        (405, HeaderValue::from_static("GET, DELETE, HEAD"))
    );
}

#[test]
fn a_method_that_nobody_has_heard_of_is_501_and_one_that_another_path_takes_405() {
    let brew = || Method::from_bytes(b"BREW").unwrap();
    let with_brew = || routes().route(brew(), "/pot", |_: &Request| "brewed");
    for (routes, target, status) in [
        (routes(), "/users/7", 501),
        (routes(), "/nowhere", 501),
        (with_brew(), "/pot", 200),
        (with_brew(), "/users/7", 405),
        (with_brew(), "/nowhere", 404),
        (routes().any("/any", |_: &Request| ""), "/users/7", 405),
    ] {
        assert_eq!(
            ask(routes, Request::new(brew(), target)).0,
            status,
            "{target}"
        );
    }
    assert_eq!(
        ask(routes(), Request::new(Method::PATCH, "/users/7")).0,
        405
    );
}

#[test]
fn head_is_answered_by_the_get_handler() {
    let head = Request::new(Method::HEAD, "/users/7");
    assert_eq!(ask(routes(), head).1, "user 7");
}

#[test]
fn a_parameter_that_is_no_utf8_is_not_handed_to_a_handler() {
    assert_eq!(get(routes(), "/users/%ff").0, 400);
}

#[test]
fn a_fallback_takes_what_no_route_has_and_leaves_the_405s() {
    let api = Routes::new()
        .get("/orders", |_: &Request| "orders")
        .fallback(|_: &Request| (StatusCode::NOT_FOUND, "no such api"));
    let routes = || {
        let page = |_: &Request| "page";
        Routes::new().get("/files/{*path}", page).fallback(page)
    };
    let with_api = routes().nest("/api", api);
    let application = application(with_api);
    let ask = |method, target: &str| {
        let mut request = Request::new(method, target);
        application.find(&mut request);
        let response = application.run(&mut request);
        let text = String::from_utf8_lossy(response.body().unwrap()).into_owned();
        format!("{} {text}", response.status().as_u16())
    };
    for (method, target, answer) in [
        (Method::GET, "/", "200 page"),
        (Method::POST, "/anything/else", "200 page"),
        (Method::GET, "/api/orders", "200 orders"),
        (Method::GET, "/api/nothing", "404 no such api"),
        (Method::GET, "/api", "404 no such api"),
        (Method::GET, "/api/", "404 no such api"),
        (Method::GET, "/apiary", "200 page"),
        (Method::POST, "/api/orders", "405 method not allowed"),
        (Method::POST, "/files/x", "405 method not allowed"),
    ] {
        assert_eq!(ask(method, target), answer, "{target}");
    }
}

#[test]
fn a_group_keeps_its_layers_and_limits_wherever_it_is_nested() {
    let mark = |name: &'static str| {
        move |request: &mut Request, next: Next<'_>| {
            let response = next.run(request);
            let text = String::from_utf8_lossy(response.body().unwrap()).into_owned();
            format!("{name}({text})")
        }
    };
    let inner = Routes::new()
        .get("/", |_: &Request| "handler")
        .layer(mark("a"))
        .layer(mark("b"));
    let outer = Routes::new()
        .nest("/in", inner.timeout("2s"))
        .layer(mark("c"))
        .timeout("5s")
        .body_limit("2MiB");
    let routes = Routes::new()
        .get("/plain", |_: &Request| "plain")
        .merge(outer.get("/own", |_: &Request| "own"))
        .layer(mark("d"));
    let limits = |target: &str| {
        let found = routes.at(&Method::GET, target.as_bytes()).unwrap();
        let route = &found.endpoint.route;
        (
            route.timeout.map(|timeout| timeout.as_secs()),
            route.body_limit,
        )
    };
    assert_eq!(limits("/in"), (Some(2), Some(2 << 20)));
    assert_eq!(limits("/own"), (Some(5), Some(2 << 20)));
    assert_eq!(limits("/plain"), (None, None));
    let application = application(routes);
    let ask = |target: &str| {
        let mut request = Request::get(target);
        application.find(&mut request);
        String::from_utf8_lossy(application.run(&mut request).body().unwrap()).into_owned()
    };
    assert_eq!(ask("/in"), "d(c(b(a(handler))))");
    assert_eq!(ask("/own"), "d(c(own))");
    assert_eq!(ask("/plain"), "d(plain)");
    assert_eq!(ask("/nowhere"), "d(not found)");
}

#[test]
fn one_path_may_take_its_methods_from_several_groups() {
    let large = Routes::<()>::new()
        .post("/files", |_: &Request| "saved")
        .body_limit("300MiB");
    let routes = Routes::new()
        .get("/files", |_: &Request| "list")
        .merge(large);
    let limit = |method| {
        routes
            .at(&method, b"/files")
            .unwrap()
            .endpoint
            .route
            .body_limit
    };
    assert_eq!(
        (limit(Method::GET), limit(Method::POST)),
        (None, Some(300 << 20))
    );
}

#[test]
fn a_layer_that_takes_its_request_apart_leaves_the_route_to_its_handler() {
    let routes = routes().layer(|request: &mut Request, next: Next<'_>| {
        let mut own = std::mem::take(request);
        next.run(&mut own)
    });
    assert_eq!(get(routes, "/users/7"), (200, "user 7".to_owned()));
}

#[test]
fn what_follows_the_call_of_next_runs_even_where_the_handler_or_a_layer_panics() {
    for (target, wanted) in [("/handler", "500 seen"), ("/layer", "500 seen")] {
        let routes = Routes::new()
            .get("/handler", |_: &Request| -> () { panic!("handler") })
            .merge(
                Routes::new()
                    .get("/layer", |_: &Request| "")
                    .layer(|_: &mut Request, _: Next<'_>| -> () { panic!("layer") }),
            )
            .layer(|request: &mut Request, next: Next<'_>| {
                let response = next.run(request);
                format!("{} seen", response.status().as_u16())
            });
        assert_eq!(get(routes, target).1, wanted);
    }
}

#[test]
fn what_layers_leave_for_the_handler_ends_with_the_request() {
    let value = Arc::new(());
    let left = Arc::clone(&value);
    let routes = Routes::new()
        .get("/", |request: &Request| {
            format!("{}", request.extensions().get::<Arc<()>>().is_some())
        })
        .layer(move |request: &mut Request, next: Next<'_>| {
            request.extensions_mut().insert(Arc::clone(&left));
            next.run(request)
        });
    let application = application(routes);
    let mut request = Request::get("/");
    application.find(&mut request);
    assert_eq!(application.run(&mut request).body(), Some(&b"true"[..]));
    assert_eq!(Arc::strong_count(&value), 2, "the layer's own and this one");
}

#[test]
fn one_hook_renders_every_error_and_refusal_and_keeps_their_status_and_headers() {
    let mut application = application(
        routes()
            .get("/fails", |_: &Request| -> Result<(), Error> {
                Err(std::io::Error::other("password=hunter2"))?
            })
            .get(
                "/number/{n}",
                |request: &Request| -> Result<String, Error> {
                    Ok(request.param_as::<u8>("n")?.to_string())
                },
            )
            .get("/none", |_: &Request| None::<&str>)
            .get("/panics", |_: &Request| -> () { panic!("no") }),
    );
    application.render = Some(Arc::new(|error, request| {
        let path = request.map_or("", Request::path);
        format!("<{} {path}>", error.message()).into_response()
    }));
    for (target, status, text) in [
        ("/fails", 500, "<internal server error /fails>"),
        (
            "/number/300",
            400,
            "<n: expected a whole number, got \"300\" /number/300>",
        ),
        ("/none", 404, "<not found /none>"),
        ("/panics", 500, "<internal server error /panics>"),
        ("/nowhere", 404, "<not found /nowhere>"),
    ] {
        let mut request = Request::get(target);
        application.find(&mut request);
        let response = application.run(&mut request);
        assert_eq!(response.status().as_u16(), status, "{target}");
        assert_eq!(response.body(), Some(text.as_bytes()), "{target}");
    }
    let mut request = Request::post("/users/7", "");
    application.find(&mut request);
    let response = application.run(&mut request);
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(response.headers().contains_key(header::ALLOW));
}

#[test]
fn a_fallback_for_get_alone_says_what_it_takes_whatever_routes_stand_at_its_prefix() {
    let routes = || {
        let files = Routes::new().get_fallback(|_: &Request| "file");
        let nested = Routes::new()
            .get_fallback(|_: &Request| "file")
            .post("/", |_: &Request| "posted");
        Routes::new()
            .post("/", |_: &Request| "posted")
            .merge(files)
            .nest("/static", nested)
    };
    for (method, path, status, allow) in [
        (Method::GET, "/x", 200, None),
        (Method::HEAD, "/x", 200, None),
        (Method::POST, "/x", 405, Some("GET, HEAD")),
        (Method::GET, "/", 405, Some("POST")),
        (Method::GET, "/static/", 200, None),
        (Method::GET, "/static/x", 200, None),
        (Method::PUT, "/static/x", 405, Some("GET, HEAD")),
        (Method::PUT, "/static/", 405, Some("GET, HEAD")),
        (Method::PUT, "/static", 405, Some("POST")),
        (Method::POST, "/static", 200, None),
    ] {
        let answer = ask(routes(), Request::new(method.clone(), path));
        let allowed = answer.2.as_ref().map(|value| value.to_str().unwrap());
        assert_eq!((answer.0, allowed), (status, allow), "{method} {path}");
    }
}

#[test]
fn a_fallback_is_told_the_parameters_of_the_prefix_that_it_is_nested_at() {
    let routes = || {
        let tenant = |request: &Request| request.param("tenant").to_owned();
        Routes::new().nest("/{tenant}/files", Routes::new().fallback(tenant))
    };
    assert_eq!(get(routes(), "/a%20b/files/x/y"), (200, "a b".to_owned()));
    assert_eq!(get(routes(), "/a/files"), (200, "a".to_owned()));
}
