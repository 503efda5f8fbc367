//! Changes that others make in the tenant are followed, too.
