//! Runs the checker and says what it found: full runs, hunts for a counterexample, sizes. Owns no protocol.

use std::fmt::Debug;
use std::hash::Hash;
use std::io::Write as _;
use std::time::Instant;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

/// A history that breaks a property.
#[derive(Debug, Clone)]
pub struct Counterexample {
    /// The property that does not hold.
    pub property: &'static str,
    /// The steps that lead there, in order.
    pub steps: Vec<String>,
}

/// What a full run found.
#[derive(Debug, Clone)]
pub struct Report {
    /// How many different states were visited.
    pub states: usize,
    /// The longest history, in steps.
    pub depth: usize,
    /// `sometimes` properties that no state showed: a run with any of these is vacuous.
    pub never_seen: Vec<&'static str>,
    /// The history that breaks an invariant, if there is one.
    pub counterexample: Option<Counterexample>,
}

/// Whether the larger configurations run as well (`MYEVENTS_SCALE=full`).
pub fn full_scale() -> bool {
    std::env::var("MYEVENTS_SCALE").is_ok_and(|scale| scale == "full")
}

/// Visits every state of `model`, or stops soon after an invariant is broken.
pub fn explore<M>(label: &str, model: M) -> Report
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq,
{
    let started = Instant::now();
    let expectations: Vec<_> = model
        .properties()
        .iter()
        .map(|property| (property.name, property.expectation.clone()))
        .collect();
    let checker = model
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let mut discoveries = checker.discoveries();
    let mut report = Report {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        never_seen: Vec::new(),
        counterexample: None,
    };
    for (name, expectation) in expectations {
        match (expectation, discoveries.remove(name)) {
            (Expectation::Sometimes, None) => report.never_seen.push(name),
            (Expectation::Sometimes, Some(_)) | (_, None) => {}
            (_, Some(path)) => {
                let steps: Vec<_> = path
                    .into_actions()
                    .iter()
                    .map(|action| format!("{action:?}"))
                    .collect();
                // Of several broken properties the one with the shortest history tells most.
                if report
                    .counterexample
                    .as_ref()
                    .is_none_or(|known| steps.len() < known.steps.len())
                {
                    report.counterexample = Some(Counterexample {
                        property: name,
                        steps,
                    });
                }
            }
        }
    }
    if std::env::var_os("MYEVENTS_MODEL_REPORT").is_some() {
        let outcome = match &report.counterexample {
            Some(found) => format!(
                "breaks {:?} in {} steps: {:#?}",
                found.property,
                found.steps.len(),
                found.steps
            ),
            None => "holds".to_owned(),
        };
        // A line that gets lost costs nothing: the result is asserted elsewhere.
        let _ = writeln!(
            std::io::stderr(),
            "model {label}: {} states, depth {}, {:.1} s, {outcome}",
            report.states,
            report.depth,
            started.elapsed().as_secs_f32(),
        );
    }
    report
}

/// Asserts that every invariant of `model` holds, that every `sometimes` state was reached, and that the run saw
/// at least `floor` states.
///
/// # Panics
/// If one of these is not so; the message holds the history.
pub fn assert_holds<M>(label: &str, model: M, floor: usize)
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq,
{
    let report = explore(label, model);
    if let Some(found) = report.counterexample {
        panic!("{label} breaks {:?}:\n{}", found.property, found.steps.join("\n"));
    }
    assert!(
        report.never_seen.is_empty(),
        "{label} never reached {:?}",
        report.never_seen
    );
    assert!(
        report.states >= floor,
        "{label} saw only {} states, expected {floor}",
        report.states
    );
}

/// Asserts that the checker catches what `model` does wrong, and by the property that was expected to catch it.
///
/// # Panics
/// If nothing was found, or another property broke first.
pub fn assert_caught<M>(label: &str, model: M, property: &str)
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq,
{
    let report = explore(label, model);
    match report.counterexample {
        None => panic!("{label}: no counterexample in {} states", report.states),
        Some(found) => {
            assert_eq!(
                found.property,
                property,
                "{label} broke another property:\n{}",
                found.steps.join("\n")
            );
        }
    }
}
