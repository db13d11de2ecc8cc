//! `/flagz`, as Kubernetes' components have it (KEP-4828): the configuration that runs.

use super::{asked::media_type, document::Document, subject::Subject};
use crate::message::problem::push_json;

pub(super) const KIND: &str = "Flagz";

/// What to ask for to get the JSON.
pub(crate) fn json_type() -> String {
    media_type(KIND)
}

pub(super) fn tell(subject: &Subject, page: &mut dyn Document) {
    page.settings(&subject.flags.list());
}

/// Theirs, with their fields and no other.
pub(super) fn json(subject: &Subject, json: &mut String) {
    json.push_str(r#","flags":{"#);
    for (position, (name, flag)) in subject.flags.list().iter().enumerate() {
        if position > 0 {
            json.push(',');
        }
        push_json(json, name);
        json.push(':');
        push_json(json, &flag.shown);
    }
    json.push('}');
}
