"""Every knob of every stage, and what people write for it."""
