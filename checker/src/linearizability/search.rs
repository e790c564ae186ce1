//! Any sequential specification: Wing & Gong's search with Lowe's memo, just in time.
//!
//! The search walks from response to response. Before the response of x it puts any open operations that end
//! with x, in every order, and remembers each (response, which open operations are done, state) that led nowhere,
//! so that none is tried twice (Wing & Gong, J. Parallel Distrib. Comput. 17, 1993; Lowe, Testing for
//! Linearizability, CCPE 2017, sections 3 and 5). A bit for each *open* operation is all that tells one set from
//! another, since everything before is done and everything after is not: a memo entry is a few words and the
//! state, however long the history.
//!
//! A state from which the next read can no longer become legal is given up at once ([`Model::leads_to`]): of the orders
//! of some appends all but one are, where a search that waits for the read tries them all.
//!
//! Reads are taken as soon as they are legal. Indeterminate operations are never forced, tried last, and of
//! several that do the same only the first that is left is tried.
//!
//! Cost: exponential in what is open at worst (the problem is NP-complete); one entry a response at best. The
//! stack is explicit and as deep as there are operations.

use super::bits::{self, Bits, clear_bit, has_bit, set_bit};
use claims::specification::{Call, Specification};
use claims::{Limits, Reason};
use histories::{NEVER, OpId};
use rustc_hash::{FxHashMap, FxHashSet};

/// How many reads ahead the one is looked for that has to become legal next.
const LOOK_AHEAD: usize = 8;

/// A call and when it was open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TimedCall {
    pub(crate) id: OpId,
    pub(crate) call: Call,
    pub(crate) invoked: u32,
    /// [`NEVER`] if it is indeterminate, and then it may not have happened at all.
    pub(crate) returned: u32,
}

/// What the search found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum CallSearchResult {
    /// An order of calls, by place, that explains them all.
    Order(Vec<u32>),
    /// Nothing explains the calls up to the response at this position, the furthest that was reached.
    Dead(u32),
    /// A limit was reached.
    Unknown(Reason),
}

/// Decides whether the calls have a legal order, and says how many steps of search that took.
pub(crate) fn decide_by_search<M: Specification>(
    model: &M,
    calls: &[TimedCall],
    limits: &Limits<'_>,
) -> (CallSearchResult, u64) {
    let events = bits::sort_interval_events(calls.iter().map(|call| (call.invoked, call.returned)));
    match bits::count_slots_needed(&events).div_ceil(64) {
        0 | 1 => run_call_search::<M, 1>(model, calls, &events, limits),
        2 => run_call_search::<M, 2>(model, calls, &events, limits),
        3..=4 => run_call_search::<M, 4>(model, calls, &events, limits),
        5..=16 => run_call_search::<M, 16>(model, calls, &events, limits),
        17..=64 => run_call_search::<M, 64>(model, calls, &events, limits),
        _ => {
            let reason = "over 4096 operations are open or indeterminate at once".to_owned();
            (CallSearchResult::Unknown(Reason { reason }), 0)
        }
    }
}

/// What can become of a state before the next read has returned, at this position.
enum StateOutlook {
    /// Nothing that is known.
    Open,
    /// It is overwritten before any read could be legal.
    Overwritten(u32),
    /// The read cannot be legal.
    Hopeless(u32),
}

/// What is open before one response.
struct Layer {
    /// The call that returns.
    target: u32,
    position: u32,
    /// The open calls that return, the target first, then by response.
    open: Vec<u32>,
    /// How many indeterminate calls were invoked before.
    indeterminate: u32,
    /// Calls invoked since the layer before.
    arrived: Vec<u32>,
    /// The first of the reads in order of response that returns here or later.
    next_read: u32,
}

/// A point of the search: before the response of a layer, with some open calls done.
struct CallSearchFrame<S, const W: usize> {
    layer: u32,
    state: S,
    done: Bits<W>,
    /// The next open call of the layer to try.
    next: u32,
    /// How long the order was before this frame.
    taken: u32,
}

struct CallSearch<'a, M: Specification, const W: usize> {
    model: &'a M,
    calls: &'a [TimedCall],
    layers: Vec<Layer>,
    /// The calls that never return, in order of invocation.
    indeterminate: Vec<u32>,
    slots: Vec<u32>,
    /// The certain reads in order of response.
    reads: Vec<u32>,
    /// The indeterminate call before this one that does the same.
    same_before: Vec<Option<u32>>,
    order: Vec<u32>,
    #[allow(clippy::type_complexity, reason = "the memo of the algorithm")]
    memo: FxHashSet<(u32, Bits<W>, Option<M::State>)>,
    memo_bytes: usize,
    /// The last response that any path had to do with.
    furthest: u32,
    steps: u64,
}

