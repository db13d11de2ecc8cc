//! What the log records of a request carry without being asked: its route, its ids, and what else is known of it.
//!
//! It belongs to the thread that works on the request, and is handed to another one by [`LogContext`].

use super::{
    current_ids::CurrentIds,
    trace_context::{TraceContext, current},
};
use log::kv::{self, Key, Source, ToValue, Value, VisitSource};
use std::{
    cell::{Cell, RefCell},
    fmt::Display,
};

thread_local! {
    /// The template of the route whose request this thread works on, empty where it has none; `None` outside of requests.
    static ROUTE: Cell<Option<&'static str>> = const { Cell::new(None) };
    static FIELDS: RefCell<Vec<Field>> = const { RefCell::new(Vec::new()) };
    /// Whether there may be any fields: asked for each request, and cheaper to ask than `FIELDS`.
    static HAS_FIELDS: Cell<bool> = const { Cell::new(false) };
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    name: &'static str,
    value: String,
}

const ROUTE_KEY: &str = "route";

/// As OpenTelemetry names them where a format has no fields of its own for them
/// (<https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/>).
const TRACE_KEYS: [&str; 3] = ["trace_id", "span_id", "trace_flags"];

/// Adds a field to every log record that this thread makes for the current request from now on, or replaces it:
/// `log_context("order", id)`. Outside of a request nothing is added.
///
/// A name that a record has by itself is the record's own there.
///
/// ```
/// use seaworthy::{Request, log_context};
///
/// fn show(request: &Request) -> String {
///     log_context("order", request.param("id"));
///     log::info!("found"); // {"msg":"found","route":"/orders/{id}","order":"7",…}
///     format!("order {}", request.param("id"))
/// }
/// ```
pub fn log_context(name: &'static str, value: impl Display) {
    if ROUTE.get().is_none() {
        return;
    }
    let value = value.to_string();
    let _ = FIELDS.try_with(|fields| {
        let mut fields = fields.borrow_mut();
        match fields.iter_mut().find(|field| field.name == name) {
            Some(field) => field.value = value,
            None => fields.push(Field { name, value }),
        }
    });
    HAS_FIELDS.set(true);
}

/// The log context of a request, to be carried to another thread that works for it: see
/// [`Request::context`](crate::Request::context).
#[derive(Clone, Debug, Default)]
pub struct LogContext {
    route: Option<&'static str>,
    fields: Vec<Field>,
    trace: Option<TraceContext>,
}

impl LogContext {
    /// The current thread's.
    pub(crate) fn current() -> LogContext {
        LogContext {
            route: ROUTE.get(),
            fields: FIELDS
                .try_with(|fields| fields.borrow().clone())
                .unwrap_or_default(),
            trace: current::current(),
        }
    }

    /// Runs `work` on this thread; every log record in it carries what the request's do, and its
    /// [spans](crate::trace::span()) are parts of the request's trace.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let _outer = Outer(LogContext::current());
        self.install();
        work()
    }

    /// Whether it has more than a thread knows that works on the request without it.
    pub(crate) fn has_fields() -> bool {
        HAS_FIELDS.get()
    }

    /// For a thread that comes back to a request of which it knows the route alone: until it turns to another one. False
    /// where this thread works on no request.
    pub(crate) fn resume(&self) -> bool {
        let is_on_request = ROUTE.get().is_some();
        if is_on_request && !HAS_FIELDS.get() {
            self.install();
        }
        is_on_request
    }

    fn install(&self) {
        ROUTE.set(self.route);
        FIELDS.set(self.fields.clone());
        HAS_FIELDS.set(!self.fields.is_empty());
        current::replace(self.trace.clone());
    }
}

/// Puts back what was there before, also after a panic.
struct Outer(LogContext);

impl Drop for Outer {
    fn drop(&mut self) {
        self.0.install();
    }
}

/// The request that this thread works on belongs to this trace, until the request's scope ends.
pub(crate) fn enter_trace(trace: TraceContext) {
    CurrentIds::set_trace(trace.trace_id);
    current::replace(Some(trace));
}

/// The time in which this thread works on a request; what was added to the context ends with it.
pub(crate) struct Scope(());

impl Scope {
    pub(crate) fn enter(route: &'static str) -> Scope {
        ROUTE.set(Some(route));
        Scope(())
    }

    /// For a thread that comes back to a request which has begun on another one.
    pub(crate) fn traced(self, trace: Option<&TraceContext>) -> Scope {
        if let Some(trace) = trace {
            enter_trace(trace.clone());
        }
        self
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        ROUTE.set(None);
        if current::is_any() {
            current::leave();
            CurrentIds::clear();
        }
        if HAS_FIELDS.get() {
            HAS_FIELDS.set(false);
            FIELDS.take();
            CurrentIds::clear();
        }
    }
}

/// A record's own key-values and, behind them, what the context adds.
pub(crate) struct WithContext<'a> {
    own: &'a dyn Source,
    context: LogContext,
}

impl<'a> WithContext<'a> {
    /// None where there is nothing to add.
    pub(crate) fn of(own: &'a dyn Source) -> Option<WithContext<'a>> {
        // A thread that is ending may have lost its context already.
        let route = ROUTE.try_with(Cell::get).ok().flatten();
        (route.is_some() || current::is_any()).then(|| WithContext {
            own,
            context: LogContext::current(),
        })
    }
}

impl Source for WithContext<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        self.own.visit(visitor)?;
        let is_own = |name: &str| self.own.get(Key::from(name)).is_some();
        let route = self.context.route.filter(|route| !route.is_empty());
        if let Some(route) = route.filter(|_| !is_own(ROUTE_KEY)) {
            visitor.visit_pair(Key::from(ROUTE_KEY), Value::from(route))?;
        }
        for field in self
            .context
            .fields
            .iter()
            .filter(|field| !is_own(field.name))
        {
            visitor.visit_pair(Key::from(field.name), field.value.to_value())?;
        }
        if let Some(trace) = self
            .context
            .trace
            .as_ref()
            .filter(|_| !is_own(TRACE_KEYS[0]))
        {
            let [trace_id, span_id, flags] = TRACE_KEYS.map(Key::from);
            visitor.visit_pair(trace_id, Value::from_display(&trace.trace_id))?;
            visitor.visit_pair(span_id, Value::from_display(&trace.span_id))?;
            visitor.visit_pair(flags, Value::from(trace.flags_text()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
