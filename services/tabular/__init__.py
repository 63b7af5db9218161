"""The worker of a member that looks at table rows: one member a process, over the Open Inference Protocol."""
