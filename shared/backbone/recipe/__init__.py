"""How `backbone.onnx` is built: from public ImageNet weights and the photos in `photos/`. Nothing here runs in the app.

weights      reads the trained weights
network      the layers, as data
graph        writes layers as an ONNX graph in float32, and runs it
projection   from the last layers to the embedding
quantize     the layers in 8-bit integers
bias         takes back what rounding shifts
photos       what is measured on
build        all of it, in order
"""

from .build import build_float

__all__ = ["build_float"]
