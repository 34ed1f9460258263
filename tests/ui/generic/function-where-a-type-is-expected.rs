use async_context_manager::{AsyncContextManager, async_context_manager, with};

#[async_context_manager]
async fn counter() -> u32 {
    r#yield!(1);
}

async fn use_it<M: AsyncContextManager<Exit = ()> + 'static>(manager: M) {
    with!(manager => {});
}

fn main() {
    let _ = use_it(counter());
}
