//! A quick hash for the identifiers that this crate makes itself.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by uuid or by number. Not for keys that a stranger chooses: it has no secret, and many keys with
/// one ending would make it slow. Whoever may write to the queue can do worse.
pub(crate) type ById<K, V> = HashMap<K, V, BuildHasherDefault<Ending>>;

/// Hashes the last eight bytes, which are random in a uuid and count up in a number.
#[derive(Default)]
pub(crate) struct Ending(u64);

impl Hasher for Ending {
    fn write(&mut self, bytes: &[u8]) {
        // A text's hash ends with a byte of its own, which says nothing.
        if let [_] = bytes {
            return;
        }
        let mut ending = [0; 8];
        let count = bytes.len().min(8);
        ending[8 - count..].copy_from_slice(&bytes[bytes.len() - count..]);
        // Spreads neighbours over all bits (Fibonacci hashing, Knuth 6.4).
        self.0 = (self.0 ^ u64::from_le_bytes(ending)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasher, Hash};

    fn hash(value: impl Hash) -> u64 {
        BuildHasherDefault::<Ending>::default().hash_one(value)
    }

    #[test]
    fn different_identifiers_have_different_hashes_in_their_high_and_low_bits() {
        let mut low = std::collections::HashSet::new();
        let mut high = std::collections::HashSet::new();
        for number in 0..1_000i64 {
            let numbered = hash(number);
            low.insert(numbered & 0xFFFF_FFFF);
            high.insert(numbered >> 32);
            let text = hash(&*crate::message::new_uuid());
            low.insert(text & 0xFFFF_FFFF);
            high.insert(text >> 32);
        }
        assert!(low.len() > 1_990 && high.len() > 1_990, "{} {}", low.len(), high.len());
        assert_eq!(hash("abc"), hash(String::from("abc")));
    }
}
