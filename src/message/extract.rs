//! What a handler reads out of a request, typed, and the refusal where it is not there: an [`Error`] with its 4xx.

use super::{error::Error, request::Request};
use std::{any::type_name, str::FromStr};

impl Request {
    /// A parameter of the route's template, parsed: `request.param_as::<u64>("id")?`.
    ///
    /// ```
    /// use seaworthy::{Error, Request, Service};
    ///
    /// fn show(request: &Request) -> Result<String, Error> {
    ///     let id: u64 = request.param_as("id")?;
    ///     Ok(format!("order {id}"))
    /// }
    ///
    /// let service = Service::new("shop").get("/orders/{id}", show);
    /// assert_eq!(service.call(Request::get("/orders/7")).status(), 200);
    /// let refused = service.call(Request::get("/orders/seven"));
    /// assert_eq!(refused.status(), 400);
    /// assert!(refused.body().unwrap().starts_with(b"id: expected"));
    /// ```
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

    /// The value of a cookie, as it was sent (RFC 6265 section 5.4); quotes around it are left out. Whether it is to be
    /// believed is another matter: a client may send what it likes.
    ///
    /// ```
    /// use seaworthy::{Request, http::header};
    ///
    /// let request = Request::get("/").with_header(header::COOKIE, "theme=dark; lang=\"de\"".parse().unwrap());
    /// assert_eq!(request.cookie("lang"), Some("de"));
    /// assert_eq!(request.cookie("session"), None);
    /// ```
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let mut pairs = self
            .header_values("cookie")
            .flat_map(|header| header.split(';'))
            .filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(known, _)| known.trim() == name)?;
        let value = value.trim();
        let bare = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        Some(bare.unwrap_or(value))
    }

    /// The query read into a type: its fields are the query's names, a list takes a name that stands more than once.
    ///
    /// ```
    /// # use seaworthy::{Error, Request};
    /// #[derive(serde::Deserialize)]
    /// struct Page {
    ///     after: Option<u64>,
    ///     #[serde(default)]
    ///     tag: Vec<String>,
    /// }
    ///
    /// let request = Request::get("/orders?after=7&tag=new&tag=large");
    /// let page: Page = request.query_as()?;
    /// assert_eq!((page.after, page.tag.len()), (Some(7), 2));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// Where it does not fit: a 400 that names the field and what would be right.
    #[cfg(feature = "serde")]
    pub fn query_as<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        super::pairs::read(self.query_pairs())
            .map_err(|problem| Error::bad_request(problem.to_string()))
    }

    /// The body of an HTML form read into a type, as [`query_as`](Request::query_as) reads the query.
    ///
    /// ```
    /// # use seaworthy::{Error, Request, http::header};
    /// #[derive(serde::Deserialize)]
    /// struct Order {
    ///     item: String,
    ///     quantity: u32,
    /// }
    ///
    /// let form = "application/x-www-form-urlencoded".parse().unwrap();
    /// let request = Request::post("/orders", "item=green+tea&quantity=2").with_header(header::CONTENT_TYPE, form);
    /// let order: Order = request.form_as()?;
    /// assert_eq!((&*order.item, order.quantity), ("green tea", 2));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// 415 where the content type is not `application/x-www-form-urlencoded`, 422 where the form does not fit, as axum
    /// has them; it names the field and what would be right.
    #[cfg(feature = "serde")]
    pub fn form_as<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        if !self.has_media_type(|essence| essence == "application/x-www-form-urlencoded") {
            return Err(unsupported(
                "expected Content-Type: application/x-www-form-urlencoded",
            ));
        }
        super::pairs::read(form_urlencoded::parse(self.body()))
            .map_err(|problem| Error::unprocessable(problem.to_string()))
    }

    /// The body read as JSON.
    ///
    /// ```
    /// # use seaworthy::{Json, Request, Error, Service, http::header};
    /// #[derive(serde::Deserialize, serde::Serialize)]
    /// struct Order {
    ///     item: String,
    ///     quantity: u32,
    /// }
    ///
    /// let service = Service::new("shop").post("/orders", |request: &Request| -> Result<Json<Order>, Error> {
    ///     let order: Order = request.json()?;
    ///     Ok(Json(order))
    /// });
    /// let ask = |body: &'static str| {
    ///     let json = "application/json".parse().unwrap();
    ///     service.call(Request::post("/orders", body).with_header(header::CONTENT_TYPE, json))
    /// };
    /// assert_eq!(ask(r#"{"item": "tea", "quantity": 2}"#).status(), 200);
    /// assert_eq!(ask(r#"{"item": "tea"}"#).status(), 422); // its body names `quantity`
    /// assert_eq!(ask("tea").status(), 400);
    /// assert_eq!(service.call(Request::post("/orders", "{}")).status(), 415);
    /// ```
    ///
    /// # Errors
    /// 415 where the content type is not JSON, 400 where the body is no JSON, 422 where it is JSON and not such a
    /// value, as axum has them; it names the field where serde does.
    #[cfg(feature = "serde")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        let is_json = |essence: &str| essence == "application/json" || essence.ends_with("+json");
        if !self.has_media_type(is_json) {
            return Err(unsupported("expected Content-Type: application/json"));
        }
        serde_json::from_slice(self.body()).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Error::unprocessable(format!("bad JSON: {error}")),
            _ => Error::bad_request(format!("bad JSON: {error}")),
        })
    }

    /// Whether the content type, without its parameters and in lower case, is a wanted one.
    #[cfg(feature = "serde")]
    fn has_media_type(&self, is_wanted: impl Fn(&str) -> bool) -> bool {
        let value = self.header("content-type").unwrap_or("");
        let essence = value.split(';').next().unwrap_or("").trim();
        is_wanted(&essence.to_ascii_lowercase())
    }
}

#[cfg(feature = "serde")]
fn unsupported(expected: &'static str) -> Error {
    Error::new(http::StatusCode::UNSUPPORTED_MEDIA_TYPE, expected)
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

#[cfg(test)]
mod tests;
