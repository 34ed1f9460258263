//! Managers that are entered by a method call and kept open: the entries of an exit stack.

use core::convert::Infallible;
use core::fmt;
use core::future::{Future, poll_fn};
use core::mem::replace;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};
use std::boxed::Box;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use super::body::Name;
use super::cancel::is_in_place;
use super::header::Route;
use super::{Body, Enclosing, TaskPtr, run};
use crate::classify::{Classify, Fallible};
use crate::exit::{Catch, CatchesFrom, Exit, Suppress};
use crate::frame::{BorrowToken, End, ValueToken};
use crate::lend::Lends;
use crate::manager::{Manager, OutputOf};
use crate::named::Named;
use crate::outcome::Outcome;
use crate::output::BodyOutput;
use crate::panics::{self, Parcel, Payload};
use crate::rescue::{self, Lost, Rescues};
use crate::scope::open;
use crate::user_code;
use crate::value::{ShapeOf, Value};

/// The current outcome while a stack is left: the value that the next entry receives.
pub(crate) enum StackOutcome<E> {
    Completed,
    Failed(E),
    Panicked(Payload),
    Cancelled,
}

impl<E> StackOutcome<E> {
    /// Returns the text of the report about an error that this outcome replaces.
    const fn replaces(&self) -> &'static str {
        match self {
            Self::Panicked(_) => "panicked and replaced an earlier error",
            Self::Failed(_) => "failed and replaced an earlier error",
            Self::Completed | Self::Cancelled => "dropped its block and suppressed an earlier error",
        }
    }
}

type BoxedBody<'env, E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send + 'env>>;

/// An entered manager: its body, suspended at the marker, and the signal that ends its block.
pub(crate) struct StackEntry<'env, E> {
    body: BoxedBody<'env, E>,
    signal: Arc<dyn ExitSignal<E> + Send + Sync + 'env>,
    is_leaving: bool,
}

