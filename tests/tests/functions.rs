//! What the attribute stands on: functions and methods, their arguments, and what comes with them.

#![forbid(unsafe_code)]
#![allow(clippy::non_minimal_cfg, clippy::needless_arbitrary_self_type, reason = "they are what is tested")]

use async_context_manager::{async_context_manager, with};
use tests::{Log, block_on};

mod free_functions {
    use super::*;

    #[async_context_manager]
    async fn nothing() {
        r#yield!();
    }

    #[async_context_manager]
    async fn unit() -> () {
        r#yield!(());
    }

    #[async_context_manager]
    async fn value() -> u8 {
        r#yield!(5);
    }

    #[test]
    fn free_function_may_lend_nothing() {
        assert_eq!(block_on(async { with!(nothing() => 5) }), 5);
        block_on(async { with!(unit() as unit => assert_eq!(unit, ())) });
    }

    #[test]
    fn free_function_may_lend_a_value() {
        assert_eq!(block_on(async { with!(value() as n => n + 1) }), 6);
    }

    #[test]
    fn free_function_may_stand_in_a_function() {
        #[async_context_manager]
        async fn local(n: u8) -> u8 {
            r#yield!(n);
        }
        assert_eq!(block_on(async { with!(local(5) as n => n) }), 5);
    }

    #[test]
    fn free_function_runs_nothing_when_it_is_called() {
        #[async_context_manager]
        async fn logs(log: &Log) {
            log.add("enter");
            r#yield!();
        }
        let log = Log::new();
        let manager = logs(&log);
        assert!(log.take().is_empty());
        block_on(async { with!(manager => {}) });
        assert_eq!(log.take(), ["enter"]);
    }

    #[test]
    fn free_function_can_be_used_as_a_value() {
        let make = value;
        let managers = [(); 3].map(|()| make());
        let sum = block_on(async {
            let mut sum = 0;
            for manager in managers {
                with!(manager as n => sum += n);
            }
            sum
        });
        assert_eq!(sum, 15);
    }

    #[test]
    fn manager_is_shown_by_the_name_of_its_function() {
        assert_eq!(format!("{:?}", value()), "Manager { function: \"value\", .. }");
    }
}

mod visibility {
    use super::*;

    pub(crate) mod inner {
        use super::*;

        #[async_context_manager]
        pub async fn public() -> u8 {
            r#yield!(1);
        }

        #[async_context_manager]
        pub(crate) async fn of_the_crate() -> u8 {
            r#yield!(2);
        }

        #[async_context_manager]
        pub(super) async fn of_the_parent() -> u8 {
            r#yield!(3);
        }

        #[async_context_manager]
        pub(in crate::visibility) async fn of_a_path() -> u8 {
            r#yield!(4);
        }
    }

    #[test]
    fn manager_function_may_have_any_visibility() {
        let sum = block_on(async {
            with!(
                inner::public() as a, inner::of_the_crate() as b, inner::of_the_parent() as c, inner::of_a_path() as d
                => [a, b, c, d]
            )
        });
        assert_eq!(sum, [1, 2, 3, 4]);
    }
}

mod attributes {
    use super::*;

    /// A doc comment.
    ///
    /// With an example that is not run:
    ///
    /// ```ignore
    /// with!(documented() => {});
    /// ```
    #[doc(alias = "described")]
    #[inline]
    #[must_use]
    #[async_context_manager]
    async fn documented() -> u8 {
        r#yield!(5);
    }

