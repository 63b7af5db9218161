"""The embedded platform: starts, restarts and stops every process of it on one host."""
