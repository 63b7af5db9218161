"""The worker of a member that looks at pictures: one member a process, over the Open Inference Protocol."""
