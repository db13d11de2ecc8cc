use super::*;
use std::borrow::Cow;

fn server_span() -> SpanData {
    let text = |text: String| Value::Text(Cow::Owned(text));
    SpanData {
        trace_id: std::array::from_fn(|at| at as u8),
        span_id: [1; 8],
        parent: [2; 8],
        parent_is_remote: true,
        trace_state: "a=1".to_owned(),
        name: Cow::Borrowed("GET /users/{id}"),
        kind: Kind::Server,
        start: 1_700_000_000_000_000_001,
        end: 1_700_000_000_000_000_300,
        attributes: vec![
            ("url.path", text(format!("/{}", "x".repeat(200)))),
            ("http.response.status_code", Value::Int(503)),
            ("offset", Value::Int(-1)),
            ("empty", text(String::new())),
            ("zero", Value::Int(0)),
            ("no", Value::Bool(false)),
            ("yes", Value::Bool(true)),
        ],
        status: Status::Error("no db".to_owned()),
    }
}

fn root_span() -> SpanData {
    SpanData {
        trace_id: [255; 16],
        span_id: [3; 8],
        parent: [0; 8],
        parent_is_remote: false,
        trace_state: String::new(),
        name: Cow::Borrowed("job"),
        kind: Kind::Internal,
        start: 1,
        end: 2,
        attributes: Vec::new(),
        status: Status::Unset,
    }
}

fn client_span() -> SpanData {
    SpanData {
        span_id: [4; 8],
        parent: [3; 8],
        name: Cow::Borrowed("é"),
        kind: Kind::Client,
        status: Status::Error(String::new()),
        ..root_span()
    }
}

/// What Google's protobuf for Python 7.36 makes of these spans with opentelemetry-proto 1.45.
const ENCODED: &str = "\
    0af2040a320a160a0c736572766963652e6e616d6512060a0473686f700a180a0c6b38732e706f642e6e616d6512080a0673\
    686f702d3112bb040a0b0a09736561776f7274687912a4030a10000102030405060708090a0b0c0d0e0f1208010101010101\
    01011a03613d31220802020202020202022a0f474554202f75736572732f7b69647d30023901002a36fe9c9717412c012a36\
    fe9c97174ad9010a0875726c2e7061746812cc010ac9012f7878787878787878787878787878787878787878787878787878\
    7878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878\
    7878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878\
    7878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878\
    7878787878787878787878787878787878787878787878784a200a19687474702e726573706f6e73652e7374617475735f63\
    6f6465120318f7034a150a066f6666736574120b18ffffffffffffffffff014a0b0a05656d70747912020a004a0a0a047a65\
    726f120218004a080a026e6f120210004a090a03796573120210017a0912056e6f2064621802850101030000123b0a10ffff\
    ffffffffffffffffffffffffffff120803030303030303032a036a6f62300139010000000000000041020000000000000085\
    010101000012480a10ffffffffffffffffffffffffffffffff12080404040404040404220803030303030303032a02c3a930\
    033901000000000000004102000000000000007a021802850101010000";

#[test]
fn spans_are_encoded_as_another_implementation_encodes_them() {
    let resource = [("service.name", "shop"), ("k8s.pod.name", "shop-1")];
    let spans = [server_span(), root_span(), client_span()];
    let mut encoded = Spans::default();
    spans.iter().for_each(|one| encoded.append(&span(one)));
    let encoded = Encoder::new(resource).request(&encoded);
    let hex: String = encoded.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, ENCODED);
}

#[test]
fn what_a_collector_refused_is_read_from_its_answer() {
    let answer = b"\x0a\x0c\x08\xac\x02\x12\x07too old";
    let told = PartialSuccess {
        rejected: 300,
        message: "too old".to_owned(),
    };
    assert_eq!(partial_success(answer), Some(told));
    // A field of a later version, of each type, before it.
    let later = b"\x10\x01\x19AAAAAAAA\x22\x02ab\x2dAAAA";
    let rejected = partial_success(&[&later[..], answer].concat()).map(|told| told.rejected);
    assert_eq!(rejected, Some(300));
}

#[test]
fn an_answer_that_tells_of_nothing_or_is_damaged_refuses_nothing() {
    for answer in [
        &b""[..],
        b"\x0a\x00",
        b"\x0a\x02\x08\x00",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a\x7f\x08",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"<html>it works</html>",
        b"{\"partialSuccess\":{}}",
    ] {
        assert_eq!(partial_success(answer), None, "{answer:?}");
    }
}
