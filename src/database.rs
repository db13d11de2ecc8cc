//! Where the database is that `DATABASE_URL` names: a part of the reference service.

use std::net::Ipv6Addr;

#[cfg(test)]
mod tests;

const NO_URL: &str = "expected a URL such as postgres://user:password@host:5432/name";
const NOT_ENCODED: &str = "what is special in the user, the password or behind the host has to be percent-encoded: \
                           # as %23, / as %2F, : as %3A, ? as %3F, @ as %40, % itself as %25";

/// Where the database is; the rest of the URL is not needed to see whether it can be reached.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Database {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Database {
    /// Reads a URL as RFC 3986 has it, and refuses one that is merely like it: where the host begins in one whose
    /// password holds a bare `#`, `/` or `@` is a guess, and drivers guess differently.
    ///
    /// # Errors
    /// With what is wrong and nothing of the URL, which is a secret.
    pub(crate) fn parse(url: &str) -> Result<Database, &'static str> {
        let (scheme, rest) = url
            .split_once("://")
            .filter(|(scheme, _)| is_scheme(scheme))
            .ok_or(NO_URL)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        if behind.contains(['@', '#']) {
            return Err(NOT_ENCODED);
        }
        let address = match authority.rsplit_once('@') {
            Some((user, _)) if !is_user_information(user) => return Err(NOT_ENCODED),
            Some((_, address)) => address,
            None => authority,
        };
        let (host, port) = split_address(address)?;
        let port = match (port, scheme.to_ascii_lowercase().as_str()) {
            (Some(port), _) => port,
            (None, "postgres" | "postgresql") => 5432,
            (None, "mysql" | "mariadb") => 3306,
            (None, "redis" | "rediss") => 6379,
            (None, _) => {
                return Err(
                    "the URL has no port, and its scheme is not postgres, mysql or redis, whose ports are known",
                );
            }
        };
        Ok(Database {
            host: host.to_owned(),
            port,
        })
    }
}

/// RFC 3986, section 3.1.
fn is_scheme(text: &str) -> bool {
    let rest = |byte| matches!(byte, b'+' | b'-' | b'.') || u8::is_ascii_alphanumeric(&byte);
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(rest)
}

/// RFC 3986, section 3.2.1.
fn is_user_information(text: &str) -> bool {
    let mut pieces = text.split('%');
    let is_plain = |piece: &str| {
        let is_allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:".contains(&byte);
        piece.bytes().all(is_allowed)
    };
    let is_encoded = |piece: &str| {
        let digits = piece.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            && is_plain(&piece[2..])
    };
    pieces.next().is_some_and(is_plain) && pieces.all(is_encoded)
}

/// Host and port (RFC 3986, sections 3.2.2 and 3.2.3), an IPv6 address without its brackets; an empty port is none.
fn split_address(address: &str) -> Result<(&str, Option<u16>), &'static str> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let (host, behind) = match address.strip_prefix('[') {
        Some(bracketed) => bracketed
            .split_once(']')
            .filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok())
            .ok_or("the URL has no IPv6 address between its brackets")?,
        None => match address.split_at(address.find(':').unwrap_or(address.len())) {
            ("", _) => return Err("the URL has no host"),
            (host, _) if !host.bytes().all(is_name) => {
                return Err("the URL's host is neither a name nor an IP address");
            }
            parts => parts,
        },
    };
    let digits = match behind {
        "" | ":" => return Ok((host, None)),
        _ => behind.strip_prefix(':').ok_or(NO_URL)?,
    };
    // The number's own reading takes a `+`.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(port @ 1..) if is_number => Ok((host, Some(port))),
        _ => Err("the URL's port is no number from 1 to 65535"),
    }
}
