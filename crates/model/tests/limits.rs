//! The table of limits, read as one page.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;

use sluice_model::{Compatibility, Edition, Limits, TopicFilter, TopicName};

const EDITIONS: [Edition; 4] = [Edition::Basic, Edition::Professional, Edition::Platinum, Edition::Serverless];

fn table() -> String {
    let mut text = String::new();
    for compatibility in [Compatibility::Extended, Compatibility::Strict] {
        write!(text, "{:<24}", compatibility.as_str()).unwrap();
        EDITIONS.iter().for_each(|edition| write!(text, " {:>12}", edition.as_str()).unwrap());
        text.push('\n');
        let columns: Vec<_> = EDITIONS.iter().map(|edition| Limits::of(*edition, compatibility).named()).collect();
        for (row, (name, _)) in columns[0].iter().enumerate() {
            write!(text, "{name:<24}").unwrap();
            columns.iter().for_each(|column| write!(text, " {:>12}", column[row].1).unwrap());
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_table_of_limits_is_the_one_that_was_reviewed() {
    let have = table();
    assert!(have == include_str!("limits.txt"), "review this table, then put it into tests/limits.txt:\n{have}");
}

#[test]
fn the_default_edition_has_no_cap_on_rates_and_connections() {
    let limits = Limits::of(Edition::Professional, Compatibility::Extended);
    let rates =
        [limits.connections_max, limits.connects_per_s_max, limits.messages_per_s_max, limits.subscriptions_max];
    assert_eq!(rates, [u32::MAX; 4]);
}

#[test]
fn a_point_to_point_topic_is_exempt_from_the_length_that_it_could_not_keep() {
    let strict = Limits::of(Edition::Professional, Compatibility::Strict);
    let topic = |text: String| text.parse::<TopicName>().unwrap();
    let filter = |text: String| text.parse::<TopicFilter>().unwrap();
    let long = format!("orders/{}", "x".repeat(57));
    assert!(strict.admits_topic(&topic(long.clone())) && strict.admits_filter(&filter(long.clone())));
    let longer = format!("{long}y");
    assert!(!strict.admits_topic(&topic(longer.clone())) && !strict.admits_filter(&filter(longer.clone())));
    assert!(strict.admits_filter(&filter(format!("$share/group/{long}"))));
    let target = format!("orders/p2p/GID_orders@@@{}", "d".repeat(51));
    assert!(strict.admits_topic(&topic(target.clone())) && strict.admits_filter(&filter(target)));
    let extended = Limits::of(Edition::Professional, Compatibility::Extended);
    assert!(extended.admits_topic(&topic(longer)));
    assert!(!extended.admits_topic(&topic("/".repeat(128))));
}
