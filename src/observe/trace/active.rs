//! Spans for the parts of a request's work.

use super::{
    export,
    span::{Kind, SpanData, Status, Value},
};
use crate::message::trace_context::{
    TraceContext,
    current::{self, current},
};
use std::{
    borrow::Cow,
    marker::PhantomData,
    thread,
    time::{Instant, SystemTime},
};

/// As `OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT` is by default
/// (<https://opentelemetry.io/docs/specs/otel/common/#attribute-limits>).
const MOST_ATTRIBUTES: usize = 128;

/// Begins a span for a part of the work that this thread does, a child of its innermost span, else of its request's. It
/// ends when it is dropped, on the same thread.
///
/// `name` says what is done, and not to which one: `query orders`, with the order's number as an attribute. Where the
/// trace is not sampled, and outside of every request, it is a no-op that costs a few instructions.
///
/// ```
/// use seaworthy::{Error, Request, trace};
///
/// fn show(request: &Request) -> Result<String, Error> {
///     let mut span = trace::span("query orders");
///     span.set("order.number", request.param("id"));
///     # let find = |_: &str| Ok::<_, Error>("an order".to_owned());
///     let found = find(request.param("id"));
///     if found.is_err() {
///         span.fail("the database does not answer");
///     }
///     found
/// }
/// ```
pub fn span(name: impl Into<Cow<'static, str>>) -> Span {
    let going = current()
        .filter(|parent| parent.is_recorded)
        .map(|parent| Box::new(Going::begin(name.into(), parent)));
    Span {
        going,
        of_this_thread: PhantomData,
    }
}

/// A part of a request's work, from [`span`] until it is dropped.
#[must_use = "it ends as soon as it is dropped"]
pub struct Span {
    /// None where the trace is not sampled.
    going: Option<Box<Going>>,
    of_this_thread: PhantomData<*const ()>,
}

struct Going {
    data: SpanData,
    context: TraceContext,
    /// What was current before, and will be.
    outer: TraceContext,
    begun: Instant,
}

impl Span {
    /// Makes it one of a call to another service, which is to be sent its [`headers`](Span::headers).
    ///
    /// OpenTelemetry names the attributes of such calls:
    /// [HTTP](https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span),
    /// [databases](https://opentelemetry.io/docs/specs/semconv/database/database-spans/).
    ///
    /// ```
    /// use seaworthy::{Request, trace};
    /// use std::{io::Write, net::TcpStream};
    ///
    /// fn ask(stream: &mut TcpStream) -> std::io::Result<()> {
    ///     let span = trace::span("GET").client();
    ///     write!(stream, "GET / HTTP/1.1\r\nHost: orders\r\n")?;
    ///     for (name, value) in span.headers() {
    ///         write!(stream, "{name}: {value}\r\n")?;
    ///     }
    ///     write!(stream, "\r\n")
    /// }
    /// ```
    pub fn client(mut self) -> Span {
        if let Some(going) = &mut self.going {
            going.data.kind = Kind::Client;
        }
        self
    }

    /// Sets an attribute, or replaces it. A span takes 128 at most; further ones are left out.
    ///
    /// What is only worth its making where it is kept stands behind [`is_recording`](Span::is_recording).
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(going) = &mut self.going {
            let attributes = &mut going.data.attributes;
            match attributes.iter().position(|(known, _)| *known == key) {
                Some(place) => attributes[place].1 = value.into(),
                None if attributes.len() < MOST_ATTRIBUTES => attributes.push((key, value.into())),
                None => {}
            }
        }
    }

    /// Notes that it has failed, and why, in a few words without secrets. A span that ends by a panic has failed by
    /// itself.
    pub fn fail(&mut self, reason: impl Into<String>) {
        if let Some(going) = &mut self.going {
            going.data.status = Status::Error(reason.into());
        }
    }

    /// Whether anything becomes of it.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.going.is_some()
    }

    /// The header fields of the call that this span is for, [`traceparent`](Span::traceparent) and `tracestate`; none where
    /// there is no trace at all.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        self.context()
            .into_iter()
            .flat_map(|context| context.headers())
    }

    /// The value of `traceparent` alone.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        self.context().map(|context| context.traceparent())
    }

    /// Its own place in the trace, or, where it is a no-op, that of the [current](current()) work, so that the next service
    /// decides as this one did. None where there is no trace at all.
    #[must_use]
    pub fn context(&self) -> Option<TraceContext> {
        match &self.going {
            Some(going) => Some(going.context.clone()),
            None => current(),
        }
    }
}

impl Going {
    fn begin(name: Cow<'static, str>, parent: TraceContext) -> Going {
        let context = parent.child();
        current::replace(Some(context.clone()));
        Going {
            data: begin(&context, name, Kind::Internal, Some(&parent)),
            context,
            outer: parent,
            begun: Instant::now(),
        }
    }
}

/// A span that begins now.
pub(super) fn begin(
    context: &TraceContext,
    name: Cow<'static, str>,
    kind: Kind,
    parent: Option<&TraceContext>,
) -> SpanData {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let start = since_1970.unwrap_or_default().as_nanos() as u64;
    SpanData {
        trace_id: context.trace_id.0,
        span_id: context.span_id.0,
        parent: parent.map_or([0; 8], |parent| parent.span_id.0),
        parent_is_remote: false,
        trace_state: context.tracestate().unwrap_or_default().to_owned(),
        name,
        kind,
        start,
        end: start,
        attributes: Vec::new(),
        status: Status::Unset,
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(Going {
            mut data,
            context,
            outer,
            begun,
        }) = self.going.take().map(|going| *going)
        else {
            return;
        };
        data.end = data.start + begun.elapsed().as_nanos() as u64;
        if thread::panicking() && data.status == Status::Unset {
            data.status = Status::Error("panicked".to_owned());
        }
        // A span inside of it that lives longer has its place still.
        if current::is_current(&context) {
            current::replace(Some(outer));
        }
        export::submit(data);
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::Text(value.to_owned().into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::Text(value.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Value {
        Value::Int(value.into())
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Value {
        Value::Int(value.into())
    }
}

impl From<u64> for Value {
    /// Above what OpenTelemetry's integers hold, the largest of them.
    fn from(value: u64) -> Value {
        Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value {
    /// As a `u64`.
    fn from(value: usize) -> Value {
        Value::from(value as u64)
    }
}
