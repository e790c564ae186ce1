//! An allocator that remembers that memory ran out. The instance ends then, and its host has to tell this from a bug.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

#[global_allocator]
static WATCHED: WatchedAllocator = WatchedAllocator;

static RAN_OUT: AtomicBool = AtomicBool::new(false);

/// Returns 1 if an allocation has failed.
#[unsafe(no_mangle)]
pub extern "C" fn memory_ran_out() -> i32 {
    RAN_OUT.load(Ordering::Relaxed).into()
}

struct WatchedAllocator;

// SAFETY: all of it is the system's allocator; only its failures are noted.
unsafe impl GlobalAlloc for WatchedAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the contract is passed on.
        note_failure(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the contract is passed on.
        note_failure(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the contract is passed on.
        note_failure(unsafe { System.realloc(pointer, layout, new_size) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn note_failure(pointer: *mut u8) -> *mut u8 {
    if pointer.is_null() {
        RAN_OUT.store(true, Ordering::Relaxed);
    }
    pointer
}
