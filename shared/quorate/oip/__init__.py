"""The Open Inference Protocol as this platform speaks it: messages to and from numpy, and a member's client."""

from quorate.oip.client import MemberClient
from quorate.oip.messages import infer_request, infer_response, read_inputs, read_outputs

__all__ = ["MemberClient", "infer_request", "infer_response", "read_inputs", "read_outputs"]
