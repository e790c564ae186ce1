//! Specifications of the caller's own, which say of no operation that it is a read: those of Python are of this kind.

use super::{random, reference};
use checker::linearizability::check_model;
use checker::specification::{Call, Fifo, Lifo, Refused, Register, Specification};
use checker::{Evidence, FailedCas, Model, Verdict};
use histories::{Outcome, ValueId};
use testkit::{draw_history, test_limits};

/// A specification that implements only its initial state and its steps, so that the search cannot ask it which operations are reads.
struct Opaque<S>(S);

impl<S: Specification> Specification for Opaque<S> {
    type State = S::State;

    fn initial(&self) -> S::State {
        self.0.initial()
    }

    fn step(&self, state: &S::State, call: &Call) -> Result<S::State, Refused> {
        self.0.step(state, call)
    }
}

/// Most violations were an internal error. The core was called minimal, because no read of it could be left out; but the specification
/// names no reads, while the verifier tried every read, and every write together with its readers.
#[test]
fn opaque_specifications_agree_with_the_reference() {
    compare_with_reference(Model::Register, &Opaque(Register { initial: ValueId::NULL }));
    compare_with_reference(Model::CasRegister, &Opaque(Register { initial: ValueId::NULL }));
    compare_with_reference(Model::Queue, &Opaque(Fifo));
    compare_with_reference(Model::Stack, &Opaque(Lifo));
}

fn compare_with_reference(model: Model, specification: &impl Specification) {
    let (mut holds, mut violated, mut single) = (0, 0, 0);
    for seed in 0..3_000 {
        let history = random::history(model, seed);
        let verdict = check_model(&history, specification, &test_limits(100_000_000, 1 << 30));
        let what = format!("{model:?}, seed {seed}: {}", draw_history(&history));
        let verdict = verdict.unwrap_or_else(|why| panic!("{what}: {why}"));
        if !history.ids().any(|id| history.outcome(id) == Outcome::Ok) {
            assert_eq!(verdict.name(), "untested", "{what}");
            continue;
        }
        let expected = reference::is_linearizable(&history, model, FailedCas::SaysNothing);
        assert_eq!(verdict.name(), if expected { "holds" } else { "violated" }, "{what}");
        *(if expected { &mut holds } else { &mut violated }) += 1;
        let Verdict::Violated(violations) = verdict else { continue };
        for violation in violations {
            let Evidence::Core(core) = violation.evidence else { panic!("{what}: not a core") };
            assert_eq!(core.minimal, core.operations.len() == 1, "{what}");
            single += usize::from(core.minimal);
        }
    }
    assert!(holds > 300 && violated > 300, "{model:?}: {holds} hold, {violated} do not: too one-sided");
    assert!(single > 0, "{model:?}: no core is a single operation");
}

/// Both held: a model in Python said that a history without any operation is linearizable.
#[test]
fn a_history_in_which_nothing_succeeded_is_untested() {
    let specification = Opaque(Register { initial: ValueId::NULL });
    for (drawn, reason) in [("", "the history has no operations"), ("a: [w1?", "no operation succeeded")] {
        let history = histories::notation::parse(drawn).unwrap();
        let verdict = check_model(&history, &specification, &test_limits(1_000, 1 << 20)).unwrap();
        let Verdict::Untested(why) = verdict else { panic!("{drawn:?} is {}", verdict.name()) };
        assert!(why.reason.starts_with(reason), "{}", why.reason);
    }
}