    #[async_context_manager]
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "that it comes after is what is tested")]
    /// A doc comment that comes after.
    async fn attributed() -> u8 {
        r#yield!(5);
    }

    #[async_context_manager]
    #[allow(unused_variables, unused_mut, non_snake_case, reason = "they are what is tested")]
    async fn sloppy(mut Unused: u8) {
        let mut unused = 5;
        r#yield!();
    }

    #[cfg(all())]
    #[async_context_manager]
    async fn chosen() -> u8 {
        r#yield!(1);
    }

    #[cfg(any())]
    #[async_context_manager]
    async fn chosen() -> u8 {
        r#yield!(2);
    }

    #[async_context_manager]
    #[cfg(any())]
    async fn chosen() -> u8 {
        r#yield!(3);
    }

    #[async_context_manager]
    #[deprecated = "use another"]
    async fn old() -> u8 {
        r#yield!(5);
    }

    #[cfg_attr(all(), async_context_manager)]
    async fn conditional() -> u8 {
        r#yield!(5);
    }

    #[async_context_manager]
    async fn on_arguments(#[allow(unused, reason = "tested")] c: u8) -> u8 {
        r#yield!(1);
    }

    #[async_context_manager]
    async fn on_statements() -> u8 {
        #[cfg(any())]
        compile_error!("not compiled");
        #[allow(unused_mut, reason = "an attribute of a statement is what is tested")]
        let mut n = 5;
        r#yield!(n);
    }

    #[test]
    fn manager_function_may_have_any_attribute() {
        let value = block_on(async {
            with!(documented() as a, attributed() as b, sloppy(5), chosen() as c, conditional() as d => [a, b, c, d])
        });
        assert_eq!(value, [5, 5, 1, 5]);
    }

    #[test]
    #[allow(deprecated, reason = "it is what is tested")]
    fn manager_function_may_be_deprecated() {
        assert_eq!(block_on(async { with!(old() as n => n) }), 5);
    }

    mod conditional_arguments {
        use super::*;

        #[async_context_manager]
        async fn conditional(#[cfg(all())] a: u8, #[cfg(any())] b: u8) -> u8 {
            r#yield!(a);
        }

        #[test]
        fn of_arguments() {
            assert_eq!(block_on(async { with!(conditional(5) as n => n) }), 5);
        }
    }

    mod inner_ones {
        use super::*;

        #[async_context_manager]
        async fn inner() -> u8 {
            //! A doc comment.
            #![allow(unused_variables, reason = "an inner attribute is what is tested")]
            let unused = 5;
            r#yield!(5);
        }

        #[test]
        fn of_the_body() {
            assert_eq!(block_on(async { with!(inner() as n => n) }), 5);
        }
    }

    #[test]
    fn arguments_and_statements_may_have_attributes() {
        assert_eq!(block_on(async { with!(on_arguments(2) as n, on_statements() as m => n + m) }), 6);
    }
}

mod receivers {
    use super::*;
    use std::pin::{Pin, pin};
    use std::rc::Rc;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Own {
        log: Log,
        items: Vec<u8>,
    }

    impl Own {
        #[async_context_manager]
        async fn by_reference(&self) -> usize {
            r#yield!(self.items.len());
            self.log.add("exit");
        }

        #[async_context_manager]
        async fn by_mutable_reference(&mut self) -> &mut Vec<u8> {
            r#yield!(&mut self.items);
            self.log.add(format!("exit {:?}", self.items));
        }

        #[async_context_manager]
        async fn by_value(self) -> &Vec<u8> {
            r#yield!(&self.items);
            self.log.add("exit");
        }

        #[async_context_manager]
        async fn by_mutable_value(mut self) -> &mut Vec<u8> {
            self.items.push(1);
            r#yield!(&mut self.items);
            self.log.add(format!("exit {:?}", self.items));
        }

        #[async_context_manager]
        async fn by_arc(self: Arc<Self>) -> usize {
            r#yield!(Arc::strong_count(&self));
            self.log.add("exit");
        }

        #[async_context_manager]
        async fn by_reference_to_an_arc(self: &Arc<Self>) -> Arc<Self> {
            r#yield!(Arc::clone(self));
            self.log.add(format!("exit {}", Arc::strong_count(self)));
        }

        #[async_context_manager]
        async fn by_rc(self: Rc<Self>) -> Rc<Self> {
            r#yield!(Rc::clone(&self));
            self.log.add("exit");
        }

        #[async_context_manager]
        async fn by_box(mut self: Box<Self>) -> &mut Vec<u8> {
            r#yield!(&mut self.items);
            self.log.add(format!("exit {:?}", self.items));
        }

        #[async_context_manager]
        async fn by_pin(mut self: Pin<&mut Self>) -> &mut Vec<u8> {
            r#yield!(&mut self.items);
            self.log.add(format!("exit {:?}", self.items));
        }

        #[async_context_manager]
        async fn by_typed_reference(self: &mut Self) -> &mut Vec<u8> {
            r#yield!(&mut self.items);
            self.log.add(format!("exit {:?}", self.items));
        }

