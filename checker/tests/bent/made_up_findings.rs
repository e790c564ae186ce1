//! Findings that are made up, of histories in which nothing was found.
//!
//! Bent evidence of a real finding mostly fails at the first condition that is looked at. Here evidence is put together so that it meets
//! most conditions: the operations have the right functions, counts and differences of times are right. Each is false, because the
//! history has no finding of that group, so that some last condition must refute it.

use crate::absence::{findings_of, judged};
use checker::{
    AnomalyName, Answer, Evidence, Finding, FindingKind, FindingProof, Limits, Property, Report, Verdict,
    Violation,
};
use histories::{ActorEvent, Function, History, OpId, Operation, Outcome};
use serde_json::Value;
use std::collections::BTreeMap;
use testkit::{TestRandom, draw_history};
use verifier::Standing;

struct FindingForger<'h> {
    history: &'h History,
    all: Vec<Operation>,
    events: &'h [ActorEvent],
}

type Forged = Vec<(FindingKind, Finding)>;

impl FindingForger<'_> {
    fn any(&self, random: &mut TestRandom) -> OpId {
        self.all[random.below(self.all.len())].id
    }

    fn some(&self, random: &mut TestRandom) -> Option<OpId> {
        random.chance(50).then(|| self.any(random))
    }

    /// An operation of one of these functions, or of any.
    fn of(&self, functions: &[Function], random: &mut TestRandom) -> OpId {
        let fits: Vec<OpId> =
            self.all.iter().filter(|op| functions.contains(&op.function)).map(|op| op.id).collect();
        if fits.is_empty() || random.chance(3) { self.any(random) } else { random.one_of(&fits) }
    }

    /// The operations whose value a read returned, as a whole or in one field.
    fn shown_by(&self, read: OpId) -> Vec<OpId> {
        let text = self.history.value_text(self.history.operation(read).result);
        let told: Value = serde_json::from_str(text).unwrap_or_default();
        let mut parts: Vec<String> = vec![told.to_string()];
        parts.extend(told["fields"].as_object().into_iter().flatten().map(|(_, part)| part.to_string()));
        let writes = |op: &&Operation| op.function != Function::READ && op.id != read;
        let own = |op: &&Operation| parts.iter().any(|part| part == self.history.value_text(op.value()));
        self.all.iter().filter(writes).filter(own).map(|op| op.id).collect()
    }

    fn clock(&self, id: OpId) -> Option<i64> {
        let note = self.history.note(self.history.operation(id).completed)?;
        serde_json::from_str::<Value>(&note.fields).ok()?.get("clock")?.as_i64()
    }

    fn idle_ns(&self, gone: OpId, renewed: Option<OpId>) -> Option<i64> {
        Some(self.history.completed_at(gone)? - self.history.invoked_at(renewed?)?)
    }

    fn finding(&self, kind: FindingKind, proof: FindingProof) -> (FindingKind, Finding) {
        let operations = proof.involved_operations();
        self.finding_of(kind, proof, operations, Vec::new())
    }

    fn finding_of(
        &self,
        kind: FindingKind,
        proof: FindingProof,
        operations: Vec<OpId>,
        events: Vec<u32>,
    ) -> (FindingKind, Finding) {
        let first = operations.first().copied().unwrap_or(self.all[0].id);
        let (key, session) = (self.history.key(first), self.history.session(first));
        (kind, Finding { kind, key, session, operations, events, faults: Vec::new(), proof })
    }

    /// Findings about whether a session existed.
    fn forge_presence(&self, random: &mut TestRandom, forged: &mut Forged) {
        use FindingKind as K;
        let (one, other, third) = (self.any(random), self.any(random), self.some(random));
        let idle_ns = self.idle_ns(one, third);
        let proof = FindingProof::Gone { gone: one, alive: other, renewed: third, idle_ns };
        let kind = random.one_of(&[K::LostSession, K::StaleSession, K::ExpiredEarly]);
        forged.push(self.finding(kind, proof));
        let ended = self.of(&[Function::DESTROY, Function::RENEW, Function::READ], random);
        let proof = FindingProof::Back { back: one, ended, shown: third };
        forged.push(self.finding(random.one_of(&[K::OldIdAlive, K::ResurrectedSession]), proof));
        let [one, other] = [0, 1].map(|_| self.of(&[Function::DESTROY, Function::RENEW], random));
        let proof = FindingProof::EndedTwice { one, other };
        forged.push(self.finding(random.one_of(&[K::OldIdAlive, K::ResurrectedSession]), proof));
        forged.push(self.finding(K::Unexplained, FindingProof::Unborn { seen: self.any(random) }));
        let proof = FindingProof::Overdue { seen: self.any(random), renewed: third, late_ns: 1 };
        forged.push(self.finding(K::ExpiredLate, proof));
    }

    /// Findings about what a read returned.
    fn forge_contents(&self, random: &mut TestRandom, forged: &mut Forged) {
        use FindingKind as K;
        use Function as F;
        let field = random.one_of(&[None, Some("cart"), Some("name")]).map(str::to_owned);
        let writes = [F::CREATE, F::WRITE, F::PATCH, F::READ];
        let read = self.of(&[F::READ], random);
        let [older, newer, shown] = [0; 3].map(|_| self.of(&writes, random));
        let shown = if random.chance(40) { newer } else { shown };
        let returned = self.shown_by(read);
        let own = |other: OpId, random: &mut TestRandom| match &returned[..] {
            [_, ..] if random.chance(40) => random.one_of(&returned),
            _ => other,
        };
        let older = own(older, random);
        let old = random.one_of(&[K::StaleSession, K::LostWrite]);
        let proof = FindingProof::Replaced { read, field: field.clone(), older, newer, shown };
        forged.push(self.finding(old, proof));
        let birth = self.of(&[F::CREATE], random);
        forged.push(self.finding(old, FindingProof::BackToBirth { read, field, birth, shown: newer }));
        forged.push(self.finding(K::StaleSession, self.forge_uncleared(read, random)));
        let writer = random.chance(60).then(|| own(self.of(&writes, random), random));
        forged.push(self.finding(K::TornSession, FindingProof::Unwritten { read, writer }));
        let read = self.of(&[F::READ, F::READ, F::ACTIONS], random);
        let writer = self.of(&[F::CREATE, F::WRITE, F::PATCH, F::ACT], random);
        let shown = self.shown_by(read);
        let writer = if shown.is_empty() || random.chance(60) { writer } else { random.one_of(&shown) };
        let writer = random.chance(70).then_some(writer);
        let owner = random.one_of(&["u", "v"]).to_owned();
        forged.push(self.finding(K::SessionLeak, FindingProof::Foreign { read, writer, owner }));
    }

    /// A field that a write of the whole did not clear: a patch and a write, two patches, or what the read returned together.
    fn forge_uncleared(&self, read: OpId, random: &mut TestRandom) -> FindingProof {
        let shown = self.shown_by(read);
        let part = |functions: &[Function], random: &mut TestRandom| match &shown[..] {
            [_, ..] if random.chance(60) => random.one_of(&shown),
            _ => self.of(functions, random),
        };
        let patch = part(&[Function::PATCH], random);
        let write = part(&[Function::WRITE, Function::CREATE], random);
        let text = self.history.value_text(self.history.operation(patch).value());
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let field = match value["field"].as_str() {
            Some(field) if random.chance(85) => field.to_owned(),
            _ => random.one_of(&["cart", "name", "all", ""]).to_owned(),
        };
        FindingProof::Uncleared { read, field, patch, write }
    }

    /// Findings about lists of actions, clocks and saves.
    fn forge_actions(&self, random: &mut TestRandom, forged: &mut Forged) {
        use FindingKind as K;
        use Function as F;
        let (read, later) = (self.of(&[F::ACTIONS], random), random.chance(50));
        let act = self.of(&[F::ACT], random);
        let action = self.history.value_text(self.history.operation(act).value()).to_owned();
        let asked = random.chance(70).then_some(if random.chance(20) { self.any(random) } else { act });
        let times = random.one_of(&[1, 2]);
        let proof = FindingProof::Repeated { read, act: asked, action: action.clone(), times };
        forged.push(self.finding(K::DuplicatedAction, proof));
        let proof = FindingProof::Unasked { read, action, act: asked };
        forged.push(self.finding(K::Unexplained, proof));
        forged.push(
            self.finding(K::Unexplained, FindingProof::NoList { read: self.of(&[F::ACTIONS], random) }),
        );
        let later = later.then(|| self.of(&[F::ACTIONS], random));
        let kind = random.one_of(&[K::LostAction, K::StaleSession]);
        let seen = random.chance(40).then(|| self.of(&[F::ACTIONS], random));
        forged.push(self.finding(kind, FindingProof::Undone { read, act, seen, later }));
        let (earlier, later) = (self.any(random), self.any(random));
        let told = self.clock(earlier).zip(self.clock(later));
        let back_ns = told.map_or(1_000_000_000, |(first, second)| first - second);
        forged.push(self.finding(K::ClockWentBack, FindingProof::ToldEarlier { earlier, later, back_ns }));
        let [save, other] = [0, 1].map(|_| self.of(&[F::WRITE], random));
        let reads = random.chance(50);
        let [read, other_read] =
            [0, 1].map(|_| (reads || random.chance(10)).then(|| self.of(&[F::READ], random)));
        forged.push(self.finding(K::LostUpdate, FindingProof::Overwritten { save, read, other, other_read }));
    }

    /// Findings that events of actors show.
    fn forge_actors(&self, random: &mut TestRandom, forged: &mut Forged) {
        use FindingKind as K;
        let of = |actor: &str| -> Vec<&ActorEvent> {
            self.events.iter().filter(|event| event.actor == actor).collect()
        };
        let (live, audit, replicas) = (of("live"), of("audit"), of("replica"));
        if let [_, _, ..] = live[..] {
            let (mut one, mut other) = (random.one_of(&live), random.one_of(&live));
            if one.position > other.position && random.chance(90) {
                std::mem::swap(&mut one, &mut other);
            }
            let events = vec![other.position, one.position];
            let number = |event: &ActorEvent| {
                serde_json::from_str::<Value>(&event.value).ok().and_then(|value| value[1].as_i64())
            };
            let (low, high) = (number(one).unwrap_or(0), number(other).unwrap_or(0));
            let alive = self.any(random);
            let proof = FindingProof::NotResumed { alive };
            forged.push(self.finding_of(K::ConnectionNotResumed, proof, vec![alive], events.clone()));
            let (first, last) =
                (low + 1 - i64::from(random.chance(10)), high - 1 + i64::from(random.chance(10)));
            let proof = FindingProof::Skipped { first, last };
            forged.push(self.finding_of(K::LostMessage, proof, Vec::new(), events.clone()));
            let proof = FindingProof::BroughtAgain { first: low, last: low + random.one_of(&[0, 0, 1, -1]) };
            forged.push(self.finding_of(K::DuplicatedMessage, proof, Vec::new(), events));
        }
        if let [_, _, ..] = replicas[..] {
            let (one, other) = (random.one_of(&replicas), random.one_of(&replicas));
            let held = |event: &ActorEvent| {
                serde_json::from_str::<Value>(&event.value)
                    .map(|value| value[2].to_string())
                    .unwrap_or_default()
            };
            let proof = FindingProof::Differ { one: held(one), other: held(other) };
            let events = vec![other.position, one.position];
            forged.push(self.finding_of(K::DivergentReplicas, proof, Vec::new(), events));
        }
        self.forge_audit(&audit, random, forged);
    }

    fn forge_audit(&self, audit: &[&ActorEvent], random: &mut TestRandom, forged: &mut Forged) {
        use FindingKind as K;
        use Function as F;
        let request = self.of(&[F::CREATE, F::RENEW, F::DESTROY, F::ACT], random);
        let name = |op: &Operation| {
            let value = match op.function {
                F::CREATE | F::DESTROY => "null".to_owned(),
                _ => self.history.value_text(op.value()).to_owned(),
            };
            let key = self.history.key_text(op.key).to_owned();
            (self.history.function_name(op.function).to_owned(), key, value)
        };
        let entry = |event: &&&ActorEvent| {
            let told: Option<[Value; 2]> = serde_json::from_str(&event.value).ok();
            let [key, value] = told.unwrap_or_default();
            (event.function.clone(), key.to_string(), value.to_string())
        };
        let wanted = name(&self.history.operation(request));
        let requests: Vec<&Operation> = self.all.iter().filter(|op| name(op) == wanted).collect();
        let entries: Vec<u32> =
            audit.iter().filter(|event| entry(event) == wanted).map(|event| event.position).collect();
        let count = |is: fn(Outcome) -> bool| requests.iter().filter(|op| is(op.outcome)).count();
        let proof = FindingProof::Entries {
            found: entries.len(),
            acknowledged: count(|outcome| outcome == Outcome::Ok),
            possible: count(|outcome| outcome != Outcome::Fail),
        };
        let ids: Vec<OpId> = requests.iter().map(|op| op.id).collect();
        let kind = random.one_of(&[K::AuditMissing, K::AuditDuplicated, K::AuditForged]);
        forged.push(self.finding_of(kind, proof, ids, entries));
        if audit.len() >= 2 {
            let (first, second) = (random.one_of(audit).position, random.one_of(audit).position);
            let operations = [second, first].map(|position| {
                let told = audit.iter().find(|event| event.position == position).map(|event| entry(&event));
                self.all.iter().find(|op| Some(name(op)) == told).map_or(self.any(random), |op| op.id)
            });
            let proof = FindingProof::OutOfOrder { first, second };
            forged.push(self.finding_of(K::AuditForged, proof, operations.to_vec(), vec![first, second]));
        }
    }
}

