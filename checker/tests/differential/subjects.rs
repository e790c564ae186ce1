//! What is looked at: random histories of every family with the question about everything that can be asked of them.

use crate::near::EventList;
use crate::{
    causal_reference, containers, objects, order_reference, reference, session_reference, sets, stores,
};
use checker::{FindingKind, IsolationLevel, Level, Limits, Model, Property, Question, Report, SessionRules};
use histories::{History, with_names};
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::transactions::{
    KeyType, history_of_mixed_levels, history_of_repeated_elements, history_of_repeated_values,
    random_history,
};
use testkit::{
    OTHER_MODELS, TestRandom, draw_history, isolation_properties, level_properties, question_about,
    test_limits,
};
use verifier::Standing;

/// A kind of history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Family {
    /// Registers, few operations: brute force answers as well.
    Registers,
    /// Registers with more operations than brute force can try.
    LongRegisters,
    /// Queues, sets, counters and the like.
    Models,
    Lists,
    /// Lists to which equal elements are appended.
    RepeatedElements,
    TransactionsOnRegisters,
    RepeatedValues,
    /// Transactions that declare a level each.
    Mixed,
    SessionStores,
}

/// The levels that brute force answers about, in its order.
const CAUSAL_LEVELS: [Level; 8] = [
    Level::Sequential,
    Level::CausalConvergence,
    Level::CausalMemory,
    Level::Causal,
    Level::Pram,
    Level::OrderedSequential,
    Level::PerObjectSequential,
    Level::SlowMemory,
];

impl Family {
    pub(crate) const ALL: [Family; 9] = [
        Family::Registers,
        Family::LongRegisters,
        Family::Models,
        Family::Lists,
        Family::RepeatedElements,
        Family::TransactionsOnRegisters,
        Family::RepeatedValues,
        Family::Mixed,
        Family::SessionStores,
    ];

    /// Whether histories of this family may leave a property open.
    pub(crate) fn may_be_unknown(self) -> bool {
        self.unknown_percent_max() > 0
    }

    /// How many of a hundred answers may be unknown.
    pub(crate) fn unknown_percent_max(self) -> u64 {
        match self {
            Family::RepeatedElements => 60,
            Family::SessionStores => 30,
            // A search may reach its limit.
            Family::LongRegisters => 5,
            _ => 0,
        }
    }

    pub(crate) fn is_of_registers(self) -> bool {
        matches!(self, Family::Registers | Family::LongRegisters)
    }

    pub(crate) fn is_of_transactions(self) -> bool {
        use Family::{Lists, Mixed, RepeatedElements, RepeatedValues, TransactionsOnRegisters};
        matches!(self, Lists | RepeatedElements | TransactionsOnRegisters | RepeatedValues | Mixed)
    }

    /// The history of a seed, and the question about it.
    pub(crate) fn draw(self, seed: u64) -> (History, Question) {
        let mut random = TestRandom::new(seed);
        let history = match self {
            Family::Registers | Family::LongRegisters => return self.draw_registers(&mut random),
            Family::Models => return draw_model(&mut random),
            Family::SessionStores => {
                let history = stores::store_history(&mut random);
                let sessions = SessionRules::from_header(&history).expect("the header is right");
                let kinds: Vec<Property> = FindingKind::ALL.iter().copied().map(Property::Finding).collect();
                return (history, Question { sessions, ..question_about(Model::Session, &kinds) });
            }
            Family::Lists => random_history(&mut random, KeyType::List),
            Family::RepeatedElements => history_of_repeated_elements(&mut random),
            Family::TransactionsOnRegisters => random_history(&mut random, KeyType::Register),
            Family::RepeatedValues => history_of_repeated_values(&mut random),
            Family::Mixed => {
                let kind = random.one_of(&[KeyType::List, KeyType::Register]);
                history_of_mixed_levels(&mut random, kind, u32::MAX)
            }
        };
        let model = testkit::model_of_transactions(&history);
        let question = question_about(model, &isolation_properties(IsolationLevel::ALL));
        (history, question)
    }

