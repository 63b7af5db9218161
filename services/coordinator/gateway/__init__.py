"""What clients talk to: the Open Inference Protocol and `quorate.v1` in front of the engine."""
