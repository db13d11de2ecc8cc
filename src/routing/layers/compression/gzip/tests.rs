use super::*;
use miniz_oxide::inflate::{TINFLStatus, core, decompress_to_vec};
use std::io::Cursor;

/// What a member holds; its head and end are checked.
fn member(gzip: &[u8]) -> Vec<u8> {
    let (head, rest) = gzip.split_at(HEAD.len());
    let (deflated, end) = rest.split_at(rest.len() - 8);
    assert_eq!(head, HEAD);
    let bytes = decompress_to_vec(deflated).expect("a deflate stream");
    let mut checksum = Crc32::default();
    checksum.add(&bytes);
    assert_eq!(end[..4], checksum.value().to_le_bytes());
    assert_eq!(end[4..], (bytes.len() as u32).to_le_bytes());
    bytes
}

/// What can be read of a member that is not whole yet.
fn readable(gzip: &[u8]) -> Vec<u8> {
    let mut state = Box::new(core::DecompressorOxide::new());
    let mut out = vec![0; 1 << 20];
    let (status, _, count) = core::decompress(
        &mut state,
        &gzip[HEAD.len()..],
        &mut out,
        0,
        core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF
            | core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT,
    );
    assert_eq!(status, TINFLStatus::NeedsMoreInput);
    out.truncate(count);
    out
}

fn text(length: usize) -> Vec<u8> {
    let lines =
        (0..).flat_map(|line: u32| format!("line {line}, {}\n", line * 7919 % 1000).into_bytes());
    lines.take(length).collect()
}

fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.u8(..))
        .take(length)
        .collect()
}

const LENGTHS: [usize; 9] = [
    0,
    1,
    10,
    1000,
    PIECE - 1,
    PIECE,
    PIECE + 1,
    2 * PIECE,
    300_000,
];

#[test]
fn what_is_compressed_at_once_is_a_whole_member_at_every_level_and_length() {
    for level in 1..=9 {
        let compressors = Compressors::new(level, 1);
        for bytes in LENGTHS
            .into_iter()
            .flat_map(|length| [text(length), noise(length)])
        {
            assert_eq!(member(&compressors.whole(&bytes)), bytes, "level {level}");
        }
    }
}

#[test]
fn what_is_compressed_as_it_flows_is_a_whole_member_however_it_is_read() {
    let compressors = Arc::new(Compressors::new(4, 1));
    for bytes in LENGTHS
        .into_iter()
        .flat_map(|length| [text(length), noise(length)])
    {
        for room in [1, 7, 16 * 1024] {
            let Ok(mut reader) = compressors.stream(Cursor::new(&bytes)) else {
                panic!("the stream before has given its place back");
            };
            let mut gzip = Vec::new();
            let mut piece = vec![0; room];
            loop {
                match reader.read(&mut piece).unwrap() {
                    0 => break,
                    count => gzip.extend_from_slice(&piece[..count]),
                }
            }
            assert_eq!(reader.read(&mut piece).unwrap(), 0, "it has ended for good");
            assert_eq!(member(&gzip), bytes);
        }
    }
}

/// Gives its pieces one by one, and fails where it would have to wait for the next.
struct Events(Vec<&'static str>);

impl Read for Events {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let next = self.0.pop().ok_or(ErrorKind::TimedOut)?;
        into[..next.len()].copy_from_slice(next.as_bytes());
        Ok(next.len())
    }
}

#[test]
fn an_event_arrives_when_it_happens_and_not_with_the_next() {
    let compressors = Arc::new(Compressors::new(4, 1));
    let Ok(mut reader) = compressors.stream(Events(vec!["second", "first", "x"])) else {
        panic!("nothing else is compressed");
    };
    let mut gzip = Vec::new();
    let mut piece = [0; 4096];
    for expected in ["x", "xfirst", "xfirstsecond"] {
        let count = reader.read(&mut piece).unwrap();
        gzip.extend_from_slice(&piece[..count]);
        assert_eq!(readable(&gzip), expected.as_bytes());
    }
    let failed = reader.read(&mut piece).map_err(|error| error.kind());
    assert_eq!(
        failed,
        Err(ErrorKind::TimedOut),
        "its reader's error is its own"
    );
}

#[test]
fn only_so_many_streams_hold_a_compressor_and_each_gives_it_back() {
    let compressors = Arc::new(Compressors::new(4, 2));
    let stream = || compressors.stream(Cursor::new(text(100))).ok();
    let (mut first, second) = (stream().unwrap(), stream().unwrap());
    assert!(stream().is_none(), "two are all");
    drop(second);
    let third = stream().unwrap();
    assert!(stream().is_none());
    first.read_to_end(&mut Vec::new()).unwrap();
    let fourth = stream().unwrap();
    drop((first, third, fourth));
    assert_eq!(compressors.streams.load(SeqCst), 0);
    assert_eq!(
        compressors.idle().len(),
        2,
        "as many as were ever used at once"
    );
}

#[test]
fn a_compressor_that_is_used_again_knows_nothing_of_what_it_did_before() {
    let compressors = Compressors::new(4, 1);
    let first = compressors.whole(&text(1000));
    compressors.whole(&noise(100_000));
    assert_eq!(compressors.whole(&text(1000)), first);
}
