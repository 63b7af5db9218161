"""Generated code; see the package above."""
