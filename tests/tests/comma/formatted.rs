//! `rustfmt` formats a `with!` with a comma in place of the `=>`.

use async_context_manager::{nullcontext, with};
use tests::Log;
use tests::managers::{lends_name as lends, named as plain};

pub(super) async fn values(log: &Log) -> Result<usize, std::num::ParseIntError> {
    with!(plain(log, "a"), { log.add("block") });
    let number = with!(lends(log, "a") as _, nullcontext((1, 2)) as (a, b), {
        // A comment in the block.
        let sum: usize = a + b;
        if sum == 3 {
            return "3".parse::<usize>().map(|n| n + 13);
        }

        sum + 1 // another one
    },);
    let parsed = with!(nullcontext("5") as text, { text.parse::<usize>()? }) + number;
    with!(lends(log, "a") as name, nullcontext(&parsed) as &n, {
        with!(nullcontext(n) as m, {
            name.push('!');
            Ok(m)
        })
    })
}

pub(super) async fn wide_header(log: &Log) -> usize {
    let first_of_the_names =
        with!(lends(log, "the first of the managers") as first, lends(log, "the second of the managers") as second, {
            first.len().min(second.len()).min(5)
        });
    with!(
        lends(log, "the first of the managers") as _first,
        lends(log, "the second of the managers") as _second,
        plain(log, "the third"),
        {
            log.add("block");
        }
    );
    let not_formatted = with!(lends(log, "a")  as  name => {
      name.len()  +  3
    });
    first_of_the_names + not_formatted
}

pub(super) async fn patterns_that_are_not_types() -> usize {
    let sum = with!(nullcontext(5)  as  mut n, {
      n  +=  1;
      n
    });
    let length = with!(nullcontext(String::from("text"))  as  ref text, {  text.len() });
    sum + length
        + with!(nullcontext([1, 3])  as  [a, b], {
          a  +  b
        })
}
