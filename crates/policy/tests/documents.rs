//! What a document may say, and where its faults are.

use proptest::prelude::{any, prop, proptest};
use sluice_policy::{Document, DocumentKind, FaultKind, check, describe_faults};

fn faults(text: &str) -> Vec<String> {
    check(text).err().unwrap_or_default().iter().map(|fault| format!("{} {fault}", fault.pointer)).collect()
}

fn with_statement(statement: &str) -> String {
    format!(r#"{{"Version":"1","Statement":[{statement}]}}"#)
}

#[test]
fn every_fault_is_found_in_one_pass_and_points_at_its_place() {
    let text = r#"{"Version":"2","Id":"x","Statement":[
        {"Effect":"allow","Action":["mq:PUB","PUB",5],"Resource":"arn:x","Sid":"s"},
        {"Effect":"Deny","Resource":[],"Condition":{"StringMatch":{"k":"v"},"IpAddress":{"acs:SourceIp":["10.0.0.0/33","::1"]},
         "DateLessThan":{"acs:CurrentTime":"soon"},"Bool":{"a/b~c":true},"Null":{},"StringLike":{}}}]}"#;
    let mut found = faults(text);
    found.sort();
    assert_eq!(
        found,
        [
            "/Id `Id` is not an element of this kind of policy",
            "/Statement/0/Action/1 `PUB` is not an action: it must be `*` or `service:Operation`",
            "/Statement/0/Action/2 must be a string",
            "/Statement/0/Effect must be \"Allow\" or \"Deny\"",
            "/Statement/0/Resource `arn:x` is not a resource: it must be `*` or begin with `acs:`",
            "/Statement/0/Sid `Sid` is not an element of this kind of policy",
            "/Statement/1 `Action` is missing",
            "/Statement/1/Condition/Bool/a~1b~0c must be a string or a list of strings",
            "/Statement/1/Condition/DateLessThan/acs:CurrentTime `soon` is not a date such as `2026-01-31T17:00:00Z` or \
         `2026-01-31T17:00:00+08:00`",
            "/Statement/1/Condition/IpAddress/acs:SourceIp/0 `10.0.0.0/33` is not an IP address or a CIDR block",
            "/Statement/1/Condition/Null `Null` is not a condition operator",
            "/Statement/1/Condition/StringLike must not be empty",
            "/Statement/1/Condition/StringMatch `StringMatch` is not a condition operator",
            "/Statement/1/Resource must not be empty",
            "/Version must be \"1\"",
        ]
    );
}

#[test]
fn a_member_given_twice_is_refused_at_any_depth() {
    let twice =
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"k":"true"},"Bool":{"k":"false"}}}"#;
    assert_eq!(faults(&with_statement(twice)), ["/Statement/0/Condition/Bool the member `Bool` is given twice"]);
    // The same name in other letters: escapes are read before names are compared.
    let escaped = r#"{"Effect":"Allow","\u0045ffect":"Deny","Action":"*","Resource":"*"}"#;
    assert_eq!(faults(&with_statement(escaped)), ["/Statement/0/Effect the member `Effect` is given twice"]);
}

#[test]
fn every_fault_has_the_line_and_column_of_what_it_speaks_of() {
    let text = "{\"Version\":\"1\",\n \"Statement\":[\n  {\"Effect\":\"Allow\",\"Action\":[\"中:é\", \"mq:PUB\", 5],\n   \"Resource\":\"*\",\"Sid\":\"s\",\n\
        \"Condition\":{\"Bool\":{\"k\":\"true\",\"\\u006b\":\"no\"},\"Null\":{},\"IpAddress\":{\"acs:SourceIp\":[\"::1\",\"x\"]}}},\n  {}]}";
    let found: Vec<(String, usize, usize)> =
        check(text).unwrap_err().into_iter().map(|fault| (fault.pointer, fault.line, fault.column)).collect();
    let expected = [
        ("/Statement/0/Action/0", 3, 31),
        ("/Statement/0/Action/2", 3, 48),
        ("/Statement/0/Sid", 4, 19),
        ("/Statement/0/Condition/Bool/k", 5, 33),
        ("/Statement/0/Condition/Null", 5, 48),
        ("/Statement/0/Condition/IpAddress/acs:SourceIp/1", 5, 93),
        ("/Statement/1", 6, 3),
        ("/Statement/1", 6, 3),
        ("/Statement/1", 6, 3),
    ];
    assert_eq!(found, expected.map(|(pointer, line, column)| (pointer.to_owned(), line, column)));
    // What is said of a member given twice would have to say of which: the member alone is told.
    let twice =
        r#"{"Effect":"x","Effect":"y","Effect":"z","Action":"*","Resource":"*","Condition":{"Bool":{},"Bool":{}}}"#;
    let places: Vec<(usize, usize)> =
        check(&with_statement(twice)).unwrap_err().iter().map(|fault| (fault.line, fault.column)).collect();
    assert_eq!(places, [(1, 43), (1, 56), (1, 120)]);
}

#[test]
fn one_message_tells_all_faults_with_their_places() {
    let faults = check("{\"Version\":\"2\",\n\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\"}]}").unwrap_err();
    assert_eq!(
        describe_faults(&faults),
        "/Version (line 1, column 12): must be \"1\"; /Statement/0 (line 2, column 14): `Resource` is missing"
    );
}

