//! What a manager lends to the block: locals, arguments, and things that borrow from them.

#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use async_context_manager::{async_context_manager, with};
use tests::{Log, block_on, yields};

#[derive(Debug, Default, PartialEq)]
struct Conn {
    sent: Vec<String>,
}

struct Tx<'c> {
    conn: &'c mut Conn,
    open: bool,
}

impl Tx<'_> {
    fn send(&mut self, text: &str) {
        self.conn.sent.push(text.to_string());
    }
}

mod locals {
    use super::*;

    #[async_context_manager]
    async fn reference(log: &Log) -> &mut Conn {
        let mut conn = Conn::default();
        r#yield!(&mut conn);
        log.add(format!("{:?}", conn.sent));
    }

    #[async_context_manager]
    async fn fallible(log: &Log) -> Result<&mut Conn, String> {
        let mut conn = Conn::default();
        yields(1).await;
        r#yield!(&mut conn);
        log.add(format!("{:?}", conn.sent));
        conn.sent.pop().map(drop).ok_or_else(|| "nothing sent".to_string())
    }

    #[async_context_manager]
    async fn owned_that_borrows(log: &Log) -> Tx<'_> {
        let mut conn = Conn::default();
        r#yield!(Tx { conn: &mut conn, open: true });
        log.add(format!("{:?}", conn.sent));
    }

    #[async_context_manager]
    async fn reference_to_one_that_borrows(log: &Log) -> &mut Tx<'_> {
        let mut conn = Conn::default();
        let mut tx = Tx { conn: &mut conn, open: true };
        r#yield!(&mut tx);
        tx.send("end");
        tx.open = false;
        log.add(format!("{:?} {}", tx.conn.sent, tx.open));
    }

    #[test]
    fn lends_a_reference() {
        let log = Log::new();
        block_on(async { with!(reference(&log) as conn => conn.sent.push("text".to_string())) });
        assert_eq!(log.take(), ["[\"text\"]"]);
    }

    #[test]
    fn lends_a_reference_over_awaits_of_the_block() {
        let log = Log::new();
        block_on(async {
            with!(reference(&log) as conn => {
                for n in 0..3 {
                    yields(1).await;
                    conn.sent.push(n.to_string());
                }
            });
        });
        assert_eq!(log.take(), ["[\"0\", \"1\", \"2\"]"]);
    }

    #[test]
    fn lends_a_reference_of_a_fallible_manager() {
        let log = Log::new();
        let value = block_on(async { with!(fallible(&log) as conn => conn.sent.push("text".to_string())) });
        assert_eq!((value, log.take()), (Ok(()), vec!["[\"text\"]".to_string()]));
        let value = block_on(async { with!(fallible(&log) as conn => conn.sent.len()) });
        assert_eq!((value, log.take()), (Err("nothing sent".to_string()), vec!["[]".to_string()]));
    }

    #[test]
    fn lends_an_owned_value_that_borrows() {
        let log = Log::new();
        let open = block_on(async {
            with!(owned_that_borrows(&log) as mut tx => {
                tx.send("text");
                tx.open
            })
        });
        assert!(open);
        assert_eq!(log.take(), ["[\"text\"]"]);
    }

    #[test]
    fn lends_a_mutable_reference_to_a_local_that_borrows_another() {
        let log = Log::new();
        block_on(async {
            with!(reference_to_one_that_borrows(&log) as tx => {
                tx.send("one");
                yields(1).await;
                tx.send("two");
            });
        });
        assert_eq!(log.take(), ["[\"one\", \"two\", \"end\"] false"]);
    }

    #[test]
    fn lends_a_slice_and_a_str() {
        #[async_context_manager]
        async fn text(log: &Log, n: usize) -> &str {
            let text = "text".repeat(n);
            r#yield!(&text[1..]);
            log.add(text);
        }
        #[async_context_manager]
        async fn slice() -> &mut [u8] {
            let mut list = [1, 2, 3];
            r#yield!(&mut list[1..]);
            assert_eq!(list, [1, 5, 3]);
        }
        let log = Log::new();
        let len = block_on(async {
            with!(text(&log, 2) as text, slice() as slice => {
                slice[0] = 5;
                text.len() + slice.len()
            })
        });
        assert_eq!((len, log.take()), (9, vec!["texttext".to_string()]));
    }

    #[test]
    fn lends_an_owned_guard() {
        #[async_context_manager]
        async fn guard(log: &Log) -> tests::OnDrop {
            r#yield!(log.on_drop("guard dropped"));
            log.add("exit");
        }
        let log = Log::new();
        block_on(async { with!(guard(&log) as _guard => log.add("block")) });
        assert_eq!(log.take(), ["block", "guard dropped", "exit"]);
        let guard = block_on(async { with!(guard(&log) as guard => guard) });
        assert_eq!(log.take(), ["exit"]);
        drop(guard);
        assert_eq!(log.take(), ["guard dropped"]);
    }

    #[test]
    fn lends_a_borrow_of_a_cell() {
        #[async_context_manager]
        async fn borrow(cell: &RefCell<Vec<u8>>) -> std::cell::RefMut<'_, Vec<u8>> {
            r#yield!(cell.borrow_mut());
            cell.borrow_mut().push(2);
        }
        let cell = RefCell::new(Vec::new());
        block_on(async { with!(borrow(&cell) as mut list => list.push(1)) });
        assert_eq!(cell.into_inner(), [1, 2]);
    }

    #[test]
    fn lends_a_cell_that_the_block_fills() {
        #[async_context_manager]
        async fn fill(log: &Log) -> &Cell<usize> {
            let cell = Cell::new(0);
            r#yield!(&cell);
            log.add(format!("{}", cell.get()));
        }
        let log = Log::new();
        block_on(async { with!(fill(&log) as cell => cell.set(5)) });
        assert_eq!(log.take(), ["5"]);
    }
}

