//! Who may, asked as the other rooms ask it.
#![allow(dead_code, reason = "the support is shared by several test binaries")]

mod support;

use std::sync::Arc;

use sluice_model::{Action, Principal, RamEntity, Resource, UnixMs};
use sluice_policy::{Context, Credential, Document, PolicySet, Reason, Scope, Standing};

use support::{
    INSTANCE, NOW, World, account, allows, ask, ask_at, caller, caller_of, credential, group, instance, other_account,
    policy, statement, topic, user,
};

fn allow(action: &str, resource: &str) -> String {
    statement("Allow", action, resource)
}

fn deny(action: &str, resource: &str) -> String {
    statement("Deny", action, resource)
}

fn topic_arn(path: &str) -> String {
    format!("acs:mq:*:*:topic/{INSTANCE}/{path}")
}

#[test]
fn a_user_without_policies_may_nothing() {
    let denied = ask(&[], "mq:PUB", &topic("Topic_1/a")).unwrap_err();
    assert_eq!(
        (denied.no_permission_type(), denied.policy_type_detail()),
        ("ImplicitDeny", "AccountLevelIdentityBasedPolicy")
    );
    assert_eq!(
        denied.to_string(),
        "user `alice` of account 1234567890123456 may not mq:PUB on \
         `acs:mq:*:1234567890123456:topic/post-cn-09k1noy0001/Topic_1/a`: none of the 0 policies in force allows it"
    );
}

#[test]
fn an_allow_on_a_level_grants_everything_below_it_and_nothing_beside_it() {
    let grant = [allow("mq:PUB", &topic_arn("a_1"))];
    for inside in ["a_1", "a_1/b", "a_1/b/c", "a_1/#", "a_1/+/x", "a_1//"] {
        assert!(allows(&grant, "mq:PUB", &topic(inside)), "{inside}");
    }
    for outside in ["a_12", "a_12/b", "a_", "x/a_1", "#", "+/b", "A_1", "", "/a_1"] {
        assert!(!allows(&grant, "mq:PUB", &topic(outside)), "{outside}");
    }
    let deeper = [allow("mq:PUB", &topic_arn("a_1/b"))];
    assert!(allows(&deeper, "mq:PUB", &topic("a_1/b/c")));
    assert!(!allows(&deeper, "mq:PUB", &topic("a_1")) && !allows(&deeper, "mq:PUB", &topic("a_1/bc")));
}

#[test]
fn a_deny_on_a_level_forbids_everything_below_it_whatever_is_allowed_there() {
    let rules = [allow("mq:*", "*"), allow("mq:PUB", &topic_arn("a_1/b/c")), deny("mq:PUB", &topic_arn("a_1/b"))];
    assert!(allows(&rules, "mq:PUB", &topic("a_1")) && allows(&rules, "mq:PUB", &topic("a_1/bc")));
    for forbidden in ["a_1/b", "a_1/b/c", "a_1/b/c/d"] {
        assert!(!allows(&rules, "mq:PUB", &topic(forbidden)), "{forbidden}");
    }
}

#[test]
fn filters_are_decided_as_text() {
    let grant = [allow("mq:SUB", &topic_arn("*"))];
    assert!(allows(&grant, "mq:SUB", &topic("#")) && allows(&grant, "mq:SUB", &topic("+/x")));
    let one = [allow("mq:SUB", &topic_arn("a_1/?"))];
    assert!(allows(&one, "mq:SUB", &topic("a_1/+")) && allows(&one, "mq:SUB", &topic("a_1/#")));
    assert!(!allows(&one, "mq:SUB", &topic("a_1")));
    // The deny below holds back messages one by one, not the subscription.
    let secret = [allow("mq:SUB", &topic_arn("a_1")), deny("mq:SUB", &topic_arn("a_1/secret"))];
    assert!(allows(&secret, "mq:SUB", &topic("a_1/#")) && !allows(&secret, "mq:SUB", &topic("a_1/secret/x")));
}