fn run_call_search<M: Specification, const W: usize>(
    model: &M,
    calls: &[TimedCall],
    events: &[(u32, u32, bool)],
    limits: &Limits<'_>,
) -> (CallSearchResult, u64) {
    let (mut layers, slots) = build_layers(calls, events);
    let mut reads: Vec<u32> = (0..calls.len() as u32)
        .filter(|&call| calls[call as usize].returned != NEVER && model.is_read(&calls[call as usize].call))
        .collect();
    reads.sort_unstable_by_key(|&call| calls[call as usize].returned);
    for layer in &mut layers {
        layer.next_read =
            reads.partition_point(|&read| calls[read as usize].returned < layer.position) as u32;
    }
    let mut walk = CallSearch::<M, W> {
        model,
        calls,
        layers,
        indeterminate: (0..calls.len() as u32)
            .filter(|&call| calls[call as usize].returned == NEVER)
            .collect(),
        slots,
        reads,
        same_before: find_earlier_twins(calls),
        order: Vec::with_capacity(calls.len()),
        memo: FxHashSet::default(),
        memo_bytes: 0,
        furthest: 0,
        steps: 0,
    };
    let found = walk.search_to_end(limits);
    (found, walk.steps)
}

impl<M: Specification, const W: usize> CallSearch<'_, M, W> {
    fn search_to_end(&mut self, limits: &Limits<'_>) -> CallSearchResult {
        let mut stack = Vec::new();
        if let Some(found) = self.enter_layer(&mut stack, 0, self.model.initial(), [0; W]) {
            return found;
        }
        while let Some(top) = stack.last_mut() {
            self.steps += 1;
            if self.steps & 0xfff == 0
                && let Some(reason) = self.limit_reached(self.steps, limits)
            {
                let at = self.furthest;
                return CallSearchResult::Unknown(Reason {
                    reason: format!("{reason}; explained up to event {at}"),
                });
            }
            let layer = &self.layers[top.layer as usize];
            let Some(call) = self.candidate_call(layer, top.next as usize) else {
                stack.pop();
                continue;
            };
            top.next += 1;
            let (slot, taken) = (self.slots[call as usize], top.taken);
            if has_bit(&top.done, slot) || self.has_earlier_twin(call, &top.done) {
                continue;
            }
            let Ok(state) = self.model.step(&top.state, &self.calls[call as usize].call) else { continue };
            let (at, target, mut done) = (top.layer, layer.target, top.done);
            set_bit(&mut done, slot);
            self.order.truncate(taken as usize);
            self.order.push(call);
            self.take_open_reads(at, &state, &mut done);
            let found = if has_bit(&done, self.slots[target as usize]) {
                clear_bit(&mut done, self.slots[target as usize]);
                self.enter_layer(&mut stack, at + 1, state, done)
            } else {
                self.push_frame(&mut stack, at, state, done);
                None
            };
            if let Some(found) = found {
                return found;
            }
        }
        CallSearchResult::Dead(self.furthest)
    }

    /// The open calls of a layer in the order in which they are tried.
    fn candidate_call(&self, layer: &Layer, next: usize) -> Option<u32> {
        match next.checked_sub(layer.open.len()) {
            None => Some(layer.open[next]),
            Some(at) => self.indeterminate[..layer.indeterminate as usize].get(at).copied(),
        }
    }

    /// Goes on from the end of one layer to the first at which something is left to do.
    fn enter_layer(
        &mut self,
        stack: &mut Vec<CallSearchFrame<M::State, W>>,
        mut at: u32,
        state: M::State,
        mut done: Bits<W>,
    ) -> Option<CallSearchResult> {
        loop {
            let Some(layer) = self.layers.get(at as usize) else {
                return Some(CallSearchResult::Order(std::mem::take(&mut self.order)));
            };
            let (target, arrived) = (layer.target, layer.arrived.clone());
            self.take_legal_reads(&arrived, &state, &mut done);
            let slot = self.slots[target as usize];
            if !has_bit(&done, slot) {
                self.push_frame(stack, at, state, done);
                return None;
            }
            clear_bit(&mut done, slot);
            at += 1;
        }
    }

    fn push_frame(
        &mut self,
        stack: &mut Vec<CallSearchFrame<M::State, W>>,
        layer: u32,
        state: M::State,
        done: Bits<W>,
    ) {
        self.furthest = self.furthest.max(self.layers[layer as usize].position);
        let ahead = self.look_ahead(layer, &state, &done);
        if let StateOutlook::Hopeless(read) | StateOutlook::Overwritten(read) = ahead {
            self.furthest = self.furthest.max(read);
        }
        // What is overwritten before anybody reads it may be anything: the states that differ in that are one.
        let remembered = match ahead {
            StateOutlook::Hopeless(_) => return,
            StateOutlook::Overwritten(_) => None,
            StateOutlook::Open => Some(state.clone()),
        };
        if self.memo.insert((layer, done, remembered)) {
            self.memo_bytes += size_of::<(u32, Bits<W>)>() + 16 + self.model.state_bytes(&state);
            stack.push(CallSearchFrame { layer, state, done, next: 0, taken: self.order.len() as u32 });
        }
    }

    /// What can become of a state before the next read that is not done has returned.
    fn look_ahead(&self, at: u32, state: &M::State, done: &Bits<W>) -> StateOutlook {
        let layer = &self.layers[at as usize];
        let is_done = |call: u32| {
            self.calls[call as usize].invoked < layer.position && has_bit(done, self.slots[call as usize])
        };
        let reads = &self.reads[layer.next_read as usize..];
        let Some(&next) = reads.iter().take(LOOK_AHEAD).find(|&&read| !is_done(read)) else {
            return StateOutlook::Open;
        };
        let next = &self.calls[next as usize];
        if self.model.can_lead_to_read(state, &next.call) {
            return StateOutlook::Open;
        }
        // Only what overwrites could still help, if it happens before that read and leads to it.
        let helps = |call: u32| {
            let then = self.model.step(state, &self.calls[call as usize].call);
            self.model.overwrites(&self.calls[call as usize].call)
                && then.is_ok_and(|then| self.model.can_lead_to_read(&then, &next.call))
        };
        let indeterminate = &self.indeterminate[..layer.indeterminate as usize];
        let arrived = self.calls.partition_point(|call| call.invoked < layer.position) as u32;
        let later = (arrived..self.calls.len() as u32)
            .take_while(|&call| self.calls[call as usize].invoked < next.returned);
        let open = layer.open.iter().chain(indeterminate).copied().filter(|&call| !is_done(call));
        let undone: Vec<u32> = open.chain(later).collect();
        if !undone.iter().any(|&call| helps(call)) {
            return StateOutlook::Hopeless(next.returned);
        }
        // Until then the state matters only to reads that it leads to.
        let read_before = |&call: &u32| {
            let call = &self.calls[call as usize].call;
            self.model.is_read(call) && self.model.can_lead_to_read(state, call)
        };
        if undone.iter().any(read_before) {
            StateOutlook::Open
        } else {
            StateOutlook::Overwritten(next.returned)
        }
    }

    /// Takes all open reads of a layer that are legal now.
    fn take_open_reads(&mut self, layer: u32, state: &M::State, done: &mut Bits<W>) {
        for at in 0..self.layers[layer as usize].open.len() {
            let call = self.layers[layer as usize].open[at];
            self.take_legal_reads(&[call], state, done);
        }
    }

    fn take_legal_reads(&mut self, calls: &[u32], state: &M::State, done: &mut Bits<W>) {
        for &call in calls {
            let slot = self.slots[call as usize];
            let what = &self.calls[call as usize].call;
            if !has_bit(done, slot) && self.model.is_read(what) && self.model.step(state, what).is_ok() {
                set_bit(done, slot);
                self.order.push(call);
            }
        }
    }

    /// Whether an indeterminate call that does the same and is not done comes before this one.
    fn has_earlier_twin(&self, call: u32, done: &Bits<W>) -> bool {
        self.same_before[call as usize].is_some_and(|other| !has_bit(done, self.slots[other as usize]))
    }

    fn limit_reached(&self, steps: u64, limits: &Limits<'_>) -> Option<String> {
        if limits.stop_requested() {
            Some("the search was stopped".to_owned())
        } else if steps > limits.steps {
            Some(format!("the search took its {} steps", limits.steps))
        } else {
            (self.memo_bytes > limits.bytes).then(|| format!("the memo took its {} bytes", limits.bytes))
        }
    }
}

