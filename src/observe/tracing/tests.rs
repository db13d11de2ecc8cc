use super::*;
use log::{
    Metadata as LogMetadata,
    kv::{self, Key, VisitSource},
};

/// Records as `LEVEL target message key=value …`.
#[derive(Default)]
struct Kept(Mutex<Vec<String>>);

impl Log for Kept {
    fn enabled(&self, _: &LogMetadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        struct Pairs(String);

        impl<'kvs> VisitSource<'kvs> for Pairs {
            fn visit_pair(
                &mut self,
                key: Key<'kvs>,
                value: kv::Value<'kvs>,
            ) -> Result<(), kv::Error> {
                self.0 += &format!(" {key}={value}");
                Ok(())
            }
        }

        let mut pairs = Pairs(format!(
            "{} {} {}",
            record.level(),
            record.target(),
            record.args()
        ));
        record.key_values().visit(&mut pairs).unwrap();
        self.0.lock().unwrap().push(pairs.0);
    }

    fn flush(&self) {}
}

fn records(work: impl FnOnce()) -> Vec<String> {
    let kept: &'static Kept = Box::leak(Box::default());
    log::set_max_level(log::LevelFilter::Trace);
    dispatcher::with_default(&Dispatch::new(ToLog::new(kept)), work);
    kept.0.lock().unwrap().clone()
}

#[test]
fn an_event_is_a_record_with_its_fields_and_those_of_the_spans_around_it() {
    let records = records(|| {
        let outer = tracing::info_span!("request", user = "ada", step = 1);
        let _outer = outer.enter();
        tracing::info_span!("query", step = 2u64, rows = tracing::field::Empty).in_scope(|| {
            tracing::Span::current().record("rows", 7);
            tracing::warn!(target: "db", slow = true, took = 1.5, error = ?Some("x"), "query {}", "done");
        });
        tracing::error!("plain");
    });
    let wanted = [
        "WARN db query done user=ada step=2 rows=7 slow=true took=1.5 error=Some(\"x\")",
        "ERROR seaworthy::observe::tracing::tests plain user=ada step=1",
    ];
    assert_eq!(records, wanted);
}

#[test]
fn a_span_that_is_over_leaves_nothing_behind() {
    let kept: &'static Kept = Box::leak(Box::default());
    let subscriber = std::sync::Arc::new(ToLog::new(kept));
    dispatcher::with_default(&Dispatch::from(subscriber.clone()), || {
        let span = tracing::info_span!("request");
        let other = span.clone();
        span.in_scope(|| drop(other));
        drop(span);
    });
    assert_eq!(subscriber.spans().len(), 0);
    assert_eq!(ENTERED.with_borrow(Vec::len), 0);
}
