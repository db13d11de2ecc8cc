//! Events of the `tracing` crate as log records: the same levels, the same format, the same queue.
//!
//! A record has the event's fields and those of the spans that its thread is in, the innermost winning where two have
//! a name. Spans themselves are no records.

use log::{Level, Log, Record};
use std::{
    borrow::Cow,
    cell::RefCell,
    collections::HashMap,
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tracing_core::{
    Dispatch, Event, Metadata, Subscriber, dispatcher,
    field::{Field, Visit},
    span,
};

thread_local! {
    /// The spans that this thread is in, the innermost last.
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// From now on `tracing`'s events go to `logger`. Where the program has installed a subscriber of its own, that one
/// stays.
pub(super) fn install(logger: &'static dyn Log) {
    let _ = dispatcher::set_global_default(Dispatch::new(ToLog::new(logger)));
}

/// A subscriber that writes log records.
struct ToLog {
    logger: &'static dyn Log,
    next: AtomicU64,
    spans: Mutex<HashMap<u64, Span>>,
}

struct Span {
    metadata: &'static Metadata<'static>,
    fields: Fields,
    /// How many handles there are.
    handles: usize,
}

impl ToLog {
    fn new(logger: &'static dyn Log) -> ToLog {
        ToLog {
            logger,
            next: AtomicU64::new(1),
            spans: Mutex::default(),
        }
    }

    fn spans(&self) -> MutexGuard<'_, HashMap<u64, Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fields of the spans that this thread is in.
    fn entered(&self) -> Fields {
        let entered = ENTERED.with_borrow(Vec::clone);
        let mut all = Fields::default();
        if !entered.is_empty() {
            let spans = self.spans();
            let known = entered.iter().filter_map(|id| spans.get(id));
            known.for_each(|span| all.extend(&span.fields));
        }
        all
    }
}

impl Subscriber for ToLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() || level(metadata) <= log::max_level()
    }

    fn max_level_hint(&self) -> Option<tracing_core::LevelFilter> {
        // The log level may change while the process runs.
        None
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let id = self.next.fetch_add(1, Relaxed);
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let span = Span {
            metadata: attributes.metadata(),
            fields,
            handles: 1,
        };
        self.spans().insert(id, span);
        span::Id::from_u64(id)
    }

    fn record(&self, id: &span::Id, values: &span::Record<'_>) {
        // Before the lock is taken: a value's `Debug` is the program's code.
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(span) = self.spans().get_mut(&id.into_u64()) {
            span.fields.extend(&fields);
        }
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut fields = self.entered();
        event.record(&mut fields);
        let message = std::mem::take(&mut fields.message);
        self.logger.log(
            &Record::builder()
                .level(level(metadata))
                .target(metadata.target())
                .key_values(&fields.pairs)
                .args(format_args!("{message}"))
                .build(),
        );
    }

    fn enter(&self, id: &span::Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(id.into_u64()));
    }

    fn exit(&self, id: &span::Id) {
        let _ = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            if let Some(last) = entered.iter().rposition(|known| *known == id.into_u64()) {
                entered.remove(last);
            }
        });
    }

    fn current_span(&self) -> span::Current {
        let innermost = ENTERED.with_borrow(|entered| entered.last().copied());
        let Some(id) = innermost else {
            return span::Current::none();
        };
        self.spans()
            .get(&id)
            .map_or_else(span::Current::none, |span| {
                span::Current::new(span::Id::from_u64(id), span.metadata)
            })
    }

    fn clone_span(&self, id: &span::Id) -> span::Id {
        if let Some(span) = self.spans().get_mut(&id.into_u64()) {
            span.handles += 1;
        }
        id.clone()
    }

    fn try_close(&self, id: span::Id) -> bool {
        let mut spans = self.spans();
        let Some(span) = spans.get_mut(&id.into_u64()) else {
            return false;
        };
        span.handles -= 1;
        let is_last = span.handles == 0;
        if is_last {
            spans.remove(&id.into_u64());
        }
        is_last
    }
}

fn level(metadata: &Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing_core::Level::ERROR => Level::Error,
        tracing_core::Level::WARN => Level::Warn,
        tracing_core::Level::INFO => Level::Info,
        tracing_core::Level::DEBUG => Level::Debug,
        tracing_core::Level::TRACE => Level::Trace,
    }
}

/// An event's or a span's fields, its message apart.
#[derive(Default)]
struct Fields {
    message: String,
    pairs: Vec<(&'static str, Value)>,
}

/// A field's value, with its type where a query may compute with it.
#[derive(Clone)]
enum Value {
    I64(i64),
    U64(u64),
    F64(f64),
    Bool(bool),
    Text(Cow<'static, str>),
}

impl log::kv::ToValue for Value {
    fn to_value(&self) -> log::kv::Value<'_> {
        match self {
            Value::I64(value) => value.to_value(),
            Value::U64(value) => value.to_value(),
            Value::F64(value) => value.to_value(),
            Value::Bool(value) => value.to_value(),
            Value::Text(value) => value.as_ref().into(),
        }
    }
}

impl Fields {
    fn set(&mut self, name: &'static str, value: Value) {
        match (name, value) {
            ("message", Value::Text(text)) => self.message = text.into_owned(),
            (name, value) => match self.pairs.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => self.pairs.push((name, value)),
            },
        }
    }

    fn extend(&mut self, inner: &Fields) {
        for (name, value) in &inner.pairs {
            self.set(name, value.clone());
        }
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), Value::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), Value::U64(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), Value::F64(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), Value::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), Value::Text(value.to_owned().into()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.set(field.name(), Value::Text(value.to_string().into()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), Value::Text(format!("{value:?}").into()));
    }
}

#[cfg(test)]
mod tests;
