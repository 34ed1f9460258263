use async_context_manager::{BoxManager, async_context_manager, lent};

#[async_context_manager]
async fn counter(number: &mut u32) -> &mut u32 {
    r#yield!(&mut *number);
}

fn boxed(number: &mut u32) -> BoxManager<'static, lent::Mut<u32>> {
    counter(number).boxed()
}

fn main() {
    let _ = boxed(&mut 1);
}
