//! How long it takes from a change in a directory to the value in the tenant.