    fn draw_registers(self, random: &mut TestRandom) -> (History, Question) {
        let shape = RegisterShape::new(random);
        let shape = match self {
            Family::Registers => RegisterShape {
                operations: 3 + random.below(5),
                keys: 1 + random.below(2),
                tokens: false,
                writes: 3,
                ..shape
            },
            _ => RegisterShape {
                operations: 9 + random.below(8),
                sessions: 2 + random.below(4),
                keys: 1 + random.below(3),
                tabs: 1 + random.below(3),
                ..shape
            },
        };
        let initial = if random.chance(80) { "null" } else { "0" };
        let history = RegisterRun::new(random.fork(1), shape, initial).into_history();
        // Without a bound of staleness there is no verdict on it.
        let levels: Vec<Level> =
            Level::ALL.iter().copied().filter(|&level| level != Level::BoundedStaleness).collect();
        let mut question = question_about(Model::CasRegister, &level_properties(&levels));
        question.initial.set_default(initial).expect("it is JSON");
        (history, question)
    }
}

fn draw_model(random: &mut TestRandom) -> (History, Question) {
    let model = random.one_of(&OTHER_MODELS);
    let seed = random.next_u64();
    let plan = containers::ContainerPlan {
        operations: 3 + random.below(6),
        clients: 1 + random.below(4),
        indeterminate: random.one_of(&[0, 10, 30]),
        repeated: random.one_of(&[0, 0, 20]),
        priorities: random.below(3),
    };
    let history = match model {
        Model::Queue | Model::Stack | Model::PriorityQueue if random.chance(60) => {
            containers::container_history(model, plan, seed >> 8)
        }
        Model::Set if random.chance(60) => {
            let plan = sets::SetPlan { operations: 4 + random.below(5), clients: 3, elements: 3, reads: 30 };
            sets::set_history(plan, seed)
        }
        _ => objects::history(model, seed),
    };
    (history, question_about(model, &level_properties(&[Level::Linearizable])))
}

/// A history with the answers about it, which the verifier confirmed.
pub(crate) struct Subject {
    pub(crate) family: Family,
    pub(crate) history: History,
    pub(crate) question: Question,
    pub(crate) report: Report,
    pub(crate) verdicts: Vec<(Property, &'static str)>,
    pub(crate) events: EventList,
}

impl Subject {
    /// Checks a history. None if the question does not fit it. An error if the checker or the verifier finds a mistake.
    pub(crate) fn new(
        family: Family,
        history: History,
        question: Question,
    ) -> Result<Option<Subject>, String> {
        if question.check(&history).is_err() {
            return Ok(None);
        }
        let report = checker::check(&history, &question, &limits()).map_err(|why| why.to_string())?;
        confirm(&history, &question, &report)?;
        let answers = report.answers.iter().chain(&report.beside);
        let verdicts = answers.map(|answer| (answer.property, answer.verdict.name())).collect();
        let events = EventList::from_history(&history);
        Ok(Some(Subject { family, history, question, report, verdicts, events }))
    }

    /// The verdict of a property, if it was asked.
    pub(crate) fn verdict(&self, property: Property) -> Option<&'static str> {
        self.verdicts.iter().find(|(of, _)| *of == property).map(|(_, verdict)| *verdict)
    }

    /// The subject without the answer about a property.
    pub(crate) fn without(&self, property: Property) -> Subject {
        let events = EventList { header: self.events.header.clone(), events: self.events.events.clone() };
        let mut question = self.question.clone();
        question.asked.iter_mut().for_each(|asked| asked.retain(|one| *one != property));
        let verdicts = self.verdicts.iter().copied().filter(|(of, _)| *of != property).collect();
        let (history, report) = (self.history.clone(), self.report.clone());
        Subject { family: self.family, history, question, report, verdicts, events }
    }

