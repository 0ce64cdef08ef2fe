"""The engine's life on Kafka: the worker, its state, its interfaces and the command line."""
