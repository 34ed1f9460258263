//! Why a body is not generic over its block, 6: if the function were generic, its callers would have to name one more
//! type than its author declared.

use std::future::{Future, ready};

struct Manager<F, B>(F, fn(B));

fn lease<T: Default, B: Future>() -> Manager<impl Future<Output = T>, B> {
    Manager(ready(T::default()), drop::<B>)
}

fn enter<F, B>(_manager: Manager<F, B>, _block: B) {}

fn main() {
    enter(lease::<u32>(), async {});
}
