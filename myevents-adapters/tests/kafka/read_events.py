# Reads one record of a topic with the CloudEvents SDK and prints what it understood.
import json
import sys

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka import Consumer

brokers, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
consumer = Consumer({"bootstrap.servers": brokers, "group.id": "sdk", "auto.offset.reset": "earliest"})
consumer.subscribe([topic])
while count:
    record = consumer.poll(30)
    if record is None or record.error():
        sys.exit(f"no record: {record and record.error()}")
    message = KafkaMessage(headers=dict(record.headers()), key=record.key(), value=record.value())
    event = from_binary(message, JSONFormat())
    said = {"attributes": event.get_attributes(), "data": event.get_data()}
    print(json.dumps(said, default=lambda value: value.isoformat()))
    count -= 1
consumer.close()
