"""The `tryon` command: the same against a stack on this machine and a deployed one."""
