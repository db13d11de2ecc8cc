//! Who asked, and how, where trusted proxies stand in between: `Forwarded` (RFC 7239) and the `X-Forwarded-*` that are
//! older and more common.

use super::request::Request;
use crate::config::ip_range::IpRange;
use std::net::IpAddr;

/// What the nearest hop that is not trusted said of itself, as far as trusted proxies passed it on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin<'r> {
    pub(crate) address: Option<IpAddr>,
    scheme: Option<&'r str>,
    pub(crate) host: Option<&'r str>,
}

impl<'r> Origin<'r> {
    /// In lower case.
    pub(crate) fn scheme(&self) -> &'static str {
        match self.scheme {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
            _ => "http",
        }
    }
}

/// One hop, as the proxy behind it describes it.
#[derive(Clone, Copy, Default)]
struct Hop<'r> {
    address: Option<&'r str>,
    scheme: Option<&'r str>,
    host: Option<&'r str>,
}

impl Request {
    /// The client's address: the peer's, or, where that is one of `TRUSTED_PROXIES`, the address that it and the trusted
    /// proxies before it passed on in `Forwarded` or `X-Forwarded-For`. What anybody else claims is not believed. None
    /// for a request that a test built.
    ///
    /// ```
    /// # use seaworthy::Request;
    /// fn whoami(request: &Request) -> String {
    ///     let address = request.client_addr().map(|address| address.to_string());
    ///     format!("{} by {}", address.unwrap_or_default(), request.scheme())
    /// }
    /// ```
    #[must_use]
    pub fn client_addr(&self) -> Option<IpAddr> {
        self.origin(self.trusted_proxies()).address
    }

    /// `https` where a trusted proxy says that its client used it, else `http`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        let origin = self.origin(self.trusted_proxies());
        origin.scheme.unwrap_or("http")
    }

    /// The host that the client asked for, with its port where it named one: what a trusted proxy says it was, else the
    /// `Host` field's.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        let origin = self.origin(self.trusted_proxies());
        origin.host.or_else(|| self.header("host"))
    }

    /// As [`client_addr`](Request::client_addr), for who knows the proxies before the request has a route.
    pub(crate) fn client_behind(&self, trusted: &[IpRange]) -> Option<IpAddr> {
        self.origin(trusted).address
    }

    pub(crate) fn origin(&self, trusted: &[IpRange]) -> Origin<'_> {
        let peer = self.peer().map(|peer| peer.ip());
        let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
        let mut origin = Origin {
            address: peer,
            ..Origin::default()
        };
        if trusted.is_empty() || !peer.is_some_and(is_trusted) {
            return origin;
        }
        // From the nearest hop on: each is believed because the one before it is trusted.
        for hop in self.hops().into_iter().rev() {
            origin.scheme = hop
                .scheme
                .filter(|scheme| is_scheme(scheme))
                .or(origin.scheme);
            origin.host = hop.host.or(origin.host);
            let Some(address) = hop.address.and_then(address) else {
                break;
            };
            origin.address = Some(address);
            if !is_trusted(address) {
                break;
            }
        }
        origin
    }

    /// The hops in the order of the fields, the nearest last.
    fn hops(&self) -> Vec<Hop<'_>> {
        let standard: Vec<Hop<'_>> = self
            .header_values("forwarded")
            .flat_map(|value| split_outside_quotes(value, ','))
            .map(parse_forwarded)
            .collect();
        if !standard.is_empty() {
            return standard;
        }
        let list = |name| {
            let values = self.header_values(name);
            values
                .flat_map(|value| value.split(','))
                .map(str::trim)
                .collect::<Vec<_>>()
        };
        let (addresses, schemes, hosts) = (
            list("x-forwarded-for"),
            list("x-forwarded-proto"),
            list("x-forwarded-host"),
        );
        let count = addresses.len().max(1);
        // Where a list is shorter than that of the addresses, it speaks of the nearest hops.
        (0..count)
            .map(|place| Hop {
                address: addresses.get(place).copied(),
                scheme: nearest(&schemes, count - place),
                host: nearest(&hosts, count - place),
            })
            .collect()
    }
}

/// The element that stands so many places from the end, counted from 1.
fn nearest<'r>(list: &[&'r str], from_end: usize) -> Option<&'r str> {
    list.len().checked_sub(from_end).map(|place| list[place])
}

fn is_scheme(text: &str) -> bool {
    text.eq_ignore_ascii_case("http") || text.eq_ignore_ascii_case("https")
}

/// `for=192.0.2.60;proto=http;host=example.com`.
fn parse_forwarded(element: &str) -> Hop<'_> {
    let mut hop = Hop::default();
    for pair in split_outside_quotes(element, ';') {
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        let value = value.trim();
        let bare = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        let value = Some(bare.unwrap_or(value));
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.address = value,
            "proto" => hop.scheme = value,
            "host" => hop.host = value,
            _ => {}
        }
    }
    hop
}

fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |character| {
        is_quoted ^= character == '"';
        character == separator && !is_quoted
    })
    .filter(|part| !part.trim().is_empty())
}

/// An address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None if text.matches(':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    bare.parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests;