impl<E> StackEntry<'_, E> {
    /// Leaves the manager, or continues leaving it. Returns the outcome after it.
    fn poll_leave(&mut self, outcome: &mut Option<StackOutcome<E>>, cx: &mut Context<'_>) -> Poll<StackOutcome<E>> {
        if let Some(outcome) = outcome.take_if(|_| !replace(&mut self.is_leaving, true)) {
            self.signal.end(outcome);
        }
        let outcome = match panics::catch(|| self.body.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => StackOutcome::Completed,
            Ok(Poll::Ready(Err(error))) => StackOutcome::Failed(error),
            Err(payload) => StackOutcome::Panicked(payload),
        };
        if self.signal.is_cancelled() {
            return Poll::Ready(self.report_lost(outcome));
        }
        Poll::Ready(match self.signal.take_outcome() {
            Some(before) => self.combine(before, outcome),
            None => outcome,
        })
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
            (StackOutcome::Completed | StackOutcome::Cancelled, after) => after,
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
            StackOutcome::Completed | StackOutcome::Cancelled => {}
        }
    }

    /// Reports the outcome of a manager as lost, because no caller receives it after a cancellation. Returns
    /// `Cancelled`, which the other entries receive.
    fn report_lost(&self, outcome: StackOutcome<E>) -> StackOutcome<E> {
        match outcome {
            StackOutcome::Failed(error) => self.lose_error(rescue::failed, rescue::CANCELLED, error),
            StackOutcome::Panicked(payload) => rescue::panicked(self.signal.named().name(), payload),
            StackOutcome::Completed | StackOutcome::Cancelled => {}
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
    pub(crate) fn leave(&mut self, outcome: StackOutcome<E>) -> impl Future<Output = StackOutcome<E>> {
        let mut outcome = Some(outcome);
        async move {
            if matches!(outcome, Some(StackOutcome::Cancelled)) {
                let is_in_place = poll_fn(|cx| Poll::Ready(is_in_place(cx.waker()))).await;
                let mut rescues = self.drop_leaving_entry(is_in_place);
                poll_fn(|cx| rescues.poll(cx)).await;
            }
            while let Some(entry) = self.get_mut().last_mut() {
                outcome = Some(poll_fn(|cx| entry.poll_leave(&mut outcome, cx)).await);
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
        rescue::collect(&mut || drop(half_left.then(|| self.get_mut().pop())))
    }

    /// Drops all entries, the youngest first. The block of each is cancelled. Their rescues run in the same order.
    pub(crate) fn cancel(&mut self) {
        rescue::sequentially(&mut || while self.get_mut().pop().is_some() {});
    }

    /// Enters `manager` and keeps it open.
    pub(crate) fn enter<'s, M, L, K, V>(
        &'s self,
        manager: Manager<M, L>,
    ) -> Entering<'s, 'env, E, K, V, <OutputOf<L> as BodyOutput>::Value<V>>
    where
        E: Send + 'env,
        M: Body<Future: Future<Output = OutputOf<L>> + Send + 'env> + Send + 'env,
        L: StackValue<K> + 'env,
        L::Exit: StackExit<E>,
        K: Stored<'s, Value = V> + Send + 'env,
    {
        let signal = Arc::new(EntryShared::new(L::Exit::named(manager.body.name().named())));
        let body = Box::pin(run_entry(manager, Arc::clone(&signal)));
        Entering { entries: self, entry: Some((body, signal)), entered: L::Exit::entered }
    }
}

/// The future of [`AsyncExitStack::enter`](crate::AsyncExitStack::enter): returns the lent value, `V`, as an `Output`.
#[must_use = "the manager is entered only when this is awaited"]
pub struct Entering<'s, 'env, E, K, V, Output> {
    entries: &'s StackEntries<'env, E>,
    /// `None` if the manager has been entered.
    entry: Option<(BoxedBody<'env, E>, Arc<EntryShared<K, E>>)>,
    entered: fn(Result<V, E>) -> Output,
}

// The body is pinned on the heap.
impl<E, K, V, Output> Unpin for Entering<'_, '_, E, K, V, Output> {}

impl<'s, 'env, E, K, V, Output> Future for Entering<'s, 'env, E, K, V, Output>
where
    E: Send + 'env,
    K: Stored<'s, Value = V> + Send + 'env,
{
    type Output = Output;

    /// # Panics
    ///
    /// Panics if the manager does, or if it is polled after its end.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output> {
        let (mut body, signal) = self.entry.take().expect("the future of `enter` was polled after completion");
        let ended = body.as_mut().poll(cx);
        let entered = match (ended, signal.take_value()) {
            (Poll::Pending, None) => {
                self.entry = Some((body, signal));
                return Poll::Pending;
            }
            (Poll::Pending, Some(value)) => {
                assert!(!K::BORROWS || signal.is_inline(), "{}", NotInline(signal.named.name()));
                lock(&self.entries.0).push(StackEntry { body, signal, is_leaving: false });
                // SAFETY: the manager has lent the value, and its marker has not dropped the block, because that would
                // have taken the value back (`ValueGuard`). If the value borrows, the marker has not been leaked
                // either, because the body itself is suspended at it. The value therefore stays lent until the body is
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
        Poll::Ready((self.entered)(entered))
    }
}

/// The panic message for a marker that is not in the body itself. Other code may have leaked the marker, and then what
/// it has lent is gone.
struct NotInline(&'static str);

impl fmt::Display for NotInline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0;
        write!(
            f,
            "an exit stack can't return a reference that `{name}` lends in an `async` block or in another macro: move \
             its `yield!` out"
        )
    }
}

impl<E> Drop for StackEntries<'_, E> {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// The body of an entry: a `with!` whose block waits for the signal to end.
async fn run_entry<M, L, K, E>(manager: Manager<M, L>, signal: Arc<EntryShared<K, E>>) -> Result<(), E>
where
    M: Body<Future: Future<Output = OutputOf<L>>>,
    L: StackValue<K>,
    L::Exit: StackExit<E>,
{
    let (manager, opened) = open::<_, _, _, _, Infallible, Infallible, _>(manager);
    let kept = ValueToken::new();
    let first = BorrowToken::new();
    let second = BorrowToken::inside(&first);
    let frame = opened.until(&second, &kept);
    let block = async {
        let _lent = signal.put(L::store(frame.value()));
        Left { result: signal.ended().await, named: signal.named }
    };
    match run(manager, &frame, &*signal, block, 0).await {
        End::Value(value) => into_return::<L::Exit, E>(value),
        End::Return(left) => left.result,
        End::Jump(never) => match never {},
    }
}

/// The output of the block of an entry. Its error is formatted like an error of the manager.
struct Left<E> {
    result: Result<(), E>,
    named: Named<Result<(), E>>,
}

impl<E> Classify<i32> for Left<E> {
    type Kind = Fallible;
    type Error = E;

    fn failed(&self) -> bool {
        self.result.is_err()
    }

    fn without_error(self) -> Result<Self, E> {
        self.result.map(|()| Self { result: Ok(()), named: self.named })
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.named.show(&self.result, f)
    }
}

/// Returns the result of a manager that has ended its block itself: its error, or `Ok(())`.
fn into_return<X: StackExit<E>, E>(value: Value<ShapeOf<X>, Infallible>) -> Result<(), E> {
    <X::Output as BodyOutput>::split(value).map(|_nothing| ()).map_err(X::error)
}

/// The signal between a stack and the block of one of its entries.
trait ExitSignal<E> {
    /// Ends the block with this outcome.
    fn end(&self, outcome: StackOutcome<E>);

    /// Returns whether the block was ended by a cancellation.
    fn is_cancelled(&self) -> bool;

    /// Takes the outcome, if the block has not received it.
    fn take_outcome(&self) -> Option<StackOutcome<E>>;

    /// Returns the name of the manager, and the function that formats its error.
    fn named(&self) -> Named<Result<(), E>>;
}

struct EntryShared<K, E> {
    /// The name of the manager.
    named: Named<Result<(), E>>,
    state: Mutex<EntryState<K, E>>,
}

struct EntryState<K, E> {
    value: Option<K>,
    /// Whether the marker of the manager is in its body itself.
    inline: bool,
    outcome: Option<StackOutcome<E>>,
    is_cancelled: bool,
    waker: Option<Waker>,
}

impl<K, E> EntryShared<K, E> {
    fn new(named: Named<Result<(), E>>) -> Self {
        let state = EntryState { value: None, inline: false, outcome: None, is_cancelled: false, waker: None };
        Self { named, state: Mutex::new(state) }
    }

    /// Stores the value for `take_value`, until the returned guard is dropped with the block.
    fn put(&self, value: K) -> ValueGuard<'_, K, E> {
        lock(&self.state).value = Some(value);
        ValueGuard(self)
    }

    fn is_inline(&self) -> bool {
        lock(&self.state).inline
    }

    fn take_value(&self) -> Option<K> {
        lock(&self.state).value.take()
    }

    /// Waits for the end of the block, and returns its result.
    async fn ended(&self) -> Result<(), E> {
        let outcome = poll_fn(|cx| {
            let mut state = lock(&self.state);
            if let Some(outcome) = state.outcome.take() {
                return Poll::Ready(outcome);
            }
            // Each poll of the body by the stack also polls the block, except if the marker is in a future that polls
            // only what was woken.
            if state.inline {
                return Poll::Pending;
            }
            // The waker's functions must not run under the lock.
            drop(state);
            let waker = user_code::clone(cx.waker());
            let before = replace(&mut lock(&self.state).waker, waker);
            user_code::discard(before);
            Poll::Pending
        });
        match outcome.await {
            StackOutcome::Completed | StackOutcome::Cancelled => Ok(()),
            StackOutcome::Failed(error) => Err(error),
            StackOutcome::Panicked(payload) => panics::resume(payload),
        }
    }
}

impl<K, E> Enclosing for &EntryShared<K, E> {
    fn outcome(&self) -> Option<Outcome> {
        self.is_cancelled().then_some(Outcome::Cancelled)
    }

    fn has_lent(&self, route: Route) {
        lock(&self.state).inline = route != Route::Detached;
    }

    fn wants_marker(&self) -> bool {
        false
    }
}

/// Takes the value back if it was not taken: a manager may drop its block in the same poll in which it has lent.
struct ValueGuard<'l, K, E>(&'l EntryShared<K, E>);

impl<K, E> Drop for ValueGuard<'_, K, E> {
    fn drop(&mut self) {
        drop(self.0.take_value());
    }
}

