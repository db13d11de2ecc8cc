//! Orders in SQLite. One that was acknowledged is on the disk, whatever becomes of the process:
//! `API_TOKEN=secret cargo run`, then
//! `curl localhost:8080/orders -H 'Authorization: Bearer secret' --json '{"item": "tea", "quantity": 2}'`.

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, TransactionBehavior};
use seaworthy::http::{StatusCode, header};
use seaworthy::{
    Check, Error, IntoResponse, Json, Problem, Request, Routes, Secret, Service, Settings, layers,
    layers::AllowOrigin, trace,
};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, process::ExitCode, time::Duration};
use thread_local::ThreadLocal;

/// Applied in this order, each once and never changed again; `user_version` counts them.
const MIGRATIONS: &[&str] = &[
    "CREATE TABLE orders (
        id INTEGER PRIMARY KEY AUTOINCREMENT, item TEXT NOT NULL, quantity INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'open', placed_at INTEGER NOT NULL DEFAULT (unixepoch())
    ) STRICT",
    "CREATE INDEX open_orders ON orders (placed_at) WHERE state = 'open'",
];

struct Conf {
    shop: Shop,
    token: Secret,
    origins: Option<AllowOrigin>,
}

struct Shop {
    database: PathBuf,
    pay_within: Duration,
    /// One for each thread, opened when it first asks.
    connections: ThreadLocal<Connection>,
}

#[derive(Serialize)]
struct Order {
    id: i64,
    item: String,
    quantity: u32,
    state: String,
}

#[derive(Deserialize)]
struct NewOrder {
    item: String,
    quantity: u32,
}

#[derive(Deserialize)]
struct Page {
    after: Option<i64>,
    limit: Option<i64>,
}

fn main() -> ExitCode {
    Service::build("orders", |settings: &mut Settings| Conf {
        shop: Shop {
            database: settings.text("DATABASE", "orders.db").into(),
            pay_within: settings.duration("PAY_WITHIN", Duration::from_secs(3600)),
            connections: ThreadLocal::new(),
        },
        token: settings.required_secret("API_TOKEN"),
        origins: settings.parse_optional("ALLOWED_ORIGINS", "origins such as https://shop.example"),
    })
    .version(env!("CARGO_PKG_VERSION"))
    .command("migrate", |conf: Conf| conf.shop.migrate())
    .open(|conf: Conf| Ok(service(conf)))
    .run()
}

fn service(conf: Conf) -> Service<Shop> {
    let cors = layers::cors()
        .allow_origin(conf.origins.unwrap_or_default())
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::LOCATION]);
    let orders = Routes::new()
        .get("/", list)
        .post("/", place)
        .get("/{id}", show)
        .post("/{id}/payment", pay)
        .body_limit("16KiB")
        .layer(layers::bearer(conf.token))
        .layer(cors);
    Service::with_state("orders", conf.shop)
        .on_start("migrate", Shop::migrate)
        .check(Check::readiness("database", Shop::reach).every("2s"))
        .every("expiry", "1s", expire)
        .nest("/orders", orders)
        .layer(layers::request_id())
        .errors(Problem::json)
}

impl Shop {
    /// Brings the schema up to date, at start or as a Job before; who comes second finds nothing to do.
    fn migrate(&self) -> rusqlite::Result<()> {
        let mut connection = Connection::open(&self.database)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = change.pragma_query_value(None, "user_version", |row| row.get(0))?;
        for (done, migration) in MIGRATIONS.iter().enumerate().skip(done) {
            change.execute_batch(migration)?;
            change.pragma_update(None, "user_version", done + 1)?;
            log::info!(migration = done + 1; "migrated");
        }
        change.commit()
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.database, flags)?;
        // What is committed is on the disk, and survives a power cut too.
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(connection)
    }

    fn connection(&self) -> rusqlite::Result<&Connection> {
        self.connections.get_or_try(|| self.connect())
    }

    /// By a new connection: an open one would not notice that the file is gone.
    fn reach(&self) -> rusqlite::Result<()> {
        let connection = self.connect()?;
        connection.query_row("SELECT max(id) FROM orders", [], |_| Ok(()))
    }
}

fn expire(shop: &Shop) -> rusqlite::Result<()> {
    let sql = "UPDATE orders SET state = 'expired'
        WHERE state = 'open' AND placed_at <= unixepoch() - ?1";
    let orders = shop
        .connection()?
        .execute(sql, [shop.pay_within.as_secs()])?;
    if orders > 0 {
        log::info!(orders; "orders expired");
    }
    Ok(())
}

fn place(request: &Request, shop: &Shop) -> Result<impl IntoResponse, Error> {
    let NewOrder { item, quantity } = request.json()?;
    if item.is_empty() || !(1..=1000).contains(&quantity) {
        return Err(Error::unprocessable("expected 1 to 1000 of an item"));
    }
    let connection = shop.connection()?;
    // `query_one` sees the statement to its end: what it returns is committed.
    let sql = "INSERT INTO orders (item, quantity) VALUES (?1, ?2) RETURNING *";
    let insert = || connection.query_one(sql, (item, quantity), read);
    let order = traced("INSERT orders", insert)?;
    let location = [(header::LOCATION, format!("/orders/{}", order.id))];
    Ok((StatusCode::CREATED, location, Json(order)))
}

fn show(request: &Request, shop: &Shop) -> Result<Option<Json<Order>>, Error> {
    let id: i64 = request.param_as("id")?;
    let connection = shop.connection()?;
    let sql = "SELECT * FROM orders WHERE id = ?1";
    let found = traced("SELECT orders", || connection.query_one(sql, [id], read));
    Ok(found.optional()?.map(Json))
}

fn pay(request: &Request, shop: &Shop) -> Result<Option<Json<Order>>, Error> {
    let id: i64 = request.param_as("id")?;
    let connection = shop.connection()?;
    let sql = "UPDATE orders SET state = 'paid' WHERE id = ?1 AND state != 'expired' RETURNING *";
    let paid = traced("UPDATE orders", || connection.query_one(sql, [id], read));
    match paid.optional()? {
        Some(order) => Ok(Some(Json(order))),
        None if show(request, shop)?.is_some() => Err(Error::conflict("the order has expired")),
        None => Ok(None),
    }
}

/// By id; the next page is the one after the last id of this one.
fn list(request: &Request, shop: &Shop) -> Result<Json<Vec<Order>>, Error> {
    let Page { after, limit } = request.query_as()?;
    let range = (after.unwrap_or(0), limit.unwrap_or(50).clamp(1, 500));
    let connection = shop.connection()?;
    let mut page = connection.prepare("SELECT * FROM orders WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let orders = || -> rusqlite::Result<_> { page.query_map(range, read)?.collect() };
    Ok(Json(traced("SELECT orders", orders)?))
}

/// A part of the request's trace, under the names that OpenTelemetry has for databases.
fn traced<T>(summary: &'static str, query: impl FnOnce() -> T) -> T {
    let mut span = trace::span(summary).client();
    span.set("db.system.name", "sqlite");
    query()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Order> {
    Ok(Order {
        id: row.get("id")?,
        item: row.get("item")?,
        quantity: row.get("quantity")?,
        state: row.get("state")?,
    })
}