    /// Answers about another history to the same question, which must be these.
    pub(crate) fn expect_same(&self, events: &EventList, what: &str) -> Result<bool, String> {
        let Some(history) = events.read() else { return Err(format!("{what}: it is no history any more")) };
        let Some(other) = Subject::new(self.family, history, self.question.clone())? else {
            return Ok(false);
        };
        self.compare(&other.verdicts, what)
            .map_err(|why| format!("{why}\n{}", draw_history(&other.history)))?;
        Ok(true)
    }

    /// An error names the first property with another verdict. What may be unknown may be so in one way and not in the other.
    pub(crate) fn compare(&self, verdicts: &[(Property, &'static str)], what: &str) -> Result<(), String> {
        for &(property, other) in verdicts {
            let own = self.verdict(property).unwrap_or("not asked");
            let open = [own, other].contains(&"unknown") && self.family.may_be_unknown();
            if own != other && !open {
                return Err(format!("{what}: {} was {own}, and is {other}", property.name()));
            }
        }
        Ok(())
    }

    /// What brute force says, of the properties that it answers about.
    pub(crate) fn brute_force(&self) -> Vec<(Property, bool)> {
        let (history, question) = (&self.history, &self.question);
        match self.family {
            Family::Registers => {
                let objects = question.about_objects(history);
                let causal = causal_reference::holds(history, &objects);
                let sessions = session_reference::holds(history, &objects);
                let levels = CAUSAL_LEVELS.into_iter().zip(causal);
                let mut found: Vec<(Property, bool)> = levels
                    .chain(session_reference::LEVELS.into_iter().zip(sessions))
                    .map(|(level, holds)| (Property::Level(level), holds))
                    .collect();
                if question.initial.are_all_absent() {
                    found.push((Property::Level(Level::Linearizable), self.has_order()));
                }
                found
            }
            Family::Models => vec![(Property::Level(Level::Linearizable), self.has_order())],
            family if family.is_of_transactions() => {
                let orders = reference::Orders::new(history);
                let one =
                    |&level: &IsolationLevel| (Property::Isolation(level), reference::allows(&orders, level));
                IsolationLevel::ALL.iter().map(one).collect()
            }
            _ => Vec::new(),
        }
    }

    fn has_order(&self) -> bool {
        order_reference::is_linearizable(&self.history, self.question.model, self.question.failed_cas)
    }
}

pub(crate) fn limits() -> Limits<'static> {
    test_limits(2_000_000, 1 << 28)
}

/// Has the verifier look at a report that was written and read back.
fn confirm(history: &History, question: &Question, report: &Report) -> Result<(), String> {
    let told = with_names(history, || serde_json::to_string(report)).map_err(|why| why.to_string())?;
    let again: Report = with_names(history, || serde_json::from_str(&told)).map_err(|why| why.to_string())?;
    if again != *report {
        return Err("a report that was written is read as another".to_owned());
    }
    let found = verifier::verify(history, question, &again, &Limits::unbounded());
    let answers = again.answers.iter().chain(&again.beside);
    for (answer, standing) in answers.zip(found.answers.iter().chain(&found.beside)) {
        // Ids of sessions may have been given out twice; then the verifier does not look at everything.
        let absent = matches!(answer.property, Property::Finding(_)) && answer.verdict.name() == "holds";
        let is_confirmed = matches!(standing, Standing::Confirmed | Standing::ConfirmedExcept(_));
        let stands = is_confirmed || absent && matches!(standing, Standing::Partly(_));
        if !stands {
            return Err(format!("{standing:?}: {answer:?}"));
        }
    }
    match found.phenomena.iter().find(|standing| **standing != Standing::Confirmed) {
        Some(standing) => Err(format!("{standing:?}: {:?}", again.phenomena)),
        None => Ok(()),
    }
}