mod objects {
    use super::*;
    use std::fmt::{Display, Write};

    #[test]
    fn lends_a_reference_to_a_trait_object() {
        #[async_context_manager]
        async fn get(n: u8) -> &dyn Display {
            let text = n.to_string();
            if n > 4 {
                r#yield!(&text);
            } else {
                panic!("too small");
            }
        }
        assert_eq!(block_on(async { with!(get(5) as shown => shown.to_string()) }), "5");
    }

    #[test]
    fn lends_a_mutable_reference_to_a_trait_object() {
        #[async_context_manager]
        async fn get(log: &Log) -> &mut dyn Write {
            let mut text = String::new();
            r#yield!(&mut text);
            log.add(text);
        }
        let log = Log::new();
        let result = block_on(async { with!(get(&log) as out => write!(out, "{}", 5)) });
        assert_eq!((result, log.take()), (Ok(()), vec!["5".to_string()]));
    }

    #[test]
    fn lends_a_boxed_function_that_borrows() {
        #[async_context_manager]
        async fn get(log: &Log) -> Box<dyn Fn(&str) -> usize + '_> {
            let base = "base".to_string();
            r#yield!(Box::new(|text| base.len() + text.len()));
            log.add(base);
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(get(&log) as measure => measure("text")) }), 8);
        assert_eq!(log.take(), ["base"]);
    }

    #[test]
    fn lends_a_function_that_gives_a_part_of_its_argument() {
        #[async_context_manager]
        async fn get() -> &dyn Fn(&str) -> &str {
            let start = 1;
            r#yield!(&move |text| &text[start..]);
        }
        assert_eq!(block_on(async { with!(get() as cut => cut("text").to_string()) }), "ext");
    }

    #[test]
    fn lends_a_function_pointer() {
        #[async_context_manager]
        async fn get() -> fn(&str) -> &str {
            r#yield!(str::trim);
        }
        assert_eq!(block_on(async { with!(get() as trim => trim(" text ")) }), "text");
    }

    #[test]
    fn lends_a_boxed_trait_object() {
        #[async_context_manager]
        async fn get() -> Box<dyn Display + Send> {
            r#yield!(Box::new(5));
        }
        assert_eq!(block_on(async { with!(get() as boxed => boxed) }).to_string(), "5");
    }

    #[test]
    fn lends_an_iterator_over_a_local() {
        #[async_context_manager]
        async fn get(log: &Log) -> Box<dyn Iterator<Item = &u8> + '_> {
            let list = vec![1, 2, 3];
            r#yield!(Box::new(list.iter().filter(|n| **n > 1)));
            log.add(format!("{list:?}"));
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(get(&log) as items => items.count()) }), 2);
        assert_eq!(log.take(), ["[1, 2, 3]"]);
    }

    #[test]
    fn lends_a_pinned_future() {
        #[async_context_manager]
        async fn get() -> std::pin::Pin<&mut (dyn Future<Output = u8> + '_)> {
            let text = "text".to_string();
            let mut future = std::pin::pin!(async {
                yields(2).await;
                u8::try_from(text.len()).unwrap()
            });
            r#yield!(future.as_mut());
        }
        assert_eq!(block_on(async { with!(get() as future => future.await) }), 4);
    }
}

