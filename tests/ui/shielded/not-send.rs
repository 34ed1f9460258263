//! A shielded manager may continue on another thread, so it must be `Send`.

use std::rc::Rc;

use async_context_manager::{async_context_manager, with};

#[async_context_manager(shielded)]
async fn holds() {
    let rc = Rc::new(5);
    r#yield!();
    drop(rc);
}

#[async_context_manager(shielded)]
async fn is_given(rc: Rc<u8>) {
    r#yield!();
    drop(rc);
}

#[async_context_manager(shielded)]
async fn lends() -> Rc<u8> {
    r#yield!(Rc::new(5));
}

#[async_context_manager(shielded)]
async fn fails() -> Result<(), Rc<u8>> {
    r#yield!();
    Ok(())
}

#[async_context_manager(shielded)]
async fn fails_with_any_error() -> Result<(), Box<dyn std::error::Error>> {
    r#yield!();
    Ok(())
}

#[async_context_manager(shielded, catch)]
async fn catches() -> Result<(), Rc<u8>> {
    r#yield!().into_result()
}

#[async_context_manager]
async fn plain() {
    let rc = Rc::new(5);
    r#yield!();
    drop(rc);
}

async fn by_method() {
    with!(plain().shielded() => {});
}

fn main() {}
