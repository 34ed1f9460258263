//! Why a body is not generic over its block, 1: an attribute can't declare a type beside a function, because the
//! function may be in an `impl`.

struct Pool<T>(T);

impl<T> Pool<T> {
    struct Lease<T>(Pool<T>);

    fn lease(self) {}
}

fn main() {}
