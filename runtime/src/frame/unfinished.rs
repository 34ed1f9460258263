//! What becomes of a `with!` that is dropped, whatever its block is.

use core::task::{Context, Waker};

use super::head::{Head, Stage};
use crate::manager::About;
use crate::panics;
use crate::rescue;

/// The parts of a driver that was left before its end, or that has ended without a block.
pub(super) trait Unfinished {
    fn head(&self) -> &Head;

    /// Polls the body: whether it has ended in an error.
    fn poll_cancelled(&mut self, cx: &mut Context<'_>) -> bool;

    /// Drops the body. A marker that is still there drops the block with it.
    ///
    /// # Safety
    ///
    /// It is not used again.
    unsafe fn drop_body(&mut self);

    /// Drops the block.
    ///
    /// # Safety
    ///
    /// It is there, and not used again.
    unsafe fn drop_block(&mut self);

    /// Drops what nobody came for: a value, or a panic.
    fn drop_end(&mut self);
}

/// Drops a driver that was left before its end, or that has ended without a block.
#[cold]
pub(super) fn drop_unfinished(driver: &mut dyn Unfinished) {
    if driver.head().stage.get().is_lent() && !driver.head().panicked.get() {
        // What is left of the block goes before what is left of the manager.
        rescue::block_first(&mut || {
            cancel(driver);
            drop_body(driver);
        });
    } else {
        drop_body(driver);
    }
    match driver.head().stage.get() {
        Stage::Lent | Stage::LentApart | Stage::Cancelled => abort_leaked(driver.head().about),
        // SAFETY: nobody has dropped it, as no marker has lent.
        Stage::New | Stage::Entering => panics::contain(|| unsafe { driver.drop_block() }),
        Stage::Ended | Stage::RacedAway | Stage::Concluded => {}
    }
    panics::contain(|| driver.drop_end());
}

/// The `with!` is dropped while the block is under way: the marker drops the block and gives `Cancelled`, and the exit
/// phase runs on from there as far as it gets.
fn cancel(driver: &mut dyn Unfinished) {
    let head = driver.head();
    let about = head.about;
    head.stage.set(Stage::Cancelled);
    head.enter_home(Waker::noop());
    head.home().inspect(|home| home.wake());
    match panics::catch(|| driver.poll_cancelled(&mut Context::from_waker(Waker::noop()))) {
        Ok(false) => {}
        Ok(true) => rescue::failed(about.name(), "failed after a cancellation; its error is lost"),
        Err(payload) => rescue::panicked(about.name(), payload),
    }
}

fn drop_body(driver: &mut dyn Unfinished) {
    driver.head().enter_home(Waker::noop());
    // SAFETY: this is the end of the driver.
    panics::contain(|| unsafe { driver.drop_body() });
}

/// The block can't be dropped: what it borrows from the manager may be gone.
#[cold]
pub(super) fn abort_leaked(about: &About) -> ! {
    let name = about.name();
    panics::abort(format_args!(
        "`{name}` leaked the future of its `yield!`, or dropped it on another thread, while a block was lent to it"
    ))
}
