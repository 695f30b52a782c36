//! Usage by the hour: what was counted for each principal on each instance, and the most that was open at once.
//!
//! Counts add up: of an account they are the sum of its rows. Peaks do not, so that they are kept at each level that can be
//! asked for: a principal on an instance, an instance, a principal, the account.
//!
//! In `usage_counts` an empty instance is a call that named none; in `usage_peaks` it is all of them, as is user -1.

use std::{collections::BTreeMap, iter::zip};

use sluice_model::{AccountId, InstanceId, Principal, UnixMs};
use sluice_policy::SystemTask;
use sqlx::any::AnyRow;

use crate::{
    Store, StoreError,
    database::Bind,
    row::{Columns, user_number},
};

/// The user number of a peak of all principals together.
const ALL_PRINCIPALS: i64 = -1;

/// What is counted, in the order of [`UsageCounts::values`].
const COUNTS: [&str; 16] = [
    "in_clean_qos0",
    "in_clean_qos1",
    "in_clean_qos2",
    "in_stored_qos0",
    "in_stored_qos1",
    "in_stored_qos2",
    "out_clean_qos0",
    "out_clean_qos1",
    "out_clean_qos2",
    "out_stored_qos0",
    "out_stored_qos1",
    "out_stored_qos2",
    "stored_pushes",
    "bytes_in",
    "bytes_out",
    "api_calls",
];

/// What was used. Messages are by QoS 0, 1, 2 and by whether the client's session is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageCounts {
    /// Messages from clients of clean sessions, and of SendMessage.
    pub in_clean: [u64; 3],
    /// Messages from clients of stored sessions.
    pub in_stored: [u64; 3],
    /// Messages to clean sessions.
    pub out_clean: [u64; 3],
    /// Messages to stored sessions.
    pub out_stored: [u64; 3],
    /// Messages stored for a session that could not take them at once.
    pub stored_pushes: u64,
    /// Bytes of application messages from clients.
    pub bytes_in: u64,
    /// Bytes of application messages to clients.
    pub bytes_out: u64,
    /// Calls of operations that succeeded.
    pub api_calls: u64,
}

impl UsageCounts {
    fn values(&self) -> [u64; COUNTS.len()] {
        let [a, b, c, d] = [self.in_clean, self.in_stored, self.out_clean, self.out_stored];
        let rest = [self.stored_pushes, self.bytes_in, self.bytes_out, self.api_calls];
        let mut values = [0; COUNTS.len()];
        let all = [&a[..], &b, &c, &d, &rest];
        zip(&mut values, all.into_iter().flatten()).for_each(|(value, count)| *value = *count);
        values
    }

    fn of_values(values: [u64; COUNTS.len()]) -> Self {
        let by_qos = |from: usize| [values[from], values[from + 1], values[from + 2]];
        let [.., stored_pushes, bytes_in, bytes_out, api_calls] = values;
        Self {
            in_clean: by_qos(0),
            in_stored: by_qos(3),
            out_clean: by_qos(6),
            out_stored: by_qos(9),
            stored_pushes,
            bytes_in,
            bytes_out,
            api_calls,
        }
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        let (mut sum, more) = (self.values(), other.values());
        zip(&mut sum, more).for_each(|(value, count)| *value = value.saturating_add(count));
        *self = Self::of_values(sum);
    }

    /// Whether nothing was used.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// Where and when something was counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsageKey {
    /// Who.
    pub principal: Principal,
    /// The beginning of the hour.
    pub hour: UnixMs,
    /// Where; none for a call that names no instance.
    pub instance: Option<InstanceId>,
}

/// At which level, and when, the most was open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeakKey {
    /// Whose.
    pub account: AccountId,
    /// The beginning of the hour.
    pub hour: UnixMs,
    /// On one instance, or on all together.
    pub instance: Option<InstanceId>,
    /// By one principal of the account, or by all together.
    pub principal: Option<Principal>,
}

/// The most that was open at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peak {
    /// Connections.
    pub connections: u64,
    /// Subscriptions.
    pub subscriptions: u64,
}

/// For whom usage is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageBy {
    /// The account.
    Account,
    /// Each instance.
    Instance,
    /// Each principal.
    Principal,
}

/// Which usage is read.
#[derive(Debug, Clone)]
pub struct UsageQuery<'a> {
    /// Whose.
    pub account: AccountId,
    /// On one instance only.
    pub instance: Option<&'a InstanceId>,
    /// By one principal only.
    pub principal: Option<Principal>,
    /// From this hour on.
    pub from: UnixMs,
    /// Hours that begin before this.
    pub before: UnixMs,
    /// For whom it is added up.
    pub by: UsageBy,
}

