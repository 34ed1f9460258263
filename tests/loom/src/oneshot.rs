//! In place of the channel of tokio: the value of a task, or the news that there is none.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::sync::Mutex;

struct Shared<T> {
    value: Option<T>,
    is_closed: bool,
    waker: Option<Waker>,
}

pub(crate) struct Sender<T>(Arc<Mutex<Shared<T>>>);

pub(crate) struct Receiver<T>(Arc<Mutex<Shared<T>>>);

pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Mutex::new(Shared { value: None, is_closed: false, waker: None }));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    #[expect(clippy::unnecessary_wraps, reason = "as in tokio")]
    pub(crate) fn send(self, value: T) -> Result<(), T> {
        self.0.lock().unwrap().value = Some(value);
        Ok(())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut shared = self.0.lock().unwrap();
        shared.is_closed = true;
        let waker = shared.waker.take();
        drop(shared);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, ()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut shared = self.0.lock().unwrap();
        if shared.is_closed {
            return Poll::Ready(shared.value.take().ok_or(()));
        }
        shared.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
