use super::*;

fn router() -> Router {
    let mut router = Router::default();
    let mut add = |method, template, handler: fn(&Request) -> String| {
        router.add(
            method,
            template,
            Box::new(move |request| handler(request).into_response()),
        );
    };
    add(Method::GET, "/", |_| "root".into());
    add(Method::GET, "/users/{id}", |request| {
        format!("user {}", request.param("id"))
    });
    add(Method::DELETE, "/users/{id}", |_| "deleted".into());
    add(Method::GET, "/files/{*path}", |request| {
        format!("file {}", request.param("path"))
    });
    router
}

fn ask(router: &Router, mut request: Request) -> (StatusCode, String, Option<HeaderValue>) {
    let found = router.find(&mut request);
    assert!(found, "{request:?}");
    let response = router.run(&request);
    let text = String::from_utf8_lossy(response.body().unwrap_or_default()).into_owned();
    (
        response.status(),
        text,
        response.headers().get(header::ALLOW).cloned(),
    )
}

#[test]
fn parameters_and_wildcards_reach_the_handler_decoded() {
    let router = router();
    for (target, answer) in [
        ("/", "root"),
        ("/users/7", "user 7"),
        ("/users/a%20b%2Fc?x=1", "user a b/c"),
        ("/files/a/b.txt", "file a/b.txt"),
    ] {
        assert_eq!(ask(&router, Request::get(target)).1, answer, "{target}");
    }
}

#[test]
fn a_wrong_path_is_404_and_a_wrong_method_405_with_what_is_allowed() {
    let router = router();
    assert_eq!(
        ask(&router, Request::get("/nowhere")).0,
        StatusCode::NOT_FOUND
    );
    let (status, _, allow) = ask(&router, Request::post("/users/7", ""));
    assert_eq!(
        (status, allow),
        (
            StatusCode::METHOD_NOT_ALLOWED,
            Some(HeaderValue::from_static("GET, DELETE, HEAD"))
        )
    );
}

#[test]
fn head_is_answered_by_the_get_handler() {
    assert_eq!(
        ask(&router(), Request::new(Method::HEAD, "/users/7")).1,
        "user 7"
    );
}

#[test]
fn a_parameter_that_is_no_utf8_is_not_handed_to_a_handler() {
    assert!(!router().find(&mut Request::get("/users/%ff")));
}

#[test]
#[should_panic(expected = "GET /users/{id} has a handler already")]
fn two_handlers_for_one_route_are_a_mistake_that_is_named() {
    router().add(Method::GET, "/users/{id}", Box::new(|_| ().into_response()));
}
