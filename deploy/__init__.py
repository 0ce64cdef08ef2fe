"""What dangol runs on: the embedded broker, Apache Kafka, containers."""
