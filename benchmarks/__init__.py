"""What the README's table of speed and memory is made with: `make bench`."""
