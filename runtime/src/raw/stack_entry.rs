//! Managers that are entered by a method call and kept open: the entries of an exit stack.

use core::convert::Infallible;
use core::fmt;
use core::future::{Future, poll_fn};
use core::mem::replace;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::boxed::Box;
use std::sync::{Arc, Mutex, PoisonError};
use std::vec::Vec;

use super::body::Name;
use super::cancel::is_in_place;
use super::entry_signal::{EntryShared, ExitSignal, Left, StackOutcome, lock};
use super::in_place::InPlace;
use super::stop_scope::{StopMode, StopScope};
use super::stored::{StackValue, Stored};
use super::{Body, run};
use crate::frame::{BorrowToken, End, ValueToken};
use crate::lend::{Contract, Lends};
use crate::manager::{Manager, OutputOf};
use crate::open::open;
use crate::outcome::Outcome;
use crate::output::BodyOutput;
use crate::panics::{self, Parcel};
use crate::rescue::{self, Lost, Rescues};
use crate::show::GENERIC;
use crate::stack_exit::StackExit;
use crate::user_code;
use crate::value::{Entered, ShapeOf, Value};

/// The value that a manager with the contract `L` lends while a stack is borrowed for `'s`.
pub(crate) type LentBy<'s, L> = <L as Lends<'s, 's>>::Value;

type BoxedBody<'env, E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send + 'env>>;

/// An entered manager: its body, suspended at the marker, and the signal that ends its block.
pub(crate) struct StackEntry<'env, E> {
    body: BoxedBody<'env, E>,
    signal: Arc<dyn ExitSignal<E> + Send + Sync + 'env>,
    is_leaving: bool,
}

impl<E> StackEntry<'_, E> {
    /// Leaves the manager, or continues leaving it. Returns the outcome after it. `receiver` is who receives an error after
    /// a cancellation.
    fn poll_leave(
        &mut self,
        outcome: &mut Option<StackOutcome<E>>,
        receiver: Receiver,
        cx: &mut Context<'_>,
    ) -> Poll<StackOutcome<E>> {
        if let Some(outcome) = outcome.take_if(|_| !replace(&mut self.is_leaving, true)) {
            self.signal.end(outcome);
        }
        let left = match panics::catch(|| poll_exit_phase(self.body.as_mut(), cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => StackOutcome::Completed,
            Ok(Poll::Ready(Err(error))) => StackOutcome::Failed(error),
            Err(payload) => StackOutcome::Panicked(payload),
        };
        let after = match self.signal.bypassing() {
            Some(Outcome::Cancelled) if receiver.exists(cx) => left.or(StackOutcome::Cancelled),
            Some(Outcome::Cancelled) => self.report_lost(left),
            Some(_) => left.or(StackOutcome::FailedElsewhere),
            None => match self.signal.take_outcome() {
                Some(before) => self.combine(before, left),
                None => left,
            },
        };
        Poll::Ready(match outcome.take() {
            Some(unseen) => self.resume_leaving(unseen, after),
            None => after,
        })
    }

    /// Combines the outcomes of two calls that leave the stack, the first of which was dropped while this entry was
    /// leaving. The entry did not receive the outcome of the second call, `unseen`.
    fn resume_leaving(&self, unseen: StackOutcome<E>, after: StackOutcome<E>) -> StackOutcome<E> {
        match (unseen, after) {
            (StackOutcome::Completed, after) => after,
            (unseen, StackOutcome::Completed | StackOutcome::FailedElsewhere | StackOutcome::Cancelled) => unseen,
            (unseen, after) => self.combine(unseen, after),
        }
    }

    /// Combines the outcomes before and after a manager that dropped its block. The block did not receive the outcome
    /// `before`, so this outcome still counts: a panic continues, and an error is reported as replaced.
    fn combine(&self, before: StackOutcome<E>, after: StackOutcome<E>) -> StackOutcome<E> {
        match (before, after) {
            (StackOutcome::Panicked(payload), after) => {
                self.replace_by_panic(after);
                StackOutcome::Panicked(payload)
            }
            (StackOutcome::Failed(error), after) => {
                self.lose_error(rescue::replaced, after.replaces(), error);
                after
            }
            (StackOutcome::Completed | StackOutcome::FailedElsewhere | StackOutcome::Cancelled, after) => after,
        }
    }

    /// Reports the outcome of a manager as lost, because a panic was already in progress.
    fn replace_by_panic(&self, outcome: StackOutcome<E>) {
        match outcome {
            StackOutcome::Failed(error) => self.lose_error(rescue::failed, rescue::PANICKING, error),
            StackOutcome::Panicked(payload) => {
                rescue::replaced_panic(
                    self.signal.named().name(),
                    "panicked during another panic",
                    Parcel::new(payload),
                );
            }
            StackOutcome::Completed | StackOutcome::FailedElsewhere | StackOutcome::Cancelled => {}
        }
    }

    /// Reports the outcome of a manager as lost, because no caller receives it after a cancellation. Returns
    /// `Cancelled`, which the other entries receive.
    fn report_lost(&self, outcome: StackOutcome<E>) -> StackOutcome<E> {
        match outcome {
            StackOutcome::Failed(error) => self.lose_error(rescue::failed, rescue::CANCELLED, error),
            StackOutcome::Panicked(payload) => rescue::panicked(self.signal.named().name(), payload),
            StackOutcome::Completed | StackOutcome::FailedElsewhere | StackOutcome::Cancelled => {}
        }
        StackOutcome::Cancelled
    }

    /// Calls `report` with an error, and drops the error.
    fn lose_error(&self, report: fn(&'static str, Lost<'_>), what: &str, error: E) {
        let ended = Err(error);
        self.signal.named().report(report, what, &ended);
        user_code::discard(ended);
    }
}

