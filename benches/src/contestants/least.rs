//! Not a way to do it, but the least that `with!` can come to: an opaque body that finds its block by the first waker, and
//! a driver that polls the block while the body waits for it. It checks nothing, is not sound, and releases nothing when
//! the future is dropped in the block.

use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::marker::PhantomPinned;
use std::mem::{ManuallyDrop, transmute};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::thread::Result as Caught;

use crate::resource::Resource;
use crate::scenario::{Contestant, Scenario, contestant, spin};

/// What the block and the driver pass to each other.
struct Handoff<T> {
    resource: Cell<*mut Resource>,
    end: Cell<Option<Caught<T>>>,
}

impl<T> Handoff<T> {
    const fn new() -> Self {
        Self { resource: Cell::new(std::ptr::null_mut()), end: Cell::new(None) }
    }

    #[expect(clippy::mut_from_ref, reason = "the block takes it once")]
    fn resource(&self) -> &mut Resource {
        // SAFETY: the marker has put it here, and lives longer than the block, as no body here leaks it.
        unsafe { &mut *self.resource.get() }
    }
}

trait Host {
    /// Lends the resource, for the first time, and polls the block.
    fn poll(&self, resource: *mut Resource, cx: &mut Context<'_>) -> Poll<()>;
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    New,
    Entering,
    Lent,
    Ended,
}

struct Frame<'h, B, T> {
    stage: Cell<Stage>,
    block: UnsafeCell<ManuallyDrop<B>>,
    handoff: &'h Handoff<T>,
}

impl<B: Future<Output = T>, T> Frame<'_, B, T> {
    #[inline]
    fn poll_block(&self, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: one of those who poll it waits for the other, and only until the block has ended.
        let block = unsafe { &mut *self.block.get() };
        // SAFETY: it stays in the pinned driver, and is dropped there.
        let polled = catch_unwind(AssertUnwindSafe(|| unsafe { Pin::new_unchecked(&mut **block) }.poll(cx)));
        let end = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(panic) => Err(panic),
        };
        self.handoff.end.set(Some(end));
        self.stage.set(Stage::Ended);
        // SAFETY: once, as nobody comes back at this stage.
        unsafe { ManuallyDrop::drop(block) };
        Poll::Ready(())
    }
}

impl<B: Future<Output = T>, T> Host for Frame<'_, B, T> {
    #[inline]
    fn poll(&self, resource: *mut Resource, cx: &mut Context<'_>) -> Poll<()> {
        if self.stage.get() == Stage::Ended {
            return Poll::Ready(());
        }
        self.stage.set(Stage::Lent);
        self.handoff.resource.set(resource);
        self.poll_block(cx)
    }
}

struct Driver<'h, F, B, T> {
    frame: Frame<'h, B, T>,
    body: F,
    _pinned: PhantomPinned,
}

static CALL: RawWakerVTable = RawWakerVTable::new(|_| unreachable!("not in these scenarios"), |_| (), |_| (), |_| ());

impl<F: Future<Output = ()>, B: Future<Output = T>, T> Future for Driver<'_, F, B, T> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: nothing is moved out of it.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let body = unsafe { Pin::new_unchecked(&mut this.body) };
        match this.frame.stage.get() {
            Stage::Lent if this.frame.poll_block(cx).is_pending() => return Poll::Pending,
            Stage::New => this.frame.stage.set(Stage::Entering),
            _ => return body.poll(cx),
        }
        let host: *const dyn Host = &raw const this.frame;
        // SAFETY: only the lifetime changes; the body lives shorter than the frame.
        #[expect(clippy::transmute_ptr_to_ptr, reason = "a cast does not change it")]
        let host = unsafe { transmute::<*const dyn Host, *const (dyn Host + 'static)>(host) };
        // SAFETY: nobody clones it here, and it is not dropped.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new((&raw const host).cast(), &CALL)) });
        body.poll(&mut Context::from_waker(&waker))
    }
}

struct Attach;

impl Future for Attach {
    type Output = *const (dyn Host + 'static);

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: it is polled by the driver's first waker.
        Poll::Ready(unsafe { *cx.waker().data().cast() })
    }
}

struct Marker(*const (dyn Host + 'static), *mut Resource);

impl Future for Marker {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: the frame lives longer than the body.
        unsafe { &*self.0 }.poll(self.1, cx)
    }
}

#[expect(clippy::manual_async_fn, reason = "as `with!` has it")]
fn managed(pends: bool) -> impl Future<Output = ()> {
    async move {
        let host = Attach.await;
        let mut resource = Resource::acquire(pends).await;
        Marker(host, &raw mut resource).await;
        resource.release(pends).await;
    }
}

fn run<F, B, T>(body: F, handoff: &Handoff<T>, block: B) -> Driver<'_, F, B, T> {
    let frame = Frame { stage: Cell::new(Stage::New), block: UnsafeCell::new(ManuallyDrop::new(block)), handoff };
    Driver { frame, body, _pinned: PhantomPinned }
}

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {{
        let handoff = Handoff::new();
        let block = async {
            let $resource = handoff.resource();
            Ok::<u64, Failed>($block)
        };
        run(managed($pends), &handoff, block).await;
        match handoff.end.take().expect("the body has come to its end") {
            Ok(result) => result?,
            Err(panic) => resume_unwind(panic),
        }
    }};
}

pub(crate) fn contestant() -> Contestant {
    let note = "checks nothing and is not sound: what is left where a manager's body is opaque";
    Contestant { loses: &[Scenario::Dropped], note, ..contestant!("the least", scope, spin) }
}
