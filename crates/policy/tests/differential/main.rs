//! The engine beside a second evaluator that shares nothing with it, over random policies and requests; and what must hold
//! for all policies.
//!
//! `make policy-fuzz` runs a million pairs and more. `SLUICE_POLICY_PAIRS` says how many, `SLUICE_POLICY_SEED` from which seed;
//! a failure prints the seed, and the policies made as small as they still fail.
#![allow(clippy::cast_possible_truncation, reason = "the low bits of an address are what is wanted")]

mod case;
mod dice;
mod generate;
mod properties;
mod reference;
mod shrink;
mod useless;
mod values;
mod vectors;

use case::{Disagreement, compile, engine, reference};
use dice::Dice;

/// Questions put to each group of policies.
const ASKS: usize = 10;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// How many pairs of policies and request to try, and the seeds of their groups.
fn seeds(share: u64) -> (u64, impl Iterator<Item = u64>) {
    let (pairs, seed) = (setting("SLUICE_POLICY_PAIRS", 20_000) / share, setting("SLUICE_POLICY_SEED", 1));
    (pairs, (seed..).take((pairs as usize).div_ceil(ASKS)))
}

#[test]
fn the_engine_and_the_reference_never_disagree() {
    let (pairs, seeds) = seeds(1);
    let mut effects = std::collections::BTreeMap::new();
    for seed in seeds {
        let mut dice = Dice::new(seed);
        let focus = generate::Focus::new(&mut dice);
        let policies = generate::policies(&mut dice, &focus);
        let compiled = compile(&policies);
        for _ in 0..ASKS {
            let ask = generate::ask(&mut dice, &focus);
            let (engine_says, reference_says) = (engine(&compiled, &ask), reference(&policies, &ask));
            *effects.entry((engine_says.at, engine_says.effect)).or_insert(0) += 1;
            if engine_says != reference_says {
                let differ = |policies: &[_]| engine(&compile(policies), &ask) != reference(policies, &ask);
                let policies = &shrink::shrink(policies.clone(), differ);
                panic!("SLUICE_POLICY_SEED={seed}\n{}", Disagreement { policies, ask: &ask });
            }
        }
    }
    println!("{pairs} pairs from SLUICE_POLICY_SEED={}: {effects:?}", setting("SLUICE_POLICY_SEED", 1));
    // A generator whose policies never meet its requests would agree about nothing.
    for effect in ["Allow", "ExplicitDeny", "ImplicitDeny"] {
        for at in ["AccountLevelIdentityBasedPolicy", "SessionPolicy", "ControlPolicy", "AssumeRolePolicy"] {
            let decided_there = effect != "Allow" || at.starts_with('A');
            assert!(!decided_there || effects.contains_key(&(at, effect)), "{at} never answered {effect}");
        }
    }
}
