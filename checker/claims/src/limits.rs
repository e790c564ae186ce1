//! The resources that a check may use. They are always passed in.

use std::sync::atomic::{AtomicBool, Ordering};

/// The bounds of one check. When a check reaches one of them, the verdict is *unknown*.
///
/// There is no clock here. `steps` counts work, so that the same history gives the same answer on any machine. A caller
/// that wants a time limit sets `stop` from its own timer.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// The number of search steps: configurations expanded, candidates tried.
    pub steps: u64,
    /// The number of bytes that a search may hold at once, in addition to the history.
    pub bytes: usize,
    /// A flag that the caller sets to make every search stop soon.
    pub stop: &'a AtomicBool,
}

impl Limits<'static> {
    /// Limits without any bounds.
    pub fn unbounded() -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Self { steps: u64::MAX, bytes: usize::MAX, stop: &NEVER }
    }
}

impl Limits<'_> {
    /// The reason for *unknown* when the caller set the stop flag.
    pub const STOPPED: &'static str = "the time limit was reached";

    /// Whether the caller has set the stop flag.
    #[cfg_attr(feature = "watched-stops", track_caller)]
    pub fn stop_requested(&self) -> bool {
        is_stop_flag_set(self.stop)
    }
}

/// How many items pass between two looks at the flag: a millisecond of work at most.
const ITEMS_BETWEEN_LOOKS: u32 = 4096;

/// Iterators over a whole history that end early once a stop flag is set. What was computed from the items is then worth
/// nothing, so the caller asks the flag before it uses the result.
pub trait UntilStopped: Iterator + Sized {
    /// Ends within some thousand items after the flag was set.
    fn until_stopped(self, stop: &AtomicBool) -> impl Iterator<Item = Self::Item> {
        let mut count = 0u32;
        self.take_while(move |_| {
            count = count.wrapping_add(1);
            !count.is_multiple_of(ITEMS_BETWEEN_LOOKS) || !is_stop_flag_set(stop)
        })
    }
}

impl<I: Iterator> UntilStopped for I {}

/// Reads a stop flag. All code that reads the flag calls this function, so that tests can count the reads by file and
/// set the flag at a chosen one.
#[cfg_attr(feature = "watched-stops", track_caller)]
pub fn is_stop_flag_set(stop: &AtomicBool) -> bool {
    #[cfg(feature = "watched-stops")]
    looks::note(stop);
    #[cfg(target_family = "wasm")]
    only_thread::let_caller_look(stop);
    stop.load(Ordering::Relaxed)
}

#[cfg(target_family = "wasm")]
pub use only_thread::set_stop_watcher;

#[cfg(target_family = "wasm")]
mod only_thread {
    //! WebAssembly has one thread, so nobody can set a flag while a search runs. The caller is asked instead, now and then.

    use std::cell::Cell;
    use std::sync::OnceLock;
    use std::sync::atomic::AtomicBool;

    /// The number of reads of a flag between two calls of the watcher: some of them follow each other within microseconds.
    const READS_BETWEEN_CALLS: u32 = 16;

    static WATCHER: OnceLock<fn(&AtomicBool)> = OnceLock::new();

    thread_local! {
        static READS: Cell<u32> = const { Cell::new(0) };
    }

    /// Sets the function that may set a flag which is about to be read. Only the first call has an effect.
    pub fn set_stop_watcher(watcher: fn(&AtomicBool)) {
        let _ = WATCHER.set(watcher);
    }

    pub(super) fn let_caller_look(stop: &AtomicBool) {
        let reads = READS.get().wrapping_add(1);
        READS.set(reads);
        if reads.is_multiple_of(READS_BETWEEN_CALLS)
            && let Some(watcher) = WATCHER.get()
        {
            watcher(stop);
        }
    }
}

#[cfg(feature = "watched-stops")]
pub mod looks {
    //! For tests: stop flags that set themselves after a given number of reads, independent of the clock.

    use std::collections::{BTreeMap, HashMap};
    use std::panic::Location;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{LazyLock, Mutex};

    #[derive(Default)]
    struct Looks {
        before_set: usize,
        seen: usize,
        by_file: BTreeMap<&'static str, usize>,
    }

    static WATCHED: LazyLock<Mutex<HashMap<usize, Looks>>> = LazyLock::new(Mutex::default);
    /// The number of flags that are watched now. It is almost always 0, and then reading a flag costs one additional
    /// load.
    static COUNT: AtomicUsize = AtomicUsize::new(0);

    #[track_caller]
    pub(super) fn note(stop: &AtomicBool) {
        if COUNT.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut watched = WATCHED.lock().expect("no look panics");
        let Some(looks) = watched.get_mut(&std::ptr::from_ref(stop).addr()) else { return };
        looks.seen += 1;
        *looks.by_file.entry(Location::caller().file()).or_default() += 1;
        if looks.seen > looks.before_set {
            stop.store(true, Ordering::Relaxed);
        }
    }

    /// Calls `run` with a flag that sets itself once it has been read more than `looks` times. Also returns how often
    /// each file read it.
    pub fn stopping_after<T>(
        looks: usize,
        run: impl FnOnce(&AtomicBool) -> T,
    ) -> (T, BTreeMap<&'static str, usize>) {
        let stop = Box::new(AtomicBool::new(false));
        let place = std::ptr::from_ref(&*stop).addr();
        WATCHED
            .lock()
            .expect("no look panics")
            .insert(place, Looks { before_set: looks, ..Looks::default() });
        COUNT.fetch_add(1, Ordering::Release);
        let done = run(&stop);
        COUNT.fetch_sub(1, Ordering::Release);
        let seen = WATCHED.lock().expect("no look panics").remove(&place).expect("it was put there");
        (done, seen.by_file)
    }
}
