"""`sae serve` and `sae export`: the pages of the explorer, made on the server."""
