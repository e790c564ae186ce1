//! How much a check may spend. Passed in, never assumed.

use std::sync::atomic::{AtomicBool, Ordering};

/// The bounds of one check. Reaching one makes the verdict *unknown*.
///
/// There is no clock in here: `steps` count work, so that the same history gives the same answer on any
/// machine; a caller that wants a time limit sets `stop` from a timer of its own.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Steps of search: configurations expanded, candidates tried.
    pub steps: u64,
    /// Bytes that a search may hold at once, beyond the history itself.
    pub bytes: usize,
    /// Set by the caller to make every search stop soon.
    pub stop: &'a AtomicBool,
}

impl Limits<'static> {
    /// No bounds at all.
    pub fn unbounded() -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Self { steps: u64::MAX, bytes: usize::MAX, stop: &NEVER }
    }
}

impl Limits<'_> {
    /// Why a verdict is *unknown* where the caller asked to stop.
    pub const STOPPED: &'static str = "the time limit was reached";

    /// Whether the caller asked to stop.
    #[cfg_attr(feature = "watched-stops", track_caller)]
    pub fn stop_requested(&self) -> bool {
        is_stop_flag_set(self.stop)
    }
}

/// Looks at a stop flag. All looks come through here, so that tests can see who looks, and set the flag when somebody
/// does.
#[cfg_attr(feature = "watched-stops", track_caller)]
pub fn is_stop_flag_set(stop: &AtomicBool) -> bool {
    #[cfg(feature = "watched-stops")]
    looks::note(stop);
    stop.load(Ordering::Relaxed)
}

#[cfg(feature = "watched-stops")]
pub mod looks {
    //! Flags that are set by being looked at: after so many looks, whatever the clock says.

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
    /// Flags that are watched now: none almost always, and then a look costs one load more.
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

    /// Runs with a flag that is set at the look after so many; also returns how often each file looked.
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
