//! The real process over real sockets: what it promises when it is stopped, killed and started again.

use rusqlite::Connection;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use ureq::{Agent, Body, http::Response};

const PATIENCE: Duration = Duration::from_secs(60);

struct Shop {
    directory: TempDir,
}

struct Process {
    child: Child,
    base: String,
    agent: Agent,
}

impl Shop {
    fn new() -> Shop {
        let directory = tempfile::tempdir().unwrap();
        Shop { directory }
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("orders.db")
    }

    fn command(&self, settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
        command
            .env("DATABASE", self.database())
            .env("API_TOKEN", "hunter2")
            .envs([("HOST", "127.0.0.1"), ("PORT", "0"), ("DRAIN_DELAY", "0")])
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        command
    }

    fn start(&self, settings: &[(&str, &str)]) -> Process {
        let mut child = self.command(settings).spawn().unwrap();
        let records = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = records
            .map_while(Result::ok)
            .map(|line| serde_json::from_str::<Value>(&line).unwrap())
            .find(|record| record["msg"] == "listening")
            .expect("it says where it listens");
        let addr = listening["addr"].as_str().unwrap();
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false);
        let process = Process {
            base: format!("http://{addr}"),
            child,
            agent: config.build().into(),
        };
        process.wait_for("/readyz", 200);
        process
    }

    /// Every order that is in the database, by id.
    fn kept(&self) -> Vec<(i64, String)> {
        let database = Connection::open(self.database()).unwrap();
        let sound: String = database
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok");
        let mut all = database
            .prepare("SELECT id, item FROM orders ORDER BY id")
            .unwrap();
        let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    }
}

