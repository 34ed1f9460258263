//! Managers that are entered by hand and held open: the entries of an exit stack.

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
use super::header::Route;
use super::unfinished::is_in_place;
use super::{Body, Link, Within, run};
use crate::exit::{Catch, Exit, Suppress, TakesFrom};
use crate::foreign;
use crate::handoff::{End, Kept, Loan};
use crate::layer::{ShapeOf, Value};
use crate::lend::Lent;
use crate::manager::{Manager, OutputOf};
use crate::named::Named;
use crate::outcome::Outcome;
use crate::output::Ending;
use crate::panics::{self, Parcel, Payload};
use crate::rescue::{self, Lost, Rescues};
use crate::scope::open;
use crate::verdict::{MayFail, Verdict};

/// What is under way while a stack is left.
pub(crate) enum Flight<E> {
    Completed,
    Failed(E),
    Panicked(Payload),
    Cancelled,
}

impl<E> Flight<E> {
    /// What is told of an error that was under way before.
    const fn replaces(&self) -> &'static str {
        match self {
            Self::Panicked(_) => "panicked, and its panic replaced an error",
            Self::Failed(_) => "failed, and its error replaced another one",
            Self::Completed | Self::Cancelled => "dropped its block and suppressed an error",
        }
    }
}

type BoxedBody<'env, E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send + 'env>>;

/// An entered manager: its body, which waits at its marker, and the line to its block, which waits to be told its end.
pub(crate) struct Entry<'env, E> {
    body: BoxedBody<'env, E>,
    line: Arc<dyn Line<E> + Send + Sync + 'env>,
    is_leaving: bool,
}

impl<E> Entry<'_, E> {
    /// Leaves the manager: what is under way afterwards. One that is leaving already goes on.
    fn poll_leave(&mut self, flight: &mut Option<Flight<E>>, cx: &mut Context<'_>) -> Poll<Flight<E>> {
        if let Some(flight) = flight.take_if(|_| !replace(&mut self.is_leaving, true)) {
            self.line.end(flight);
        }
        let flight = match panics::catch(|| self.body.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => Flight::Completed,
            Ok(Poll::Ready(Err(error))) => Flight::Failed(error),
            Err(payload) => Flight::Panicked(payload),
        };
        if self.line.is_cancelled() {
            return Poll::Ready(self.lose(flight));
        }
        Poll::Ready(match self.line.take_flight() {
            Some(before) => self.meet(before, flight),
            None => flight,
        })
    }

    /// The manager has dropped its block, which does not know what is under way: that is still under way then.
    fn meet(&self, before: Flight<E>, after: Flight<E>) -> Flight<E> {
        match (before, after) {
            (Flight::Panicked(payload), after) => {
                self.replace_by_panic(after);
                Flight::Panicked(payload)
            }
            (Flight::Failed(error), after) => {
                self.lose_error(rescue::replaced, after.replaces(), error);
                after
            }
            (Flight::Completed | Flight::Cancelled, after) => after,
        }
    }

    /// What the manager came to is lost, as a panic was under way.
    fn replace_by_panic(&self, flight: Flight<E>) {
        match flight {
            Flight::Failed(error) => self.lose_error(rescue::failed, rescue::PANICKING, error),
            Flight::Panicked(payload) => {
                rescue::replaced_panic(
                    self.line.named().name(),
                    "panicked while another panic was under way",
                    Parcel::new(payload),
                );
            }
            Flight::Completed | Flight::Cancelled => {}
        }
    }

    /// After a cancellation there is nobody to be told, and the others are told of that.
    fn lose(&self, flight: Flight<E>) -> Flight<E> {
        match flight {
            Flight::Failed(error) => self.lose_error(rescue::failed, rescue::CANCELLED, error),
            Flight::Panicked(payload) => rescue::panicked(self.line.named().name(), payload),
            Flight::Completed | Flight::Cancelled => {}
        }
        Flight::Cancelled
    }

    /// Has `tell` tell of an error, and drops it.
    fn lose_error(&self, tell: fn(&'static str, Lost<'_>), what: &str, error: E) {
        let ended = Err(error);
        self.line.named().tell(tell, what, &ended);
        foreign::discard(ended);
    }
}