#[test]
fn no_topic_name_reads_as_a_resource_of_another() {
    for (pattern, attack) in [
        ("acs:mq:*:*:TopicA", "Secret/x:y:TopicA"),
        ("acs:mq:*:*:TopicA", "x:y:TopicA"),
        ("acs:mq:*:*:topic/post-cn-other/TopicA", "Secret/x:acs:mq:r:a:topic/post-cn-other/TopicA"),
        ("acs:mq:*:9876543210987654:TopicA", "Secret/x:9876543210987654:TopicA"),
        ("acs:mq:*:*:I%TopicA", "Secret/I%TopicA"),
        ("acs:mq:*:*:*%TopicA", "Secret/x%TopicA"),
        ("acs:mq:*:*:*%TopicA", "I%TopicA/x"),
        ("acs:mq:*:*:mqtt-cn-other", "mqtt-cn-other/x"),
        ("acs:mq:*:*:mqtt-cn-other%TopicA", "mqtt-cn-other%TopicA/x"),
        ("acs:mq:*:*:GID_other", "GID_other/x"),
        ("acs:mq:*:*:instance/*", "instance/x"),
        ("acs:mq:*:*:groupId/*", "groupId/x"),
    ] {
        assert!(!allows(&[allow("mq:*", pattern)], "mq:PUB", &topic(attack)), "{pattern} {attack}");
    }
}

#[test]
fn a_deny_reads_a_pattern_as_widely_as_it_can() {
    let all = allow("mq:*", "*");
    for (pattern, forbidden) in [
        ("acs:mq:*:*:TopicA", "Secret/x:y:TopicA"),
        ("acs:mq:*TopicA", "TopicA"),
        ("acs:mq:cn-hangzhou:*:topic/*/TopicA", "TopicA/x"),
        ("acs:mq:cn-hangzhou:*TopicA", "TopicA"),
        ("acs:mq:*:*:mqtt-x%y", "mqtt-x%y"),
        ("acs:mq:*:*:ab", "ab/c"),
        ("*", "anything"),
        ("acs:*", "anything"),
        ("acs:mq:cn-*", "anything"),
    ] {
        assert!(!allows(&[all.clone(), deny("mq:PUB", pattern)], "mq:PUB", &topic(forbidden)), "{pattern} {forbidden}");
    }
    assert!(allows(&[all, deny("mq:PUB", "acs:mq:*:*:ab%c")], "mq:PUB", &topic("ab/c")));
}

#[test]
fn old_forms_of_an_arn_are_accepted_for_the_parent_topic_only() {
    for pattern in ["Topic_1", "post-cn-09k1noy0001%Topic_1", "post-cn-09k1noy0001%*", "*%Topic_1"] {
        let grant = [allow("mq:PUB", &format!("acs:mq:*:*:{pattern}"))];
        assert!(allows(&grant, "mq:PUB", &topic("Topic_1/a/b")), "{pattern}");
        assert!(!allows(&grant, "mq:PUB", &instance()), "{pattern}");
    }
    assert!(!allows(&[allow("mq:PUB", "acs:mq:*:*:Topic_1/a")], "mq:PUB", &topic("Topic_1/a")));
    for pattern in [INSTANCE, "instance/post-cn-09k1noy0001", "post-cn-09k1noy0001*", "instance/*"] {
        let grant = [allow("mq:MqttInstanceAccess", &format!("acs:mq:*:*:{pattern}"))];
        assert!(allows(&grant, "mq:MqttInstanceAccess", &instance()), "{pattern}");
    }
    for pattern in ["GID_one", "post-cn-09k1noy0001%GID_one", "groupId/post-cn-09k1noy0001/GID_one"] {
        let grant = [allow("mq:SUB", &format!("acs:mq:*:*:{pattern}"))];
        assert!(allows(&grant, "mq:SUB", &group("GID_one")), "{pattern}");
        assert!(!allows(&grant, "mq:SUB", &group("GID_two")), "{pattern}");
    }
    // Documented: the whole-instance pattern does not reach the instance itself.
    let whole = [allow("mq:*", "acs:mq:*:*:*/post-cn-09k1noy0001/*")];
    assert!(allows(&whole, "mq:PUB", &topic("Topic_1/a")) && allows(&whole, "mq:SUB", &group("GID_one")));
    assert!(!allows(&whole, "mq:MqttInstanceAccess", &instance()));
}