        #[async_context_manager]
        async fn by_named_reference<'s>(&'s self) -> &'s [u8] {
            r#yield!(&self.items);
            self.log.add("exit");
        }

        #[async_context_manager]
        async fn by_named_mutable_reference<'s>(&'s mut self, more: &'s [u8]) -> (&mut Vec<u8>, &'s [u8]) {
            r#yield!((&mut self.items, more));
            self.log.add(format!("exit {:?}", self.items));
        }

        #[async_context_manager]
        async fn new(log: Log) -> Self {
            r#yield!(Self { log: log.clone(), items: Vec::new() });
            log.add("exit");
        }

        #[async_context_manager]
        async fn fallible(&mut self, limit: usize) -> Result<&mut Self, Self> {
            r#yield!(&mut *self);
            if self.items.len() > limit { Err(self.clone()) } else { Ok(()) }
        }
    }

    #[test]
    fn receiver_of_a_manager_method_may_be_a_reference() {
        let own = Own::default();
        assert_eq!(block_on(async { with!(own.by_reference() as len => len) }), 0);
        assert_eq!(own.log.take(), ["exit"]);
    }

    #[test]
    fn receiver_of_a_manager_method_may_be_a_reference_is_shared_with_the_block() {
        let own = Own::default();
        block_on(async { with!(own.by_reference() as _len, own.by_reference() as _len => own.log.add("block")) });
        assert_eq!(own.log.take(), ["block", "exit", "exit"]);
    }

    #[test]
    fn receiver_of_a_manager_method_may_be_a_mutable_reference() {
        let mut own = Own::default();
        block_on(async { with!(own.by_mutable_reference() as items => items.push(5)) });
        assert_eq!(own.log.take(), ["exit [5]"]);
        assert_eq!(own.items, [5]);
    }

    #[test]
    fn receiver_of_a_manager_method_may_be_a_value() {
        let own = Own::default();
        let log = own.log.clone();
        assert_eq!(block_on(async { with!(own.by_value() as items => items.len()) }), 0);
        assert_eq!(log.take(), ["exit"]);
    }

    #[test]
    fn receiver_of_a_manager_method_may_be_a_mutable_value() {
        let own = Own::default();
        let log = own.log.clone();
        block_on(async { with!(own.by_mutable_value() as items => items.push(5)) });
        assert_eq!(log.take(), ["exit [1, 5]"]);
    }

    #[test]
    fn receiver_of_a_manager_method_may_be_an_arc() {
        let own = Arc::new(Own::default());
        assert_eq!(block_on(async { with!(Arc::clone(&own).by_arc() as count => count) }), 2);
        assert_eq!((own.log.take(), Arc::strong_count(&own)), (vec!["exit".to_string()], 1));
    }

    #[test]
    fn receiver_of_a_manager_method_may_be_a_reference_to_an_arc() {
        let own = Arc::new(Own::default());
        block_on(async { with!(own.by_reference_to_an_arc() as clone => assert_eq!(Arc::strong_count(&clone), 2)) });
        assert_eq!(own.log.take(), ["exit 1"]);
    }

    #[test]
    fn receiver_of_a_manager_method_may_be_an_rc() {
        let own = Rc::new(Own::default());
        let count = block_on(async { with!(Rc::clone(&own).by_rc() as clone => Rc::strong_count(&clone)) });
        assert_eq!((count, own.log.take()), (3, vec!["exit".to_string()]));
    }

    #[test]
    fn receiver_of_a_manager_method_may_be_a_box() {
        let own = Box::new(Own::default());
        let log = own.log.clone();
        block_on(async { with!(own.by_box() as items => items.push(5)) });
        assert_eq!(log.take(), ["exit [5]"]);
    }

    #[test]
    fn receiver_of_a_manager_method_may_be_a_pin() {
        let mut own = pin!(Own::default());
        block_on(async { with!(own.as_mut().by_pin() as items => items.push(5)) });
        assert_eq!(own.log.take(), ["exit [5]"]);
    }

    #[test]
    fn receiver_of_a_manager_method_may_be_a_typed_reference() {
        let mut own = Own::default();
        block_on(async { with!(own.by_typed_reference() as items => items.push(5)) });
        assert_eq!(own.log.take(), ["exit [5]"]);
    }

    #[test]
    fn receiver_of_a_manager_method_may_be_a_named_reference_may_leave_the_block() {
        let own = Own { items: vec![5], ..Own::default() };
        let items = block_on(async { with!(own.by_named_reference() as items => items) });
        assert_eq!((items, own.log.take()), (&[5][..], vec!["exit".to_string()]));
    }

    #[test]
    fn receiver_of_a_manager_method_may_be_a_named_mutable_reference() {
        let mut own = Own::default();
        let more = vec![1, 2];
        let len = block_on(async {
            with!(own.by_named_mutable_reference(&more) as (items, more) => {
                items.extend(more);
                more.len()
            })
        });
        assert_eq!((len, own.log.take()), (2, vec!["exit [1, 2]".to_string()]));
    }

    #[test]
    fn receiver_of_a_manager_method_may_be_none() {
        let log = Log::new();
        block_on(async { with!(Own::new(log.clone()) as own => own.log.add("block")) });
        assert_eq!(log.take(), ["block", "exit"]);
    }

    #[test]
    fn receiver_of_a_manager_method_may_be_self_as_the_lent_type_and_the_error() {
        let mut own = Own::default();
        let result = block_on(async { with!(own.fallible(1) as own => own.items.push(5)) });
        assert!(result.is_ok());
        let result = block_on(async { with!(own.fallible(1) as own => own.items.push(6)) });
        assert_eq!(result.err().map(|own| own.items), Some(vec![5, 6]));
    }
}