/// The open managers of a stack, the oldest first.
pub(crate) struct Entries<'env, E>(Mutex<Vec<Entry<'env, E>>>);

impl<'env, E> Entries<'env, E> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.0).len()
    }

    pub(crate) fn take(&mut self) -> Self {
        Self(Mutex::new(core::mem::take(&mut *lock(&self.0))))
    }

    /// The entries, to be left or dropped. Nothing that they lent is in use any more: that would borrow the stack.
    fn get_mut(&mut self) -> &mut Vec<Entry<'env, E>> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves all, the youngest first: what is under way afterwards. The one under way stays where it is until it has
    /// been left, so that the order is kept when this is dropped.
    ///
    /// It is no `async fn`, which would have room for its arguments twice.
    pub(crate) fn leave(&mut self, flight: Flight<E>) -> impl Future<Output = Flight<E>> {
        let mut flight = Some(flight);
        async move {
            if matches!(flight, Some(Flight::Cancelled)) {
                let mut rescues = poll_fn(|cx| Poll::Ready(self.end_half_left(cx.waker()))).await;
                poll_fn(|cx| rescues.poll(cx)).await;
            }
            while let Some(entry) = self.get_mut().last_mut() {
                flight = Some(poll_fn(|cx| entry.poll_leave(&mut flight, cx)).await);
                drop(self.get_mut().pop());
            }
            flight.expect("each entry gives what is under way after it")
        }
    }

    /// Drops the entry that somebody was leaving who was dropped: what is left of it.
    fn end_half_left(&mut self, waker: &Waker) -> Rescues {
        if is_in_place(waker) {
            // Each is dropped in place, and what is shielded is left after what is left of the block.
            self.cancel();
        }
        let half_left = self.get_mut().last().is_some_and(|entry| entry.is_leaving);
        rescue::collect(&mut || drop(half_left.then(|| self.get_mut().pop())))
    }

    /// Tells each that its block was dropped, the youngest first. What has to be rescued is left in that order.
    pub(crate) fn cancel(&mut self) {
        rescue::in_turn(&mut || while self.get_mut().pop().is_some() {});
    }

    /// Enters `manager` and holds it.
    pub(crate) fn enter<'s, M, L, K, V>(
        &'s self,
        manager: Manager<M, L>,
    ) -> Entering<'s, 'env, E, K, V, <OutputOf<L> as Ending>::Value<V>>
    where
        E: Send + 'env,
        M: Body<Future: Future<Output = OutputOf<L>> + Send + 'env> + Send + 'env,
        L: Holds<K> + 'env,
        L::Exit: HeldExit<E>,
        K: Held<'s, Value = V> + Send + 'env,
    {
        let line = Arc::new(Shared::new(L::Exit::named(manager.body.name().named())));
        let body = Box::pin(hold(manager, Arc::clone(&line)));
        Entering { entries: self, entry: Some((body, line)), entered: L::Exit::entered }
    }
}

