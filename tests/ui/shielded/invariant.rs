//! Only the compiler knows that these types are invariant.

use std::cell::Cell;

use async_context_manager::async_context_manager;

struct Slots<'s>(Cell<Option<&'s str>>);

#[async_context_manager(shielded)]
async fn slots() -> Slots<'_> {
    r#yield!(Slots(Cell::new(None)));
}

struct Shared<'s>(std::sync::Mutex<&'s str>);

#[async_context_manager(shielded)]
async fn behind_a_reference() -> Result<&Shared<'_>, String> {
    r#yield!(&Shared(std::sync::Mutex::new("")));
    Ok(())
}

fn main() {}