/// Usage of one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageItem {
    /// The beginning of the hour.
    pub hour: UnixMs,
    /// Where, by instance; none are the calls that named none.
    pub instance: Option<InstanceId>,
    /// Who, by principal.
    pub principal: Option<Principal>,
    /// What was used.
    pub counts: UsageCounts,
    /// The most that was open at once.
    pub peak: Peak,
}

impl Store {
    /// Adds to what was counted, and raises peaks, all or nothing.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was written.
    pub async fn add_usage(
        &self,
        task: SystemTask,
        counts: &[(UsageKey, UsageCounts)],
        peaks: &[(PeakKey, Peak)],
    ) -> Result<(), StoreError> {
        if counts.is_empty() && peaks.is_empty() {
            return Ok(());
        }
        tracing::debug!(task = task.as_str(), counts = counts.len(), peaks = peaks.len(), "usage is written");
        // In one order: two processes that write the same rows at once wait for each other, and never both.
        let (mut counts, mut peaks): (Vec<_>, Vec<_>) = (counts.iter().collect(), peaks.iter().collect());
        counts.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        peaks.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let mut write = self.write_to_any().await?;
        let accounts = counts.iter().map(|(key, _)| key.principal.account());
        let gone = write.gone(accounts.chain(peaks.iter().map(|(key, _)| key.account)).collect()).await?;
        let sql = sql_of_counts();
        for (key, counts) in counts.iter().filter(|(key, _)| !gone.contains(&key.principal.account())) {
            let mut binds =
                key_binds(key.principal.account(), key.hour, key.instance.as_ref(), user_number(key.principal));
            binds.extend(counts.values().map(|count| Bind::Integer(saturated(count))));
            write.run(&sql, &binds).await?;
        }
        for (key, peak) in peaks.iter().filter(|(key, _)| !gone.contains(&key.account)) {
            let user = key.principal.map_or(ALL_PRINCIPALS, user_number);
            let mut binds = key_binds(key.account, key.hour, key.instance.as_ref(), user);
            binds.extend([saturated(peak.connections).into(), saturated(peak.subscriptions).into()]);
            write.run(RAISE_PEAK, &binds).await?;
        }
        write.commit_unseen().await
    }

    /// Usage by the hour, oldest first, then by instance or principal; at most `items_max` and one more, which shows that
    /// there are too many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn usage(&self, query: &UsageQuery<'_>, items_max: u32) -> Result<Vec<UsageItem>, StoreError> {
        let mut items: BTreeMap<(i64, String, i64), UsageItem> = BTreeMap::new();
        for row in self.usage_rows(query, &select_counts(query), items_max).await? {
            let item = counted(&Columns { row: &row, table: "usage_counts" }, query)?;
            items.insert(place_of(&item), item);
        }
        for row in self.usage_rows(query, &select_peaks(query), items_max).await? {
            let item = peaked(&Columns { row: &row, table: "usage_peaks" }, query)?;
            let peak = item.peak;
            items.entry(place_of(&item)).or_insert(item).peak = peak;
        }
        Ok(items.into_values().collect())
    }

    /// Forgets usage of hours that began before `before`; gives the rows forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_usage(&self, task: SystemTask, before: UnixMs) -> Result<u64, StoreError> {
        let mut write = self.write_to_any().await?;
        let mut rows = write.run("DELETE FROM usage_counts WHERE hour < $1", &[before.into()]).await?;
        rows += write.run("DELETE FROM usage_peaks WHERE hour < $1", &[before.into()]).await?;
        write.commit_unseen().await?;
        tracing::info!(task = task.as_str(), rows, "old usage is forgotten");
        Ok(rows)
    }

    async fn usage_rows(&self, query: &UsageQuery<'_>, sql: &str, items_max: u32) -> Result<Vec<AnyRow>, StoreError> {
        let (instance, user) = (query.instance.map_or("", InstanceId::as_str), query.principal.map_or(0, user_number));
        let most = i64::from(items_max) + 1;
        let binds =
            [query.account.into(), query.from.into(), query.before.into(), instance.into(), user.into(), most.into()];
        self.all(sql, &binds).await
    }
}

const RAISE_PEAK: &str = "INSERT INTO usage_peaks (account_id, hour, instance_id, user_id, connections, subscriptions) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account_id, hour, instance_id, user_id) DO UPDATE SET \
     connections = CASE WHEN excluded.connections > usage_peaks.connections THEN excluded.connections \
     ELSE usage_peaks.connections END, \
     subscriptions = CASE WHEN excluded.subscriptions > usage_peaks.subscriptions THEN excluded.subscriptions \
     ELSE usage_peaks.subscriptions END";