mod impls {
    use super::*;
    use std::marker::PhantomData;

    struct Generic<'g, T, const N: usize> {
        log: &'g Log,
        items: [T; N],
    }

    impl<'g, T: Clone + std::fmt::Debug, const N: usize> Generic<'g, T, N>
    where
        T: PartialEq,
    {
        const SIZE: usize = N;

        #[async_context_manager]
        async fn get<U>(&mut self, other: U) -> (&mut [T; N], usize, &'g Log)
        where
            T: From<U>,
        {
            let first = self.items.first_mut();
            if let Some(first) = first {
                *first = T::from(other);
            }
            r#yield!((&mut self.items, Self::SIZE, self.log));
            self.log.add(format!("{:?}", self.items));
        }
    }

    #[test]
    fn manager_methods_of_a_generic_type_can_be_entered() {
        let log = Log::new();
        let mut generic = Generic { log: &log, items: [1_u32, 2, 3] };
        let lent = block_on(async {
            with!(generic.get(7_u8) as (items, size, log) => {
                items[1] = size.try_into().unwrap();
                log
            })
        });
        assert_eq!(lent.take(), ["[7, 3, 3]"]);
    }

    struct Phantom<T>(PhantomData<T>);

    impl Phantom<u8> {
        #[async_context_manager]
        async fn get() -> &'static str {
            r#yield!("u8");
        }
    }

    impl Phantom<u16> {
        #[async_context_manager]
        async fn get() -> &'static str {
            r#yield!("u16");
        }
    }

    #[test]
    fn manager_methods_of_two_specific_types_can_be_entered() {
        let value = block_on(async { with!(Phantom::<u8>::get() as a, Phantom::<u16>::get() as b => (a, b)) });
        assert_eq!(value, ("u8", "u16"));
    }

    #[derive(Default)]
    struct Pair<T>(T, T);

    macro_rules! getters {
        ($($name:ident: $field:tt),*) => {
            impl<T> Pair<T> {
                $(
                    #[async_context_manager]
                    async fn $name(&mut self) -> &mut T {
                        r#yield!(&mut self.$field);
                    }
                )*
            }
        };
    }
    getters!(first: 0, second: 1);

    #[test]
    fn manager_methods_that_a_macro_writes_can_be_entered() {
        let mut pair = Pair(1, 2);
        block_on(async {
            with!(pair.first() as first => *first += 2);
            with!(pair.second() as second => *second += 2);
        });
        assert_eq!((pair.0, pair.1), (3, 4));
    }
}

mod generics {
    use super::*;
    use std::fmt::{Debug, Display};

    #[async_context_manager]
    async fn generic<T>(value: T) -> T {
        r#yield!(value);
    }

