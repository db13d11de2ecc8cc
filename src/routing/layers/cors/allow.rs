//! Who and what is allowed across origins.

use crate::message::request::Request;
use http::{HeaderName, HeaderValue, Method};
use std::{error::Error, fmt, str::FromStr};

/// All of them, `*`: of origins, methods or headers.
#[derive(Clone, Copy, Debug)]
pub struct Any;

/// Which origins' pages may read the answers: [`Any`], one or several by name, or those that a
/// [`predicate`](AllowOrigin::predicate) lets in.
///
/// An origin is written as browsers send it: `https://shop.example`, in lower case, without a slash at its end, and
/// without the port where that is the scheme's own. The default allows none.
///
/// As a setting it is `*` or a list separated by commas, read by [`Settings::parse_optional`](crate::Settings::parse_optional):
///
/// ```
/// use seaworthy::{Settings, layers::{self, AllowOrigin}};
///
/// let mut settings = Settings::from_pairs([("ALLOWED_ORIGINS", "https://shop.example, http://localhost:3000")]);
/// let origins: Option<AllowOrigin> = settings.parse_optional("ALLOWED_ORIGINS", "origins such as https://shop.example");
/// let cors = layers::cors().allow_origin(origins.unwrap_or_default());
/// ```
#[derive(Debug)]
pub struct AllowOrigin(Origins);

type Predicate = Box<dyn Fn(&str, &Request) -> bool + Send + Sync>;

enum Origins {
    Any,
    List(Vec<String>),
    Predicate(Predicate),
}

impl AllowOrigin {
    /// The origins for which `is_allowed` returns true; it is given the request too, and runs on the worker that answers.
    ///
    /// ```
    /// use seaworthy::{Request, layers::{self, AllowOrigin}};
    ///
    /// let tenants = |origin: &str, _: &Request| origin.starts_with("https://") && origin.ends_with(".shop.example");
    /// let cors = layers::cors().allow_origin(AllowOrigin::predicate(tenants));
    /// ```
    #[must_use]
    pub fn predicate(
        is_allowed: impl Fn(&str, &Request) -> bool + Send + Sync + 'static,
    ) -> AllowOrigin {
        AllowOrigin(Origins::Predicate(Box::new(is_allowed)))
    }

    pub(super) fn is_any(&self) -> bool {
        matches!(self.0, Origins::Any)
    }

    /// What the request's page is told of its own origin; nothing where it is not allowed, or is no page's.
    pub(super) fn answer(&self, request: &Request) -> Option<HeaderValue> {
        // For who is allowed in any case, the answer is the same to everybody, and caches may keep one for all.
        if self.is_any() {
            return Some(HeaderValue::from_static("*"));
        }
        let origin = request.header("origin")?;
        let is_allowed = match &self.0 {
            Origins::Any => true,
            Origins::List(known) => known.iter().any(|known| known == origin),
            Origins::Predicate(is_allowed) => is_allowed(origin, request),
        };
        is_allowed.then(|| HeaderValue::from_str(origin).ok())?
    }

    #[track_caller]
    fn list<T: AsRef<str>>(origins: impl IntoIterator<Item = T>) -> AllowOrigin {
        let checked = origins.into_iter().map(|origin| checked(origin.as_ref()));
        AllowOrigin(Origins::List(checked.collect()))
    }
}

/// # Panics
/// Where it is not written as browsers send origins: it would never match.
#[track_caller]
fn checked(origin: &str) -> String {
    match parse_origin(origin) {
        Ok(origin) => origin,
        Err(error) => panic!("{error}"),
    }
}

fn parse_origin(origin: &str) -> Result<String, NotAnOrigin> {
    let is_host = |host: &str| {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase();
        !host.is_empty() && host.bytes().all(is_plain) && !host.contains(['/', '?', '#', '@', ','])
    };
    let is_written_well = match origin.split_once("://") {
        Some(("http", host)) => is_host(host) && !host.ends_with(":80"),
        Some(("https", host)) => is_host(host) && !host.ends_with(":443"),
        Some((scheme, host)) => is_host(scheme) && is_host(host),
        None => origin == "null",
    };
    let origin = origin.to_owned();
    match is_written_well {
        true => Ok(origin),
        false => Err(NotAnOrigin(origin)),
    }
}

/// A text that no browser sends as its page's origin, such as one with a path; see [`AllowOrigin`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnOrigin(String);

impl fmt::Display for NotAnOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no origin as browsers send it: write \"https://shop.example\", or layers::Any for all",
            self.0
        )
    }
}

impl Error for NotAnOrigin {}

impl Default for AllowOrigin {
    /// None.
    fn default() -> AllowOrigin {
        AllowOrigin(Origins::List(Vec::new()))
    }
}

impl FromStr for AllowOrigin {
    type Err = NotAnOrigin;