#[test]
fn any_region_and_only_the_own_account_match() {
    for region in ["*", "cn-hangzhou", "eu-*", ""] {
        let grant = [allow("mq:PUB", &format!("acs:mq:{region}:1234567890123456:topic/{INSTANCE}/t_1"))];
        assert!(allows(&grant, "mq:PUB", &topic("t_1")), "{region}");
    }
    let foreign = [allow("mq:PUB", &format!("acs:mq:*:9876543210987654:topic/{INSTANCE}/t_1"))];
    assert!(!allows(&foreign, "mq:PUB", &topic("t_1")));
    assert!(!allows(&[allow("mq:PUB", "acs:ram:*:*:*")], "mq:PUB", &topic("t_1")));
    assert!(allows(&[allow("mq:PUB", "acs:mq:cn-hangzhou:*")], "mq:PUB", &topic("t_1")));
}

#[test]
fn the_account_wall_stands_before_the_owner_too() {
    let foreign = Resource::Instance(other_account(), INSTANCE.parse().unwrap());
    let ask = |world: &Arc<World>, principal| {
        world.authority().authorize(&caller_of(principal, None), &Action::INSTANCE_ACCESS, &foreign, &Context::at(NOW))
    };
    let owner = ask(&World::owner(), Principal::Account(account())).unwrap_err();
    let user = ask(&World::governed(&[allow("*", "*")]), user()).unwrap_err();
    assert_eq!((owner.reason, user.reason), (Reason::AccountWall, Reason::AccountWall));
    let literal = Resource::Arn(other_account(), "acs:mq:*:1234567890123456:x".into());
    let context = Context::at(NOW);
    assert!(World::owner().authority().authorize(&caller(), &Action::PUB, &literal, &context).is_err());
}

#[test]
fn the_owner_may_everything_in_its_own_account_without_policies() {
    let world = World::owner();
    let owner = caller_of(Principal::Account(account()), None);
    let permit = world.authority().authorize(&owner, &Action::PUB, &topic("x/y"), &Context::at(NOW)).unwrap();
    assert_eq!((permit.account(), permit.principal()), (account(), Principal::Account(account())));
    assert_eq!(permit.valid_until(), UnixMs::NEVER);
}

#[test]
fn a_principal_that_is_gone_or_past_its_end_may_nothing() {
    let world = World::owner();
    let ask = || world.authority().authorize(&caller(), &Action::PUB, &topic("x"), &Context::at(NOW));
    world.set(Some((Standing::Owner, "root", NOW)));
    assert_eq!(ask().unwrap_err().reason, Reason::NoPrincipal);
    world.set(Some((Standing::Owner, "root", NOW.plus_ms(1))));
    assert_eq!(ask().unwrap().valid_until(), NOW.plus_ms(1));
    world.set(None);
    let denied = ask().unwrap_err();
    assert_eq!(denied.reason, Reason::NoPrincipal);
    assert!(denied.to_string().ends_with("the user or the credential is gone or inactive"), "{denied}");
}

#[test]
fn a_permit_covers_the_question_that_was_asked_and_no_other() {
    let rules = [allow("mq:createmqttgroupid", "*")];
    let names = [Action::of("mq:CreateGroupId"), Action::of("mq:CreateMqttGroupId")];
    let authority = World::governed(&rules).authority();
    let permit = authority.authorize_any(&caller(), &names, &instance(), &Context::at(NOW)).unwrap();
    assert!(permit.covers(&names[0], &instance()) && permit.covers(&names[1], &instance()));
    assert!(!permit.covers(&Action::PUB, &instance()) && !permit.covers(&names[0], &topic("x")));
    let elsewhere = Resource::Instance(other_account(), INSTANCE.parse().unwrap());
    assert!(!permit.covers(&names[0], &elsewhere));
}