/// Who receives an error of a manager after a cancellation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// The code that leaves the stack.
    Caller,
    /// The scope that stops the block of the stack. If there is none, the error is reported as lost.
    Scope,
}

impl Receiver {
    fn exists(self, cx: &Context<'_>) -> bool {
        self == Self::Caller || StopScope::stopping(cx.waker()).is_some()
    }
}

/// Polls the body of an entry that is being left. If a scope stops the block that leaves the stack, it does not stop this
/// exit phase.
fn poll_exit_phase<F: Future + ?Sized>(body: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
    let Some(around) = StopScope::of(cx.waker()) else { return body.poll(cx) };
    let polled = match around.mode() {
        StopMode::Stopping => StopScope::new(cx.waker(), StopMode::Leaving).poll(|cx| body.poll(cx)),
        StopMode::Running | StopMode::Leaving => body.poll(cx),
    };
    if polled.is_pending() {
        around.set_open();
    }
    polled
}

/// The open managers of a stack, the oldest first.
pub(crate) struct StackEntries<'env, E>(Mutex<Vec<StackEntry<'env, E>>>);

impl<'env, E> StackEntries<'env, E> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.0).len()
    }

    pub(crate) fn take(&mut self) -> Self {
        Self(Mutex::new(core::mem::take(&mut *lock(&self.0))))
    }

    /// Returns the entries, which the caller leaves or drops. No value that they lent is in use any more, because such
    /// a value would borrow the stack.
    fn get_mut(&mut self) -> &mut Vec<StackEntry<'env, E>> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves all entries, the youngest first, and returns the outcome after the last one. An entry stays in the list
    /// until it has been left, so that the order is kept if this future is dropped.
    ///
    /// This is not an `async fn`, because an `async fn` would store its arguments twice.
    pub(crate) fn leave(
        &mut self,
        outcome: StackOutcome<E>,
        receiver: Receiver,
    ) -> impl Future<Output = StackOutcome<E>> {
        // In a scope, an error replaces the cancellation, even if a manager then suppresses that error.
        let bypassing =
            outcome.bypassing().filter(|&outcome| outcome != Outcome::Cancelled || receiver == Receiver::Caller);
        let mut outcome = Some(outcome);
        async move {
            if matches!(outcome, Some(StackOutcome::Cancelled)) {
                let is_in_place = poll_fn(|cx| Poll::Ready(is_in_place(cx.waker()))).await;
                let mut rescues = self.drop_leaving_entry(is_in_place);
                poll_fn(|cx| rescues.poll(cx)).await;
            }
            while let Some(entry) = self.get_mut().last_mut() {
                let left = poll_fn(|cx| entry.poll_leave(&mut outcome, receiver, cx)).await;
                outcome = Some(left.unless_bypassed(bypassing));
                drop(self.get_mut().pop());
            }
            outcome.expect("each entry returns an outcome")
        }
    }

    /// Drops the entry whose leaving was interrupted by a drop, and returns its rescues.
    fn drop_leaving_entry(&mut self, is_in_place: bool) -> Rescues {
        if is_in_place {
            // All entries are dropped in place. Shielded ones are left after the rescues of the block.
            self.cancel();
        }
        let half_left = self.get_mut().last().is_some_and(|entry| entry.is_leaving);
        rescue::collect(&mut || panics::contain(|| drop(half_left.then(|| self.get_mut().pop()))))
    }

    /// Drops all entries, the youngest first. The block of each is cancelled. Their rescues run in the same order.
    ///
    /// An entry may hold an error that its block has not received. A panic of the destructor of this error is contained.
    pub(crate) fn cancel(&mut self) {
        rescue::sequentially(&mut || {
            while let Some(entry) = self.get_mut().pop() {
                panics::contain(|| drop(entry));
            }
        });
    }

    /// Enters `manager` and keeps it open.
    pub(crate) fn enter<'s, M, L, K>(&'s self, manager: Manager<M, L>) -> Entering<'s, 'env, E, K, L>
    where
        E: Send + 'env,
        M: Body<Future: Future<Output = OutputOf<L>> + Send + 'env> + Send + 'env,
        L: StackValue<K> + 'env,
        L::Exit: StackExit<E>,
        K: Stored<'s, Value = LentBy<'s, L>> + Send + 'env,
    {
        let signal = Arc::new(EntryShared::new(L::Exit::named(manager.body.name().named())));
        let body = Box::pin(run_entry(manager, Arc::clone(&signal)));
        Entering { entries: self, entry: Some((body, signal)), own_error: L::Exit::own_error }
    }
}

