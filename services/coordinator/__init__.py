"""The coordinator: the gateway that clients ask, the engine that asks the members, and the queue's consumer."""
