//! The page `/metrics`: what the service is doing, and which requests are still completed for clients that have gone.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use async_context_manager::rescue;
use axum::extract::State;

use crate::lifespan::App;

/// The numbers of what has happened since the service was started.
#[derive(Default)]
pub(crate) struct Counts {
    /// The requests that have reached their handler.
    pub(crate) visits: AtomicU64,
    /// Those of them that the service is done with.
    pub(crate) visits_ended: AtomicU64,
    pub(crate) committed: AtomicU64,
    pub(crate) rolled_back: AtomicU64,
    /// Exit phases that have failed or were cut off, and that no caller was told of.
    pub(crate) losses: AtomicU64,
}

pub(crate) async fn page(State(app): State<App>) -> String {
    let (counts, rescues) = (&app.counts, rescue::metrics());
    let ended = counts.visits_ended.load(Relaxed); // before `visits`, or there could be more of them
    let visits = counts.visits.load(Relaxed);
    let pending = rescue::pending();
    let lines = [
        ("requests_total", visits),
        ("requests_in_flight", visits - ended),
        ("transactions_committed_total", counts.committed.load(Relaxed)),
        ("transactions_rolled_back_total", counts.rolled_back.load(Relaxed)),
        ("connections", app.pool.size().into()),
        ("connections_idle", app.pool.num_idle() as u64),
        ("losses_total", counts.losses.load(Relaxed)),
        ("rescues_begun_total", rescues.begun),
        ("rescues_ended_total", rescues.ended),
        ("rescues_failed_total", rescues.failed),
        ("rescues_cut_total", rescues.cut),
        ("rescues_pending", pending.len() as u64),
    ];
    let mut page = lines.iter().fold(String::new(), |page, (name, number)| page + &format!("{name} {number}\n"));
    if let Some(oldest) = pending.first() {
        let (manager, age) = (oldest.manager(), oldest.age().as_secs_f64());
        writeln!(page, "rescue_oldest_seconds{{manager=\"{manager}\"}} {age:.3}").expect("a string takes all");
    }
    page
}
