"""The demo: a simulated day through a real broker, a real worker and a real subscriber, and its picture."""
