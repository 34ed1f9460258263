use async_context_manager::{AnyManager, async_context_manager, lent, with};

#[async_context_manager]
async fn counter() -> &mut u32 {
    r#yield!(&mut 1);
}

async fn use_it(manager: impl AnyManager<lent::Owned<u32>, Exit = ()>) -> u32 {
    with!(manager as number => number + 1)
}

fn main() {
    let _ = use_it(counter());
}
