//! A plain `yield!` under the attribute.

use async_context_manager::{async_context_manager, with};

/// Lends a number.
#[async_context_manager]
pub async fn number() -> &mut u32 {
    let mut number = 5;
    yield !(&mut number);
}

/// Lends it from within.
#[async_context_manager]
pub async fn outer() -> &mut u32 {
    with!(number() as number => {
        yield!(number);
    });
}

/// Uses it.
pub async fn user() -> u32 {
    with!(outer() as number => {
        *number += 1;
        *number
    })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn a_plain_yield() {
        let polled = pin!(super::user()).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(6));
    }
}