/// The future of [`AsyncExitStack::enter`](crate::AsyncExitStack::enter): gives what the manager lends, `V`, as an
/// `Output`.
#[must_use = "the manager is entered when this is awaited"]
pub struct Entering<'s, 'env, E, K, V, Output> {
    entries: &'s Entries<'env, E>,
    /// Nothing when it has been entered.
    entry: Option<(BoxedBody<'env, E>, Arc<Shared<K, E>>)>,
    entered: fn(Result<V, E>) -> Output,
}

// What it holds is pinned on the heap.
impl<E, K, V, Output> Unpin for Entering<'_, '_, E, K, V, Output> {}

impl<'s, 'env, E, K, V, Output> Future for Entering<'s, 'env, E, K, V, Output>
where
    E: Send + 'env,
    K: Held<'s, Value = V> + Send + 'env,
{
    type Output = Output;

    /// # Panics
    ///
    /// As the manager does, and when it is polled after its end.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output> {
        let (mut body, line) = self.entry.take().expect("a manager is entered once");
        let ended = body.as_mut().poll(cx);
        let entered = match (ended, line.take_value()) {
            (Poll::Pending, None) => {
                self.entry = Some((body, line));
                return Poll::Pending;
            }
            (Poll::Pending, Some(value)) => {
                assert!(!K::BORROWS || line.is_inline(), "{}", NotInline(line.named.name()));
                lock(&self.entries.0).push(Entry { body, line, is_leaving: false });
                // SAFETY: the manager has lent it, and its marker has not dropped the block, which would have taken it
                // back (`OnLoan`); nor has it been leaked, if anything is borrowed, as the body itself waits at it. So
                // the value is lent until the body is polled again or dropped. That is for those who have the entries
                // as `&mut` or as their own, and so after `'s`. Where the entry is moved, the body stays where it is.
                Ok(unsafe { value.give() })
            }
            (Poll::Ready(Err(error)), _) => Err(error),
            (Poll::Ready(Ok(())), _) => {
                let name = line.named.name();
                panic!("`{name}` dropped its block while it was entered: it has nothing to give")
            }
        };
        Poll::Ready((self.entered)(entered))
    }
}

/// Somebody else than the body may have the marker, and may have leaked it: then what it has lent is gone.
struct NotInline(&'static str);

impl fmt::Display for NotInline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0;
        write!(
            f,
            "`{name}` lends a reference, and its `yield!` stands in an `async` block or in another macro: an exit stack \
             can't give that out"
        )
    }
}

impl<E> Drop for Entries<'_, E> {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// The body of an entry: a `with!` whose block waits to be told how it ended.
async fn hold<M, L, K, E>(manager: Manager<M, L>, line: Arc<Shared<K, E>>) -> Result<(), E>
where
    M: Body<Future: Future<Output = OutputOf<L>>>,
    L: Holds<K>,
    L::Exit: HeldExit<E>,
{
    let (manager, opened) = open::<_, _, _, _, Infallible, Infallible, _>(manager);
    let kept = Kept::new();
    let first = Loan::new();
    let second = Loan::inside(&first);
    let handoff = opened.until(&second, &kept);
    let block = async {
        let _lent = line.put(L::hold(handoff.value()));
        Left { result: line.ended().await, named: line.named }
    };
    match run(manager, &handoff, &*line, block, 0).await {
        End::Value(value) => settle::<L::Exit, E>(value),
        End::Return(left) => left.result,
        End::Jump(never) => match never {},
    }
}

/// What the block of an entry comes to. Its error is shown as one of the manager.
struct Left<E> {
    result: Result<(), E>,
    named: Named<Result<(), E>>,
}

impl<E> Verdict<i32> for Left<E> {
    type Kind = MayFail;
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

/// What a manager came to that has ended its block itself: an error, or nothing.
fn settle<X: HeldExit<E>, E>(value: Value<ShapeOf<X>, Infallible>) -> Result<(), E> {
    <X::Output as Ending>::split(value).map(|_nothing| ()).map_err(X::error)
}

/// The line between a stack and the block of one of its entries.
trait Line<E> {
    /// Ends the block.
    fn end(&self, flight: Flight<E>);

    /// The block was ended by a cancellation.
    fn is_cancelled(&self) -> bool;

    /// What the block has not been told of.
    fn take_flight(&self) -> Option<Flight<E>>;