impl<K, E> ExitSignal<E> for EntryShared<K, E> {
    fn end(&self, outcome: StackOutcome<E>) {
        let mut state = lock(&self.state);
        state.is_cancelled = matches!(outcome, StackOutcome::Cancelled);
        state.outcome = Some(outcome);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(user_code::wake);
    }

    fn is_cancelled(&self) -> bool {
        lock(&self.state).is_cancelled
    }

    fn take_outcome(&self) -> Option<StackOutcome<E>> {
        lock(&self.state).outcome.take()
    }

    fn named(&self) -> Named<Result<(), E>> {
        self.named
    }
}

/// Locks a mutex. Poisoning is ignored, because no code panics under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An exit type that a manager on a stack with the error type `E` may have.
#[diagnostic::on_unimplemented(
    message = "the managers of an exit stack must fail with the error type of the stack",
    label = "this one ends in `{Self}`, but the error type of the stack is `{E}`",
    note = "convert the error: enter a manager function that fails with `{E}` and has a `with!` of this one in its body"
)]
pub trait StackExit<E>: Exit<Caught: Send> + CatchesFrom<Result<(), E>, i32> {
    /// Converts the manager's own error into an error of the stack.
    fn error(error: <Self::Output as BodyOutput>::Error) -> E;

    /// Converts the name of the manager into one that formats errors of the stack.
    fn named(named: Named<Self::Output>) -> Named<Result<(), E>>;

