//! A file store: a page to upload to, downloads that resume where they broke off. `cargo run`, then <http://localhost:8080>.

use seaworthy::http::StatusCode;
use seaworthy::{
    Error, IntoResponse, Json, Next, Request, Response, Routes, ServeDir, Service, Settings, Stop,
    Upload,
};
use std::{collections::BTreeSet, fs, io, path::PathBuf, process::ExitCode, time::Duration};

#[cfg(test)]
mod tests;

struct Store {
    data: PathBuf,
    public: PathBuf,
}

fn main() -> ExitCode {
    Service::build("files", |settings: &mut Settings| {
        let data = settings.text("DATA_DIR", "data").into();
        let public = settings.text("PUBLIC_DIR", "public").into();
        Store { data, public }
    })
    .version(env!("CARGO_PKG_VERSION"))
    .open(|store: Store| Ok(service(store)))
    .run()
}

fn service(store: Store) -> Service<Store> {
    let uploads = Routes::new()
        .get("/", list)
        .put("/{name}", keep)
        .delete("/{name}", remove)
        .body_limit("10GiB");
    // Whoever may upload must not replace another's file by its compressed neighbour.
    let downloads = ServeDir::new(&store.data).precompressed(false);
    let page = ServeDir::new(&store.public).fallback("index.html");
    Service::with_state("files", store)
        .on_start("data", prepare)
        .nest("/api/files", uploads)
        .nest("/files", Routes::from(downloads).layer(as_attachment))
        .merge(page)
}

fn prepare(_: &Stop, store: &Store) -> io::Result<()> {
    fs::create_dir_all(&store.data)?;
    // What a process that was killed has left of its uploads.
    Upload::remove_leftovers(&store.data, Duration::from_secs(3600)).map(drop)
}

fn list(_: &Request, store: &Store) -> Result<Json<BTreeSet<(String, u64)>>, Error> {
    let files = fs::read_dir(&store.data)?.flatten().filter_map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let found = entry.metadata().ok()?; // It may have been deleted meanwhile.
        (found.is_file() && !name.starts_with('.')).then_some((name, found.len()))
    });
    Ok(Json(files.collect()))
}

/// Kept under its name once it is whole and on the disk: readers and a power cut see it so or not at all.
fn keep(request: &Request, store: &Store) -> Result<Upload, Error> {
    let name = request.param("name");
    let file = Upload::to_file_in(&store.data, name)?;
    let is_new = !store.data.join(name).exists();
    Ok(file.synced().then(move |_, _| match is_new {
        true => StatusCode::CREATED,
        false => StatusCode::NO_CONTENT,
    }))
}

fn remove(request: &Request, store: &Store) -> Result<StatusCode, Error> {
    match fs::remove_file(store.data.join(name(request)?)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::not_found()),
        removed => Ok(removed.map(|()| StatusCode::NO_CONTENT)?),
    }
}

/// A name that `ServeDir` serves.
fn name(request: &Request) -> Result<&str, Error> {
    let name = request.param("name");
    match name.starts_with('.') || name.contains(['/', '\\', '\0']) || name.len() > 255 {
        true => Err(Error::bad_request("name: expected the name of a file")),
        false => Ok(name),
    }
}

/// A page that somebody uploaded must not run its script as if it were ours.
fn as_attachment(request: &mut Request, next: Next<'_>) -> Response {
    let disposition = ("content-disposition", "attachment");
    let options = ("x-content-type-options", "nosniff");
    ([disposition, options], next.run(request)).into_response()
}
