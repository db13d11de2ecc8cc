//! Server-sent events, as they are sent
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>).

use super::sender::Encode;
use crate::message::request::Request;
use std::time::Duration;

/// An event for the browser's `EventSource`: data, and if wanted an id, a name and the time before it reconnects.
///
/// ```
/// use seaworthy::{Encode, Event};
///
/// let event = Event::new("two\nlines").id("7").name("order");
/// assert_eq!(event.encode(), b"id: 7\nevent: order\ndata: two\ndata: lines\n\n");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "an event does nothing until it is sent"]
pub struct Event {
    id: Option<String>,
    name: Option<String>,
    retry: Option<Duration>,
    comment: Option<String>,
    data: Option<String>,
}

impl Event {
    /// An event with this data. However many lines it has, and whichever way they end, the client gets them with `\n`
    /// between them.
    pub fn new(data: impl Into<String>) -> Event {
        Event {
            data: Some(data.into()),
            ..Event::default()
        }
    }

    /// No event, but something that goes over the wire and that clients leave out.
    pub fn comment(text: impl Into<String>) -> Event {
        Event {
            comment: Some(text.into()),
            ..Event::default()
        }
    }

    /// Its id, which the client sends as `Last-Event-ID` when it reconnects: see [`Request::last_event_id`].
    ///
    /// # Panics
    /// Where it has a line break, which would end the field, or a NUL, for which clients take no id.
    #[track_caller]
    pub fn id(mut self, id: impl Into<String>) -> Event {
        self.id = Some(checked("id", id.into(), &['\n', '\r', '\0']));
        self
    }

    /// Its name, which is the type that the client listens for. Without one that is `message`.
    ///
    /// # Panics
    /// Where it has a line break, which would end the field.
    #[track_caller]
    pub fn name(mut self, name: impl Into<String>) -> Event {
        self.name = Some(checked("name", name.into(), &['\n', '\r']));
        self
    }

    /// How long the client waits before it reconnects, from now on; in whole milliseconds.
    pub fn retry(mut self, after: Duration) -> Event {
        self.retry = Some(after);
        self
    }
}

#[track_caller]
fn checked(what: &str, text: String, forbidden: &[char]) -> String {
    assert!(
        !text.contains(forbidden),
        "the {what} of an event, {text:?}, has a character that it cannot have"
    );
    text
}

impl From<&str> for Event {
    /// An event with this data.
    fn from(data: &str) -> Event {
        Event::new(data)
    }
}

impl From<String> for Event {
    /// An event with this data.
    fn from(data: String) -> Event {
        Event::new(data)
    }
}

impl Encode for Event {
    fn encode(self) -> Vec<u8> {
        let mut text = String::new();
        let mut field = |name: &str, value: &str| {
            for part in [name, value, "\n"] {
                text.push_str(part);
            }
        };
        for line in self.comment.iter().flat_map(|text| lines(text)) {
            field(": ", line);
        }
        if let Some(id) = &self.id {
            field("id: ", id);
        }
        if let Some(name) = &self.name {
            field("event: ", name);
        }
        if let Some(after) = self.retry {
            field("retry: ", &after.as_millis().to_string());
        }
        for line in self.data.iter().flat_map(|text| lines(text)) {
            field("data: ", line);
        }
        text.push('\n');
        text.into_bytes()
    }
}

/// Ended by LF, CR, or both. At least one.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else {
            return rest.take();
        };
        let length = if text[end..].starts_with("\r\n") {
            2
        } else {
            1
        };
        rest = Some(&text[end + length..]);
        Some(&text[..end])
    })
}

impl Request {
    /// The id of the last event that an `EventSource` has received before it reconnected: what came after it is still to
    /// be sent. None on its first request, and where it is no UTF-8.
    ///
    /// ```
    /// use seaworthy::{Request, http::HeaderName};
    ///
    /// let name = HeaderName::from_static("last-event-id");
    /// let request = Request::get("/events").with_header(name, "7".parse().unwrap());
    /// assert_eq!(request.last_event_id(), Some("7"));
    /// ```
    #[must_use]
    pub fn last_event_id(&self) -> Option<&str> {
        self.header("last-event-id").filter(|id| !id.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(event: Event) -> String {
        String::from_utf8(event.encode()).unwrap()
    }

    #[test]
    fn data_of_many_lines_is_one_event_whichever_way_they_end() {
        let event = Event::new("a\nb\r\nc\rd\n\re");
        let expected = "data: a\ndata: b\ndata: c\ndata: d\ndata: \ndata: e\n\n";
        assert_eq!(encoded(event), expected);
        assert_eq!(encoded(Event::new("")), "data: \n\n");
    }

    #[test]
    fn each_field_has_its_line() {
        let event = Event::new(": data: x").id("").name("tick");
        let event = event.retry(Duration::from_millis(1500));
        assert_eq!(
            encoded(event),
            "id: \nevent: tick\nretry: 1500\ndata: : data: x\n\n"
        );
        assert_eq!(encoded(Event::comment("one\ntwo")), ": one\n: two\n\n");
    }

    #[test]
    fn nothing_gets_into_another_field_by_a_line_break() {
        for (what, bad) in [
            ("id", "7\ndata: x"),
            ("id", "7\r"),
            ("id", "\0"),
            ("name", "a\nb"),
        ] {
            let made = std::panic::catch_unwind(|| match what {
                "id" => Event::new("").id(bad),
                _ => Event::new("").name(bad),
            });
            assert!(made.is_err(), "{what} {bad:?}");
        }
    }
}