impl Process {
    fn wait_for(&self, path: &str, status: u16) {
        let until = Instant::now() + PATIENCE;
        while self.get(path).status() != status {
            assert!(Instant::now() < until, "{path} never answers {status}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn get(&self, path: &str) -> Response<Body> {
        let call = self.agent.get(format!("{}{path}", self.base));
        call.header("authorization", "Bearer hunter2")
            .call()
            .unwrap()
    }

    fn json(&self, path: &str) -> Value {
        self.get(path).body_mut().read_json().unwrap()
    }

    fn post(&self, path: &str, body: &Value) -> Result<Response<Body>, ureq::Error> {
        let call = self.agent.post(format!("{}{path}", self.base));
        call.header("authorization", "Bearer hunter2")
            .send_json(body)
    }

    fn place(&self, item: &str) -> i64 {
        let placed = self.post("/orders", &json!({ "item": item, "quantity": 1 }));
        acknowledged(placed).expect("a 201")
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Orders by eight clients until none is taken any more; `signal` is sent under way. What was acknowledged, and how
    /// the process ended.
    fn ended_under_load(mut self, signal: &str) -> (Vec<(i64, String)>, Option<i32>) {
        let taken = AtomicUsize::new(0);
        let (process, taken) = (&self, &taken);
        let acknowledged = thread::scope(|scope| {
            let order = move |client: i32| {
                let items = (0..).map(move |number| format!("{client}-{number}"));
                let order = |item: String| {
                    let placed = process.post("/orders", &json!({ "item": item, "quantity": 1 }));
                    taken.fetch_add(1, SeqCst);
                    Some((acknowledged(placed)?, item))
                };
                items.map_while(order).collect::<Vec<_>>()
            };
            let clients: Vec<_> = (0..8).map(|n| scope.spawn(move || order(n))).collect();
            while taken.load(SeqCst) < 200 {
                thread::sleep(Duration::from_millis(1));
            }
            process.signal(signal);
            let all = clients
                .into_iter()
                .flat_map(|client| client.join().unwrap());
            let mut all: Vec<_> = all.collect();
            all.sort();
            all
        });
        (acknowledged, self.child.wait().unwrap().code())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The order's id, where the client was told that it is taken.
fn acknowledged(placed: Result<Response<Body>, ureq::Error>) -> Option<i64> {
    let mut placed = placed.ok().filter(|answer| answer.status() == 201)?;
    let order: Value = placed.body_mut().read_json().ok()?;
    order["id"].as_i64()
}

#[test]
fn stopped_under_load_it_keeps_exactly_the_orders_that_it_acknowledged() {
    let shop = Shop::new();
    let (acknowledged, code) = shop.start(&[]).ended_under_load("-TERM");
    assert_eq!(code, Some(0));
    assert!(acknowledged.len() >= 190, "{}", acknowledged.len());
    assert_eq!(shop.kept(), acknowledged);
}

#[test]
fn killed_under_load_it_has_every_order_that_it_acknowledged_when_it_starts_again() {
    let shop = Shop::new();
    let (acknowledged, code) = shop.start(&[]).ended_under_load("-KILL");
    assert_eq!(code, None, "by the signal");
    let kept = shop.kept();
    let lost = acknowledged.iter().filter(|order| !kept.contains(order));
    assert_eq!(lost.collect::<Vec<_>>(), Vec::<&(i64, String)>::new());
    let again = shop.start(&[]);
    for (id, item) in &acknowledged {
        assert_eq!(again.json(&format!("/orders/{id}"))["item"], **item);
    }
}

#[test]
fn an_order_is_placed_shown_paid_and_listed_page_by_page() {
    let shop = Shop::new();
    let process = shop.start(&[]);
    let ids: Vec<i64> = ["tea", "milk", "bread"]
        .iter()
        .map(|item| process.place(item))
        .collect();
    let path = format!("/orders/{}", ids[0]);
    let open = json!({ "id": ids[0], "item": "tea", "quantity": 1, "state": "open" });
    assert_eq!(process.json(&path), open);
    let mut paid = process
        .post(&format!("{path}/payment"), &json!({}))
        .unwrap();
    let paid: Value = paid.body_mut().read_json().unwrap();
    assert_eq!(paid["state"], "paid");
    let first = process.json("/orders?limit=2");
    let after = first[1]["id"].as_i64().unwrap();
    let second = process.json(&format!("/orders?limit=2&after={after}"));
    assert_eq!(first.as_array().unwrap().len(), 2);
    assert_eq!(second.as_array().unwrap().len(), 1);
    assert_eq!(second[0]["item"], "bread");
}

#[test]
fn whatever_is_refused_is_a_problem_that_says_what_would_be_right() {
    let shop = Shop::new();
    let process = shop.start(&[]);
    for (quantity, item, status) in [(0, "tea", 422), (1001, "tea", 422), (1, "", 422)] {
        let order = json!({ "item": item, "quantity": quantity });
        assert_eq!(process.post("/orders", &order).unwrap().status(), status);
    }
    for (path, status, detail) in [
        ("/orders/7", 404, "not found"),
        ("/orders/x", 400, "id: "),
        ("/orders?after=x", 400, "after"),
    ] {
        let mut answer = process.get(path);
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Value = answer.body_mut().read_json().unwrap();
        let said = problem["detail"].as_str().unwrap();
        assert!(said.contains(detail), "{path}: {said}");
    }
}

#[test]
fn only_who_has_the_token_may_order_and_only_pages_of_allowed_origins_may_ask() {
    let shop = Shop::new();
    let process = shop.start(&[("ALLOWED_ORIGINS", "https://shop.example")]);
    let orders = format!("{}/orders", process.base);
    let refused = process.agent.get(&orders).call().unwrap();
    assert_eq!(refused.status(), 401);
    for (origin, allowed) in [
        ("https://shop.example", Some("https://shop.example")),
        ("https://other.example", None),
    ] {
        let preflight = process.agent.options(&orders).header("origin", origin);
        let preflight = preflight.header("access-control-request-method", "POST");
        let answer = preflight.call().unwrap();
        assert_eq!(answer.status(), 204);
        let told = answer.headers().get("access-control-allow-origin");
        assert_eq!(told.map(|told| told.to_str().unwrap()), allowed);
    }
}

#[test]
fn an_order_that_nobody_pays_expires_and_can_no_longer_be_paid() {
    let shop = Shop::new();
    let process = shop.start(&[("PAY_WITHIN", "1s")]);
    let path = format!("/orders/{}", process.place("tea"));
    let until = Instant::now() + PATIENCE;
    while process.json(&path)["state"] != "expired" {
        assert!(Instant::now() < until, "it never expires");
        thread::sleep(Duration::from_millis(20));
    }
    let paid = process.post(&format!("{path}/payment"), &json!({}));
    assert_eq!(paid.unwrap().status(), 409);
}

#[test]
fn a_pod_whose_database_is_gone_gets_no_traffic() {
    let shop = Shop::new();
    let process = shop.start(&[]);
    process.place("tea");
    std::fs::rename(shop.database(), shop.directory.path().join("away.db")).unwrap();
    process.wait_for("/readyz", 503);
    assert_eq!(process.get("/livez").status(), 200);
}

#[test]
fn a_job_migrates_before_the_rollout_and_the_pods_find_nothing_to_do() {
    let shop = Shop::new();
    for _ in 0..2 {
        let job = shop.command(&[]).arg("migrate").status().unwrap();
        assert_eq!(job.code(), Some(0));
    }
    assert!(shop.kept().is_empty());
    shop.start(&[]).place("tea");
    assert_eq!(shop.kept().len(), 1);
}

#[test]
fn a_bad_setting_is_named_before_anything_is_opened() {
    let shop = Shop::new();
    let mut command = shop.command(&[("ALLOWED_ORIGINS", "shop.example"), ("API_TOKEN", "")]);
    let refused = command.stderr(Stdio::piped()).output().unwrap();
    assert_eq!(refused.status.code(), Some(78));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("ALLOWED_ORIGINS") && said.contains("API_TOKEN"),
        "{said}"
    );
    assert!(!shop.database().exists());
}
