//! Why a body is not generic over its block, 3: the future of a generic method of an opaque type is not known to be
//! `Send`.

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
