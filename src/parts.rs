//! The pure parts of a request's road, one at a time, for the measurements in `benches/parts`. Only there with the
//! feature `__parts`, and no part of the library's interface.

use crate::{
    engine::{self, http1::Head},
    logging,
    request::Request,
    response::Response,
    router::Router,
};

/// A head's parser, with the memory that it uses again and again.
#[derive(Debug, Default)]
pub struct HeadParser(Head);

impl HeadParser {
    /// The length of the head that begins these bytes; `None` where it is not whole or no head.
    pub fn parse(&mut self, bytes: &[u8]) -> Option<usize> {
        engine::parts::parse(bytes, &mut self.0)
    }
}

/// A router whose handlers do nothing.
pub struct Routes(Router);

impl Routes {
    /// The templates' routes, all by GET.
    ///
    /// # Panics
    /// Where a template is malformed or there twice.
    #[must_use]
    pub fn new(templates: &[&str]) -> Routes {
        let mut router = Router::default();
        for template in templates {
            let nothing = Box::new(|_: &Request| Response::new(http::StatusCode::OK));
            router.add(http::Method::GET, template, nothing);
        }
        Routes(router)
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
    engine::parts::write(response, client);
}

/// Appends the record as one line of JSON.
pub fn write_record(record: &log::Record<'_>, line: &mut Vec<u8>) {
    logging::append_json(record, line);
}