#[test]
fn of_several_names_any_allow_grants_and_any_deny_forbids() {
    let names = [Action::of("mq:CreateGroupId"), Action::of("mq:CreateMqttGroupId")];
    let ask = |rules: &[String]| {
        World::governed(rules).authority().authorize_any(&caller(), &names, &instance(), &Context::at(NOW)).is_ok()
    };
    assert!(ask(&[allow("mq:CreateGroupId", "*")]) && ask(&[allow("mq:CreateMqttGroupId", "*")]));
    assert!(!ask(&[allow("mq:CreateGroupId", "*"), deny("mq:CreateMqttGroupId", "*")]));
    assert!(!ask(&[allow("mq:PUB", "*")]));
}

#[test]
fn a_remembered_yes_ends_with_the_next_change() {
    let world = World::governed(&[allow("mq:PUB", "*")]);
    let authority = world.authority();
    let grant = authority.authorize(&caller(), &Action::PUB, &topic("t_1"), &Context::at(NOW)).unwrap().remember();
    assert!(authority.renew(&grant, NOW) && authority.renew(&grant, NOW.plus_ms(i64::from(u32::MAX))));
    world.attach(&[allow("mq:PUB", "*")]);
    assert!(!authority.renew(&grant, NOW));
}

#[test]
fn a_remembered_yes_ends_when_a_date_that_was_read_comes() {
    let rule = |operator: &str, date: &str| {
        let condition = serde_json::json!({ operator: { "acs:CurrentTime": date } });
        format!(r#"{{"Effect":"Allow","Action":"mq:PUB","Resource":"*","Condition":{condition}}}"#)
    };
    let later = NOW.plus_ms(3_600_000);
    for (operator, end) in [("DateLessThan", later), ("DateLessThanEquals", later.plus_ms(1))] {
        let rules = [rule(operator, "2026-01-01T09:00:00+08:00")];
        let permit = ask(&rules, "mq:PUB", &topic("t_1")).unwrap();
        assert_eq!(permit.valid_until(), end, "{operator}");
        let (grant, authority) = (permit.remember(), World::owner().authority());
        assert!(authority.renew(&grant, UnixMs(end.0 - 1)) && !authority.renew(&grant, end));
        assert!(ask_at(&rules, "mq:PUB", &topic("t_1"), UnixMs(end.0 - 1)).is_ok());
        assert!(ask_at(&rules, "mq:PUB", &topic("t_1"), end).is_err());
    }
    // A Deny that is to begin ends the yes too, and a statement about something else does not.
    let deny = rule("DateGreaterThanEquals", "2026-01-01T01:00:00Z").replace("Allow", "Deny");
    assert_eq!(ask(&[allow("mq:PUB", "*"), deny.clone()], "mq:PUB", &topic("t_1")).unwrap().valid_until(), later);
    assert_eq!(ask(&[allow("mq:*", "*"), deny], "mq:SUB", &topic("t_1")).unwrap().valid_until(), UnixMs::NEVER);
    // A date in the past changes nothing any more; the time read as text changes every second.
    assert_eq!(
        ask(&[rule("DateGreaterThan", "2020-01-01T00:00:00Z")], "mq:PUB", &topic("t")).unwrap().valid_until(),
        UnixMs::NEVER
    );
    let text = [rule("StringLike", "2026-*")];
    assert_eq!(ask(&text, "mq:PUB", &topic("t")).unwrap().valid_until(), NOW.plus_ms(1_000));
}

#[test]
fn conditions_read_the_caller_and_only_extra_keys_from_the_context() {
    let rule = |operator: &str, key: &str, value: &str| {
        let condition = serde_json::json!({ operator: { key: value } });
        [format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}"#)]
    };
    for (operator, key, value, expected) in [
        ("IpAddress", "acs:SourceIp", "192.0.2.0/24", true),
        ("IpAddress", "acs:SourceIp", "198.51.100.0/24", false),
        ("StringEquals", "acs:sourceip", "192.0.2.7", true),
        ("Bool", "acs:SecureTransport", "false", true),
        ("Bool", "acs:SecureTransport", "true", false),
        ("Bool", "acs:MFAPresent", "false", false),
        ("StringEquals", "acs:PrincipalARN", "acs:ram::1234567890123456:user/alice", true),
        ("StringLike", "acs:PrincipalArn", "acs:ram:*:*:user/bob", false),
        ("DateLessThan", "acs:CurrentTime", "2026-01-01T00:00:01Z", true),
        ("StringEquals", "acs:absent", "x", false),
        ("StringNotEquals", "acs:absent", "x", true),
    ] {
        assert_eq!(allows(&rule(operator, key, value), "mq:PUB", &topic("t")), expected, "{operator} {key} {value}");
    }
    let forged = Context::at(NOW).with("acs:SourceIp", &["198.51.100.1"]).with("acs:MFAPresent", &["true"]);
    for rules in [rule("IpAddress", "acs:SourceIp", "198.51.100.0/24"), rule("Bool", "acs:MFAPresent", "true")] {
        assert!(World::governed(&rules).authority().authorize(&caller(), &Action::PUB, &topic("t"), &forged).is_err());
    }
    let tagged = Context::at(NOW).with("acs:ResourceTag/team", &["dev"]);
    let rules = rule("StringEquals", "ACS:resourcetag/TEAM", "dev");
    assert!(World::governed(&rules).authority().authorize(&caller(), &Action::PUB, &topic("t"), &tagged).is_ok());
}

#[test]
fn an_ipv4_address_on_an_ipv6_socket_meets_ipv4_conditions() {
    let rules = [
        allow("mq:*", "*"),
        r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"IpAddress":{"acs:SourceIp":"10.0.0.0/8"}}}"#
            .to_owned(),
    ];
    let mapped = caller_of(user(), Some("::ffff:10.1.2.3"));
    assert!(
        World::governed(&rules).authority().authorize(&mapped, &Action::PUB, &topic("t"), &Context::at(NOW)).is_err()
    );
}

