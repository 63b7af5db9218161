"""The demo: scikit-learn's handwritten digits, seen in three views, from a table to a served ensemble."""
