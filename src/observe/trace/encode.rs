//! Spans as OTLP has them: `ExportTraceServiceRequest` in protobuf, and the answer to one.
//!
//! Only what is sent is known here: `opentelemetry/proto/trace/v1/trace.proto` has the numbers. The encoding is that of
//! <https://protobuf.dev/programming-guides/encoding/>; written by hand it is a tenth of what a generated one weighs.

use super::span::{Kind, SpanData, Status, Value};

/// The instrumentation scope that all spans are of.
const SCOPE: &str = "seaworthy";

/// W3C's flag `sampled`; what is exported always is.
const SAMPLED: u32 = 0x01;
/// That it is known whether the parent is in another process, and that it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

const STATUS_ERROR: u64 = 2;

/// More bytes than most spans take.
const USUAL_SPAN: usize = 768;

/// What every request says before its spans.
pub(crate) struct Encoder {
    /// The messages `Resource` and `InstrumentationScope`, encoded.
    resource: Vec<u8>,
    scope: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new<'a>(resource: impl IntoIterator<Item = (&'a str, &'a str)>) -> Encoder {
        let mut attributes = Message::default();
        for (name, value) in resource {
            attributes.attribute(1, name, &Value::Text(value.to_owned().into()));
        }
        let mut scope = Message::default();
        scope.text(1, SCOPE);
        Encoder {
            resource: attributes.0,
            scope: scope.0,
        }
    }

    /// The body of one request.
    pub(crate) fn request(&self, spans: &Spans) -> Vec<u8> {
        let in_scope = field_length(self.scope.len()) + spans.encoded.0.len();
        let in_resource = field_length(self.resource.len()) + field_length(in_scope);
        let mut request = Message(Vec::with_capacity(field_length(in_resource)));
        request.begin(1, in_resource);
        request.bytes(1, &self.resource);
        request.begin(2, in_scope);
        request.bytes(1, &self.scope);
        request.0.extend_from_slice(&spans.encoded.0);
        request.0
    }
}

/// Encoded spans, one behind the other.
#[derive(Default)]
pub(crate) struct Spans {
    encoded: Message,
    count: usize,
}

impl Spans {
    /// Adds what [`span`] has made of one.
    pub(crate) fn append(&mut self, encoded: &[u8]) {
        self.encoded.bytes(2, encoded);
        self.count += 1;
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

/// The message `Span`.
pub(crate) fn span(span: &SpanData) -> Vec<u8> {
    let mut out = Message(Vec::with_capacity(USUAL_SPAN));
    out.bytes(1, &span.trace_id);
    out.bytes(2, &span.span_id);
    if !span.trace_state.is_empty() {
        out.text(3, &span.trace_state);
    }
    if span.parent != [0; 8] {
        out.bytes(4, &span.parent);
    }
    out.text(5, &span.name);
    let kind = match span.kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
    };
    out.number(6, kind);
    out.fixed64(7, span.start);
    out.fixed64(8, span.end);
    for (name, value) in &span.attributes {
        out.attribute(9, name, value);
    }
    if let Status::Error(message) = &span.status {
        let text = match message.is_empty() {
            true => 0,
            false => field_length(message.len()),
        };
        out.begin(15, text + 1 + varint_length(STATUS_ERROR));
        if !message.is_empty() {
            out.text(2, message);
        }
        out.number(3, STATUS_ERROR);
    }
    let remote = if span.parent_is_remote { IS_REMOTE } else { 0 };
    out.fixed32(16, SAMPLED | HAS_IS_REMOTE | remote);
    out.0
}

/// How many bytes a field takes that has so many, where its number is below 16.
fn field_length(bytes: usize) -> usize {
    1 + varint_length(bytes as u64) + bytes
}

fn varint_length(value: u64) -> usize {
    let bits = u64::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH_DELIMITED: u32 = 2;
const FIXED32: u32 = 5;

/// A message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(&mut self, field: u32, value: u64) {
        self.tag(field, VARINT);
        self.varint(value);
    }

    fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn fixed32(&mut self, field: u32, value: u32) {
        self.tag(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn text(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, LENGTH_DELIMITED);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// Begins a message in this one, of so many bytes: a length that is known before needs no room to be made for it.
    fn begin(&mut self, field: u32, length: usize) {
        self.tag(field, LENGTH_DELIMITED);
        self.varint(length as u64);
    }

    /// The message `KeyValue`, with an `AnyValue`. The one that is given is written, for zero and `false` too: which of them
    /// it is, is the type.
    fn attribute(&mut self, field: u32, name: &str, value: &Value) {
        let length = match value {
            Value::Text(text) => field_length(text.len()),
            Value::Bool(_) => 2,
            Value::Int(number) => 1 + varint_length(*number as u64),
        };
        self.begin(field, field_length(name.len()) + field_length(length));
        self.text(1, name);
        self.begin(2, length);
        match value {
            Value::Text(text) => self.text(1, text),
            Value::Bool(truth) => self.number(2, u64::from(*truth)),
            // A negative one takes ten bytes, as its two's complement.
            Value::Int(number) => self.number(3, *number as u64),
        }
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// What a collector that took a request says of the spans that it refused nevertheless.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PartialSuccess {
    pub(crate) rejected: u64,
    pub(crate) message: String,
}

/// Reads an `ExportTraceServiceResponse`; `None` where it tells of nothing, or is something else.
pub(crate) fn partial_success(response: &[u8]) -> Option<PartialSuccess> {
    let told = fields(response).find_map(|field| match field {
        (1, Field::Bytes(told)) => Some(told),
        _ => None,
    })?;
    let mut found = PartialSuccess {
        rejected: 0,
        message: String::new(),
    };
    for field in fields(told) {
        match field {
            (1, Field::Number(rejected)) => found.rejected = rejected,
            (2, Field::Bytes(message)) => {
                found.message = String::from_utf8_lossy(message).into_owned();
            }
            _ => {}
        }
    }
    (found.rejected > 0 || !found.message.is_empty()).then_some(found)
}

/// What a field holds, of the types that are told apart.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message with their numbers, up to the first that is damaged.
fn fields(mut rest: &[u8]) -> impl Iterator<Item = (u64, Field<'_>)> {
    std::iter::from_fn(move || {
        let tag = take_varint(&mut rest)?;
        let field = match (tag & 7) as u32 {
            VARINT => Field::Number(take_varint(&mut rest)?),
            FIXED64 => Field::Bytes(rest.split_off(..8)?),
            LENGTH_DELIMITED => {
                let length = usize::try_from(take_varint(&mut rest)?).ok()?;
                Field::Bytes(rest.split_off(..length)?)
            }
            FIXED32 => Field::Bytes(rest.split_off(..4)?),
            _ => return None,
        };
        Some((tag >> 3, field))
    })
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests;
