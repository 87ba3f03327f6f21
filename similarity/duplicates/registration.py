"""How one picture lies on another, if both are of one scene: scaled, turned, shifted, perhaps mirrored.

Shifts come from phase correlation, for some scales and turns; least squares makes the best of those exact, so that
crops, turned pictures and other proportions fit. Light and contrast do not count, and colours do not either.

Sources: C. Kuglin and D. Hines, The phase correlation image alignment method, 1975; B. Lucas and T. Kanade, An
iterative image registration technique, 1981.
"""

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

type Pixels = NDArray[np.float32]
type Spectra = NDArray[np.complex64]
type Affine = NDArray[np.float64]
"""[2, 3]: takes places of the second picture to the first, both counted from their centres, x before y."""

COARSE, ROOM, FINE = 32, 64, 64
"""The longest side of what is registered, the side of the square it is shifted in, and the side for the details."""

SCALES = (1.0, 1.12, 1.25, 1.43, 1.67)
TURNS = (-15, -10, -5, 0, 5, 10, 15)
"""Degrees. Between those that are tried, least squares finds the way."""

TRIED = 3
STEPS = 8
LEAST = 0.15
"""The share of the second picture that must lie on the first while they are fitted."""

NOISE = 16.0
"""What is added to a variance of grey levels: JPEG's noise in a plain sky must not be blown up to a pattern."""


class Look(NamedTuple):
    """A picture, prepared to be laid over others."""

    grey: Pixels
    details: Pixels
    """Grey levels by their surroundings: what is brighter or darker than those, in parts of their contrast."""
    fixed: Spectra
    mirrored: Spectra
    moved: Spectra
    """The spectra of the picture, of its mirror image, and [35, …] of it in each scale and turn."""


class Placing(NamedTuple):
    """One way to lie on each other: how well the phases agree, whether the second is mirrored first, and the rest."""

    height: float
    mirror: bool
    affine: Affine


