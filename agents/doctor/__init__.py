"""Doctor: examines a deployment and says what to mend. It changes nothing, on the broker or on disk."""
