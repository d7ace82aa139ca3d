//! The job of the chapter, and what it works with.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use craft_queue::{Backoff, Context, JobError, JobResult, Queueable};
use serde::{Deserialize, Serialize};

use crate::document;
use crate::order::Order;

/// Writes the invoice of one order.
#[derive(Serialize, Deserialize)]
pub struct CreateInvoice {
    pub order_id: String,
}

impl Queueable for CreateInvoice {
    const NAME: &'static str = "CreateInvoice";

    fn handle(&self, job: &Context) -> JobResult {
        let shop = job.state::<std::sync::Arc<Shop>>()?;
        let order = shop.order(&self.order_id).ok_or_else(|| {
            // Left on the queue by a run with another file; trying again would not bring it.
            JobError::fail_now(format!("there is no order {}", self.order_id))
        })?;
        let total = order.checked_total().map_err(JobError::new)?;
        document::write(&shop.folder, &order, total)?;
        shop.invoiced(self.order_id.clone());
        Ok(())
    }

    fn attempts() -> Option<u32> {
        Some(3)
    }

    /// Short, as nobody wants to wait for an example.
    fn backoff() -> Option<Backoff> {
        Some([200, 400].map(Duration::from_millis).into())
    }
}

/// The application: where its orders are, and where documents go.
pub struct Shop {
    folder: PathBuf,
    orders: Mutex<HashMap<String, Order>>,
    invoiced: Mutex<HashSet<String>>,
}

impl Shop {
    pub fn new(folder: PathBuf, orders: Vec<Order>) -> Self {
        let by_id = orders.into_iter().map(|order| (order.id.clone(), order)).collect();
        Self { folder, orders: Mutex::new(by_id), invoiced: Mutex::default() }
    }

    /// A copy, so that no job keeps the others waiting while it writes.
    pub fn order(&self, id: &str) -> Option<Order> {
        lock(&self.orders).get(id).cloned()
    }

    pub fn save(&self, order: Order) {
        lock(&self.orders).insert(order.id.clone(), order);
    }

    /// A set and no counter, as a job may run twice.
    fn invoiced(&self, id: String) {
        lock(&self.invoiced).insert(id);
    }

    pub fn is_invoiced(&self, id: &str) -> bool {
        lock(&self.invoiced).contains(id)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one insert: a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