#[test]
fn a_refusal_names_the_statement_that_decided() {
    let rules = [allow("mq:*", "*"), format!("{},{}", deny("mq:SUB", "*"), deny("mq:PUB", &topic_arn("t_1")))];
    let denied = ask(&rules, "mq:PUB", &topic("t_1/x")).unwrap_err();
    let Reason::Explicit(statement) = &denied.reason else { panic!("{denied:?}") };
    assert_eq!(
        (&*statement.policy, statement.version.0, statement.statement, statement.scope),
        ("p1", 2, 1, Scope::Account)
    );
    assert_eq!(
        (denied.no_permission_type(), denied.policy_type_detail()),
        ("ExplicitDeny", "AccountLevelIdentityBasedPolicy")
    );
    assert!(denied.to_string().ends_with("policy `p1` v2 (Custom), /Statement/1 denies it"), "{denied}");
}

#[test]
fn a_refusal_names_the_condition_keys_that_the_request_lacked() {
    let rule = r#"{"Effect":"Allow","Action":"mq:PUB","Resource":"*","Condition":{"Bool":{"acs:MFAPresent":"true"},"StringEquals":{"acs:SourceVpc":"v"}}}"#;
    let denied = ask(&[rule.to_owned(), rule.to_owned()], "mq:PUB", &topic("t")).unwrap_err();
    let ending = "none of the 2 policies in force allows it; the request had no `acs:MFAPresent`, `acs:SourceVpc`";
    assert!(denied.to_string().ends_with(ending), "{denied}");
}