/// The layers, and the slot of each call.
fn build_layers(calls: &[TimedCall], events: &[(u32, u32, bool)]) -> (Vec<Layer>, Vec<u32>) {
    let mut slots = vec![0; calls.len()];
    let (mut free, mut used): (Vec<u32>, u32) = (Vec::new(), 0);
    let (mut open, mut arrived): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
    let mut layers = Vec::new();
    let mut indeterminate = 0;
    for &(position, call, returns) in events {
        if returns {
            let mut sorted = open.clone();
            sorted.sort_by_key(|&other| (other != call, calls[other as usize].returned));
            let arrived = std::mem::take(&mut arrived);
            layers.push(Layer { target: call, position, open: sorted, indeterminate, arrived, next_read: 0 });
            open.retain(|&other| other != call);
            free.push(slots[call as usize]);
            continue;
        }
        slots[call as usize] = free.pop().unwrap_or_else(|| {
            used += 1;
            used - 1
        });
        if calls[call as usize].returned == NEVER {
            indeterminate += 1;
        } else {
            open.push(call);
            arrived.push(call);
        }
    }
    (layers, slots)
}

fn find_earlier_twins(calls: &[TimedCall]) -> Vec<Option<u32>> {
    let mut last: FxHashMap<&Call, u32> = FxHashMap::default();
    let mut before = vec![None; calls.len()];
    for (place, call) in (0u32..).zip(calls) {
        if call.returned == NEVER {
            before[place as usize] = last.insert(&call.call, place);
        }
    }
    before
}
