//! Only the compiler knows that these types are invariant.

use std::cell::Cell;

use async_context_manager::async_context_manager;

struct Slots<'s>(Cell<Option<&'s str>>);

#[async_context_manager(shielded)]
async fn slots() -> Slots<'_> {
    r#yield!(Slots(Cell::new(None)));
}

#[async_context_manager(shielded)]
async fn behind_a_reference() -> Result<&Cell<Option<&str>>, String> {
    r#yield!(&Cell::new(None));
    Ok(())
}

fn main() {}
