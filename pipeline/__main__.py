"""`python -m pipeline` is `sae`."""

from pipeline.cli import main

main()
