//! A crate without `std` and without an allocator that writes managers and uses them.

#![no_std]
#![forbid(unsafe_code)]

use async_context_manager::{AsyncContextManager, Outcome, Suppress, async_context_manager, with, within};

/// A peripheral.
#[derive(Debug, Default)]
pub struct Bus {
    /// What has been sent.
    pub sent: u32,
    /// How the last session ended.
    pub ended: Option<Outcome>,
}

/// A session on the bus, which it lends.
#[async_context_manager]
pub async fn session(bus: &mut Bus) -> Result<&mut u32, u8> {
    if bus.sent == u32::MAX {
        return Err(1);
    }
    bus.ended = None;
    let outcome = r#yield!(&mut bus.sent);
    bus.ended = Some(outcome);
    Ok(())
}

/// A session made of a session.
#[async_context_manager]
pub async fn outer(bus: &mut Bus) -> Result<&mut u32, u8> {
    with!(session(bus) as sent => {
        r#yield!(sent);
    })
}

/// A session that catches what went wrong in it.
#[async_context_manager(catch)]
pub async fn retried(bus: &mut Bus) -> Result<&mut u32, u8> {
    let outcome = r#yield!(&mut bus.sent);
    bus.ended = Some(if outcome.is_failed() { Outcome::Failed(()) } else { Outcome::Completed });
    outcome.into_result()
}

/// A session is open.
#[derive(Debug)]
pub struct Open<'b>(pub &'b mut Bus);

impl AsyncContextManager for Open<'_> {
    type Value<'v>
        = &'v mut u32
    where
        Self: 'v;
    type Exit = Suppress<()>;

    async fn enter(&mut self) -> &mut u32 {
        &mut self.0.sent
    }

    async fn exit(&mut self, outcome: Outcome) {
        self.0.ended = Some(outcome);
    }
}

/// Sends some in two ways.
///
/// # Errors
///
/// When the bus is full.
pub async fn send_twice(bus: &mut Bus, count: u32) -> Result<u32, u8> {
    let first = with!(Open(bus) as sent => {
        *sent = sent.checked_add(count).ok_or(3)?;
        *sent
    });
    let second = retried(bus)
        .scope(async |sent| {
            *sent = sent.checked_add(count).ok_or(4)?;
            Ok(*sent)
        })
        .await??;
    Ok(first.unwrap_or(0) + second)
}

/// Sends some.
///
/// # Errors
///
/// When the bus is full.
pub async fn send(bus: &mut Bus, count: u32) -> Result<u32, u8> {
    with!(outer(bus) as sent => {
        *sent = sent.checked_add(count).ok_or(2)?;
        *sent
    })
}

/// Sends one, in a session.
///
/// # Errors
///
/// When the bus is full.
#[within(outer(bus) as sent)]
pub async fn send_one(bus: &mut Bus) -> Result<(), u8> {
    *sent = sent.checked_add(1).ok_or(2)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::future::{Future, pending};
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: F) -> Poll<F::Output> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn runs() {
        let mut bus = Bus::default();
        assert_eq!(poll(send(&mut bus, 5)), Poll::Ready(Ok(5)));
        assert_eq!(bus.ended, Some(Outcome::Completed));
    }

    #[test]
    fn runs_within() {
        let mut bus = Bus { sent: u32::MAX - 1, ended: None };
        assert_eq!(poll(send_one(&mut bus)), Poll::Ready(Ok(())));
        assert_eq!(bus.ended, Some(Outcome::Completed));
        assert_eq!(poll(send_one(&mut bus)), Poll::Ready(Err(1)));
    }

    #[test]
    fn catches_and_opens() {
        let mut bus = Bus::default();
        assert_eq!(poll(send_twice(&mut bus, 5)), Poll::Ready(Ok(15)));
        assert_eq!(poll(send_twice(&mut bus, u32::MAX)), Poll::Ready(Err(3)));
        let mut bus = Bus::default();
        assert_eq!(poll(send_twice(&mut bus, u32::MAX)), Poll::Ready(Err(4)));
        assert_eq!(bus.ended, Some(Outcome::Failed(())));
    }

    #[test]
    fn sees_an_error() {
        let mut bus = Bus { sent: 1, ended: None };
        assert_eq!(poll(send(&mut bus, u32::MAX)), Poll::Ready(Err(2)));
        assert_eq!(bus.ended, Some(Outcome::Failed(())));
    }

    #[test]
    fn sees_a_cancellation() {
        let mut bus = Bus::default();
        assert!(poll(async { with!(outer(&mut bus) => pending::<()>().await) }).is_pending());
        assert_eq!(bus.ended, Some(Outcome::Cancelled));
    }

    #[test]
    fn is_send_where_the_marker_stands_by_itself() {
        fn send<T: Send>(_: &T) {}
        let (mut a, mut b) = (Bus::default(), Bus::default());
        send(&session(&mut a));
        send(&super::send(&mut b, 5));
    }

    /// No panic is caught: what was under way is dropped as any future is. (Where other packages are tested with this
    /// one, the crate has `std`, and then the session learns of the panic.)
    #[test]
    fn lets_a_panic_through() {
        let mut bus = Bus::default();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            poll(async { with!(session(&mut bus) => panic!("in the block")) })
        }));
        assert!(panicked.is_err());
        assert!(matches!(bus.ended, None | Some(Outcome::Panicked)), "{:?}", bus.ended);
    }
}
