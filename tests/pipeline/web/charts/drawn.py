"""Reads drawings back."""

import re
import xml.etree.ElementTree as ElementTree

_NAMESPACE = "{http://www.w3.org/2000/svg}"


class Shape:
    """An element of a drawing, with its names free of the namespace."""

    def __init__(self, element):
        self._element = element

    @property
    def name(self):
        return self._element.tag.removeprefix(_NAMESPACE)

    @property
    def text(self):
        return self._element.text

    @property
    def classes(self):
        return (self._element.get("class") or "").split()

    def __getitem__(self, key):
        value = self._element.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def number(self, key):
        return float(self[key])

    def get(self, key):
        return self._element.get(key)

    def all(self, name="", class_=""):
        """Shapes inside of it, by the element's name and by a class that they have."""
        shapes = [Shape(element) for element in self._element.iter() if element is not self._element]
        return [shape for shape in shapes if name in ("", shape.name) and class_ in ("", *shape.classes)]

    def one(self, name="", class_=""):
        (shape,) = self.all(name, class_)
        return shape

    def texts(self, class_=""):
        return [shape.text for shape in self.all("text", class_)]

    def tooltip(self):
        return next(Shape(child).text for child in self._element if Shape(child).name == "title")


def read(drawing):
    return Shape(ElementTree.fromstring(drawing.svg))


def numbers(path):
    """The numbers in a path's data."""
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path)]


def points(path):
    """The points in the data of a path that has lines and curves in absolute coordinates only."""
    values = numbers(path)
    return list(zip(values[::2], values[1::2], strict=True))
