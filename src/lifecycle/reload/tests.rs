use super::*;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process,
};

/// A mounted directory, whose first version is 0.
struct Mounted(PathBuf);

impl Mounted {
    fn new(files: &[(&str, &str)]) -> Mounted {
        let name = format!("seaworthy-reload-{}", process::id());
        let mounted = Mounted(std::env::temp_dir().join(name));
        fs::create_dir_all(&mounted.0).unwrap();
        mounted.swap(0, files);
        mounted
    }

    fn swap(&self, version: u32, files: &[(&str, &str)]) {
        let (target, link) = (format!("..{version}"), self.0.join("..data_tmp"));
        fs::create_dir(self.0.join(&target)).unwrap();
        for (name, text) in files {
            fs::write(self.0.join(&target).join(name), text).unwrap();
        }
        symlink(Path::new(&target), &link).unwrap();
        fs::rename(&link, self.0.join("..data")).unwrap();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_reading_of_the_services_own_that_panics_refuses_that_change_and_no_later_one() {
    let mounted = Mounted::new(&[("SHARDS", "1,2")]);
    let mut settings = Settings::from_pairs([("CONFIG_DIR", mounted.0.to_str().unwrap())]);
    let shards = settings.live(|settings| {
        let list = settings.text("SHARDS", "0");
        let numbers = list.split(',').map(|one| one.parse().expect("a number"));
        numbers.collect::<Vec<u32>>()
    });
    let config = Config::from_settings(&mut settings, &Limits::read());
    let live = LiveConfig::of(&config);
    let flags = Arc::new(Flags::of(&settings));
    let mut reload = Reload::new(settings, Arc::clone(&live), Arc::clone(&flags), Vec::new())
        .unwrap()
        .unwrap();

    mounted.swap(1, &[("SHARDS", "1,x"), ("DRAIN_DELAY", "1s")]);
    reload.look();
    assert_eq!(reload.refused, 1);
    assert_eq!(*shards.get(), [1, 2]);
    assert_eq!(live.drain_delay.get(), config.drain_delay);

    mounted.swap(2, &[("SHARDS", "3"), ("DRAIN_DELAY", "1s")]);
    reload.look();
    assert_eq!(*shards.get(), [3]);
    assert_eq!(live.drain_delay.get().as_secs(), 1);
    assert_eq!(flags.get("SHARDS"), "3");
}