mod lifetimes {
    use super::*;

    #[test]
    fn lends_a_generic_type_that_borrows_a_local() {
        #[async_context_manager]
        async fn get<'a, T: Clone>(item: &'a T, times: usize) -> (T, &Vec<&'a T>) {
            let list = vec![item; times];
            r#yield!((item.clone(), &list));
            assert_eq!(list.len(), times);
        }
        let text = "text".to_string();
        let (copy, reference) = block_on(async { with!(get(&text, 3) as (copy, list) => (copy, list[2])) });
        assert_eq!((copy.as_str(), reference), ("text", &text));
    }

    #[test]
    fn two_left_out_lifetimes_are_inferred() {
        #[async_context_manager]
        async fn get<'a>(map: &'a HashMap<String, u8>) -> HashMap<&str, &u8> {
            let copy: HashMap<&str, &u8> = map.iter().map(|(key, value)| (key.as_str(), value)).collect();
            r#yield!(copy);
        }
        let map = HashMap::from([("key".to_string(), 5)]);
        assert_eq!(block_on(async { with!(get(&map) as map => *map["key"]) }), 5);
    }

    #[test]
    fn three_left_out_lifetimes_are_inferred() {
        #[async_context_manager]
        async fn get(log: &Log) -> (&mut u8, &str, Tx<'_>) {
            let (mut n, text, mut conn) = (1, "text".to_string(), Conn::default());
            r#yield!((&mut n, &text, Tx { conn: &mut conn, open: true }));
            log.add(format!("{n} {text} {:?}", conn.sent));
        }
        let log = Log::new();
        block_on(async {
            with!(get(&log) as (n, text, mut tx) => {
                *n += 1;
                tx.send(text);
            });
        });
        assert_eq!(log.take(), ["2 text [\"text\"]"]);
    }

    #[test]
    fn four_left_out_lifetimes_are_inferred() {
        #[async_context_manager]
        async fn get() -> (&mut u8, &mut u16, &mut u32, &mut u64) {
            let mut numbers = (1, 2, 3, 4);
            r#yield!((&mut numbers.0, &mut numbers.1, &mut numbers.2, &mut numbers.3));
            assert_eq!(numbers, (2, 4, 6, 8));
        }
        block_on(async {
            with!(get() as (a, b, c, d) => {
                *a *= 2;
                *b *= 2;
                *c *= 2;
                *d *= 2;
            });
        });
    }

    #[test]
    fn four_left_out_lifetimes_that_nest_are_inferred() {
        #[async_context_manager]
        async fn get(log: &Log) -> &mut Vec<&mut Vec<&mut Tx<'_>>> {
            let mut conn = Conn::default();
            let mut tx = Tx { conn: &mut conn, open: true };
            let mut inner = vec![&mut tx];
            let mut outer = vec![&mut inner];
            r#yield!(&mut outer);
            log.add(format!("{:?}", outer[0][0].conn.sent));
        }
        let log = Log::new();
        block_on(async { with!(get(&log) as outer => outer[0][0].send("text")) });
        assert_eq!(log.take(), ["[\"text\"]"]);
    }

    #[test]
    fn named_lifetime_keeps_its_meaning() {
        #[async_context_manager]
        async fn get<'a>(log: &Log, text: &'a str) -> (&'a str, &str) {
            let local = text.to_uppercase();
            r#yield!((text, &local));
            log.add(local);
        }
        let (log, text) = (Log::new(), "text".to_string());
        let kept = block_on(async {
            with!(get(&log, &text) as (kept, local) => {
                log.add(local);
                kept
            })
        });
        assert_eq!((kept, log.take()), ("text", vec!["TEXT".to_string(), "TEXT".to_string()]));
    }

    #[test]
    fn static_lifetime_keeps_its_meaning() {
        #[async_context_manager]
        async fn get() -> &'static str {
            r#yield!("text");
        }
        assert_eq!(block_on(async { with!(get() as text => text) }), "text");
    }

    #[test]
    fn arguments_may_leave_their_lifetimes_out() {
        #[async_context_manager]
        async fn get(conn: &mut Conn, text: &str, tx: Option<&mut Tx<'_>>) -> Tx<'_> {
            conn.sent.push(text.to_string());
            r#yield!(Tx { conn: &mut *conn, open: tx.is_none() });
            conn.sent.push("end".to_string());
        }
        let mut conn = Conn::default();
        block_on(async {
            with!(get(&mut conn, "text", None) as mut tx => {
                assert!(tx.open);
                tx.send("block");
            });
        });
        assert_eq!(conn.sent, ["text", "block", "end"]);
    }

    #[test]
    fn lends_an_argument_that_is_reborrowed() {
        #[async_context_manager]
        async fn get(conn: &mut Conn) -> &mut Conn {
            r#yield!(conn);
        }
        let mut conn = Conn::default();
        block_on(async {
            with!(get(&mut conn) as conn => conn.sent.push("one".to_string()));
            with!(get(&mut conn) as conn => conn.sent.push("two".to_string()));
        });
        assert_eq!(conn.sent, ["one", "two"]);
    }

    #[test]
    fn lifetime_that_an_error_leaves_out_is_that_of_the_argument() {
        #[async_context_manager]
        async fn get(text: &str) -> Result<&mut u8, &str> {
            let mut local = text.parse().map_err(|_| text)?;
            r#yield!(&mut local);
            if local == 5 { Ok(()) } else { Err(&text[1..]) }
        }
        let texts = ["5", "15", "five"].map(String::from);
        let [a, b, c] = [0, 1, 2].map(|n| block_on(async { with!(get(&texts[n]) as number => *number) }));
        assert_eq!((a, b, c), (Ok(5), Err("5"), Err("five")));
    }

    #[test]
    fn lifetime_that_an_error_leaves_out_is_that_of_self() {
        struct Own(String);
        impl Own {
            #[async_context_manager]
            async fn get(&self, text: &str) -> Result<&mut usize, &str> {
                let mut local = text.len();
                r#yield!(&mut local);
                Err(&self.0)
            }
        }
        let own = Own("error".to_string());
        let value = block_on(async { with!(own.get("text") as len => *len) });
        assert_eq!(value, Err("error"));
    }

    #[test]
    fn lends_a_dynamic_object_in_a_named_type() {
        type Action<'a> = dyn FnMut(&str) + 'a;
        #[async_context_manager]
        async fn get(log: &Log) -> &mut Action<'_> {
            let mut seen = Vec::new();
            r#yield!(&mut |text| seen.push(text.len()));
            log.add(format!("{seen:?}"));
        }
        let log = Log::new();
        block_on(async { with!(get(&log) as action => action("text")) });
        assert_eq!(log.take(), ["[4]"]);
    }

    #[test]
    fn block_keeps_a_lent_reference_to_something_that_lives_longer() {
        #[async_context_manager]
        async fn get<'a>(texts: &'a [String]) -> &mut Vec<&'a str> {
            let mut list: Vec<&'a str> = texts.iter().map(String::as_str).collect();
            r#yield!(&mut list);
            assert!(list.is_empty());
        }
        let texts = ["a".to_string(), "b".to_string()];
        let kept: Vec<&str> = block_on(async { with!(get(&texts) as list => std::mem::take(list)) });
        assert_eq!(kept, ["a", "b"]);
    }
}

