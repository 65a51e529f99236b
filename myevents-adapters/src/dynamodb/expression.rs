//! Update and condition expressions, built so that no value and no reserved word ever stands in their text.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};
use myevents_core::Result;

use super::error::unbuilt;
use super::item::Item;

/// A change of one item and the condition it is made under.
#[derive(Debug, Clone, Default)]
pub(super) struct Expression {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
    set: Vec<String>,
    add: Vec<String>,
    remove: Vec<String>,
    conditions: Vec<String>,
}

impl Expression {
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn name(&mut self, attribute: &str) -> String {
        let placeholder = format!("#{attribute}");
        self.names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    pub(super) fn set(mut self, attribute: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(attribute), self.value(value));
        self.set.push(format!("{name} = {value}"));
        self
    }

    /// Adds to a number. Where the attribute is absent this makes it: whoever must not, sets a condition.
    pub(super) fn add(mut self, attribute: &str, by: impl ToString) -> Self {
        let (name, value) = (
            self.name(attribute),
            self.value(AttributeValue::N(by.to_string())),
        );
        self.add.push(format!("{name} {value}"));
        self
    }

    pub(super) fn remove(mut self, attribute: &str) -> Self {
        let name = self.name(attribute);
        self.remove.push(name);
        self
    }

    /// Sets all attributes of `item` but its key, and removes those of `known` that it lacks.
    pub(super) fn become_item(mut self, item: Item, key: &[&str], known: &[&str]) -> Self {
        for attribute in known {
            if !item.contains_key(*attribute) && !key.contains(attribute) {
                self = self.remove(attribute);
            }
        }
        for (attribute, value) in item {
            if !key.contains(&attribute.as_str()) {
                self = self.set(&attribute, value);
            }
        }
        self
    }

    fn compared(&mut self, attribute: &str, operator: &str, value: AttributeValue) -> String {
        let (name, value) = (self.name(attribute), self.value(value));
        format!("{name} {operator} {value}")
    }

    /// Only if the attribute compares so.
    pub(super) fn when(mut self, attribute: &str, operator: &str, value: AttributeValue) -> Self {
        let condition = self.compared(attribute, operator, value);
        self.conditions.push(condition);
        self
    }

    /// Only if the attribute equals `value`, absent meaning absent.
    pub(super) fn when_is(self, attribute: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.when(attribute, "=", value),
            None => self.when_absent(attribute),
        }
    }

    pub(super) fn when_absent(mut self, attribute: &str) -> Self {
        let name = self.name(attribute);
        self.conditions.push(format!("attribute_not_exists({name})"));
        self
    }

    pub(super) fn when_present(mut self, attribute: &str) -> Self {
        let name = self.name(attribute);
        self.conditions.push(format!("attribute_exists({name})"));
        self
    }

    /// Only if `absent` is absent, or all of `compared` hold.
    pub(super) fn when_absent_or(
        mut self,
        absent: &str,
        compared: Vec<(&str, &str, AttributeValue)>,
    ) -> Self {
        let name = self.name(absent);
        let all: Vec<String> = compared
            .into_iter()
            .map(|(attribute, operator, value)| self.compared(attribute, operator, value))
            .collect();
        self.conditions.push(format!(
            "(attribute_not_exists({name}) OR ({}))",
            all.join(" AND ")
        ));
        self
    }

    /// Only if one of two attributes is as said: the first absent, or the second present.
    pub(super) fn when_absent_or_present(mut self, absent: &str, present: &str) -> Self {
        let (absent, present) = (self.name(absent), self.name(present));
        self.conditions.push(format!(
            "(attribute_not_exists({absent}) OR attribute_exists({present}))"
        ));
        self
    }

    pub(super) fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    pub(super) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }

    pub(super) fn condition(&self) -> Option<String> {
        (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "))
    }

    pub(super) fn change(&self) -> Option<String> {
        let mut text = String::new();
        for (verb, parts) in [("SET", &self.set), ("REMOVE", &self.remove), ("ADD", &self.add)] {
            if !parts.is_empty() {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(verb);
                text.push(' ');
                text.push_str(&parts.join(", "));
            }
        }
        (!text.is_empty()).then_some(text)
    }

    /// The change as an action of a transaction.
    pub(super) fn update(self, table: &str, key: Item) -> Result<TransactWriteItem> {
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(key))
            .set_update_expression(self.change())
            .set_condition_expression(self.condition())
            .set_expression_attribute_names(self.names())
            .set_expression_attribute_values(self.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// A whole new item as an action of a transaction.
    pub(super) fn put(self, table: &str, item: Item) -> Result<TransactWriteItem> {
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .set_condition_expression(self.condition())
            .set_expression_attribute_names(self.names())
            .set_expression_attribute_values(self.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The condition alone as an action of a transaction.
    pub(super) fn check(self, table: &str, key: Item) -> Result<TransactWriteItem> {
        let check = ConditionCheck::builder()
            .table_name(table)
            .set_key(Some(key))
            .set_condition_expression(self.condition())
            .set_expression_attribute_names(self.names())
            .set_expression_attribute_values(self.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// A deletion as an action of a transaction.
    pub(super) fn delete(self, table: &str, key: Item) -> Result<TransactWriteItem> {
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(key))
            .set_condition_expression(self.condition())
            .set_expression_attribute_names(self.names())
            .set_expression_attribute_values(self.values())
            .build()
            .map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

#[cfg(test)]
mod tests {
    use super::super::item::{number, text};
    use super::*;

    #[test]
    fn values_and_names_stay_out_of_the_text() {
        let expression = Expression::new()
            .set("State", text("a"))
            .add("Sold", 3)
            .remove("Name")
            .when("Available", ">=", number(3))
            .when_is("Rev", None)
            .when_absent_or(
                "Seats",
                vec![("Seats", "<=", number(1)), ("Bookings", "<=", number(2))],
            );
        assert_eq!(
            expression.change().unwrap(),
            "SET #State = :v0 REMOVE #Name ADD #Sold :v1"
        );
        assert_eq!(
            expression.condition().unwrap(),
            "#Available >= :v2 AND attribute_not_exists(#Rev) AND (attribute_not_exists(#Seats) OR (#Seats <= :v3 AND #Bookings <= :v4))"
        );
        assert_eq!(expression.names().unwrap().len(), 7);
    }
}
