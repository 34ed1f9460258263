//! A type parameter of a shielded manager needs the bounds `Send` and `'static`.

use std::fmt::Display;
use std::future::Future;

use async_context_manager::async_context_manager;

#[async_context_manager(shielded)]
async fn of<T>(value: T) {
    r#yield!();
    drop(value);
}

#[async_context_manager(shielded)]
async fn only_send<T: Send>(value: T) {
    r#yield!();
    drop(value);
}

#[async_context_manager(shielded)]
async fn any(what: impl Display) {
    r#yield!();
    drop(what);
}

#[async_context_manager(shielded)]
async fn calls<F: Future<Output = ()> + Send>(make: fn() -> F) {
    r#yield!();
    make().await;
}

#[async_context_manager(shielded, catch)]
async fn catches<E: Send>() -> Result<(), E> {
    r#yield!().into_result()
}

struct Owner<T>(T);

impl<T: Send> Owner<T> {
    #[async_context_manager(shielded)]
    async fn held(self) -> T {
        r#yield!(self.0);
    }
}

fn main() {}