mod traits {
    use super::*;

    trait Source {
        #[async_context_manager]
        async fn get(&mut self, n: u8) -> Result<&mut Vec<u8>, String>;
    }

    struct Own(Vec<u8>);

    impl Source for Own {
        #[async_context_manager]
        async fn get(&mut self, n: u8) -> Result<&mut Vec<u8>, String> {
            self.0.push(n);
            r#yield!(&mut self.0);
            self.0.push(n);
            Ok(())
        }
    }

    async fn generic<S: Source>(source: &mut S) -> Result<usize, String> {
        with!(source.get(1) as list => {
            list.push(2);
            list.len()
        })
    }

    trait Pool {
        type Conn: std::fmt::Debug;
        type Error: From<String>;

        fn make(&self) -> Result<Self::Conn, Self::Error>;

        fn back(&self, conn: Self::Conn);

        /// Has a body, and so is there for all.
        #[async_context_manager]
        async fn get(&self) -> Result<&mut Self::Conn, Self::Error>
        where
            Self: Sized,
        {
            let mut conn = self.make()?;
            r#yield!(&mut conn);
            self.back(conn);
            Ok(())
        }
    }

    impl Pool for Log {
        type Conn = Vec<u8>;
        type Error = String;

        fn make(&self) -> Result<Self::Conn, String> {
            Ok(vec![1])
        }

