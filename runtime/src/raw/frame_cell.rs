//! The content of a frame: the header, and the slot. The header stores the kind of the slot, in a byte that would be padding.

use core::cell::UnsafeCell;
use core::mem::ManuallyDrop;

use super::header::{Header, SlotKind};
use crate::panics::Parcel;

/// The content of a slot. `C` is the error that the manager receives, `V` the lent value, and `W` the value of the block.
pub(crate) enum Slot<C, V, W, Jump, Return> {
    Nothing,
    Lent(V),
    /// The end of the block.
    Value(W),
    Jump(Jump),
    Return(Return),
    /// The value of the block is a failure, and the manager does not receive the error.
    FailedValue(W),
    /// The block has returned a failure, and the manager does not receive the error.
    FailedReturn(Return),
    /// The block has failed, and the manager receives the error.
    Caught(C),
    Panicked(Parcel),
}

/// The header and the slot of a frame. The slot is not dropped with it.
pub(crate) struct FrameCell<C, V, W, Jump, Return> {
    header: Header,
    content: UnsafeCell<Content<C, V, W, Jump, Return>>,
}

/// The content of a slot. `Header::slot` records which of the fields is initialized.
union Content<C, V, W, Jump, Return> {
    nothing: (),
    lent: ManuallyDrop<V>,
    value: ManuallyDrop<W>,
    jump: ManuallyDrop<Jump>,
    returned: ManuallyDrop<Return>,
    caught: ManuallyDrop<C>,
    panicked: ManuallyDrop<Parcel>,
}

impl<C, V, W, Jump, Return> FrameCell<C, V, W, Jump, Return> {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { header: Header::new(), content: UnsafeCell::new(Content { nothing: () }) }
    }

    #[inline]
    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }

    /// Takes the lent value. `None` if the slot holds something else.
    #[inline]
    pub(crate) fn take_lent(&self) -> Option<V> {
        let content = self.read_if(SlotKind::Lent)?;
        // SAFETY: only `set` changes the kind to `Lent`, after it has written this field.
        Some(ManuallyDrop::into_inner(unsafe { content.lent }))
    }

    /// Takes the value of the block. `None` if the slot holds something else.
    #[inline]
    pub(crate) fn take_value(&self) -> Option<W> {
        let content = self.read_if(SlotKind::Value)?;
        // SAFETY: only `set` changes the kind to `Value`, after it has written this field.
        Some(ManuallyDrop::into_inner(unsafe { content.value }))
    }

    /// Takes the content of the slot, if it is of this kind.
    #[inline]
    fn read_if(&self, kind: SlotKind) -> Option<Content<C, V, W, Jump, Return>> {
        if self.header.slot.get() != kind {
            return None;
        }
        self.header.slot.set(SlotKind::Nothing);
        Some(self.read())
    }

    /// Copies the content of the slot.
    #[inline]
    fn read(&self) -> Content<C, V, W, Jump, Return> {
        // SAFETY: no other code uses the slot now. No reference to it leaves this module. The type is not `Sync`, and the
        // `TaskLocalCell` around it is used by one thread at a time (fact 3).
        unsafe { self.content.get().read() }
    }

    /// Takes the content of the slot.
    #[inline]
    pub(crate) fn take(&self) -> Slot<C, V, W, Jump, Return> {
        let kind = self.header.slot.replace(SlotKind::Nothing);
        let content = self.read();
        // SAFETY of all blocks: only `set` changes the kind to another than `Nothing`, after it has written that field.
        match kind {
            SlotKind::Nothing => Slot::Nothing,
            // SAFETY: see above.
            SlotKind::Lent => Slot::Lent(ManuallyDrop::into_inner(unsafe { content.lent })),
            // SAFETY: see above.
            SlotKind::Value => Slot::Value(ManuallyDrop::into_inner(unsafe { content.value })),
            // SAFETY: see above.
            SlotKind::Jump => Slot::Jump(ManuallyDrop::into_inner(unsafe { content.jump })),
            // SAFETY: see above.
            SlotKind::Return => Slot::Return(ManuallyDrop::into_inner(unsafe { content.returned })),
            // SAFETY: see above.
            SlotKind::FailedValue => Slot::FailedValue(ManuallyDrop::into_inner(unsafe { content.value })),
            // SAFETY: see above.
            SlotKind::FailedReturn => Slot::FailedReturn(ManuallyDrop::into_inner(unsafe { content.returned })),
            // SAFETY: see above.
            SlotKind::Caught => Slot::Caught(ManuallyDrop::into_inner(unsafe { content.caught })),
            // SAFETY: see above.
            SlotKind::Panicked => Slot::Panicked(ManuallyDrop::into_inner(unsafe { content.panicked })),
        }
    }

    /// Overwrites the slot. What it held is not dropped.
    #[inline]
    pub(crate) fn set(&self, slot: Slot<C, V, W, Jump, Return>) {
        let (kind, content) = match slot {
            Slot::Nothing => (SlotKind::Nothing, Content { nothing: () }),
            Slot::Lent(value) => (SlotKind::Lent, Content { lent: ManuallyDrop::new(value) }),
            Slot::Value(value) => (SlotKind::Value, Content { value: ManuallyDrop::new(value) }),
            Slot::Jump(jump) => (SlotKind::Jump, Content { jump: ManuallyDrop::new(jump) }),
            Slot::Return(value) => (SlotKind::Return, Content { returned: ManuallyDrop::new(value) }),
            Slot::FailedValue(value) => (SlotKind::FailedValue, Content { value: ManuallyDrop::new(value) }),
            Slot::FailedReturn(value) => (SlotKind::FailedReturn, Content { returned: ManuallyDrop::new(value) }),
            Slot::Caught(error) => (SlotKind::Caught, Content { caught: ManuallyDrop::new(error) }),
            Slot::Panicked(parcel) => (SlotKind::Panicked, Content { panicked: ManuallyDrop::new(parcel) }),
        };
        // SAFETY: as in `read`, no other code uses the slot now.
        unsafe { self.content.get().write(content) };
        self.header.slot.set(kind);
    }
}