/// The future of [`AsyncExitStack::enter`](crate::AsyncExitStack::enter): returns the lent value, which is stored as a `K`.
/// `L` is the contract of the manager, which names the type of the value.
///
/// The lent value has no parameter of its own. The compiler could not prove then that two of these in one future, as in
/// `try_join!`, are `Send`.
#[must_use = "the manager is entered only when this is awaited"]
pub struct Entering<'s, 'env, E, K, L: Contract> {
    entries: &'s StackEntries<'env, E>,
    /// `None` if the manager has been entered.
    entry: Option<(BoxedBody<'env, E>, Arc<EntryShared<K, E>>)>,
    /// Returns the error of a manager that has failed.
    own_error: fn(E) -> <OutputOf<L> as BodyOutput>::Error,
}

// The body is pinned on the heap.
impl<E, K, L: Contract> Unpin for Entering<'_, '_, E, K, L> {}

impl<'s, 'env, E, K, L> Future for Entering<'s, 'env, E, K, L>
where
    E: Send + 'env,
    K: Stored<'s, Value = LentBy<'s, L>> + Send + 'env,
    L: Lends<'s, 's>,
{
    type Output = Entered<L::Exit, LentBy<'s, L>>;

    /// # Panics
    ///
    /// Panics if the manager does, or if it is polled after its end.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (mut body, signal) = self.entry.take().expect("the future of `enter` was polled after completion");
        let scope = StopScope::of(cx.waker());
        let was_open = scope.is_some_and(StopScope::is_open);
        let ended = body.as_mut().poll(cx);
        let entered = match (ended, signal.take_value()) {
            (Poll::Pending, None) => {
                self.entry = Some((body, signal));
                return Poll::Pending;
            }
            (Poll::Pending, Some(value)) => {
                // From now on, the stack is what a stop must leave.
                scope.inspect(|scope| scope.restore_open(was_open));
                assert!(!K::BORROWS || signal.keeps_marker(), "{}", MayBeGone(signal.named.name()));
                lock(&self.entries.0).push(StackEntry { body, signal, is_leaving: false });
                // SAFETY: the manager has lent the value, and its marker has not dropped the block, because that would
                // have taken the value back (`ValueGuard`). If the value borrows, the marker has not been leaked
                // either, because the body keeps it (`keeps_marker`). The value therefore stays lent until the body is
                // polled again or dropped. That needs the entries by `&mut` or by value, which is only possible after
                // `'s`. If the entry is moved, the body stays where it is on the heap.
                Ok(unsafe { value.give() })
            }
            (Poll::Ready(Err(error)), _) => Err(error),
            (Poll::Ready(Ok(())), _) => {
                let name = signal.named.name();
                panic!("`{name}` dropped its block on entry and succeeded, so it has no value: return an `Err`")
            }
        };
        Poll::Ready(<OutputOf<L>>::value(entered.map_err(self.own_error)))
    }
}

/// The panic message for a marker in a future that other code may have leaked. What it has lent may then be gone.
struct MayBeGone(&'static str);

impl fmt::Display for MayBeGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0;
        write!(
            f,
            "an exit stack can't return the reference that `{name}` lends: its `yield!`, or that of a manager around it, is \
             in an `async` block or in another macro; move that `yield!` out"
        )
    }
}

impl<E> Drop for StackEntries<'_, E> {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// The body of an entry: a `with!` whose block waits for the signal to end.
///
/// This is not an `async fn`, and the body is started in place, because an `async fn` would store the manager twice.
fn run_entry<M, L, K, E>(manager: Manager<M, L>, signal: Arc<EntryShared<K, E>>) -> impl Future<Output = Result<(), E>>
where
    M: Body<Future: Future<Output = OutputOf<L>>>,
    L: StackValue<K>,
    L::Exit: StackExit<E>,
{
    let mut in_place = InPlace::new(manager.body);
    async move {
        // SAFETY: `in_place` is a variable that this future has captured. The future is pinned, and does not move it.
        let body = unsafe { in_place.body() };
        let (manager, opened) = open::<_, L, _, _, Infallible, Infallible, _>(Manager::with_body(body));
        let kept = ValueToken::new();
        let first = BorrowToken::new();
        let second = BorrowToken::inside(&first);
        let frame = opened.until(&second, &kept);
        let block = async {
            let _lent = signal.put(L::store(frame.value()));
            Left { result: signal.ended().await, named: signal.named }
        };
        match run(manager, &frame, &*signal, block, 0, || GENERIC).await {
            End::Value(value) => into_return::<L::Exit, E>(value),
            End::Return(left) => left.result,
            End::Jump(never) => match never {},
        }
    }
}

/// Returns the result of a manager that has ended its block itself: its error, or `Ok(())`.
fn into_return<X: StackExit<E>, E>(value: Value<ShapeOf<X>, Infallible>) -> Result<(), E> {
    <X::Output as BodyOutput>::result(value).map(|_nothing| ()).map_err(X::error)
}
