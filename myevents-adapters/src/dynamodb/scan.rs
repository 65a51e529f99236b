//! Reading a whole table. Only what an operator asks for and the first start beside the original's tables do so.

use std::collections::HashMap;

use myevents_core::Result;

use super::client::Page;
use super::error::fault;
use super::expression::Expression;
use super::item::Item;
use super::store::Shared;

/// What is read of a table, as it is now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'a> {
    pub(super) operation: &'static str,
    pub(super) table: &'a str,
    /// Items that it leaves out are read and paid for, but not sent. It goes without `only`.
    pub(super) filter: Option<&'a Expression>,
    /// The attributes that are sent.
    pub(super) only: Option<&'a [&'static str]>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(operation: &'static str, table: &'a str) -> Self {
        Self {
            operation,
            table,
            filter: None,
            only: None,
        }
    }
}

impl Shared {
    /// One page of a table from after an item.
    pub(super) async fn scan_page(&self, scan: Scan<'_>, from: Option<Item>) -> Result<Page> {
        let mut read = self
            .clients
            .reads
            .scan()
            .table_name(scan.table)
            .consistent_read(true)
            .set_exclusive_start_key(from);
        if let Some(filter) = scan.filter {
            read = read
                .set_filter_expression(filter.condition())
                .set_expression_attribute_names(filter.names())
                .set_expression_attribute_values(filter.values());
        } else if let Some(only) = scan.only {
            let names: HashMap<String, String> = only
                .iter()
                .enumerate()
                .map(|(at, name)| (format!("#p{at}"), (*name).to_owned()))
                .collect();
            let listed: Vec<String> = (0..only.len()).map(|at| format!("#p{at}")).collect();
            read = read
                .projection_expression(listed.join(", "))
                .set_expression_attribute_names(Some(names));
        }
        let read = read
            .send()
            .await
            .map_err(|error| fault(scan.operation, error).of_read())?;
        Ok(Page {
            items: read.items.unwrap_or_default(),
            next: read.last_evaluated_key.filter(|key| !key.is_empty()),
        })
    }

    /// Every item of a table.
    pub(super) async fn each_item(
        &self,
        scan: Scan<'_>,
        mut take: impl FnMut(&Item) -> Result<()> + Send,
    ) -> Result<()> {
        let mut from = None;
        loop {
            let page = self.scan_page(scan, from).await?;
            for item in &page.items {
                take(item)?;
            }
            from = page.next;
            if from.is_none() {
                return Ok(());
            }
        }
    }
}
