"""Generated from proto/ by `make proto`; `tests/unit/test_proto_drift.py` holds the two together."""
