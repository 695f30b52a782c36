use sluice_model::{PolicyType, PolicyVersion, Principal, UnixMs};
use sluice_policy::SystemTask;
use sluice_store::{Conditions, HeldBy, Refusal, RefusedBy, SEEN_PER_HOUR_MAX, SeenDecision, SeenOutcome, Store};
use sluice_testkit::{account, user};

use super::new_account;

const TASK: SystemTask = SystemTask::Decisions;
const HOUR_MS: i64 = 3_600_000;
const MANY: u32 = 10_000;

fn conditions(ip: &str) -> Conditions {
    Conditions(vec![("acs:SourceIp".to_owned(), vec![ip.to_owned()]), ("a\"b".to_owned(), vec![])])
}

fn seen(principal: Principal, hour: i64, resource: &str, times: u64) -> SeenDecision {
    SeenDecision {
        principal,
        hour: UnixMs(hour * HOUR_MS),
        actions: vec!["mq:CreateGroupId".to_owned(), "mq:CreateMqttGroupId".to_owned()],
        resource: resource.to_owned(),
        outcome: SeenOutcome::Allowed,
        times,
        last: UnixMs(hour * HOUR_MS + i64::try_from(times).unwrap()),
        conditions: conditions(&format!("192.0.2.{times}")),
    }
}

async fn with_accounts(store: Store) -> Store {
    for n in [1, 2] {
        assert_eq!(new_account(&store, n).await, account(n));
    }
    store
}

pub(crate) async fn what_was_decided_of_a_deleted_account_is_not_written_again(store: Store) {
    let store = with_accounts(store).await;
    store.delete_account(SystemTask::OperatorCommand, account(2)).await.unwrap();
    let (alice, gone) = (user(account(1), 1), user(account(2), 1));
    assert_eq!(store.add_seen(TASK, &[seen(gone, 1, "a", 1), seen(alice, 1, "a", 1)]).await.unwrap(), 0);
    store.add_refusals(TASK, &[refusal(0, gone), refusal(1, alice)]).await.unwrap();
    assert_eq!(store.seen(alice, UnixMs(0), MANY).await.unwrap().len(), 1);
    assert_eq!(store.seen(gone, UnixMs(0), MANY).await.unwrap(), []);
    assert_eq!(store.refusal(account(2), &refusal(0, gone).request_id).await.unwrap(), None);
    assert!(store.refusal(account(1), &refusal(1, alice).request_id).await.unwrap().is_some());
}

pub(crate) async fn seen_decisions_add_up_with_the_conditions_of_the_last(store: Store) {
    let store = with_accounts(store).await;
    let alice = user(account(1), 1);
    // Times of 13 digits, as they are.
    let hour = 1_700_000_000_000 / HOUR_MS;
    let denied = SeenDecision { outcome: SeenOutcome::ExplicitDeny, ..seen(alice, hour, "a", 1) };
    let rows =
        [seen(alice, hour, "a", 2), seen(alice, hour, "b", 7), denied.clone(), seen(user(account(2), 1), hour, "a", 9)];
    assert_eq!(store.add_seen(TASK, &rows).await.unwrap(), 0);
    // Another process, whose time of it is earlier, and the next hour.
    store.add_seen(TASK, &[seen(alice, hour, "a", 1)]).await.unwrap();
    store.add_seen(TASK, &[seen(alice, hour + 1, "a", 3)]).await.unwrap();
    let sum = SeenDecision { hour: UnixMs(hour * HOUR_MS), times: 6, ..seen(alice, hour + 1, "a", 3) };
    let all = store.seen(alice, UnixMs(0), MANY).await.unwrap();
    assert_eq!(all, [seen(alice, hour, "b", 7), sum, denied]);
    let late = store.seen(alice, UnixMs((hour + 1) * HOUR_MS), MANY).await.unwrap();
    assert_eq!(late, [seen(alice, hour + 1, "a", 3)]);
    assert_eq!(store.seen(alice, UnixMs(0), 1).await.unwrap().len(), 1);
    assert_eq!(store.forget_seen(TASK, UnixMs((hour + 1) * HOUR_MS)).await.unwrap(), 4);
    assert_eq!(store.seen(alice, UnixMs(0), MANY).await.unwrap(), late);
}

