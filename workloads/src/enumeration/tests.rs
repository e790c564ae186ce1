//! An enumeration that leaves a history out turns "there is none" into a false statement, and one that visits a history
//! twice makes its counts wrong. Counts are compared with numbers that were counted by another argument.

use super::*;
use std::collections::BTreeSet;

#[derive(Default)]
struct Collected {
    drawings: Vec<String>,
    size_max: Option<usize>,
}

impl HistoryVisitor for Collected {
    fn wants_size(&self, steps: usize) -> bool {
        self.size_max.is_none_or(|max| steps <= max)
    }

    fn visit(&mut self, history: &SmallHistory) -> ControlFlow<()> {
        self.drawings.push(history.draw());
        ControlFlow::Continue(())
    }
}

fn shape(sessions: &str, keys: usize, length: usize, objects: SmallObjects) -> HistoryShape {
    HistoryShape::parse(sessions, keys, length, objects).expect("a shape")
}

fn registers(sessions: &str, keys: usize) -> HistoryShape {
    shape(sessions, keys, 1, SmallObjects::Registers)
}

fn drawings(shape: &HistoryShape) -> Vec<String> {
    let mut collected = Collected::default();
    visit_histories(shape, &mut collected).expect("it is small");
    collected.drawings
}

/// By hand: two operations on one key. Both write: 1. One writes and one reads: the read returns null or the value; in
/// one session there are two orders. Both read: 1.
#[test]
fn the_smallest_shapes_have_as_many_histories_as_counted_by_hand() {
    assert_eq!(drawings(&registers("1", 1)), ["a: [x.w1]\n", "a: [x.r_]\n"]);
    assert_eq!(drawings(&registers("2", 1)).len(), 1 + 2 + 2 + 1);
    assert_eq!(drawings(&registers("1+1", 1)).len(), 1 + 2 + 1);
    // On two keys, up to their names. Same key: 1 + 2 + 1 as before. Different keys: w w, w r, r r.
    assert_eq!(drawings(&registers("1+1", 2)).len(), 4 + 3);
    assert_eq!(registers("1+1", 1).check_size(), Ok(1 + 2 + 2 + 1));
    // A transaction of one or two steps on one list: a, r; a a, a r with 2 results, r a with 2 results, r r.
    assert_eq!(drawings(&shape("1", 1, 2, SmallObjects::TransactionsOverLists)).len(), 2 + 1 + 2 + 2 + 1);
    // Three transactions: two append, and the third reads (), (1), (2), (1,2) or (2,1). Up to the names of the appending
    // sessions and their elements, (1) is (2) and (1,2) is (2,1).
    let three = drawings(&shape("1+1+1", 1, 1, SmallObjects::TransactionsOverLists));
    assert_eq!(three.iter().filter(|text| text.matches('a').count() - 1 == 2).count(), 3);
}

/// The number of interval orders of n labelled elements is 1, 3, 19, 207 (OEIS A079144).
#[test]
fn real_time_orders_are_the_interval_orders() {
    for (sessions, count) in [("1", 1), ("1+1", 3), ("1+1+1", 19), ("1+1+1+1", 207)] {
        let shape = HistoryShape { real_time: true, ..registers(sessions, 1) };
        assert_eq!(list_real_time_orders(&shape).expect("few").len(), count, "{sessions}");
    }
    let chain = HistoryShape { real_time: true, ..registers("4", 1) };
    assert_eq!(list_real_time_orders(&chain), Ok(vec![vec![(0, 0), (1, 1), (2, 2), (3, 3)]]));
}