    #[async_context_manager]
    async fn bounded<T: Display + ?Sized, U>(log: &Log, shown: &T, value: U) -> (&U, usize)
    where
        U: Debug + Clone,
        Vec<U>: Debug,
    {
        let text = shown.to_string();
        let copy = value.clone();
        r#yield!((&copy, text.len()));
        log.add(format!("{value:?}"));
    }

    #[async_context_manager]
    async fn sized<T: Default + Copy, const N: usize>() -> [T; N] {
        r#yield!([T::default(); N]);
    }

    #[async_context_manager]
    async fn defaulted<const N: usize>(array: &mut [u8; N]) -> &mut [u8] {
        r#yield!(&mut array[..]);
        array[N - 1] = 9;
    }

    #[async_context_manager]
    async fn impls(
        shown: impl Display,
        mut iterator: impl Iterator<Item = impl Into<u64>>,
        action: impl Fn(&str) -> usize,
        mut last: impl FnMut(u64),
    ) -> (String, u64) {
        let text = shown.to_string();
        let first = iterator.next().map_or(0, Into::into);
        let len = action(&text);
        r#yield!((text, first));
        last(len as u64);
        iterator.for_each(|item| last(item.into()));
    }

    #[async_context_manager]
    async fn lifetimes<'a, 'b, T: 'a>(a: &'a T, b: &'b T) -> [&'a T; 2]
    where
        'b: 'a,
    {
        r#yield!([a, b]);
    }

    #[async_context_manager]
    async fn higher_ranked<F>(log: &Log, action: F) -> usize
    where
        F: for<'x> Fn(&'x str) -> &'x str,
    {
        r#yield!(action("text").len());
        log.add(action("exit"));
    }

    #[async_context_manager]
    async fn async_closure(action: impl AsyncFn(u8) -> u8, exit: impl AsyncFnOnce()) -> u8 {
        let value = action(5).await;
        r#yield!(value);
        exit().await;
    }

    #[async_context_manager]
    async fn of_a_trait<T: Iterator>(iterator: T) -> Result<T::Item, &'static str>
    where
        T::Item: Debug,
    {
        let mut iterator = iterator;
        r#yield!(iterator.next().ok_or("empty")?);
        iterator.next().map_or(Ok(()), |_| Err("not empty"))
    }

    #[test]
    fn manager_function_may_have_a_type_parameter() {
        assert_eq!(block_on(async { with!(generic("text".to_string()) as text => text) }), "text");
        assert_eq!(block_on(async { with!(generic::<Option<u8>>(None) as none => none) }), None);
        assert_eq!(block_on(async { with!(generic(&5) as n => n) }), &5);
    }

    #[test]
    fn manager_function_may_have_bounds() {
        let log = Log::new();
        let value = block_on(async { with!(bounded(&log, "text", 5) as (value, len) => (*value, len)) });
        assert_eq!((value, log.take()), ((5, 4), vec!["5".to_string()]));
    }

    #[test]
    fn manager_function_may_have_a_constant_parameter() {
        assert_eq!(block_on(async { with!(sized::<u8, 3>() as array => array) }), [0, 0, 0]);
        let array: [u16; 2] = block_on(async { with!(sized() as array => array) });
        assert_eq!(array, [0, 0]);
    }

    #[test]
    fn manager_function_may_lend_an_array_of_any_size() {
        let mut array = [1, 2, 3];
        block_on(async { with!(defaulted(&mut array) as slice => slice[0] = 5) });
        assert_eq!(array, [5, 2, 9]);
    }

    #[test]
    fn manager_function_may_have_impl_arguments() {
        let mut seen = Vec::new();
        let value =
            block_on(async { with!(impls(5, [1_u8, 2, 3].into_iter(), str::len, |n| seen.push(n)) as pair => pair) });
        assert_eq!((value, seen), (("5".to_string(), 1), vec![1, 2, 3]));
    }

    #[test]
    fn named_lifetimes_may_leave_the_block() {
        let a = 1;
        let both = block_on(async { with!(lifetimes(&a, &2) as both => both) });
        assert_eq!(both, [&1, &2]);
    }

    #[test]
    fn manager_function_may_have_a_higher_ranked_bound() {
        let log = Log::new();
        assert_eq!(block_on(async { with!(higher_ranked(&log, |text| &text[1..]) as len => len) }), 3);
        assert_eq!(log.take(), ["xit"]);
    }

    #[test]
    fn manager_function_may_take_async_closures() {
        let log = Log::new();
        let value = block_on(async { with!(async_closure(async |n| n + 1, async || log.add("exit")) as n => n) });
        assert_eq!((value, log.take()), (6, vec!["exit".to_string()]));
    }

    #[test]
    fn manager_function_may_use_an_associated_type() {
        let value = block_on(async { with!(of_a_trait([1, 2].iter()) as n => *n) });
        assert_eq!(value, Err("not empty"));
        let value = block_on(async { with!(of_a_trait(Some("text").into_iter()) as text => text) });
        assert_eq!(value, Ok("text"));
    }

    #[test]
    fn manager_function_may_be_called_from_a_generic_function() {
        async fn f<T: Clone + Debug, const N: usize>(value: T) -> ([u8; N], T) {
            with!(sized::<u8, N>() as array, generic(value.clone()) as value => (array, value))
        }
        assert_eq!(block_on(f::<_, 2>("text")), ([0, 0], "text"));
    }
}

