//! The allocator and its settings.
//!
//! A run allocates and frees the same large buffers again and again (chunks, Parquet pages, zstd contexts). Given back to
//! the kernel each time, they come back as fresh pages that must be cleared first: a third of an ingest was that. So
//! memory is kept until the process ends, and large pages are asked for where the kernel grants them.

use libmimalloc_sys::{mi_option_large_os_pages, mi_option_set};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`, which the bindings do not name: milliseconds until freed memory is given back, -1 never.
const PURGE_DELAY: i32 = 15;

/// Applies the settings; the first thing that `main` does.
#[allow(unsafe_code)]
pub fn set_up() {
    // SAFETY: both calls only store a number in mimalloc's table of options.
    unsafe {
        mi_option_set(PURGE_DELAY, -1);
        mi_option_set(mi_option_large_os_pages, 1);
    }
}
