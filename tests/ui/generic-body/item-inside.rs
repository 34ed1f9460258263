//! Why a body is not generic over its block, 2: an item declared in a function can't use `Self` or the generics of the
//! function.

use std::future::Future;

struct Pool<T>(T);

impl<T> Pool<T> {
    fn lease(self) {
        async fn body<B: Future>(pool: Self, block: B) -> T {
            block.await;
            pool.0
        }
    }
}

fn main() {}
