"""What runs outside the nodes: the definition, the local orchestrator, the command line."""

import os

# gRPC, which Beam uses, would start its threads again in a forked process and wait for them when that one forks: for
# ever in the processes that read stores (`metadata/isolation.py`), which use no gRPC. It reads this at its import.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
