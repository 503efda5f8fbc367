//! What a rule may know about its own evaluation: when the run began, and a source of numbers that look random.
//!
//! The host says both before it calls a rule, so that a preview gives what the run gives. There is no clock and there are
//! no dice: the numbers follow from the object, so that evaluating it again changes nothing.

use std::cell::Cell;

use uuid::Uuid;

thread_local! {
    static MOMENT: Cell<Moment> = const { Cell::new(Moment { at: 0, object: Uuid::nil(), drawn: 0 }) };
}

#[derive(Clone, Copy)]
struct Moment {
    at: i64,
    object: Uuid,
    drawn: u32,
}

/// Begins an evaluation: when the run began, in seconds since 1970, and which object it is.
pub fn begin(at: i64, object: Uuid) {
    MOMENT.set(Moment { at, object, drawn: 0 });
}

/// When the run began, in seconds since 1970.
pub(super) fn at() -> i64 {
    MOMENT.get().at
}

/// Another number; the same ones in the same order whenever the object is evaluated.
pub(super) fn draw() -> Uuid {
    let moment = MOMENT.get();
    MOMENT.set(Moment { drawn: moment.drawn + 1, ..moment });
    Uuid::new_v5(&moment.object, &moment.drawn.to_be_bytes())
}
