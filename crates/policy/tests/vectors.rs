//! The decisions that were collected from the vendor's documentation.

use sluice_policy::vectors;

#[test]
fn every_collected_decision_comes_out_as_expected() {
    let report = vectors::run(include_str!("../../../contract/ram-policy.json")).unwrap();
    let failing: Vec<String> =
        report.outcomes.iter().filter(|outcome| !outcome.passed()).map(ToString::to_string).collect();
    assert!(failing.is_empty(), "{}", failing.join("\n"));
    assert_eq!((report.passed(), report.failed()), (183, 0));
}

#[test]
fn a_wrong_expectation_is_told_with_what_came_out() {
    let text = include_str!("../../../contract/ram-policy.json");
    let broken = text.replacen("\"decision\": \"ImplicitDeny\"", "\"decision\": \"Allow\"", 1);
    let report = vectors::run(&broken).unwrap();
    assert_eq!(report.failed(), 1);
    assert_eq!(report.outcomes[0].to_string(), "FAIL basic-001: expected Allow, got ImplicitDeny");
    assert_eq!(report.outcomes[1].to_string(), "PASS basic-002");
    assert!(vectors::run("{}").is_err());
}