fn sql_of_counts() -> String {
    let columns = COUNTS.join(", ");
    let values: Vec<String> = (5..5 + COUNTS.len()).map(|n| format!("${n}")).collect();
    let sums: Vec<String> =
        COUNTS.iter().map(|name| format!("{name} = usage_counts.{name} + excluded.{name}")).collect();
    format!(
        "INSERT INTO usage_counts (account_id, hour, instance_id, user_id, {columns}) VALUES ($1, $2, $3, $4, {}) \
         ON CONFLICT (account_id, hour, instance_id, user_id) DO UPDATE SET {}",
        values.join(", "),
        sums.join(", ")
    )
}

fn key_binds<'a>(account: AccountId, hour: UnixMs, instance: Option<&'a InstanceId>, user: i64) -> Vec<Bind<'a>> {
    vec![account.into(), hour.into(), instance.map_or("", InstanceId::as_str).into(), user.into()]
}

fn saturated(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// `$4` and `$5` are bound in every form, so that there is one list of binds; an empty `$4` and a `$5` of 0 ask nothing.
fn select_counts(query: &UsageQuery<'_>) -> String {
    // SUM of integers is a decimal on PostgreSQL.
    let sums: Vec<String> = COUNTS.iter().map(|name| format!("CAST(SUM({name}) AS BIGINT) AS {name}")).collect();
    let (instance, group) = match query.by {
        UsageBy::Account => ("MIN('') AS instance_id, CAST(MIN(0) AS BIGINT) AS user_id", ""),
        UsageBy::Instance => ("instance_id, CAST(MIN(0) AS BIGINT) AS user_id", ", instance_id"),
        UsageBy::Principal => ("MIN('') AS instance_id, user_id", ", user_id"),
    };
    let by_instance = if query.instance.is_some() { "instance_id = $4" } else { "$4 = ''" };
    let by_user = if query.principal.is_some() { "user_id = $5" } else { "$5 = 0" };
    format!(
        "SELECT account_id, hour, {instance}, {} FROM usage_counts WHERE account_id = $1 AND hour >= $2 AND hour < $3 \
         AND {by_instance} AND {by_user} GROUP BY account_id, hour{group} ORDER BY hour{group} LIMIT $6",
        sums.join(", ")
    )
}

/// The rows of the one level that the query asks for.
fn select_peaks(query: &UsageQuery<'_>) -> String {
    let by_instance = match (query.instance, query.by) {
        (Some(_), _) => "instance_id = $4",
        (None, UsageBy::Instance) => "$4 = '' AND instance_id <> ''",
        (None, _) => "$4 = '' AND instance_id = ''",
    };
    let by_user = match (query.principal, query.by) {
        (Some(_), _) => "user_id = $5",
        (None, UsageBy::Principal) => "$5 = 0 AND user_id <> -1",
        (None, _) => "$5 = 0 AND user_id = -1",
    };
    format!(
        "SELECT account_id, hour, instance_id, user_id, connections, subscriptions FROM usage_peaks \
         WHERE account_id = $1 AND hour >= $2 AND hour < $3 AND {by_instance} AND {by_user} \
         ORDER BY hour, instance_id, user_id LIMIT $6"
    )
}

fn counted(columns: &Columns<'_>, query: &UsageQuery<'_>) -> Result<UsageItem, StoreError> {
    let mut values = [0; COUNTS.len()];
    for (value, name) in zip(&mut values, COUNTS) {
        *value = count(columns, name)?;
    }
    item(columns, query, UsageCounts::of_values(values), Peak::default())
}

fn peaked(columns: &Columns<'_>, query: &UsageQuery<'_>) -> Result<UsageItem, StoreError> {
    let peak = Peak { connections: count(columns, "connections")?, subscriptions: count(columns, "subscriptions")? };
    item(columns, query, UsageCounts::default(), peak)
}

fn count(columns: &Columns<'_>, name: &str) -> Result<u64, StoreError> {
    u64::try_from(columns.integer(name)?).map_err(|error| columns.damaged(error))
}

fn item(
    columns: &Columns<'_>,
    query: &UsageQuery<'_>,
    counts: UsageCounts,
    peak: Peak,
) -> Result<UsageItem, StoreError> {
    let instance = if query.by == UsageBy::Instance && !columns.text("instance_id")?.is_empty() {
        Some(columns.parsed("instance_id")?)
    } else {
        None
    };
    let principal = if query.by == UsageBy::Principal { Some(columns.principal()?) } else { None };
    Ok(UsageItem { hour: columns.time("hour")?, instance, principal, counts, peak })
}

/// Where an item stands in the answer.
fn place_of(item: &UsageItem) -> (i64, String, i64) {
    let instance = item.instance.as_ref().map(ToString::to_string).unwrap_or_default();
    (item.hour.0, instance, item.principal.map_or(0, user_number))
}
