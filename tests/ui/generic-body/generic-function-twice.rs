//! Why a body is not generic over its block, 4: if the function were generic, one closure could not make managers for
//! two blocks, and one manager could not be for either of two blocks.

use std::future::{Future, ready};

struct Manager<F, B>(F, fn(B));

fn lease<B: Future>() -> Manager<impl Future, B> {
    Manager(ready(()), drop::<B>)
}

fn enter<F, B>(_manager: Manager<F, B>, _block: B) {}

fn main() {
    let make = || lease();
    enter(make(), async { 1 });
    enter(make(), async { 2 });
}
