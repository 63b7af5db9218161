"""The tuner: trains members on a table, fits combiners, evaluates, and registers what it made."""