mod arguments {
    use super::*;

    struct Point {
        x: i32,
        y: i32,
    }

    #[async_context_manager]
    async fn patterns(
        (a, mut b): (i32, i32),
        Point { x, y: other }: Point,
        [first, ..]: [i32; 3],
        &n: &i32,
    ) -> Vec<i32> {
        b += 1;
        r#yield!(vec![a, b, x, other, first, n]);
    }

    #[async_context_manager]
    async fn changed(mut n: u8, mut list: Vec<u8>) -> (&mut u8, &mut Vec<u8>) {
        n += 1;
        list.push(n);
        r#yield!((&mut n, &mut list));
    }

    #[async_context_manager]
    async fn borrowed(ref text: String, ref mut list: Vec<u8>) -> (&str, &mut Vec<u8>) {
        r#yield!((text, list));
    }

    #[async_context_manager]
    #[allow(clippy::too_many_arguments, reason = "they are what is tested")]
    async fn many(
        a: u8,
        b: &u8,
        c: &mut u8,
        _: u8,
        _unused: u8,
        d: Option<&u8>,
        e: [&u8; 1],
        f: (&u8,),
        g: &&u8,
    ) -> u8 {
        *c += 1;
        r#yield!(a + b + *c + d.unwrap_or(&0) + e[0] + f.0 + **g);
        *c += 1;
    }

    #[async_context_manager]
    async fn raw_names(r#type: u8, r#match: u8) -> u8 {
        r#yield!(r#type + r#match);
    }

    #[async_context_manager]
    async fn whole(pair @ (a, _): (u8, u8)) -> (u8, u8) {
        r#yield!((pair.1, a));
    }

    #[async_context_manager]
    async fn objects(log: &Log, action: &dyn Fn(u8) -> u8, boxed: Box<dyn FnOnce() -> u8 + '_>) -> u8 {
        let result = action(5);
        r#yield!(result);
        log.add(boxed().to_string());
    }

    #[test]
    fn arguments_may_be_patterns() {
        let value = block_on(async { with!(patterns((1, 2), Point { x: 3, y: 4 }, [5, 6, 7], &8) as list => list) });
        assert_eq!(value, [1, 3, 3, 4, 5, 8]);
    }

    #[test]
    fn arguments_may_be_mutable() {
        let value = block_on(async {
            with!(changed(5, vec![1]) as (n, list) => {
                list.push(*n);
                *n += 1;
                (*n, list.clone())
            })
        });
        assert_eq!(value, (7, vec![1, 6, 6]));
    }

    #[test]
    fn arguments_may_be_borrowed() {
        let value = block_on(async {
            with!(borrowed("text".to_string(), vec![1]) as (text, list) => {
                list.push(2);
                (text.len(), list.len())
            })
        });
        assert_eq!(value, (4, 2));
    }

    #[test]
    fn arguments_may_be_of_all_kinds() {
        let mut c = 1;
        assert_eq!(block_on(async { with!(many(1, &1, &mut c, 9, 9, Some(&1), [&1], (&1,), &&1) as sum => sum) }), 8);
        assert_eq!(c, 3);
    }

    #[test]
    fn arguments_may_have_raw_names() {
        assert_eq!(block_on(async { with!(raw_names(1, 2) as sum => sum) }), 3);
    }

