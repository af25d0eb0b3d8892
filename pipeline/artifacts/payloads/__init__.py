"""Previews of TFX's standard artifacts, read from their files without TensorFlow, TFX, TFDV, TFMA and NumPy.

`files.py`, `tfrecords.py` and `messages.py` read files of strangers: within limits, and with an error in one line. The
other modules have `make(artifact)`, as `preview_writers` have.
"""
