//! Short names that every process makes alike of long ones.

/// A name as 16 hexadecimal digits (FNV-1a). Other processes compute the same.
pub(super) fn digest(name: &str) -> String {
    digest_of(name.as_bytes())
}

/// The same for any bytes.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_every_other_process() {
        assert_eq!(digest(""), "cbf29ce484222325");
        assert_eq!(digest("a"), "af63dc4c8601ec8c");
    }
}
