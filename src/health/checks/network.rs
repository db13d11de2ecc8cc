//! Checks of what answers elsewhere: a TCP address, an HTTP URL.

use crate::{
    health::check::{Check, Verdict},
    http_client::{
        self,
        target::{Target, connect},
    },
};
use std::{io, time::Instant};

impl<S: 'static> Check<S> {
    /// A check that passes where a TCP connection to `host`, a name or an IP address without brackets, and `port` can be
    /// opened; it is closed at once.
    ///
    /// Each family is asked for by itself, as [`resolve`](crate::resolve) does it, and every address is tried until one
    /// takes the connection, each for half of the time that is left of the [`timeout`](Check::timeout). While it fails
    /// the service is [`degraded`](Check::degraded), unless the check is made [`unready`](Check::unready).
    ///
    /// ```
    /// # use seaworthy::{Check, Service};
    /// let service = Service::new("shop")
    ///     .check(Check::tcp("cache", "redis", 6379))                  // slower without it
    ///     .check(Check::tcp("database", "postgres", 5432).unready()); // useless without it
    /// # let _ = service;
    /// ```
    #[must_use]
    pub fn tcp(name: &'static str, host: impl Into<String>, port: u16) -> Check<S> {
        let host = host.into();
        Check::blocking(name, move |_, deadline| {
            connect(&host, port, deadline).map(drop)
        })
    }

    /// A check that passes where a GET of `url`, such as `http://orders:8080/livez`, is answered with a status from 200
    /// to 399, as the kubelet judges it. A redirect is not followed.
    ///
    /// Connects as [`tcp`](Check::tcp) does. While it fails the service is [`degraded`](Check::degraded), unless the
    /// check is made [`unready`](Check::unready): two services that are unready without each other never start.
    ///
    /// ```
    /// # use seaworthy::{Check, Service};
    /// let orders = Check::http("orders", "http://orders:8080/livez").expect("this is a URL");
    /// let service = Service::new("shop").check(orders.every("5s"));
    /// # let _ = service;
    /// ```
    ///
    /// # Errors
    /// What is wrong with the URL: it has to be `http://` with a host and no user; TLS is not spoken.
    pub fn http(name: &'static str, url: &str) -> Result<Check<S>, String> {
        let target = Target::parse(url).map_err(|problem| {
            format!("expected a URL such as http://orders:8080/livez{problem}")
        })?;
        Ok(Check::blocking(name, move |_, deadline| {
            ask(&target, deadline)
        }))
    }
}

fn ask(target: &Target, deadline: Instant) -> Verdict {
    let stream = target.connect(deadline)?;
    let answer = http_client::get(stream, &target.authority, &target.path, deadline);
    match answer {
        Ok(answer) if answer.passes() => Ok(()),
        Ok(answer) => Err(format!("it answers {}", answer.status())),
        Err(error) if http_client::is_timeout(&error) => Err("it does not answer".to_owned()),
        Err(error) => Err(io::Error::to_string(&error)),
    }
}

#[cfg(test)]
mod tests;
