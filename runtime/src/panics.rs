//! Panics: caught where there is `std`, and let through where there is not.

#[cfg(feature = "std")]
mod imp {
    use std::any::Any;
    use std::boxed::Box;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// What a panic carries.
    pub(crate) type Payload = Box<dyn Any + Send>;

    /// The same, for where there is none mostly: it takes half the room.
    pub(crate) struct Parcel(Box<Payload>);

    impl Parcel {
        pub(crate) fn new(payload: Payload) -> Self {
            Self(Box::new(payload))
        }

        pub(crate) fn open(self) -> Payload {
            *self.0
        }

        pub(crate) fn resume(self) -> ! {
            resume(self.open())
        }

        /// Drops it, which may panic.
        pub(crate) fn discard(self) {
            drop(self);
        }
    }

    /// Runs `f` and catches its panic.
    ///
    /// Nothing of `f` that a panic left half changed is seen again: the callers drop it, or let the panic go on.
    #[inline]
    pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Payload> {
        catch_unwind(AssertUnwindSafe(f))
    }

    /// Stands for the payload of a panic that goes on by itself.
    pub(crate) struct PayloadElsewhere;

    /// Lets a caught panic go on, without a second message.
    pub(crate) fn resume(payload: Payload) -> ! {
        std::panic::resume_unwind(payload)
    }

    /// Runs `f` in a place that a panic must not leave. The panic hook has told of it.
    #[inline]
    pub(crate) fn contain(f: impl FnOnce()) {
        let Err(payload) = catch(f) else { return };
        if let Err(payload) = catch(move || drop(payload)) {
            // A payload that panics when it is dropped gives a payload that may do so, too.
            core::mem::forget(payload);
        }
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    /// What a panic carries: there are none to be caught.
    pub(crate) type Payload = core::convert::Infallible;

    pub(crate) struct Parcel(Payload);

    impl Parcel {
        pub(crate) fn new(payload: Payload) -> Self {
            match payload {}
        }

        pub(crate) fn resume(self) -> ! {
            resume(self.0)
        }

        pub(crate) fn discard(self) {
            match self.0 {}
        }
    }

    pub(crate) fn resume(payload: Payload) -> ! {
        match payload {}
    }

    #[expect(clippy::unnecessary_wraps, reason = "as with `std`")]
    #[inline]
    pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Payload> {
        Ok(f())
    }

    #[inline]
    pub(crate) fn contain(f: impl FnOnce()) {
        f();
    }
}

/// Drops `value`. A panic of its destructor goes no further.
#[cfg(feature = "std")]
pub(crate) fn discard<T>(value: T) {
    contain(|| drop(value));
}

#[cfg(feature = "std")]
pub(crate) use imp::PayloadElsewhere;
pub(crate) use imp::{Parcel, Payload, catch, contain, resume};

/// Ends the process, also without `std`: a panic while another one unwinds is never let through.
pub(crate) fn abort(message: core::fmt::Arguments<'_>) -> ! {
    struct AbortOnDrop;

    impl Drop for AbortOnDrop {
        fn drop(&mut self) {
            panic!("aborting");
        }
    }

    let _abort = AbortOnDrop;
    panic!("{message}");
}
