use sluice_model::{AccountId, InstanceId, Principal, UnixMs};
use sluice_policy::SystemTask;
use sluice_store::{Peak, PeakKey, Store, UsageBy, UsageCounts, UsageItem, UsageKey, UsageQuery};
use sluice_testkit::{account, user};

use super::new_account;

const HOUR_MS: i64 = 3_600_000;
const MANY: u32 = 100;

fn instance(name: &str) -> InstanceId {
    format!("mqtt-cn-{name}").parse().unwrap()
}

fn key(principal: Principal, hour: i64, name: Option<&str>) -> UsageKey {
    UsageKey { principal, hour: UnixMs(hour * HOUR_MS), instance: name.map(instance) }
}

/// Counts that are all different, so that no two columns can be mixed up.
fn counts(n: u64) -> UsageCounts {
    UsageCounts {
        in_clean: [n, n + 1, n + 2],
        in_stored: [n + 3, n + 4, n + 5],
        out_clean: [n + 6, n + 7, n + 8],
        out_stored: [n + 9, n + 10, n + 11],
        stored_pushes: n + 12,
        bytes_in: n + 13,
        bytes_out: n + 14,
        api_calls: n + 15,
    }
}

fn peak(principal: Option<Principal>, name: Option<&str>, most: u64) -> (PeakKey, Peak) {
    let key = PeakKey { account: account(1), hour: UnixMs(HOUR_MS), instance: name.map(instance), principal };
    (key, Peak { connections: most, subscriptions: 2 * most })
}

fn query(account: AccountId, by: UsageBy) -> UsageQuery<'static> {
    UsageQuery { account, instance: None, principal: None, from: UnixMs(0), before: UnixMs(100 * HOUR_MS), by }
}

fn sum(all: &[UsageCounts]) -> UsageCounts {
    let mut sum = UsageCounts::default();
    all.iter().for_each(|counts| sum.add(counts));
    sum
}

async fn add(store: &Store, counts: &[(UsageKey, UsageCounts)], peaks: &[(PeakKey, Peak)]) {
    store.add_usage(SystemTask::Usage, counts, peaks).await.unwrap();
}

async fn accounts(store: &Store) {
    for n in [1, 2] {
        new_account(store, n).await;
    }
}

pub(crate) async fn counts_add_up_to_the_account_and_peaks_only_rise(store: Store) {
    accounts(&store).await;
    let root = Principal::Account(account(1));
    let alice = user(account(1), 1);
    let rows = [
        (key(root, 1, Some("a")), counts(1)),
        (key(alice, 1, Some("a")), counts(100)),
        (key(alice, 1, None), counts(1_000)),
        (key(alice, 2, Some("b")), counts(10_000)),
        (key(user(account(2), 1), 1, Some("a")), counts(77)),
    ];
    add(&store, &rows, &[peak(None, None, 5)]).await;
    add(&store, &rows[..1], &[peak(None, None, 3)]).await;
    let items = store.usage(&query(account(1), UsageBy::Account), MANY).await.unwrap();
    let item = |hour, counts, most| UsageItem {
        hour: UnixMs(hour * HOUR_MS),
        instance: None,
        principal: None,
        counts,
        peak: Peak { connections: most, subscriptions: 2 * most },
    };
    let first = sum(&[counts(1), counts(1), counts(100), counts(1_000)]);
    assert_eq!(items, [item(1, first, 5), item(2, counts(10_000), 0)]);
    let hours =
        UsageQuery { from: UnixMs(HOUR_MS), before: UnixMs(2 * HOUR_MS), ..query(account(1), UsageBy::Account) };
    assert_eq!(store.usage(&hours, MANY).await.unwrap(), [item(1, first, 5)]);
    let other = store.usage(&query(account(2), UsageBy::Account), MANY).await.unwrap();
    assert_eq!(other, [item(1, counts(77), 0)]);
}

pub(crate) async fn usage_is_read_by_instance_and_by_principal(store: Store) {
    accounts(&store).await;
    let root = Principal::Account(account(1));
    let alice = user(account(1), 1);
    let rows = [
        (key(root, 1, Some("a")), counts(1)),
        (key(alice, 1, Some("a")), counts(100)),
        (key(alice, 1, Some("b")), counts(300)),
        (key(alice, 1, None), counts(1_000)),
    ];
    let peaks = [
        peak(None, None, 9),
        peak(None, Some("a"), 8),
        peak(None, Some("b"), 7),
        peak(None, Some("idle"), 6),
        peak(Some(alice), None, 5),
        peak(Some(alice), Some("a"), 4),
        peak(Some(alice), Some("b"), 3),
        peak(Some(root), None, 2),
        peak(Some(root), Some("a"), 1),
    ];
    add(&store, &rows, &peaks).await;
    let brief = |items: Vec<UsageItem>| -> Vec<_> {
        let brief = |item: UsageItem| {
            let name = item.instance.map(|id| id.to_string()).unwrap_or_default();
            (name, item.principal, item.counts, item.peak.connections)
        };
        items.into_iter().map(brief).collect()
    };
    let ask = async |query: UsageQuery<'_>| brief(store.usage(&query, MANY).await.unwrap());
    let (a, b) = (instance("a"), instance("b"));
    let by_instance = [
        (String::new(), None, counts(1_000), 0),
        (a.to_string(), None, sum(&[counts(1), counts(100)]), 8),
        (b.to_string(), None, counts(300), 7),
        (instance("idle").to_string(), None, UsageCounts::default(), 6),
    ];
    assert_eq!(ask(query(account(1), UsageBy::Instance)).await, by_instance);
    let by_principal = [
        (String::new(), Some(root), counts(1), 2),
        (String::new(), Some(alice), sum(&[counts(100), counts(300), counts(1_000)]), 5),
    ];
    assert_eq!(ask(query(account(1), UsageBy::Principal)).await, by_principal);
    let on_b = UsageQuery { instance: Some(&b), ..query(account(1), UsageBy::Account) };
    assert_eq!(ask(on_b.clone()).await, [(String::new(), None, counts(300), 7)]);
    let alice_on_a = UsageQuery { instance: Some(&a), principal: Some(alice), ..query(account(1), UsageBy::Account) };
    assert_eq!(ask(alice_on_a).await, [(String::new(), None, counts(100), 4)]);
    let root_by_instance = UsageQuery { principal: Some(root), ..query(account(1), UsageBy::Instance) };
    assert_eq!(ask(root_by_instance).await, [(a.to_string(), None, counts(1), 1)]);
    let on_a_by_principal = UsageQuery { instance: Some(&a), ..query(account(1), UsageBy::Principal) };
    assert_eq!(
        ask(on_a_by_principal).await,
        [(String::new(), Some(root), counts(1), 1), (String::new(), Some(alice), counts(100), 4)]
    );
}

pub(crate) async fn old_usage_is_forgotten_and_a_long_answer_is_cut(store: Store) {
    accounts(&store).await;
    let root = Principal::Account(account(1));
    let rows: Vec<_> = (1..=5).map(|hour| (key(root, hour, Some("a")), counts(1))).collect();
    add(&store, &rows, &[peak(None, None, 1)]).await;
    assert_eq!(store.usage(&query(account(1), UsageBy::Account), 3).await.unwrap().len(), 4);
    let forgotten = store.forget_usage(SystemTask::Usage, UnixMs(3 * HOUR_MS)).await.unwrap();
    assert_eq!(forgotten, 3);
    assert_eq!(store.usage(&query(account(1), UsageBy::Account), MANY).await.unwrap().len(), 3);
}
