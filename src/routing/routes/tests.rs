use super::*;
use crate::message::request::Request;

fn add(path: &str) -> Routes {
    Routes::new().get(path, |_: &Request| "")
}

#[test]
#[should_panic(expected = "GET /users/{id} has a handler already")]
fn two_handlers_for_one_route_are_a_mistake_that_is_named() {
    let _ = add("/users/{id}").get("/users/{id}", |_: &Request| "");
}

#[test]
#[should_panic(expected = "for \":id\" write \"{id}\"")]
fn a_parameter_written_as_other_routers_have_it_is_named() {
    let _ = add("/users/:id");
}

#[test]
#[should_panic(expected = "for \"*rest\" write \"{*rest}\"")]
fn a_wildcard_written_as_other_routers_have_it_is_named() {
    let _ = add("/files/*rest");
}

#[test]
#[should_panic(expected = "it has to begin with /")]
fn a_route_without_its_slash_is_a_mistake_that_is_named() {
    let _ = add("users");
}

#[test]
#[should_panic(expected = "can never match")]
fn a_route_with_a_query_is_a_mistake_that_is_named() {
    let _ = add("/search?q={q}");
}

#[test]
#[should_panic(expected = "cannot be added")]
fn two_names_for_one_parameter_are_a_mistake_that_is_named() {
    let _ = add("/users/{id}").get("/users/{name}", |_: &Request| "");
}

#[test]
#[should_panic(expected = "there is a fallback for / already")]
fn two_fallbacks_are_a_mistake_that_is_named() {
    let _ = Routes::<()>::new()
        .fallback(|_: &Request| "")
        .fallback(|_: &Request| "");
}

#[test]
#[should_panic(expected = "no prefix to nest at")]
fn a_prefix_that_is_none_is_named() {
    let _ = Routes::new().nest("/", add("/x"));
}