pub(crate) async fn a_principal_has_so_many_different_questions_an_hour(store: Store) {
    let store = with_accounts(store).await;
    let (alice, bob) = (user(account(1), 1), user(account(1), 2));
    let many: Vec<_> = (0..=SEEN_PER_HOUR_MAX).map(|n| seen(alice, 1, &format!("{n:05}"), 1)).collect();
    assert_eq!(store.add_seen(TASK, &many).await.unwrap(), 1);
    // What is there is counted up, what is new finds no room; others and other hours do.
    let known = store.seen(alice, UnixMs(0), 1).await.unwrap().remove(0);
    let rows = [
        seen(alice, 1, &known.resource, 4),
        seen(alice, 1, "new", 1),
        seen(alice, 2, "new", 1),
        seen(bob, 1, "new", 1),
    ];
    assert_eq!(store.add_seen(TASK, &rows).await.unwrap(), 1);
    assert_eq!(store.seen(alice, UnixMs(0), 1).await.unwrap()[0].times, 5);
    let all = store.seen(alice, UnixMs(0), MANY).await.unwrap();
    assert_eq!(i64::try_from(all.len()).unwrap(), SEEN_PER_HOUR_MAX + 1);
}

fn refusal(n: u32, principal: Principal) -> Refusal {
    Refusal {
        request_id: format!("6433284F-FBBD-505E-81E1-{n:012}"),
        at: UnixMs(i64::from(n)),
        principal,
        principal_name: "alice".to_owned(),
        session_name: String::new(),
        action: "mq:PUB".to_owned(),
        resource: "acs:mq:*:*:topic/a".to_owned(),
        scope: "AccountLevelIdentityBasedPolicy".to_owned(),
        by: n.is_multiple_of(2).then(|| RefusedBy {
            policy: "p".to_owned(),
            policy_type: PolicyType::Custom,
            version: PolicyVersion(3),
            statement: n,
            held_by: HeldBy::Group,
        }),
        missing_keys: vec!["acs:MFAPresent".to_owned(), "x".to_owned()],
        conditions: conditions("192.0.2.1"),
        reason: "no".to_owned(),
    }
}

pub(crate) async fn a_refusal_is_read_by_its_account_alone_as_it_was(store: Store) {
    let store = with_accounts(store).await;
    let (alice, root) = (user(account(1), 1), Principal::Account(account(2)));
    let rows = [refusal(0, alice), refusal(1, root)];
    store.add_refusals(TASK, &rows).await.unwrap();
    // Told again, it stays as it was.
    store.add_refusals(TASK, &[Refusal { reason: "other".to_owned(), ..refusal(0, alice) }]).await.unwrap();
    for row in &rows {
        let own = row.principal.account();
        let other = if own == account(1) { account(2) } else { account(1) };
        assert_eq!(store.refusal(own, &row.request_id).await.unwrap().as_ref(), Some(row));
        assert_eq!(store.refusal(other, &row.request_id).await.unwrap(), None);
    }
}

pub(crate) async fn one_principals_refusals_push_out_its_own(store: Store) {
    let store = with_accounts(store).await;
    let (alice, root) = (user(account(1), 1), Principal::Account(account(1)));
    let rows: Vec<_> = (1..10).map(|n| refusal(n, alice)).chain([refusal(0, root)]).collect();
    store.add_refusals(TASK, &rows).await.unwrap();
    assert_eq!(store.trim_refusals_of(alice, 4).await.unwrap(), 5);
    for n in 0..10 {
        let found = store.refusal(account(1), &rows[(n + 9) % 10].request_id).await.unwrap();
        assert_eq!(found.is_some(), n == 0 || n >= 6, "{n}");
    }
}

pub(crate) async fn the_newest_refusals_of_an_account_stay(store: Store) {
    let store = with_accounts(store).await;
    let (alice, other) = (user(account(1), 1), user(account(2), 1));
    let plain = (10..15).map(|n| Refusal { scope: String::new(), by: None, ..refusal(n, alice) });
    let rows: Vec<_> = (0..10).map(|n| refusal(n, alice)).chain(plain).chain([refusal(0, other)]).collect();
    store.add_refusals(TASK, &rows).await.unwrap();
    // Of the newest five no policy decided: two of them may stay.
    assert_eq!(store.trim_refusals(account(1), (6, 2)).await.unwrap(), 3 + 6);
    assert_eq!(store.trim_refusals(account(1), (6, 2)).await.unwrap(), 0);
    assert!(store.refusal(account(1), &refusal(14, alice).request_id).await.unwrap().is_some());
    assert!(store.refusal(account(1), &refusal(12, alice).request_id).await.unwrap().is_none());
    assert_eq!(store.forget_refusals(TASK, UnixMs(7)).await.unwrap(), 2);
    for n in 0..10 {
        let found = store.refusal(account(1), &refusal(n, alice).request_id).await.unwrap();
        assert_eq!(found.is_some(), n >= 7, "{n}");
    }
}
