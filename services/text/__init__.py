"""The worker of a member that reads text: one member a process, over the Open Inference Protocol."""
