//! Greets who comes. What is here is what most services have: settings, a state, routes, layers, a check, tests.

use seaworthy::{Check, Live, Problem, Request, Service, Settings, layers};
use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// What is configured: `hello config` prints it.
struct Conf {
    /// Follows `live.env` while the pods run.
    greeting: Live<Arc<str>>,
}

/// What handlers share.
struct App {
    conf: Conf,
    greeted: AtomicU64,
}

fn main() -> ExitCode {
    Service::build("hello", Conf::read)
        .version(env!("CARGO_PKG_VERSION"))
        .about("greets who comes")
        .open(|conf: Conf| Ok(service(conf)))
        .run()
}

impl Conf {
    fn read(settings: &mut Settings) -> Conf {
        Conf {
            greeting: settings.live_text("GREETING", "Hello"),
        }
    }
}

fn service(conf: Conf) -> Service<App> {
    let app = App {
        conf,
        greeted: AtomicU64::new(0),
    };
    Service::with_state("hello", app)
        .get("/", |_: &Request, app: &App| app.greet("you"))
        .get("/users/{name}", |request: &Request, app: &App| {
            app.greet(request.param("name"))
        })
        .check(Check::memory("memory", 90))
        .layer(layers::security_headers())
        .layer(layers::request_id())
        .errors(Problem::json)
}

impl App {
    fn greet(&self, name: &str) -> String {
        let number = self.greeted.fetch_add(1, Relaxed) + 1;
        log::info!(number; "greeted");
        format!("{}, {name}!\n", self.conf.greeting.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_is_greeted_by_name() {
        let mut settings = Settings::from_pairs([("GREETING", "Good evening")]);
        let service = service(Conf::read(&mut settings));
        let answer = service.call(Request::get("/users/ada"));
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.body(), Some(&b"Good evening, ada!\n"[..]));
    }

    #[test]
    fn what_is_not_there_is_a_problem_of_the_standard_form() {
        let service = service(Conf::read(&mut Settings::from_pairs([])));
        let answer = service.call(Request::get("/nowhere"));
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.content_type(), Some("application/problem+json"));
    }
}
