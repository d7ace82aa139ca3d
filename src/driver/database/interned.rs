//! Names that many rows of a batch share.

use std::sync::Arc;

/// Shares one allocation among equal neighbours: a batch mostly holds one queue and few names.
#[derive(Default)]
pub(crate) struct Interned(Option<Arc<str>>);

impl Interned {
    pub(crate) fn get(&mut self, text: &str) -> Arc<str> {
        match &self.0 {
            Some(last) if **last == *text => last.clone(),
            _ => self.0.insert(Arc::from(text)).clone(),
        }
    }
}
