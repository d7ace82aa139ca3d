//! A receipt of this driver: a row and a token.

use crate::reserved::Receipt;

pub(super) fn of_row(id: i64, token: i64) -> Receipt {
    Receipt(id.cast_unsigned(), token.cast_unsigned())
}

pub(super) fn row_and_token(receipt: Receipt) -> (i64, i64) {
    (receipt.0.cast_signed(), receipt.1.cast_signed())
}
