"""What was measured, read and shown: nothing is measured here, and torch is not imported."""
