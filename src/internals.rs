//! Doors to the inside for measuring and fuzzing: `benches/parts` with the feature `__internals`, `tests/fuzz` in a
//! fuzzing build. No part of the library's interface.

#[cfg(feature = "__internals")]
pub mod parts {
    //! The pure parts of a request's road, one at a time.

    use crate::{
        engine::{
            http1::{Limits, Progress, read_head},
            outgoing::Outgoing,
        },
        message::{
            head::{Head, Version},
            request::Request,
            response::Response,
        },
        observe::logging,
        routing::{
            application::{Application, Stateful},
            layers::bearer,
            routes,
        },
    };
    use http::StatusCode;
    use std::{sync::Arc, time::Instant};

    const LIMITS: Limits = Limits {
        max_head_bytes: 32 * 1024,
        max_headers: 100,
        max_body_bytes: 1024 * 1024,
    };

    /// A head's parser, with the memory that it uses again and again.
    #[derive(Debug, Default)]
    pub struct HeadParser(Head);

    impl HeadParser {
        /// The length of the head that begins these bytes; `None` where it is not whole or no head.
        pub fn parse(&mut self, bytes: &[u8]) -> Option<usize> {
            match read_head(bytes, 0, &LIMITS, &mut self.0) {
                Ok(Progress::Complete { len }) => Some(len),
                Ok(Progress::Partial { .. }) | Err(_) => None,
            }
        }
    }

    /// A router whose handlers do nothing.
    pub struct Routes(Stateful<()>);

    impl Routes {
        /// The templates' routes, all by GET.
        ///
        /// # Panics
        /// Where a template is malformed or there twice.
        #[must_use]
        pub fn new(templates: &[&str]) -> Routes {
            let nothing = |_: &Request| Response::new(StatusCode::OK);
            let add = |routes: routes::Routes, template: &&str| routes.get(template, nothing);
            Routes(Stateful {
                routes: templates.iter().fold(routes::Routes::new(), add),
                state: Arc::default(),
                render: None,
            })
        }

        /// Finds the request's route and runs its handler: the status.
        pub fn route(&self, request: &mut Request) -> u16 {
            self.0.find(request);
            self.0.run(request).status.as_u16()
        }
    }

    /// Frames the response to a GET and sends it to `client`.
    ///
    /// # Panics
    /// Never: memory takes everything.
    pub fn write_response(response: Response, client: &mut Vec<u8>) {
        let mut outgoing = Outgoing::new(
            false,
            Version::Http11,
            response,
            false,
            Instant::now(),
            None,
        );
        let sent = outgoing.send(client, usize::MAX);
        debug_assert!(sent.is_ok(), "memory takes everything");
    }

    /// Compares a token with the one that is right.
    #[must_use]
    pub fn is_token(right: &str, given: &str) -> bool {
        bearer::is_same(right.as_bytes(), given.as_bytes())
    }

    /// Appends the record as one line of JSON.
    pub fn write_record(record: &log::Record<'_>, line: &mut Vec<u8>) {
        logging::append_json(record, line);
    }
}

#[cfg(fuzzing)]
pub mod fuzzing {
    //! What the fuzz targets call.

    use crate::{
        engine::{http1::invariants as http1, native::connection::invariants as connections},
        message::upload::multipart::invariants as forms,
    };

    /// Any bytes as a request head.
    pub fn head(data: &[u8]) {
        http1::head(data);
    }

    /// Any bytes as a chunked body.
    pub fn chunks(data: &[u8]) {
        http1::chunks(data);
    }

    /// Any bytes as a form and its boundary.
    pub fn form(data: &[u8]) {
        forms::form(data);
    }

    /// Any bytes as a script of what the client, the clock and the handlers of a connection do.
    pub fn connection(script: &[u8]) {
        connections::connection(script);
    }
}
