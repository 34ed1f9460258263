//! A shielded manager can't have a lifetime that the caller chooses.

use std::cell::Cell;
use std::marker::PhantomData;

use async_context_manager::{AsyncContextManager, Manager, Outcome, async_context_manager, with};

#[async_context_manager(shielded)]
async fn lent<'x>() -> &'x mut Vec<&'x str> {
    r#yield!(Box::leak(Box::default()));
}

#[async_context_manager(shielded)]
async fn behind<'x>() -> &mut Vec<&'x str> {
    r#yield!(&mut Vec::new());
}

#[async_context_manager(shielded, catch)]
async fn caught<'x>() -> Result<(), &'x str> {
    r#yield!().into_result()
}

struct Of<'x>(PhantomData<&'x str>);

impl<'x> Of<'x> {
    #[async_context_manager(shielded)]
    async fn function() -> &mut Vec<&'x str> {
        r#yield!(&mut Vec::new());
    }
}

trait Family {
    type Member<'m>: Send;
}

#[async_context_manager(shielded)]
async fn member<F: Family + 'static>(value: F::Member<'static>) -> F::Member<'_> {
    r#yield!(value);
}

struct Own<'x>(Cell<Option<&'x str>>);

impl<'x> AsyncContextManager for Own<'x> {
    type Value<'v>
        = &'v mut Cell<Option<&'x str>>
    where
        Self: 'v;
    type Exit = ();

    async fn enter(&mut self) -> &mut Cell<Option<&'x str>> {
        &mut self.0
    }

    async fn exit(&mut self, _outcome: Outcome) {}
}

async fn of_a_type() {
    let local = String::from("local");
    with!(Own(Cell::new(None)).into_manager().shielded() as kept => kept.set(Some(&local)));
}

fn for_any<M: AsyncContextManager + Send + 'static>(manager: M) {
    let _ = manager.into_manager().shielded();
}

fn is_a_manager<F, L>(_: Manager<F, L>) {}

fn main() {
    is_a_manager(lent());
}
