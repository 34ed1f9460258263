use async_context_manager::{AnyManager, lent, with};

async fn use_it(manager: impl AnyManager<lent::Owned<u32>, Exit = ()>) -> u32 {
    with!(manager as number => number + 1)
}

fn main() {
    let _ = use_it(5);
}