#[test]
fn operators_and_elements_of_other_vendors_are_refused() {
    for condition in
        ["StringEqualsIfExists", "ForAnyValue:StringEquals", "ForAllValues:StringLike", "ArnLike", "stringequals"]
    {
        let text =
            format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"{condition}":{{"k":"v"}}}}}}"#);
        assert!(
            matches!(&Document::parse(&with_statement(&text)).unwrap_err()[0].kind, FaultKind::Operator(_)),
            "{condition}"
        );
    }
    for element in ["NotResource", "Principal", "NotPrincipal", "Sid", "effect"] {
        let text = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","{element}":"*"}}"#);
        assert!(
            matches!(&Document::parse(&with_statement(&text)).unwrap_err()[0].kind, FaultKind::Unknown(_)),
            "{element}"
        );
    }
}

#[test]
fn the_limit_counts_characters() {
    let document = |padding: usize| {
        with_statement(&format!(r#"{{"Effect":"Allow","Action":"*","Resource":"acs:{}"}}"#, "中".repeat(padding)))
    };
    let fixed = document(0).chars().count();
    assert_eq!(check(&document(6_144 - fixed)), Ok(()));
    let over = check(&document(6_145 - fixed)).unwrap_err();
    assert_eq!(over[0].kind, FaultKind::Length { have: 6_145, most: 6_144 });
    assert_eq!(DocumentKind::Permission.error_code(&over), "InvalidParameter.PolicyDocument.Length");
    assert_eq!(DocumentKind::Permission.error_code(&check("{").unwrap_err()), "MalformedPolicyDocument");
}

#[test]
fn broken_json_is_told_with_line_and_column() {
    let fault = &check("{\n  \"Version\": 1,,").unwrap_err()[0];
    assert!(matches!((fault.line, fault.column, &fault.kind), (2, 16, FaultKind::Json(_))), "{fault:?}");
    assert!(check(&"[".repeat(6_000)).is_err());
    assert!(check(&format!("{} ", with_statement(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#))).is_ok());
    assert!(check(&format!("{} x", with_statement(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#))).is_err());
}

#[test]
fn a_document_keeps_its_text_byte_for_byte() {
    let text =
        " {\"Statement\":[{\"Resource\":\"*\",\n\"Effect\":\"Allow\",\"Action\":[\"mq:PUB\"]}],\"Version\":\"1\"} ";
    assert_eq!(Document::parse(text).unwrap().text(), text);
}

#[test]
fn a_trust_policy_names_principals_that_can_exist() {
    let trust = |principal: &str| {
        let text = format!(r#"{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{principal}}}"#);
        Document::parse_trust(&with_statement(&text)).is_ok()
    };
    assert!(trust(r#"{"RAM":["acs:ram::1234567890123456:root","acs:ram::1234567890123456:user/a"]}"#));
    assert!(trust(r#"{"Service":["ecs.aliyuncs.com","1234567890123456@dts.aliyuncs.com"]}"#));
    assert!(trust(r#"{"Federated":"acs:ram::1234567890123456:saml-provider/corp"}"#));
    for bad in [r#""*""#, r#"{"RAM":"*"}"#, r#"{"RAM":"acs:ram::*:root"}"#, r#"{"AWS":"x"}"#, "{}", r#"{"RAM":[]}"#] {
        assert!(!trust(bad), "{bad}");
    }
}

#[test]
fn a_name_that_nobody_can_have_is_refused_at_save_and_trusts_nobody_where_it_was_saved() {
    let trusting = |kind: &str, name: &str| {
        let principal = format!(r#"{{"{kind}":["{name}"]}}"#);
        with_statement(&format!(r#"{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{principal}}}"#))
    };
    for (kind, name) in [
        ("RAM", "acs:ram::123:root"),
        ("RAM", "acs:ram::0123456789012345:root"),
        ("RAM", "acs:ram::12345678901234567:user/a"),
        ("RAM", "acs:ram::1234567890123456:user/a b"),
        ("RAM", "acs:ram::1234567890123456:role/a_b"),
        ("RAM", "acs:ram::1234567890123456:group/a"),
        ("Federated", "corp"),
        ("Federated", "acs:ram::123:saml-provider/corp"),
        ("Federated", "acs:ram::1234567890123456:saml-provider/-"),
        ("Service", "x"),
        ("Service", "a b.aliyuncs.com"),
        ("Service", "ecs..com"),
        ("Service", "x@ecs.aliyuncs.com"),
        ("Service", "@ecs.aliyuncs.com"),
        ("Service", "1234567890123456@ecs"),
    ] {
        let text = trusting(kind, name);
        let faults = Document::parse_trust(&text).unwrap_err();
        let found: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.line, fault.column)).collect();
        let column = text.find(name).unwrap();
        assert_eq!(found, [(format!("/Statement/0/Principal/{kind}/0").as_str(), 1, column)], "{text}");
        assert_eq!(DocumentKind::Trust.error_code(&faults), "MalformedPolicyDocument");
        let saved = Document::load_trust(&text).unwrap();
        assert_eq!((saved.trusted_arns().count(), saved.text()), (0, text.as_str()));
    }
    assert!(Document::load_trust("{}").is_err());
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = (check(&text), Document::parse_trust(&text));
    }

    #[test]
    fn no_near_miss_makes_the_parser_panic(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 1..4),
    ) {
        let valid = with_statement(r#"{"Effect":"Allow","Action":["mq:*"],"Resource":"*","Condition":{"IpAddress":{"acs:SourceIp":"10.0.0.0/8"}}}"#);
        let mut characters: Vec<char> = valid.chars().collect();
        for (place, character) in places {
            let place = place.index(characters.len());
            characters[place] = character;
        }
        let text: String = characters.into_iter().collect();
        if let Ok(document) = Document::parse(&text) {
            assert_eq!(document.text(), text);
        }
    }
}