#[test]
fn the_statement_to_ask_for_grants_what_was_refused_and_nothing_beside_it() {
    for resource in [
        topic("Topic_1/a/b"),
        instance(),
        group("GID_one"),
        Resource::Ram(account(), RamEntity::User("bob".into())),
        Resource::Ram(account(), RamEntity::SystemPolicy("ReadOnlyAccess".into())),
    ] {
        let asked_for = ask(&[], "mq:PUB", &resource).unwrap_err().statement_to_ask_for();
        Document::parse(&asked_for).unwrap();
        let statement =
            asked_for.strip_prefix(r#"{"Version":"1","Statement":["#).and_then(|text| text.strip_suffix("]}"));
        let rules = [statement.unwrap().to_owned()];
        assert!(allows(&rules, "mq:PUB", &resource), "{asked_for}");
        assert!(
            !allows(&rules, "mq:SUB", &resource) && !allows(&rules, "mq:PUB", &topic("Topic_1/a/c")),
            "{asked_for}"
        );
    }
    let star = ask(&[], "mq:PUB", &topic("Topic_1/*")).unwrap_err().statement_to_ask_for();
    assert!(star.contains(r#""acs:mq:*:1234567890123456:topic/post-cn-09k1noy0001/Topic_1/?""#), "{star}");
}

#[test]
fn a_hostile_topic_name_breaks_no_sentence() {
    let denied = ask(&[], "mq:PUB", &topic(&format!("a\nFAKE LOG LINE\u{1b}[31m{}", "x".repeat(60_000)))).unwrap_err();
    let sentence = denied.to_string();
    assert!(!sentence.contains(char::is_control) && sentence.len() < 600, "{sentence}");
}

#[test]
fn scopes_are_read_in_their_order() {
    let all = policy("all", &allow("*", "*"));
    let none = policy("none", &deny("*", "*"));
    let pub_only = policy("pub", &allow("mq:PUB", "*"));
    let ask = |set: PolicySet| {
        let world = World::owner();
        world.set(Some((Standing::Governed(set), "alice", UnixMs::NEVER)));
        world
            .authority()
            .authorize(&caller(), &Action::SUB, &topic("t"), &Context::at(NOW))
            .map_err(|d| d.policy_type_detail())
    };
    let base = || PolicySet { account: vec![all.clone()], ..PolicySet::default() };
    assert!(ask(base()).is_ok());
    assert_eq!(ask(PolicySet { control: vec![pub_only.clone()], ..base() }).unwrap_err(), "ControlPolicy");
    assert_eq!(ask(PolicySet { session: Some(pub_only.clone()), ..base() }).unwrap_err(), "SessionPolicy");
    assert!(ask(PolicySet { resource_group: vec![none.clone()], ..base() }).is_ok());
    let in_group = PolicySet { resource_group: vec![all], ..PolicySet::default() };
    assert!(ask(in_group).is_ok());
    let denied_in_group = PolicySet { resource_group: vec![none], account: vec![pub_only], ..PolicySet::default() };
    assert_eq!(ask(denied_in_group).unwrap_err(), "ResourceGroupLevelIdentityBasedPolicy");
}

#[test]
fn the_longest_topic_is_decided_quickly_against_hostile_patterns() {
    // 20 policies of patterns that a backtracking matcher does not finish within a year.
    let hostile = allow("mq:PUB", &format!("acs:mq:*:*:topic/{}b", "*a?".repeat(1_900)));
    let rules: Vec<String> = (0..20).map(|_| hostile.clone()).collect();
    let deep = "a/".repeat(32_000);
    assert!(!allows(&rules, "mq:PUB", &topic(&deep)));
}

#[test]
fn a_credential_shows_no_session_digest() {
    assert_eq!(format!("{:?}", Credential::Console("0123abcd".into())), "Console(..)");
    assert_eq!(format!("{:?}", credential()), "AccessKey(LTAI0000000000000001)");
}
