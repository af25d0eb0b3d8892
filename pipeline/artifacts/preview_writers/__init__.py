"""Preview writers, one module for each artifact type: `make(artifact)` returns a `Preview` and its PNG files, or None.

They import the libraries that read the artifact. The size of a preview is limited, independent of the artifact's.
"""
