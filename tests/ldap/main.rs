//! The LDAP connector against real servers: a Samba Active Directory domain controller and OpenLDAP, which the tests
//! start and end by themselves. They fail when a server cannot be started (run `tests/servers/install`).

#[cfg(test)]
mod active_directory;
#[cfg(test)]
mod end_to_end;
#[cfg(test)]
mod openldap;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod server;
#[cfg(test)]
mod writing;
