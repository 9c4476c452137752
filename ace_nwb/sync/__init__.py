"""Array functions that align camera frames to TTL pulses: pulses, matching, clock model."""
