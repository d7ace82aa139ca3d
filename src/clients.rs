//! The client libraries, for [`push_in`](crate::Push::push_in): a transaction of another version of them
//! would be another type.

#[cfg(feature = "mysql")]
pub use mysql;
#[cfg(feature = "postgres")]
pub use postgres;
#[cfg(feature = "sqlite")]
pub use rusqlite;
