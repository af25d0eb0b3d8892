"""Names of features and splits.

Raw examples, which ExampleGen writes, have for each image:

* `image`: bytes, the unchanged PNG file of TensorFlow Datasets;
* `height`, `width`: int64, pixels, from the PNG's header, so that data validation sees a wrong shape;
* `label`: int64, in [0, number of labels).

Transformed examples have `image_xf`: float32, shape (height * width,), values in [0, 1], and `label_xf`: int64.
"""

IMAGE = "image"
HEIGHT = "height"
WIDTH = "width"
LABEL = "label"

IMAGE_XF = "image_xf"
LABEL_XF = "label_xf"

SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = SPLITS

MAX_PIXEL = 255  # of an 8-bit grey image; pixels are divided by it