    /// Returns the name of the manager, and how an error is shown.
    fn named(&self) -> Named<Result<(), E>>;
}

struct Shared<K, E> {
    /// Of the manager.
    named: Named<Result<(), E>>,
    state: Mutex<State<K, E>>,
}

struct State<K, E> {
    value: Option<K>,
    /// The marker of the manager stands in its body itself.
    inline: bool,
    flight: Option<Flight<E>>,
    is_cancelled: bool,
    waker: Option<Waker>,
}

impl<K, E> Shared<K, E> {
    fn new(named: Named<Result<(), E>>) -> Self {
        let state = State { value: None, inline: false, flight: None, is_cancelled: false, waker: None };
        Self { named, state: Mutex::new(state) }
    }

    /// Puts the value where it is found, as long as the block is there.
    fn put(&self, value: K) -> OnLoan<'_, K, E> {
        lock(&self.state).value = Some(value);
        OnLoan(self)
    }

    fn is_inline(&self) -> bool {
        lock(&self.state).inline
    }

    fn take_value(&self) -> Option<K> {
        lock(&self.state).value.take()
    }

    /// The end of the block.
    async fn ended(&self) -> Result<(), E> {
        let flight = poll_fn(|cx| {
            let mut state = lock(&self.state);
            if let Some(flight) = state.flight.take() {
                return Poll::Ready(flight);
            }
            // The body polls the block when the stack polls the body, unless it has the marker in something that polls
            // only what was woken.
            if state.inline {
                return Poll::Pending;
            }
            // Nothing of the waker's runs under the lock.
            drop(state);
            let waker = foreign::clone(cx.waker());
            let before = replace(&mut lock(&self.state).waker, waker);
            foreign::discard(before);
            Poll::Pending
        });
        match flight.await {
            Flight::Completed | Flight::Cancelled => Ok(()),
            Flight::Failed(error) => Err(error),
            Flight::Panicked(payload) => panics::resume(payload),
        }
    }
}

impl<K, E> Within for &Shared<K, E> {
    fn outcome(&self) -> Option<Outcome> {
        self.is_cancelled().then_some(Outcome::Cancelled)
    }

    fn lent(&self, route: Route) {
        lock(&self.state).inline = route != Route::Detached;
    }

    fn wants_marker(&self) -> bool {
        false
    }
}

/// Takes the value back, if nobody has come for it: a manager may drop its block in the poll in which it has lent.
struct OnLoan<'l, K, E>(&'l Shared<K, E>);

impl<K, E> Drop for OnLoan<'_, K, E> {
    fn drop(&mut self) {
        drop(self.0.take_value());
    }
}

impl<K, E> Line<E> for Shared<K, E> {
    fn end(&self, flight: Flight<E>) {
        let mut state = lock(&self.state);
        state.is_cancelled = matches!(flight, Flight::Cancelled);
        state.flight = Some(flight);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(foreign::wake);
    }

    fn is_cancelled(&self) -> bool {
        lock(&self.state).is_cancelled
    }

    fn take_flight(&self) -> Option<Flight<E>> {
        lock(&self.state).flight.take()
    }

    fn named(&self) -> Named<Result<(), E>> {
        self.named
    }
}

/// Nothing under these locks panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a manager on a stack with the error type `E` may end.
#[diagnostic::on_unimplemented(
    message = "the managers of an exit stack must fail with its error type",
    label = "this one ends in `{Self}`, and the errors of the stack are `{E}`",
    note = "convert the error: `with!` it in a manager function of your own that fails with `{E}`, and enter that"
)]
pub trait HeldExit<E>: Exit<Caught: Send> + TakesFrom<Result<(), E>, i32> {
    /// The manager's own error, for the stack.
    fn error(error: <Self::Output as Ending>::Error) -> E;

    /// How the manager knows an error of the stack.
    fn named(named: Named<Self::Output>) -> Named<Result<(), E>>;

    /// What entering gives.
    fn entered<V>(result: Result<V, E>) -> <Self::Output as Ending>::Value<V>;
}

