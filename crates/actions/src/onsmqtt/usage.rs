//! QueryMqttUsage: what the account used, by the hour.

use serde::Serialize;
use sluice_model::{Action, InstanceId, Resource, Service, UnixMs};
use sluice_store::{UsageBy, UsageItem, UsageQuery};

use crate::{
    Act, ActionContext, ActionError, Ask, Granted, Params, Product, Row,
    operation::{optional, required},
    principal::{self, Named},
    usage::{billed, hour_of},
};

/// Most items of a reply, which has no pages: a longer one is refused, to be asked for in shorter times.
const ITEMS_MAX: u32 = 10_000;

/// Reads usage by the hour, up to the moment of the call.
#[derive(Clone, Debug)]
pub struct QueryMqttUsage {
    /// On one instance only.
    pub instance: Option<InstanceId>,
    /// By one principal only.
    pub principal: Option<Named>,
    /// The hour that this is in is the first.
    pub begin: UnixMs,
    /// Hours that begin before this.
    pub end: UnixMs,
    /// For whom it is added up.
    pub by: UsageBy,
}

/// `{Items: []}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UsageReply {
    /// By hour, then by instance or principal.
    pub items: Vec<UsageItemReply>,
}

/// Usage of one hour.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UsageItemReply {
    /// Messages accepted.
    pub messages_in: u64,
    /// Messages handed to clients.
    pub messages_out: u64,
    /// Bytes of the messages accepted.
    pub bytes_in: u64,
    /// Bytes of the messages handed to clients.
    pub bytes_out: u64,
    /// Operations of OnsMqtt that succeeded.
    pub api_calls: u64,
    /// Most connections at once, looked at each minute.
    pub connections_peak: u64,
    /// Most subscriptions at once, looked at each minute.
    pub subscriptions_peak: u64,
    /// Weighted messages and calls of the hour: a sum.
    pub billed_tps: u64,
    /// Where; empty when it is of all instances, or of calls that named none.
    pub instance_id: String,
    /// Who; empty when it is of all principals.
    pub principal: String,
    /// The beginning of the hour, Unix milliseconds.
    pub hour: i64,
}

impl Act for QueryMqttUsage {
    const ROW: Row = Row {
        product: Product::OnsMqtt,
        name: "QueryMqttUsage",
        actions: &[Action::of("mq:QueryMqttUsage")],
        resource: "*, or instance/{InstanceId}",
        parameters: &[
            optional("InstanceId"),
            optional("Principal"),
            required("BeginTime"),
            required("EndTime"),
            optional("GroupBy"),
        ],
    };
    type Output = UsageReply;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let (begin, end) = (params.time("BeginTime")?, params.time("EndTime")?);
        if end <= begin {
            return Err(ActionError::invalid("EndTime"));
        }
        let by = match params.given("GroupBy") {
            None | Some("Account") => UsageBy::Account,
            Some("Instance") => UsageBy::Instance,
            Some("Principal") => UsageBy::Principal,
            Some(_) => return Err(ActionError::invalid("GroupBy")),
        };
        let principal = params.given("Principal").map(|text| Named::read("Principal", text)).transpose()?;
        let instance = params.given("InstanceId").map(|_| params.instance("InstanceId")).transpose()?;
        Ok(Self { instance, principal, begin, end, by })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        let account = context.account();
        match &self.instance {
            Some(instance) => Ask::whole_instance(account, instance),
            None => Ask::On(Resource::Service(account, Service::Mq)),
        }
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<UsageReply, ActionError> {
        let principal = match &self.principal {
            None => None,
            Some(named) => match named.find(context).await? {
                None => return Ok(UsageReply { items: Vec::new() }),
                found => found,
            },
        };
        context.services.usage.write(context.now).await?;
        let query = UsageQuery {
            account: context.account(),
            instance: self.instance.as_ref(),
            principal,
            from: hour_of(self.begin),
            before: self.end,
            by: self.by,
        };
        let items = context.store().usage(&query, ITEMS_MAX).await?;
        if items.len() > usize::try_from(ITEMS_MAX).expect("10,000 fits") {
            return Err(ActionError::invalid("EndTime"));
        }
        let shown = |item: UsageItem| reply(context, &query, item);
        Ok(UsageReply { items: items.into_iter().map(shown).collect() })
    }
}

fn reply(context: &ActionContext, query: &UsageQuery<'_>, item: UsageItem) -> UsageItemReply {
    let UsageItem { hour, instance, principal, counts, peak } = item;
    let sum = |messages: [[u64; 3]; 2]| messages.as_flattened().iter().sum();
    let instance = instance.as_ref().or(query.instance);
    let principal = principal.or(query.principal);
    UsageItemReply {
        messages_in: sum([counts.in_clean, counts.in_stored]),
        messages_out: sum([counts.out_clean, counts.out_stored]),
        bytes_in: counts.bytes_in,
        bytes_out: counts.bytes_out,
        api_calls: counts.api_calls,
        connections_peak: peak.connections,
        subscriptions_peak: peak.subscriptions,
        billed_tps: billed(&counts),
        instance_id: instance.map(ToString::to_string).unwrap_or_default(),
        principal: principal.map(|principal| principal::shown(context, principal)).unwrap_or_default(),
        hour: hour.0,
    }
}
