"""Make a TFDS data set of the user's own files. Only `builder` imports TensorFlow."""
