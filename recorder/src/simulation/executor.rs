//! Tasks and time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

/// A simulated clock. All clones tell the same time.
#[derive(Clone, Default)]
pub struct SimulatedClock(Arc<Mutex<SimulatedClockState>>);

#[derive(Default)]
struct SimulatedClockState {
    now_ns: u64,
    asked: u64,
    timers: BinaryHeap<Reverse<SimulatedTimer>>,
    /// Tasks that were spawned and have not been taken over by the simulation yet.
    newborn: Vec<BoxedTask>,
}

/// A timer, ordered by time and then by when it was asked for.
struct SimulatedTimer {
    at_ns: u64,
    order: u64,
    waker: Waker,
}

impl PartialEq for SimulatedTimer {
    fn eq(&self, other: &Self) -> bool {
        (self.at_ns, self.order) == (other.at_ns, other.order)
    }
}

impl Eq for SimulatedTimer {}

impl PartialOrd for SimulatedTimer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SimulatedTimer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ns, self.order).cmp(&(other.at_ns, other.order))
    }
}

impl SimulatedClock {
    /// Nanoseconds since the simulation began.
    pub fn now_ns(&self) -> u64 {
        self.lock_state().now_ns
    }

    /// A future that is ready at this time.
    pub fn sleep_until_ns(&self, at_ns: u64) -> Sleep {
        Sleep { timeline: self.clone(), at_ns, set: false }
    }

    /// Starts a task.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.lock_state().newborn.push(Box::pin(task));
    }

    /// Wakes somebody at this time.
    pub(crate) fn wake_at_ns(&self, at_ns: u64, waker: Waker) {
        let mut inner = self.lock_state();
        inner.asked += 1;
        let order = inner.asked;
        inner.timers.push(Reverse(SimulatedTimer { at_ns, order, waker }));
    }

    fn take_spawned_tasks(&self) -> Vec<BoxedTask> {
        std::mem::take(&mut self.lock_state().newborn)
    }

    /// Jumps to the next timer and returns whom it wakes.
    fn advance_to_next_timer(&self) -> Option<Waker> {
        let mut inner = self.lock_state();
        let Reverse(timer) = inner.timers.pop()?;
        inner.now_ns = inner.now_ns.max(timer.at_ns);
        Some(timer.waker)
    }

    fn lock_state(&self) -> MutexGuard<'_, SimulatedClockState> {
        self.0.lock().expect("no task panicked while it held the clock")
    }
}

impl std::fmt::Debug for SimulatedClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Timeline({} ns)", self.now_ns())
    }
}

/// A wait for a simulated time.
#[derive(Debug)]
pub struct Sleep {
    timeline: SimulatedClock,
    at_ns: u64,
    set: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.timeline.now_ns() >= self.at_ns {
            return Poll::Ready(());
        }
        // One timer is enough: a future that moved to another task would need another, and none of ours does.
        if !self.set {
            self.timeline.wake_at_ns(self.at_ns, context.waker().clone());
            self.set = true;
        }
        Poll::Pending
    }
}

type BoxedTask = Pin<Box<dyn Future<Output = ()> + Send>>;
type Ready = Arc<Mutex<VecDeque<usize>>>;

/// Tasks on a timeline.
#[derive(Default)]
pub struct Simulation {
    timeline: SimulatedClock,
    tasks: Vec<Option<BoxedTask>>,
    ready: Ready,
}

/// Nothing can ever happen again, and the task that was waited for is not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SimulationStuck;

struct TaskWaker {
    task: usize,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.lock().expect("no waker panics").push_back(self.task);
    }
}

impl Simulation {
    /// The clock of this simulation.
    pub fn timeline(&self) -> SimulatedClock {
        self.timeline.clone()
    }

    /// Adds a task. It runs when the simulation does.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.add_task(Box::pin(task));
    }

    fn add_task(&mut self, task: BoxedTask) {
        self.ready.lock().expect("no waker panics").push_back(self.tasks.len());
        self.tasks.push(Some(task));
    }

    /// Runs until `main` is done and returns what it yields; the other tasks stay where they are.
    pub fn run<T: Send + 'static>(
        mut self,
        main: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, SimulationStuck> {
        let result = Arc::new(Mutex::new(None));
        let yielded = result.clone();
        self.spawn(async move {
            let output = main.await;
            *yielded.lock().expect("only written here") = Some(output);
        });
        loop {
            while let Some(task) = self.take_next_ready() {
                self.poll_task(task);
                for newborn in self.timeline.take_spawned_tasks() {
                    self.add_task(newborn);
                }
            }
            if let Some(output) = result.lock().expect("only read here").take() {
                return Ok(output);
            }
            match self.timeline.advance_to_next_timer() {
                Some(waker) => waker.wake(),
                None => return Err(SimulationStuck),
            }
        }
    }

    fn take_next_ready(&self) -> Option<usize> {
        self.ready.lock().expect("no waker panics").pop_front()
    }

    fn poll_task(&mut self, task: usize) {
        // A task may be woken more often than it waits, and after it has ended.
        let Some(future) = &mut self.tasks[task] else { return };
        let waker = Waker::from(Arc::new(TaskWaker { task, ready: self.ready.clone() }));
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            self.tasks[task] = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tasks that sleep write down when they woke: time jumps, and in order of (time, asking).
    #[test]
    fn time_jumps_in_order() {
        let mut simulation = Simulation::default();
        let (timeline, seen) = (simulation.timeline(), Arc::new(Mutex::new(Vec::new())));
        for (name, at_ns) in [("late", 3_600_000_000_000), ("early", 5), ("also early", 5)] {
            let (timeline, seen) = (timeline.clone(), seen.clone());
            simulation.spawn(async move {
                timeline.sleep_until_ns(at_ns).await;
                seen.lock().unwrap().push((name, timeline.now_ns()));
            });
        }
        let end = timeline.sleep_until_ns(7_200_000_000_000);
        simulation.run(end).unwrap();
        let hour = 3_600_000_000_000;
        assert_eq!(*seen.lock().unwrap(), [("early", 5), ("also early", 5), ("late", hour)]);
    }

    #[test]
    fn a_task_that_nobody_will_wake_is_stuck() {
        assert_eq!(Simulation::default().run(std::future::pending::<()>()), Err(SimulationStuck));
    }

    #[test]
    fn a_deadline_in_simulated_time() {
        let simulation = Simulation::default();
        let clock = crate::Clock::Simulated(simulation.timeline());
        let result = simulation.run(async move {
            let slow = clock.sleep(std::time::Duration::from_secs(10));
            let none = clock.await_until_ns(2_000_000_000, slow).await;
            (none, clock.now_ns())
        });
        assert_eq!(result, Ok((None, 2_000_000_000)));
    }
}