    /// `*`, or origins separated by commas, with white space around them or none.
    fn from_str(text: &str) -> Result<AllowOrigin, NotAnOrigin> {
        if text.trim() == "*" {
            return Ok(AllowOrigin(Origins::Any));
        }
        let origins = text.split(',').map(str::trim);
        let named = origins.filter(|origin| !origin.is_empty());
        let all: Result<_, _> = named.map(parse_origin).collect();
        Ok(AllowOrigin(Origins::List(all?)))
    }
}

impl From<Any> for AllowOrigin {
    fn from(_: Any) -> AllowOrigin {
        AllowOrigin(Origins::Any)
    }
}

impl From<&str> for AllowOrigin {
    /// # Panics
    /// Where it is not written as browsers send origins, as with the other lists.
    #[track_caller]
    fn from(origin: &str) -> AllowOrigin {
        AllowOrigin::list([origin])
    }
}

impl<T: AsRef<str>, const N: usize> From<[T; N]> for AllowOrigin {
    #[track_caller]
    fn from(origins: [T; N]) -> AllowOrigin {
        AllowOrigin::list(origins)
    }
}

impl<T: AsRef<str>> From<Vec<T>> for AllowOrigin {
    #[track_caller]
    fn from(origins: Vec<T>) -> AllowOrigin {
        AllowOrigin::list(origins)
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origins::Any => f.write_str("any"),
            Origins::List(known) => write!(f, "{known:?}"),
            Origins::Predicate(_) => f.write_str("by a predicate"),
        }
    }
}

/// A list of names as a header has them.
#[derive(Clone, Debug)]
pub(super) enum Names {
    Any,
    /// Whatever the preflight asks for.
    AsAsked,
    List(HeaderValue),
}

impl Names {
    fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Names {
        let names: Vec<T> = names.into_iter().collect();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        Names::List(HeaderValue::try_from(names.join(", ")).expect("names are tokens"))
    }

    pub(super) fn is_any(&self) -> bool {
        matches!(self, Names::Any)
    }

    /// What is answered to a preflight that asks for this.
    pub(super) fn answer(&self, asked: Option<&str>) -> Option<HeaderValue> {
        match self {
            Names::Any => Some(HeaderValue::from_static("*")),
            Names::AsAsked => HeaderValue::from_str(asked?).ok(),
            Names::List(names) => Some(names.clone()),
        }
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $names:ident of $name:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug)]
            pub struct $names(pub(super) Names);

            impl From<Any> for $names {
                fn from(_: Any) -> $names {
                    $names(Names::Any)
                }
            }

            impl From<$name> for $names {
                fn from(name: $name) -> $names {
                    $names(Names::list([name]))
                }
            }

            impl<const N: usize> From<[$name; N]> for $names {
                fn from(names: [$name; N]) -> $names {
                    $names(Names::list(names))
                }
            }

            impl From<Vec<$name>> for $names {
                fn from(names: Vec<$name>) -> $names {
                    $names(Names::list(names))
                }
            }
        )*
    };
}

names! {
    /// Which methods pages may use beside GET, HEAD and POST, which need no leave: [`Any`], a list, or whatever a
    /// preflight [asks for](AllowMethods::mirror_request).
    AllowMethods of Method;
    /// Which headers pages may send beside those that need no leave, as `Content-Type` for JSON and `Authorization` do:
    /// [`Any`] (but for `Authorization`, which has to be named), a list, or whatever a preflight
    /// [asks for](AllowHeaders::mirror_request).
    AllowHeaders of HeaderName;
    /// Which of the answers' headers pages may read beside those that need no leave (`Cache-Control`, `Content-Type` and
    /// a few more): [`Any`], or a list.
    ExposeHeaders of HeaderName;
}

impl AllowMethods {
    /// Whatever method a preflight asks for: as [`Any`], and possible with credentials too.
    #[must_use]
    pub fn mirror_request() -> AllowMethods {
        AllowMethods(Names::AsAsked)
    }
}

impl AllowHeaders {
    /// Whatever headers a preflight asks for: as [`Any`], and possible with credentials too.
    #[must_use]
    pub fn mirror_request() -> AllowHeaders {
        AllowHeaders(Names::AsAsked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_that_no_browser_would_send_is_a_mistake_that_is_named() {
        for origin in [
            "https://shop.example",
            "http://localhost:3000",
            "http://[::1]:3000",
            "http://shop.example:443",
            "chrome-extension://abcdef",
            "null",
        ] {
            assert_eq!(checked(origin), origin);
        }
        for origin in [
            "*",
            "shop.example",
            "https://shop.example/",
            "https://shop.example/app",
            "https://Shop.example",
            "https://shop.example:443",
            "http://shop.example:80",
            "https://a.example,https://b.example",
            "https://",
            "",
        ] {
            let checked = std::panic::catch_unwind(|| checked(origin));
            assert!(checked.is_err(), "{origin:?}");
        }
    }
}
