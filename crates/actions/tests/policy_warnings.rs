//! Warnings about a policy with the account's real names, told to whoever may look at them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use sluice_access::Change;
use sluice_actions::{RequestId, policy_warnings};
use sluice_policy::SystemTask;
use sluice_store::{By, Group};
use sluice_testkit::caller;
use support::{ALLOW_ALL, INSTANCE, NOW};

/// An account whose first instance has one topic and one group, and a user with these rights.
struct World(support::World);

impl World {
    async fn new() -> Self {
        let world = support::World::new().await;
        world.with_topic(INSTANCE, "plant").await;
        let group = Group { id: "GID_here".parse().unwrap(), created: NOW };
        let (account, instance) = (world.user.account(), INSTANCE.parse().unwrap());
        let (store, by) = (&world.services.store, By::Task(SystemTask::FirstStart));
        store.create_group(by, (account, &instance), &group, 10).await.unwrap();
        world.services.access.refresh(Change::Group(account, instance, group.id)).await;
        Self(world)
    }

    /// The warnings about an Allow on a resource, to a user with this policy.
    async fn told(&self, rights: &str, resource: &str) -> Vec<String> {
        let Self(world) = self;
        world.table.set(world.user, &[rights]);
        let context = world.services.context(caller(world.user), RequestId::random(), NOW);
        let text = format!(
            r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":["mq:SUB","ram:GetUser"],"Resource":"{resource}"}}]}}"#
        );
        let warnings = policy_warnings(&context, &text).await.unwrap();
        warnings.iter().map(|warning| warning.to_string().split(": ").last().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_name_that_is_not_there_is_told() {
    let world = World::new().await;
    for (resource, expected) in [
        ("acs:mq:*:*:topic/mqtt-cn-here/plant/line", None),
        ("acs:mq:*:*:topic/mqtt-cn-here/plants", Some("there is no such topic")),
        ("acs:mq:*:*:topic/mqtt-cn-gone/plant", Some("there is no such instance")),
        ("acs:mq:*:*:topic/no instance/plant", Some("there is no such instance")),
        ("acs:mq:*:*:groupId/mqtt-cn-here/GID_here", None),
        ("acs:mq:*:*:groupId/mqtt-cn-here/GID_gone", Some("there is no such group")),
        ("acs:mq:*:*:mqtt-cn-here%plant", None),
        ("acs:mq:*:*:mqtt-cn-here%plants", Some("there is no such name")),
        ("acs:mq:*:*:plants", None),
        ("acs:ram:*:*:user/nobody", Some("there is no such user")),
        ("acs:ram:*:*:policy/nothing", Some("there is no such policy")),
        ("acs:ram:*:*:policy/AdministratorAccess", None),
        ("acs:ram:*:*:role/nobody", Some("there is no such role")),
        ("acs:ram:*:*:group/nobody", Some("there is no such user group")),
    ] {
        assert_eq!(world.told(ALLOW_ALL, resource).await, expected.into_iter().collect::<Vec<_>>(), "{resource}");
    }
}

#[tokio::test]
async fn nobody_learns_of_a_name_that_they_may_not_look_at() {
    let world = World::new().await;
    let but = |action: &str| {
        format!(r#"{{"Version":"1","Statement":[{{"Effect":"Allow","NotAction":"{action}","Resource":"*"}}]}}"#)
    };
    for (action, resource) in [
        ("mq:MqttInstanceAccess", "acs:mq:*:*:topic/mqtt-cn-gone/plant"),
        ("mq:ListMqttInstance", "acs:mq:*:*:topic/mqtt-cn-gone/plant"),
        ("mq:ListMqttTopic", "acs:mq:*:*:topic/mqtt-cn-here/plants"),
        ("mq:List*GroupId", "acs:mq:*:*:groupId/mqtt-cn-here/GID_gone"),
        ("ram:GetUser", "acs:ram:*:*:user/nobody"),
        ("ram:GetPolicy", "acs:ram:*:*:policy/nothing"),
        ("ram:GetGroup", "acs:ram:*:*:group/nobody"),
        ("ram:GetRole", "acs:ram:*:*:role/nobody"),
    ] {
        assert_eq!(world.told(ALLOW_ALL, resource).await.len(), 1, "{resource}");
        assert_eq!(world.told(&but(action), resource).await, Vec::<String>::new(), "{resource} without {action}");
    }
}
