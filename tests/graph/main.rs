//! The Entra connector against the emulator, over HTTP and HTTPS: what it reads, what it writes, and that trouble on the
//! way neither loses nor doubles anything.

mod reading;
mod signing_in;
mod trouble;
mod world;
mod writing;
