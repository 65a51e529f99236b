//! Reading a whole table. Only what an operator asks for and the first start beside the original's tables do so.

use myevents_core::Result;

use super::client::Page;
use super::error::fault;
use super::expression::Expression;
use super::item::Item;
use super::store::Shared;

impl Shared {
    /// One page of a table as it is now; items that the filter leaves out are read and paid for, but not sent.
    pub(super) async fn scan_page(
        &self,
        operation: &'static str,
        table: &str,
        filter: Option<&Expression>,
        from: Option<Item>,
    ) -> Result<Page> {
        let read = self
            .clients
            .reads
            .scan()
            .table_name(table)
            .consistent_read(true)
            .set_filter_expression(filter.and_then(Expression::condition))
            .set_expression_attribute_names(filter.and_then(Expression::names))
            .set_expression_attribute_values(filter.and_then(Expression::values))
            .set_exclusive_start_key(from)
            .send()
            .await
            .map_err(|error| fault(operation, error).of_read())?;
        Ok(Page {
            items: read.items.unwrap_or_default(),
            next: read.last_evaluated_key.filter(|key| !key.is_empty()),
        })
    }
}
