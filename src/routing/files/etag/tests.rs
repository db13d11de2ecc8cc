use super::*;
use std::{env, fs, process};

fn version(inode: u64) -> Version {
    Version {
        device: 1,
        inode,
        size: 3,
        modified: (100, 0),
        changed: (100, 0),
    }
}

#[test]
fn a_tag_is_of_what_the_file_holds_and_of_nothing_else() {
    let dir = env::temp_dir().join(format!("seaworthy-etag-{}", process::id()));
    fs::create_dir_all(&dir).unwrap();
    let tag = |name: &str, held: &[u8]| {
        let path = dir.join(name);
        fs::write(&path, held).unwrap();
        let file = File::open(&path).unwrap();
        let metadata = file.metadata().unwrap();
        ETags::default().of(&Opened { file, metadata }).unwrap()
    };
    let long = vec![7; 3 * PIECE + 5];
    let mut other = long.clone();
    other[PIECE] = 8;
    assert_eq!(tag("a", &long), tag("b", &long), "replicas must agree");
    assert_ne!(tag("a", &long), tag("a", &other), "the size is the same");
    assert_ne!(tag("a", b"x"), tag("a", b""));
    let tag = tag("a", b"");
    assert!(
        tag.len() == 18 && tag.starts_with('"') && tag.ends_with('"'),
        "{tag}"
    );
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_version_is_read_once_and_what_may_still_change_is_not_remembered() {
    let etags = ETags::default();
    assert_eq!(*etags.computed(version(1)).get_or_init(|| Some(5)), Some(5));
    assert_eq!(etags.computed(version(1)).get(), Some(&Some(5)));
    let changed = Version {
        changed: (100, 1),
        ..version(1)
    };
    assert_eq!(etags.computed(changed).get(), None);

    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    assert!(!version(1).is_settled(at(100)));
    assert!(!version(1).is_settled(at(102)));
    assert!(version(1).is_settled(at(103)));
    assert!(version(1).is_settled(at(50)), "the clock was set back");
}

#[test]
fn what_is_remembered_is_bounded_and_what_is_asked_for_often_stays() {
    let etags = ETags::default();
    let _ = etags.computed(version(0)).set(Some(5));
    for inode in 1..10 * REMEMBERED as u64 {
        etags.computed(version(inode));
        if inode % 1000 == 0 {
            assert_eq!(etags.computed(version(0)).get(), Some(&Some(5)), "{inode}");
        }
    }
    let generations = etags.generations.into_inner().unwrap();
    assert!(generations.young.len() + generations.old.len() <= 2 * REMEMBERED);
}
