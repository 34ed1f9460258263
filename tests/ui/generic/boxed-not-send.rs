use std::rc::Rc;

use async_context_manager::{BoxManager, async_context_manager, lent};

#[async_context_manager]
async fn counter(number: Rc<u32>) -> u32 {
    r#yield!(*number);
}

fn boxed(number: Rc<u32>) -> BoxManager<'static, lent::Owned<u32>> {
    counter(number).boxed()
}

fn main() {
    let _ = boxed(Rc::new(1));
}