impl<E> HeldExit<E> for () {
    fn error(error: Infallible) -> E {
        match error {}
    }

    fn named(named: Named<()>) -> Named<Result<(), E>> {
        Named::generic(named.name())
    }

    fn entered<V>(result: Result<V, E>) -> V {
        result.unwrap_or_else(|_| unreachable!("it can't fail"))
    }
}

impl<E> HeldExit<E> for Result<(), E> {
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

impl<E: Send> HeldExit<E> for Catch<E> {
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

impl<X: HeldExit<E>, E> HeldExit<E> for Suppress<X> {
    fn error(error: <X::Output as Ending>::Error) -> E {
        X::error(error)
    }

    fn named(named: Named<Self::Output>) -> Named<Result<(), E>> {
        X::named(named)
    }

    fn entered<V>(result: Result<V, E>) -> <X::Output as Ending>::Value<V> {
        X::entered(result)
    }
}

/// A manager whose value a stack can give out: as a `K`.
///
/// The value may borrow from the manager's locals in the way of a reference only, because references are known to be
/// covariant: nothing that lives shorter than the stack can be stored through them.
#[diagnostic::on_unimplemented(
    message = "an exit stack can't give out what this manager lends",
    label = "it lends a type of its own that borrows from its locals",
    note = "a stack gives out values that borrow nothing of the manager's, and `&T` and `&mut T` of what does not either",
    note = "where the number of managers is known, use `with!`"
)]
pub trait Holds<K>: for<'a, 'b> Lent<'a, 'b, Value: Send> {
    /// Keeps the value.
    fn hold(value: <Self as Lent<'_, '_>>::Value) -> K;
}

/// A value that is kept, and given out for as long as the stack is borrowed.
pub trait Held<'s> {
    /// As it is given out.
    type Value;
    /// Whether it may borrow from the manager.
    const BORROWS: bool;

    /// # Safety
    ///
    /// What it was made from is borrowed for `'s` by nobody else, and is not dropped or moved before the end of that.
    unsafe fn give(self) -> Self::Value;
}

/// A value that borrows nothing of the manager's.
#[derive(Debug)]
pub struct Owned<T>(T);

/// A `&T` of something that the manager has.
pub struct Ref<T: ?Sized>(Link<T>);

/// A `&mut T` of something that the manager has.
pub struct Mut<T: ?Sized>(Link<T>);

impl<L, T: Send> Holds<Owned<T>> for L
where
    L: for<'a, 'b> Lent<'a, 'b, Value = T>,
{
    fn hold(value: T) -> Owned<T> {
        Owned(value)
    }
}

impl<L, T: ?Sized + Sync> Holds<Ref<T>> for L
where
    L: for<'a, 'b> Lent<'a, 'b, Value = &'a T>,
{
    fn hold(value: &T) -> Ref<T> {
        Ref(Link(NonNull::from(value)))
    }
}

impl<L, T: ?Sized + Send> Holds<Mut<T>> for L
where
    L: for<'a, 'b> Lent<'a, 'b, Value = &'a mut T>,
{
    fn hold(value: &mut T) -> Mut<T> {
        Mut(Link(NonNull::from(value)))
    }
}

impl<T> Held<'_> for Owned<T> {
    type Value = T;
    const BORROWS: bool = false;

    unsafe fn give(self) -> T {
        self.0
    }
}

impl<'s, T: ?Sized + 's> Held<'s> for Ref<T> {
    type Value = &'s T;
    const BORROWS: bool = true;

    unsafe fn give(self) -> &'s T {
        // SAFETY: the caller says so.
        unsafe { self.0.0.as_ref() }
    }
}

impl<'s, T: ?Sized + 's> Held<'s> for Mut<T> {
    type Value = &'s mut T;
    const BORROWS: bool = true;

    unsafe fn give(mut self) -> &'s mut T {
        // SAFETY: the caller says so.
        unsafe { self.0.0.as_mut() }
    }
}
