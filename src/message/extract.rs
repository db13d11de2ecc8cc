//! What a handler reads out of a request, typed, and the refusal where it is not there: an [`Error`] with its 4xx.

use super::{error::Error, request::Request};
#[cfg(feature = "serde")]
use http::StatusCode;
use std::{any::type_name, str::FromStr};

impl Request {
    /// A parameter of the route's template, parsed: `request.param_as::<u64>("id")?`.
    ///
    /// # Errors
    /// Where it does not parse: a 400 that names the parameter and its type.
    ///
    /// # Panics
    /// As [`param`](Request::param), where the route has no such parameter.
    #[track_caller]
    pub fn param_as<T: FromStr>(&self, name: &str) -> Result<T, Error> {
        let text = self.param(name);
        text.parse().map_err(|_| {
            let wanted = expected::<T>();
            Error::bad_request(format!("{name}: expected {wanted}, got {text:?}"))
        })
    }

    /// The body as text.
    ///
    /// # Errors
    /// Where it is not UTF-8: a 400 that says so.
    pub fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(self.body()).map_err(|_| Error::bad_request("the body is not UTF-8"))
    }

    /// The body read as JSON.
    ///
    /// # Errors
    /// 415 where the content type is not JSON, 400 where the body is no JSON, 422 where it is JSON and not such a
    /// value, as axum has them.
    #[cfg(feature = "serde")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        let essence = self
            .header("content-type")
            .unwrap_or("")
            .split(';')
            .next()
            .unwrap_or("")
            .trim();
        let is_json = essence.eq_ignore_ascii_case("application/json")
            || essence
                .get(essence.len().saturating_sub(5)..)
                .is_some_and(|end| end.eq_ignore_ascii_case("+json"));
        if !is_json {
            return Err(Error::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "expected Content-Type: application/json",
            ));
        }
        serde_json::from_slice(self.body()).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Error::unprocessable(format!("bad JSON: {error}")),
            _ => Error::bad_request(format!("bad JSON: {error}")),
        })
    }
}

/// What a type's text looks like, for people.
fn expected<T>() -> &'static str {
    match type_name::<T>() {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number, perhaps negative",
        "f32" | "f64" => "a number",
        "bool" => "true or false",
        name => name.rsplit("::").next().unwrap_or(name),
    }
}