def prepare(image: Image.Image) -> Look:
    """Prepare an RGB picture, of 64 pixels at least for all it can tell. It takes 5 to 20 ms."""
    small = _details(_grey(image, COARSE), 4)
    height, width = small.shape
    top, left = (COARSE - height) // 2, (COARSE - width) // 2
    square = np.zeros((COARSE, COARSE), np.float32)
    square[top : top + height, left : left + width] = small
    margin = (ROOM - COARSE) // 2
    fixed = _whitened(np.stack([np.pad(square, margin), np.pad(square[:, ::-1], margin)]))
    grey = _grey(image, FINE)
    return Look(grey, _details(grey, FINE // 10), fixed[0], fixed[1], _whitened(_moved(square)))


def placings(one: Look, other: Look) -> list[Placing]:
    """The most promising ways to lie on each other, best first."""
    found = []
    for mirror in (False, True):
        for moving, still, swapped in ((one, other, False), (other, one, True)):
            spectrum = still.mirrored if mirror else still.fixed
            peaks = np.fft.irfft2(spectrum * np.conj(moving.moved), s=(ROOM, ROOM)).reshape(len(moving.moved), -1)
            places = peaks.argmax(axis=1)
            heights = peaks[np.arange(len(places)), places]
            for which in np.argsort(-heights)[:TRIED]:
                affine = _affine(int(which), int(places[which]))
                affine = _backwards(affine, mirror=mirror) if swapped else affine
                found.append(Placing(float(heights[which]), mirror, affine))
    return sorted(found, key=lambda placing: -placing.height)[:TRIED]


def fitted(one: Pixels, other: Pixels, affine: Affine) -> Affine:
    """The way near the one given that makes the details of two pictures most alike, by least squares."""
    affine = affine * [1, 1, FINE / COARSE]
    down, right = np.gradient(one)
    planes = np.stack([one, right, down]).astype(np.float32)
    x, y = centred(other)
    best, result = -1.0, affine
    for _ in range(STEPS + 1):
        at = places_on(one, affine, x, y)
        values, inside = sampled(planes, *at)
        if inside.mean() < LEAST:
            break
        here, by_x, by_y = values[:, inside]
        there = other.ravel()[inside]
        if (score := float(np.corrcoef(here, there)[0, 1]) if here.std() * there.std() > 0 else -1.0) > best:
            best, result = score, affine
        across, along = x[inside], y[inside]
        # The last two columns: contrast and light, which may differ.
        slopes = np.stack(
            [by_x * across, by_x * along, by_x, by_y * across, by_y * along, by_y, here, np.ones_like(here)], axis=1
        )
        square = slopes.T @ slopes
        damped = square + 1e-5 * np.trace(square) / len(square) * np.eye(len(square))
        affine = affine + np.linalg.solve(damped, slopes.T @ (there - here))[:6].reshape(2, 3)
    return result


def centred(picture: Pixels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places of the pixels, x and y, flattened, counted from the centre."""
    height, width = picture.shape
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return x.ravel() - (width - 1) / 2, y.ravel() - (height - 1) / 2


def places_on(
    picture: Pixels, affine: Affine, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where places of another picture lie on this one, in pixels from its corner."""
    height, width = picture.shape
    (xx, xy, x0), (yx, yy, y0) = affine
    return xx * x + xy * y + x0 + (width - 1) / 2, yx * x + yy * y + y0 + (height - 1) / 2


def _affine(which: int, place: int) -> Affine:
    """From a peak: which scale and turn, and where in the square of shifts."""
    down, right = (int(shift + ROOM // 2) % ROOM - ROOM // 2 for shift in divmod(place, ROOM))
    inverse = _grids()[0][which]
    return np.column_stack([inverse, -inverse @ (right, down)])


def _backwards(affine: Affine, *, mirror: bool) -> Affine:
    """The way from the first to the second, of a mirrored first, as one to the first from a mirrored second."""
    back = np.linalg.inv(affine[:, :2])
    there = np.column_stack([back, -back @ affine[:, 2]])
    return there * [[1, -1, -1], [-1, 1, 1]] if mirror else there


def _grey(image: Image.Image, side: int) -> Pixels:
    scale = side / max(image.size)
    size = max(8, round(image.width * scale)), max(8, round(image.height * scale))
    return np.asarray(image.convert("L").resize(size, Image.Resampling.BICUBIC), np.float32)


def _details(grey: Pixels, radius: int) -> Pixels:
    difference = grey - window_mean(grey, radius)
    details: Pixels = (difference / np.sqrt(window_mean(difference**2, radius) + NOISE)).astype(np.float32)
    return details


def window_mean(values: NDArray[np.floating], radius: int) -> NDArray[np.float64]:
    """The mean of the window around each place."""
    side = 2 * radius + 1
    sums = np.pad(values, radius, mode="edge").astype(np.float64).cumsum(axis=0).cumsum(axis=1)
    sums = np.pad(sums, ((1, 0), (1, 0)))
    inner = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    mean: NDArray[np.float64] = inner / side**2
    return mean


@cache
def _grids() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The inverse of each scale and turn [35, 2, 2]; and where each place of the square comes from, x and y."""
    turns = np.deg2rad([turn for _, turn in product(SCALES, TURNS)])
    scales = np.array([scale for scale, _ in product(SCALES, TURNS)])
    cosine, sine = np.cos(turns) / scales, np.sin(turns) / scales
    inverse = np.stack([cosine, -sine, sine, cosine], axis=-1).reshape(-1, 2, 2)
    y, x = np.mgrid[:ROOM, :ROOM] - (ROOM - 1) / 2
    places = np.einsum("kij,jyx->ikyx", inverse, np.stack([x, y])) + (COARSE - 1) / 2
    return inverse, places[0], places[1]


def _moved(square: Pixels) -> Pixels:
    _, x, y = _grids()
    values, inside = sampled(square, x, y)
    return np.where(inside, values, np.float32(0)).astype(np.float32)


def sampled(values: Pixels, x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[Pixels, NDArray[np.bool_]]:
    """Values [..., height, width] between pixels, and whether each place lies on the picture."""
    height, width = values.shape[-2:]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    left = np.clip(np.floor(x), 0, width - 2).astype(np.intp)
    top = np.clip(np.floor(y), 0, height - 2).astype(np.intp)
    right, down = np.clip(x - left, 0, 1).astype(np.float32), np.clip(y - top, 0, 1).astype(np.float32)
    flat, at = values.reshape(*values.shape[:-2], -1), top * width + left
    above = flat[..., at] * (1 - right) + flat[..., at + 1] * right
    below = flat[..., at + width] * (1 - right) + flat[..., at + width + 1] * right
    return (above * (1 - down) + below * down).astype(np.float32, copy=False), inside


def _whitened(pictures: Pixels) -> Spectra:
    """Spectra of which only the phase is left, but for frequencies that are hardly there."""
    spectra = np.fft.rfft2(pictures)
    strength = np.abs(spectra)
    white: Spectra = spectra / (strength + 1e-3 * strength.max(axis=(-2, -1), keepdims=True) + 1e-12)
    return white
