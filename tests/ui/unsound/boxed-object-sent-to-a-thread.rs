//! A closure for a thread must be `'static`, so it can't borrow a local of a manager.

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