    #[test]
    fn arguments_may_have_a_binding_and_a_pattern() {
        assert_eq!(block_on(async { with!(whole((1, 2)) as pair => pair) }), (2, 1));
    }

    #[test]
    fn arguments_may_be_trait_objects() {
        let log = Log::new();
        let add = 1;
        let value = block_on(async { with!(objects(&log, &|n| n + add, Box::new(|| add)) as n => n) });
        assert_eq!((value, log.take()), (6, vec!["1".to_string()]));
    }

    #[test]
    fn arguments_may_be_moved_into_the_lent_value() {
        #[async_context_manager]
        async fn moves(text: String, log: Log) -> String {
            r#yield!(text);
            log.add("exit");
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(moves("text".to_string(), log.clone()) as text => text) }), "text");
        assert_eq!(log.take(), ["exit"]);
    }
}

mod results {
    use super::*;
    use std::fmt;
    use std::io;

    type MyResult<T> = Result<T, MyError>;
    type UnitResult = Result<(), MyError>;
    /// As that of `anyhow` and its like.
    type AnyResult<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;
    type Bare = Result<u8, MyError>;

    #[derive(Debug, PartialEq)]
    struct MyError;

    #[async_context_manager]
    async fn of_io(fails: bool) -> io::Result<u8> {
        r#yield!(5);
        if fails { Err(io::Error::other("error")) } else { Ok(()) }
    }

    #[async_context_manager]
    async fn of_fmt(text: &mut String) -> fmt::Result {
        use fmt::Write;
        write!(text, "enter")?;
        r#yield!();
        write!(text, " exit")
    }

    #[async_context_manager]
    async fn mine(fails: bool) -> MyResult<&mut u8> {
        let mut local = 5;
        r#yield!(&mut local);
        if fails { Err(MyError) } else { Ok(()) }
    }

    #[async_context_manager]
    async fn unit() -> UnitResult {
        r#yield!(());
        Err(MyError)
    }

    #[async_context_manager]
    async fn any(text: &str) -> AnyResult<u8> {
        let number = text.parse()?;
        r#yield!(number);
        Ok(())
    }

    #[async_context_manager]
    async fn any_with_an_error(fails: bool) -> AnyResult<u8, MyError> {
        r#yield!(5);
        if fails { Err(MyError) } else { Ok(()) }
    }

    #[async_context_manager]
    async fn by_path() -> ::std::result::Result<u8, self::MyError> {
        r#yield!(5);
        Ok(())
    }

    #[async_context_manager]
    async fn not_called_result() -> Bare {
        r#yield!(Err(MyError));
    }

