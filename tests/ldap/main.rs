//! The LDAP connector against real servers: a Samba Active Directory domain controller and OpenLDAP, which the tests
//! start and end by themselves. They fail when a server cannot be started (run `tests/servers/install`).

mod active_directory;
mod openldap;
mod scripted;
mod server;
