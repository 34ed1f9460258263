//! The attribute on other items. Markers in them are no further errors.

use async_context_manager::{async_context_manager, within};

struct Pool;

#[async_context_manager]
impl Pool {
    async fn get(&self) {
        r#yield!();
    }
}

#[async_context_manager]
mod managers {
    pub async fn get() {
        r#yield!();
    }
}

#[async_context_manager]
trait Source {
    async fn get(&self) {
        r#yield!();
    }
}

#[async_context_manager]
const LIMIT: u32 = 5;

#[within(pool())]
impl Pool {
    async fn used(&self) {}
}

fn main() {
    let _closure = #[async_context_manager]
    async |pool: u32| {
        r#yield!(pool);
    };
    let _ = (LIMIT, managers::get());
}
