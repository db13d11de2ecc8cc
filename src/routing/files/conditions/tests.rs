use super::*;
use http::{HeaderName, HeaderValue};
use std::time::{Duration, UNIX_EPOCH};

const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn validators() -> Validators {
    Validators {
        etag: "\"a,b\"".to_owned(),
        modified: Some(UNIX_EPOCH + Duration::from_secs(784_111_777)),
    }
}

fn asking(fields: &[(&'static str, &str)]) -> Request {
    let request = Request::get("/");
    fields.iter().fold(request, |request, (name, value)| {
        let value = HeaderValue::from_str(value).unwrap();
        request.with_header(HeaderName::from_static(name), value)
    })
}

#[test]
fn preconditions_are_weighed_in_the_order_of_rfc_9110() {
    use Verdict::{Failed, NotModified, Proceed};
    for (fields, expected) in [
        (&[][..], Proceed),
        (&[("if-none-match", "\"a,b\"")], NotModified),
        (&[("if-none-match", "W/\"a,b\"")], NotModified),
        (&[("if-none-match", "\"x\", \"a,b\"")], NotModified),
        (&[("if-none-match", "\"x\"")], Proceed),
        (&[("if-none-match", "a,b")], Proceed),
        (&[("if-none-match", "\"a\", \"b\"")], Proceed),
        (&[("if-none-match", "*")], NotModified),
        (&[("if-none-match", "")], Proceed),
        (
            &[("if-none-match", "\"x\""), ("if-none-match", "\"a,b\"")],
            NotModified,
        ),
        (&[("if-modified-since", BEFORE)], Proceed),
        (&[("if-modified-since", THEN)], NotModified),
        (&[("if-modified-since", AFTER)], NotModified),
        (&[("if-modified-since", "yesterday")], Proceed),
        (
            &[("if-none-match", "\"x\""), ("if-modified-since", AFTER)],
            Proceed,
        ),
        (&[("if-match", "\"a,b\"")], Proceed),
        (&[("if-match", "*")], Proceed),
        (&[("if-match", "\"x\", \"a,b\"")], Proceed),
        (&[("if-match", "\"x\"")], Failed),
        (&[("if-match", "W/\"a,b\"")], Failed),
        (&[("if-unmodified-since", BEFORE)], Failed),
        (&[("if-unmodified-since", THEN)], Proceed),
        (&[("if-unmodified-since", "yesterday")], Proceed),
        (
            &[("if-match", "\"a,b\""), ("if-unmodified-since", BEFORE)],
            Proceed,
        ),
        (
            &[("if-match", "\"x\""), ("if-none-match", "\"a,b\"")],
            Failed,
        ),
        (
            &[("if-match", "\"a,b\""), ("if-none-match", "\"a,b\"")],
            NotModified,
        ),
    ] {
        assert_eq!(
            verdict(&asking(fields), &validators()),
            expected,
            "{fields:?}"
        );
    }
}

#[test]
fn dates_say_nothing_of_a_file_without_a_time() {
    let timeless = Validators {
        modified: None,
        ..validators()
    };
    for header in ["if-modified-since", "if-unmodified-since"] {
        for date in [BEFORE, AFTER] {
            let verdict = verdict(&asking(&[(header, date)]), &timeless);
            assert_eq!(verdict, Verdict::Proceed, "{header} {date}");
        }
    }
    let request = asking(&[("range", "bytes=2-"), ("if-range", THEN)]);
    assert_eq!(part(&request, &timeless, 10), Part::Whole);
}

#[test]
fn one_range_of_bytes_is_served_and_everything_else_is_the_whole() {
    use Part::{Only, Unsatisfiable, Whole};
    for (range, expected) in [
        ("bytes=0-0", Only(0..1)),
        ("bytes=2-5", Only(2..6)),
        ("BYTES=2-5", Only(2..6)),
        ("bytes= 2-5 ", Only(2..6)),
        ("bytes=,2-5,", Only(2..6)),
        ("bytes=2-", Only(2..10)),
        ("bytes=2-9", Only(2..10)),
        ("bytes=2-10", Only(2..10)),
        ("bytes=2-99999999999999999999999", Only(2..10)),
        ("bytes=9-", Only(9..10)),
        ("bytes=10-", Unsatisfiable),
        ("bytes=99999999999999999999999-", Unsatisfiable),
        ("bytes=-3", Only(7..10)),
        ("bytes=-10", Only(0..10)),
        ("bytes=-11", Only(0..10)),
        ("bytes=-0", Unsatisfiable),
        ("bytes=5-2", Whole),
        ("bytes=-", Whole),
        ("bytes=", Whole),
        ("bytes", Whole),
        ("bytes=a-b", Whole),
        ("bytes=+2-5", Whole),
        ("bytes=2--5", Whole),
        ("bytes=0x2-5", Whole),
        ("bytes=0-1,3-4", Whole),
        ("bytes=0-1,99-", Whole),
        ("lines=2-5", Whole),
    ] {
        let request = asking(&[("range", range)]);
        assert_eq!(part(&request, &validators(), 10), expected, "{range}");
    }
    let twice = asking(&[("range", "bytes=0-1"), ("range", "bytes=2-3")]);
    assert_eq!(part(&twice, &validators(), 10), Whole);
}

#[test]
fn an_empty_file_is_whole_whatever_part_is_asked_for() {
    for range in ["bytes=0-", "bytes=-5", "bytes=0-99"] {
        let request = asking(&[("range", range)]);
        assert_eq!(part(&request, &validators(), 0), Part::Whole, "{range}");
    }
}

#[test]
fn a_range_is_defined_for_get_alone() {
    let head = Request::new(Method::HEAD, "/");
    let range = HeaderValue::from_static("bytes=2-5");
    let head = head.with_header(http::header::RANGE, range);
    assert_eq!(part(&head, &validators(), 10), Part::Whole);
}

#[test]
fn a_part_of_another_version_is_never_sent_for_one_of_this() {
    for (if_range, is_served) in [
        ("\"a,b\"", true),
        ("W/\"a,b\"", false),
        ("\"x\"", false),
        ("*", false),
        ("", false),
        (THEN, true),
        (BEFORE, false),
        (AFTER, false),
    ] {
        let request = asking(&[("range", "bytes=2-5"), ("if-range", if_range)]);
        let expected = match is_served {
            true => Part::Only(2..6),
            false => Part::Whole,
        };
        assert_eq!(part(&request, &validators(), 10), expected, "{if_range:?}");
    }
}
