//! What a thread is given is `'static`; a closure that borrows a local of a manager is not.

use std::thread::{self, JoinHandle};

use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn function() -> Box<dyn FnOnce() -> String + Send> {
    let local = String::from("local");
    r#yield!(Box::new(|| local.clone()));
}

async fn escape() -> JoinHandle<String> {
    with!(function() as function => thread::spawn(function))
}

fn main() {}
