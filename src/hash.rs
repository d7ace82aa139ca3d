//! A quick hash for the identifiers that this crate makes itself.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by uuid, by name or by number: keys that differ in any byte are spread, whatever they have in common.
/// It has no secret, so not for keys that a stranger may choose to collide.
pub(crate) type ById<K, V> = HashMap<K, V, BuildHasherDefault<Words>>;

/// Hashes eight bytes at a time.
#[derive(Default)]
pub(crate) struct Words(u64);

impl Words {
    /// Spreads what was added over all bits (Fibonacci hashing, Knuth 6.4), both halves of the product.
    fn add(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9E37_79B9_7F4A_7C15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

impl Hasher for Words {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.add(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.add(u64::from_le_bytes(last));
        }
    }

    /// A text's hash ends with a byte of its own, which says nothing.
    fn write_u8(&mut self, _: u8) {}

    fn write_i64(&mut self, number: i64) {
        self.add(number.cast_unsigned());
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
        BuildHasherDefault::<Words>::default().hash_one(value)
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

    #[test]
    fn names_that_begin_or_end_alike_are_spread() {
        let hashes = |name: fn(u32) -> String| {
            (0..5_000).map(|number| hash(name(number)) & 0xFFFF).collect::<std::collections::HashSet<_>>()
        };
        let alike: [fn(u32) -> String; 3] = [
            |number| format!("customer-{number}-invoices-to-be-sent"),
            |number| format!("invoices-to-be-sent-{number}"),
            |number| format!("{number:08}"),
        ];
        for name in alike {
            let different = hashes(name).len();
            assert!(different > 4_500, "{different} of 5,000: {}", name(7));
        }
    }
}
