//! What the programs of the matrix use: types that borrow, a manager to stand next to theirs, and an executor.

#![forbid(unsafe_code)]

pub use std::cell::{Cell, RefCell};
pub use std::convert::Infallible;
pub use std::fmt::Display;
pub use std::future::Future;
pub use std::pin::{Pin, pin};
pub use std::rc::Rc;
pub use std::str::Chars;
pub use std::sync::{Arc, LazyLock, Mutex, MutexGuard, mpsc};
pub use std::task::{Context, Poll, Waker};
pub use std::thread;

pub use async_context_manager::{AsyncExitStack, Outcome, async_context_manager, context_managers, with, within};

pub const TEXT: &str = "a text, which lies on the heap";

pub struct Tx<'c> {
    pub text: &'c str,
}

pub trait Say {
    fn say(&self) -> String;
}

impl Say for Tx<'_> {
    fn say(&self) -> String {
        self.text.to_string()
    }
}

impl Say for String {
    fn say(&self) -> String {
        self.clone()
    }
}

pub type Alias<'a> = Option<&'a String>;
pub type ConnResult<'a> = Result<&'a String, String>;
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;
pub type Kept<T> = Arc<Mutex<Vec<T>>>;

pub fn tx(text: &str) -> Tx {
    Tx { text }
}

pub fn boxed(text: &str) -> Box<dyn Fn() -> String> {
    let text = text.to_string();
    Box::new(move || text.clone())
}

#[async_context_manager]
pub async fn number() -> &u32 {
    let number = 5;
    r#yield!(&number);
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::yield_now(),
        }
    }
}