    #[async_context_manager]
    async fn of_a_result() -> Result<Result<u8, &'static str>, MyError> {
        r#yield!(Err("lent"));
        Ok(())
    }

    #[async_context_manager]
    async fn generic_error<E: From<MyError>>() -> Result<u8, E> {
        r#yield!(5);
        Err(MyError)?;
        Ok(())
    }

    #[async_context_manager]
    async fn boxed() -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
        r#yield!("5".parse()?);
        Err("error")?
    }

    #[async_context_manager]
    async fn nothing() -> Result<(), MyError> {
        r#yield!();
        Ok(())
    }

    #[async_context_manager]
    async fn borrowed_error<'e>(error: &'e str) -> Result<u8, &'e str> {
        r#yield!(5);
        Err(error)
    }

    #[test]
    fn result_of_io_and_fmt_is_a_result() {
        assert_eq!(block_on(async { with!(of_io(false) as n => n) }).unwrap(), 5);
        assert_eq!(block_on(async { with!(of_io(true) as n => n) }).unwrap_err().to_string(), "error");
        let mut text = String::new();
        assert_eq!(block_on(async { with!(of_fmt(&mut text) => 5) }), Ok(5));
        assert_eq!(text, "enter exit");
    }

    #[test]
    fn result_alias_with_one_parameter_is_a_result() {
        let value = block_on(async { with!(mine(false) as n => { *n += 1; *n }) });
        assert_eq!(value, Ok(6));
        assert_eq!(block_on(async { with!(mine(true) as n => *n) }), Err(MyError));
    }

    #[test]
    fn result_alias_without_parameters_is_a_result() {
        assert_eq!(block_on(async { with!(unit() => 5) }), Err(MyError));
    }

    type ListResult<'a> = Result<&'a mut Vec<u8>, MyError>;

    #[async_context_manager]
    async fn list() -> ListResult<'_> {
        let mut list = vec![5];
        r#yield!(&mut list);
        Ok(())
    }

    #[test]
    fn result_alias_with_a_left_out_lifetime_is_a_result() {
        assert_eq!(block_on(async { with!(list() as list => list.pop()) }), Ok(Some(5)));
    }

    #[test]
    fn result_alias_with_a_default_is_a_result() {
        assert_eq!(block_on(async { with!(any("5") as n => n) }).unwrap(), 5);
        let error = block_on(async { with!(any("five") as n => n) }).unwrap_err();
        assert_eq!(error.to_string(), "invalid digit found in string");
        assert_eq!(block_on(async { with!(any_with_an_error(true) as n => n) }), Err(MyError));
        assert_eq!(block_on(async { with!(any_with_an_error(false) as n => n) }), Ok(5));
    }

    #[test]
    fn result_by_a_path_is_a_result() {
        assert_eq!(block_on(async { with!(by_path() as n => n) }), Ok(5));
    }

    #[test]
    fn an_alias_of_another_name_is_a_value() {
        let value: Bare = block_on(async { with!(not_called_result() as result => result) });
        assert_eq!(value, Err(MyError));
    }

    #[test]
    fn result_of_a_result_lends_the_inner_one() {
        let value = block_on(async { with!(of_a_result() as result => result.unwrap_err()) });
        assert_eq!(value, Ok("lent"));
    }

    #[test]
    fn result_may_have_a_generic_error() {
        let value: Result<u8, MyError> = block_on(async { with!(generic_error() as n => n) });
        assert_eq!(value, Err(MyError));
    }

    #[test]
    fn result_may_have_a_boxed_error() {
        assert_eq!(block_on(async { with!(boxed() as n => n) }).unwrap_err().to_string(), "error");
    }

    #[test]
    fn result_may_lend_nothing() {
        assert_eq!(block_on(async { with!(nothing() => 5) }), Ok(5));
    }

    #[test]
    fn result_may_have_an_error_that_borrows() {
        let error = "error".to_string();
        assert_eq!(block_on(async { with!(borrowed_error(&error) as n => n) }), Err("error"));
    }
}

mod wrapper_macro {
    use super::*;

    async_context_manager::context_managers! {
        // Comments and all kinds of items can stand here.

        use std::collections::VecDeque;

        const START: u8 = 5;

        /// A manager.
        #[async_context_manager]
        async fn plain() -> u8 {
            yield!(START);
        }

        #[async_context_manager]
        async fn raw() -> u8 {
            r#yield!(START);
        }

        #[derive(Default)]
        pub(crate) struct Queue(VecDeque<u8>);

        impl Queue {
            fn push(&mut self) {
                self.0.push_back(START);
            }

            #[async_context_manager]
            async fn lend(&mut self) -> &mut VecDeque<u8> {
                self.push();
                let outcome = yield!(&mut self.0);
                assert!(outcome.is_completed());
                self.push();
            }
        }

        mod inner {
            use super::*;

            #[async_context_manager]
            pub(super) async fn lend(log: &Log) -> Result<&mut String, String> {
                let mut text = String::new();
                tokio::select! {
                    outcome = async { yield!(&mut text) } => log.add(format!("{outcome:?}")),
                }
                log.add(text);
                Ok(())
            }
        }

        fn no_manager() -> u8 {
            START
        }

        async fn uses() -> u8 {
            with!(plain() as a, raw() as b => a + b)
        }
    }

    #[test]
    fn wrapper_macro_takes_functions() {
        assert_eq!((block_on(uses()), no_manager()), (10, 5));
    }

    #[test]
    fn wrapper_macro_takes_methods() {
        let mut queue = Queue::default();
        block_on(async { with!(queue.lend() as queue => queue.push_back(1)) });
        assert_eq!(queue.0, [5, 1, 5]);
    }

    #[test]
    fn wrapper_macro_takes_modules() {
        let log = Log::new();
        assert_eq!(block_on(async { with!(inner::lend(&log) as text => text.push('a')) }), Ok(()));
        assert_eq!(log.take(), ["Completed", "a"]);
    }
}