/// The answers in which each kind has the next of its made-up findings.
fn reports_of(forged: Forged, model: checker::Model) -> Vec<Report> {
    let mut reports: Vec<Report> = Vec::new();
    let mut used: BTreeMap<FindingKind, usize> = BTreeMap::new();
    for (kind, finding) in forged {
        let at = used.entry(kind).or_default();
        if *at == reports.len() {
            reports.push(Report { model, ..Report::default() });
        }
        let violation = Violation {
            kind: AnomalyName::new(kind.name()),
            key: finding.key,
            operations: finding.operations.clone(),
            evidence: Evidence::Finding(Box::new(finding)),
        };
        reports[*at].answers.push(Answer {
            property: Property::Finding(kind),
            method: "made up".to_owned(),
            verdict: Verdict::Violated(vec![violation]),
            counts: Vec::new(),
        });
        *at += 1;
    }
    reports
}

#[test]
fn findings_that_are_made_up_are_refuted() {
    let (mut tried, mut sound) = (0_u64, 0);
    let mut confirmed: BTreeMap<FindingKind, String> = BTreeMap::new();
    for seed in 0..900 * crate::times() {
        let (history, question, report) = judged(seed);
        if history.is_empty() {
            continue;
        }
        let mut random = TestRandom::new(seed ^ 0xf0f0);
        let found: Vec<FindingKind> = findings_of(&report).iter().map(|finding| finding.kind).collect();
        // What one wrong answer shows may be shown by another one as well, unless events of actors show it.
        let is_clean = found.iter().all(|kind| kind.is_shown_by_actors());
        sound += u64::from(is_clean);
        let forger = FindingForger {
            history: &history,
            all: history.operations().collect(),
            events: history.actor_events(),
        };
        let mut forged = Vec::new();
        for _ in 0..40 {
            if is_clean {
                forger.forge_presence(&mut random, &mut forged);
                forger.forge_contents(&mut random, &mut forged);
                forger.forge_actions(&mut random, &mut forged);
            }
            forger.forge_actors(&mut random, &mut forged);
        }
        forged.retain(|(kind, _)| is_clean || kind.is_shown_by_actors());
        forged.retain(|(kind, _)| !found.contains(kind));
        for claim in reports_of(forged, question.model) {
            let standings = verifier::verify(&history, &question, &claim, &Limits::unbounded());
            for (answer, standing) in claim.answers.iter().zip(standings.answers) {
                tried += 1;
                let Property::Finding(kind) = answer.property else { continue };
                if !matches!(standing, Standing::Refuted(_)) {
                    let told =
                        || format!("seed {seed}: {standing:?}: {answer:?}\n{}", draw_history(&history));
                    confirmed.entry(kind).or_insert_with(told);
                }
            }
        }
    }
    let confirmed: Vec<String> = confirmed.into_values().collect();
    assert!(confirmed.is_empty(), "{}", confirmed.join("\n"));
    println!("{tried} made-up findings of {sound} sound histories and some others");
    assert!(tried > 100_000 && sound > 100, "{tried} findings, {sound} sound histories");
}
