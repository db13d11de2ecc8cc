use super::*;
use crate::config::settings::tests::mounted::Mounted;

#[test]
fn a_reading_of_the_services_own_that_panics_refuses_that_change_and_no_later_one() {
    let mounted = Mounted::new(&[("SHARDS", "1,2")]);
    let mut settings = Settings::from_pairs([("CONFIG_DIR", mounted.path().to_str().unwrap())]);
    let shards = settings.live(|settings| {
        let list = settings.text("SHARDS", "0");
        let numbers = list.split(',').map(|one| one.parse().expect("a number"));
        numbers.collect::<Vec<u32>>()
    });
    let config = Config::from_settings(&mut settings, &Limits::read());
    let live = LiveConfig::of(&config);
    let flags = Arc::new(Flags::of(&settings));
    let mut reload = Reload::new(
        settings,
        Arc::clone(&live),
        Arc::clone(&flags),
        Vec::new(),
        Arc::default(),
    )
    .unwrap()
    .unwrap();

    mounted.swap(&[("SHARDS", "1,x"), ("DRAIN_DELAY", "1s")]);
    reload.look();
    assert_eq!(reload.events.note_refused_reload(), 2);
    assert_eq!(*shards.get(), [1, 2]);
    assert_eq!(live.drain_delay.get(), config.drain_delay);

    mounted.swap(&[("SHARDS", "3"), ("DRAIN_DELAY", "1s")]);
    reload.look();
    assert_eq!(*shards.get(), [3]);
    assert_eq!(live.drain_delay.get().as_secs(), 1);
    assert_eq!(flags.get("SHARDS"), "3");
}
