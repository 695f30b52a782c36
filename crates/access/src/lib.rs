//! Who is calling, and what is in force for them.
mod clock;
mod master_key;
mod nonce;
mod password;
pub mod random;
pub use clock::Clock;
pub use master_key::{MasterKey, SealError};
pub use password::{Passwords, is_strong_enough};
