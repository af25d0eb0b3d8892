"""Preview writers, one module for each type of artifact, with `make(artifact)`: a `Preview` and its PNG files, or None.

They import the libraries that read the artifact. What is read and kept is bounded, whatever the artifact's size.
"""
