"""Every event of Fettle's topics, decoded from the published descriptors alone: read_events.py DESCRIPTORS BROKER TOPIC..."""
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

pool = descriptor_pool.DescriptorPool()
for file in descriptor_pb2.FileDescriptorSet.FromString(open(sys.argv[1], "rb").read()).file:
    pool.Add(file)
consumer = Consumer({"bootstrap.servers": sys.argv[2], "group.id": "reader", "enable.partition.eof": True})
for topic in sys.argv[3:]:
    service = topic.split(".")[1]
    name = "fettle.journal.v1.AccessEvent" if service == "access" else f"fettle.{service}.v1.{service.capitalize()}Event"
    event_type = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
    partitions = consumer.list_topics(topic).topics[topic].partitions
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
    ends = 0
    while ends < len(partitions):
        message = consumer.poll(10)
        if message.error():
            ends += 1
            continue
        event = event_type.FromString(message.value())
        print(topic, event.header.position, event.header.type, event.header.stream_id)
