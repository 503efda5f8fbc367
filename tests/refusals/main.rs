//! Errors of a target that people report, one by one: what `plan` says of each beforehand, and what the emulator answers when
//! it is sent all the same. `UPDATE_EXPECT=1` writes `docs/refusals.md` anew, the table of all of them.
//!
//! What is known from reports was shown by people who met it, in issues and questions; what is known from the documentation
//! stands in the reference of Graph or in its metadata.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod licences;
#[cfg(test)]
mod links;
#[cfg(test)]
mod room;
#[cfg(test)]
#[path = "../common/sign_in.rs"]
mod sign_in;
#[cfg(test)]
mod surprises;
#[cfg(test)]
mod table;
#[cfg(test)]
mod users;
#[cfg(test)]
mod world;