        fn back(&self, conn: Self::Conn) {
            self.add(format!("{conn:?}"));
        }
    }

    #[test]
    fn manager_may_be_a_default_method_of_a_trait_with_associated_types() {
        let log = Log::new();
        let value = block_on(async { with!(log.get() as conn => { conn.push(2); conn.len() }) });
        assert_eq!((value, log.take()), (Ok(2), vec!["[1, 2]".to_string()]));
    }

    async fn through_any_pool<P: Pool>(pool: &P) -> Result<String, P::Error> {
        with!(pool.get() as conn => format!("{conn:?}"))
    }

    #[test]
    fn manager_may_be_a_generic_pool() {
        let log = Log::new();
        assert_eq!(block_on(through_any_pool(&log)), Ok("[1]".to_string()));
        assert_eq!(log.take(), ["[1]"]);
    }

    trait Lends {
        type Lent<'a>
        where
            Self: 'a;

        fn lend(&mut self) -> Self::Lent<'_>;
    }

    impl Lends for Vec<u8> {
        type Lent<'a> = std::slice::IterMut<'a, u8>;

        fn lend(&mut self) -> Self::Lent<'_> {
            self.iter_mut()
        }
    }

    #[async_context_manager]
    async fn lent<T: Lends + std::fmt::Debug>(log: &Log, mut lends: T) -> T::Lent<'_> {
        r#yield!(lends.lend());
        log.add(format!("{lends:?}"));
    }

    #[test]
    fn manager_may_be_a_generic_associated_type() {
        let log = Log::new();
        block_on(async { with!(lent(&log, vec![1, 2]) as items => items.for_each(|item| *item += 1)) });
        assert_eq!(log.take(), ["[2, 3]"]);
    }

    trait Named {
        fn name(&self) -> &str;
    }

    impl Named for Log {
        fn name(&self) -> &'static str {
            "log"
        }
    }

    impl dyn Named + '_ {
        #[async_context_manager]
        async fn shout(&self) -> &mut String {
            let mut name = self.name().to_uppercase();
            r#yield!(&mut name);
        }
    }

    #[test]
    fn manager_may_be_a_method_of_a_trait_object() {
        let (log, boxed): (_, Box<dyn Named>) = (Log::new(), Box::new(Log::new()));
        let object: &dyn Named = &log;
        assert_eq!(block_on(async { with!(object.shout() as name => name.clone()) }), "LOG");
        assert_eq!(block_on(async { with!(boxed.shout() as name => { name.push('!'); name.clone() }) }), "LOG!");
    }

    #[test]
    fn manager_may_be_a_method_of_a_trait() {
        let mut own = Own(Vec::new());
        assert_eq!(block_on(generic(&mut own)), Ok(2));
        assert_eq!(own.0, [1, 2, 1]);
    }
}