/// Burnside's lemma counts the classes in another way: the mean, over all symmetries, of the histories that a symmetry
/// leaves unchanged. For 1+1 on one key, the identity keeps 6 and the exchange keeps w w and r r: (6 + 2) / 2 = 4. Here
/// the classes are found by brute force: every history is visited without symmetries and reduced by its images.
#[test]
fn every_class_is_visited_exactly_once() {
    for (shape, real_time) in [
        (registers("2+2", 2), false),
        (registers("2+1", 2), true),
        (registers("1+1+1", 2), true),
        (shape("1+1", 2, 2, SmallObjects::TransactionsOverLists), false),
    ] {
        let shape = HistoryShape { real_time, ..shape };
        let symmetries = list_symmetries(&shape);
        let orders = list_real_time_orders(&shape).expect("few");
        let skeletons = shape.list_operation_skeletons();
        let (mut classes, mut all) = (BTreeSet::new(), 0u128);
        let mut choice = vec![0; shape.operation_count()];
        loop {
            let chosen: Vec<&[SmallStep]> = choice.iter().map(|&at| skeletons[at].as_slice()).collect();
            let mut history = SmallHistory::from_skeleton(&shape, &chosen);
            let options = history.list_read_options();
            let mut results = vec![0; options.len()];
            loop {
                history.set_read_results(&options, &results);
                for order in &orders {
                    history.set_spans(order);
                    let images = symmetries.iter().map(|symmetry| history.encode(symmetry));
                    let same = Symmetry { operations: (0..choice.len()).collect(), keys: vec![0, 1, 2] };
                    classes.insert(images.chain([history.encode(&same)]).min());
                    all += 1;
                }
                if !advance_counters(&mut results, |at| options[at].len()) {
                    break;
                }
            }
            if !advance_counters(&mut choice, |_| skeletons.len()) {
                break;
            }
        }
        let visited = drawings(&shape);
        assert_eq!(visited.len(), classes.len(), "{shape}");
        assert_eq!(visited.iter().collect::<BTreeSet<_>>().len(), visited.len(), "{shape}");
        assert_eq!(shape.check_size(), Ok(all), "{shape}");
    }
}

#[test]
fn a_drawing_shows_the_history_that_was_enumerated() {
    let mut shape = registers("2+1", 2);
    shape.real_time = true;
    struct Parsed(usize);
    impl HistoryVisitor for Parsed {
        fn visit(&mut self, history: &SmallHistory) -> ControlFlow<()> {
            let parsed = history.to_history();
            let operations: Vec<_> = parsed.operations().collect();
            assert_eq!(operations.len(), history.operation_count());
            // Real-time order is that of the points.
            let mut by_session: Vec<usize> = (0..operations.len()).collect();
            by_session
                .sort_by_key(|&at| (parsed.session_text(operations[at].session), operations[at].invoked));
            for (one, first) in by_session.iter().zip(&history.spans) {
                for (other, second) in by_session.iter().zip(&history.spans) {
                    assert_eq!(
                        operations[*one].precedes(&operations[*other]),
                        first.1 < second.0,
                        "{}",
                        history.draw()
                    );
                }
            }
            self.0 += 1;
            ControlFlow::Continue(())
        }
    }
    let mut parsed = Parsed(0);
    visit_histories(&shape, &mut parsed).expect("small");
    assert!(parsed.0 > 100, "{}", parsed.0);
}

#[test]
fn a_shape_that_is_too_large_is_refused_with_the_count() {
    let large = registers("3+3+3", 2);
    let Err(ShapeError::TooLarge { count, .. }) = large.check_size() else { panic!("it is refused") };
    assert!(count.parse::<u128>().expect("a count") > HISTORIES_MAX);
    let larger = shape("4+4+4", 3, 4, SmallObjects::TransactionsOverLists);
    assert!(larger.check_size().unwrap_err().to_string().contains("at least"));
    assert!(
        HistoryShape::parse("9+9", 2, 1, SmallObjects::Registers).unwrap_err().to_string().contains("12")
    );
    assert!(
        HistoryShape::parse("2+x", 2, 1, SmallObjects::Registers).unwrap_err().to_string().contains("2+2")
    );
}

#[test]
fn sub_shapes_end_with_the_shape_itself() {
    let all: Vec<String> = registers("2+1", 1).list_sub_shapes().iter().map(ToString::to_string).collect();
    assert_eq!(all, ["1", "2", "1+1", "2+1"]);
}
