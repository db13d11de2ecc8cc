use super::*;
use crate::message::into_response::IntoResponse;
use std::{fs, path::Path, sync::Arc};

/// The texts of all refusals that are made in the sources below a folder.
fn made_below(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_test = name == "tests" || name == "tests.rs" || name.starts_with("invariants");
        if path.is_dir() && !is_test {
            made_below(&path, found);
        } else if name.ends_with(".rs") && !is_test {
            let text = fs::read_to_string(&path).unwrap();
            for maker in ["Refusal::bad(", "Refusal::new(", "Refusal::unavailable("] {
                let calls = text.split(maker).skip(1);
                let texts = calls.filter_map(|call| call.split_once(')')?.0.split('"').nth(1));
                found.extend(texts.map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_refusal_has_its_answer_ready_in_the_services_own_form() {
    let mut made = Vec::new();
    made_below(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut made,
    );
    assert!(made.len() > 60, "only {} were found", made.len());
    for reason in made {
        let is_known = ALL.iter().any(|refusal| refusal.reason == reason);
        assert!(is_known, "{reason:?} is not among all refusals");
    }
}

#[test]
fn a_refusal_is_rendered_by_the_hook_and_keeps_status_and_headers() {
    let render: Render = Arc::new(|error, request| {
        assert!(request.is_none());
        format!("<{}>", error.message()).into_response()
    });
    let refusals = Refusals::rendered_by(Some(&render));
    for refusal in [
        Refusal::OVERLOADED,
        Refusal::bad("no Host"),
        Refusal::ONLY_READS,
    ] {
        let (plain, rendered) = (
            Refusals::default().response(refusal),
            refusals.response(refusal),
        );
        assert_eq!(plain.body(), Some(refusal.reason.as_bytes()));
        assert_eq!(
            rendered.body(),
            Some(format!("<{}>", refusal.reason).as_bytes())
        );
        assert_eq!(
            (plain.status, plain.headers),
            (rendered.status, rendered.headers)
        );
    }
}
