//! Why a body is not generic over its block, 2: what is declared in a function knows neither `Self` nor the generics
//! around it.

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
