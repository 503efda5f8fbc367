//! The Entra connector against the emulator, over HTTP and HTTPS: what it reads, what it writes, and that trouble on the
//! way neither loses nor doubles anything.

#[cfg(test)]
mod reading;
#[cfg(test)]
mod signing_in;
#[cfg(test)]
mod trouble;
#[cfg(test)]
mod world;
#[cfg(test)]
mod writing;
