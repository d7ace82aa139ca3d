//! A receipt of this driver: a row and a token.

use crate::reserved::Receipt;

pub(super) fn of_row(id: i64, token: i64) -> Receipt {
    Receipt(id.cast_unsigned(), token.cast_unsigned())
}

pub(super) fn row_and_token(receipt: Receipt) -> (i64, i64) {
    (receipt.0.cast_signed(), receipt.1.cast_signed())
}

/// The ids under each token: a fenced statement serves those of one take.
#[cfg(feature = "mysql")]
pub(super) fn by_token(receipts: &[Receipt]) -> Vec<(i64, Vec<i64>)> {
    let mut groups: Vec<(i64, Vec<i64>)> = Vec::new();
    for (id, token) in receipts.iter().copied().map(row_and_token) {
        match groups.iter_mut().find(|(other, _)| *other == token) {
            Some((_, ids)) => ids.push(id),
            None => groups.push((token, vec![id])),
        }
    }
    groups
}