    /// Converts the result of entering into the output of [`Entering`].
    fn entered<V>(result: Result<V, E>) -> <Self::Output as BodyOutput>::Value<V>;
}

impl<E> StackExit<E> for () {
    fn error(error: Infallible) -> E {
        match error {}
    }

    fn named(named: Named<()>) -> Named<Result<(), E>> {
        Named::generic(named.name())
    }

    fn entered<V>(result: Result<V, E>) -> V {
        result.unwrap_or_else(|_| unreachable!("this manager can't fail"))
    }
}

impl<E> StackExit<E> for Result<(), E> {
    fn error(error: E) -> E {
        error
    }

    fn named(named: Named<Self::Output>) -> Named<Result<(), E>> {
        named
    }

    fn entered<V>(result: Result<V, E>) -> Result<V, E> {
        result
    }
}

impl<E: Send> StackExit<E> for Catch<E> {
    fn error(error: E) -> E {
        error
    }

    fn named(named: Named<Self::Output>) -> Named<Result<(), E>> {
        named
    }

    fn entered<V>(result: Result<V, E>) -> Result<V, E> {
        result
    }
}

impl<X: StackExit<E>, E> StackExit<E> for Suppress<X> {
    fn error(error: <X::Output as BodyOutput>::Error) -> E {
        X::error(error)
    }

    fn named(named: Named<Self::Output>) -> Named<Result<(), E>> {
        X::named(named)
    }

    fn entered<V>(result: Result<V, E>) -> <X::Output as BodyOutput>::Value<V> {
        X::entered(result)
    }
}

/// A contract whose value a stack can return, stored as a `K`.
///
/// The value may only borrow from the manager's locals as a reference. References are known to be covariant, so the
/// caller cannot store anything through them that lives shorter than the stack.
#[diagnostic::on_unimplemented(
    message = "an exit stack can't return the value that this manager lends",
    label = "the lent type borrows from the manager's locals",
    note = "lend a value that borrows nothing from the manager, or a `&T` or a `&mut T` of one",
    note = "if the number of managers is known, use `with!` instead"
)]
pub trait StackValue<K>: for<'a, 'b> Lends<'a, 'b, Value: Send> {
    /// Converts the value into its stored form.
    fn store(value: <Self as Lends<'_, '_>>::Value) -> K;
}

/// A stored value, which is returned for as long as the stack is borrowed.
pub trait Stored<'s> {
    /// The value as it is returned.
    type Value;
    /// Whether the value may borrow from the manager.
    const BORROWS: bool;

    /// # Safety
    ///
    /// For `'s`, no other code may borrow what this value was made from, and it must not be dropped or moved.
    unsafe fn give(self) -> Self::Value;
}

/// A value that borrows nothing from the manager.
#[derive(Debug)]
pub struct Owned<T>(T);

/// A `&T` to data of the manager.
pub struct Ref<T: ?Sized>(TaskPtr<T>);

/// A `&mut T` to data of the manager.
pub struct Mut<T: ?Sized>(TaskPtr<T>);

impl<L, T: Send> StackValue<Owned<T>> for L
where
    L: for<'a, 'b> Lends<'a, 'b, Value = T>,
{
    fn store(value: T) -> Owned<T> {
        Owned(value)
    }
}

impl<L, T: ?Sized + Sync> StackValue<Ref<T>> for L
where
    L: for<'a, 'b> Lends<'a, 'b, Value = &'a T>,
{
    fn store(value: &T) -> Ref<T> {
        Ref(TaskPtr(NonNull::from(value)))
    }
}

impl<L, T: ?Sized + Send> StackValue<Mut<T>> for L
where
    L: for<'a, 'b> Lends<'a, 'b, Value = &'a mut T>,
{
    fn store(value: &mut T) -> Mut<T> {
        Mut(TaskPtr(NonNull::from(value)))
    }
}

impl<T> Stored<'_> for Owned<T> {
    type Value = T;
    const BORROWS: bool = false;

    unsafe fn give(self) -> T {
        self.0
    }
}

impl<'s, T: ?Sized + 's> Stored<'s> for Ref<T> {
    type Value = &'s T;
    const BORROWS: bool = true;

    unsafe fn give(self) -> &'s T {
        // SAFETY: guaranteed by the caller.
        unsafe { self.0.0.as_ref() }
    }
}

impl<'s, T: ?Sized + 's> Stored<'s> for Mut<T> {
    type Value = &'s mut T;
    const BORROWS: bool = true;

    unsafe fn give(mut self) -> &'s mut T {
        // SAFETY: guaranteed by the caller.
        unsafe { self.0.0.as_mut() }
    }
}
