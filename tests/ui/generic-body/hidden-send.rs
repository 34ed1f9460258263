//! Why a body is not generic over its block, 3: the compiler does not know whether the future of a generic method of an
//! opaque type is `Send`.

use std::future::Future;

trait Body {
    fn run<B: Future + Send>(self, block: B) -> impl Future<Output = ()>;
}

struct Lease;

impl Body for Lease {
    async fn run<B: Future + Send>(self, block: B) {
        block.await;
    }
}

fn lease() -> impl Body {
    Lease
}

fn main() {
    tokio::spawn(lease().run(async {}));
}
