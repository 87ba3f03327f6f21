"""What is looked at when only the noise is grouped."""

from dataclasses import replace

from clustering.fitting.fit import run_fit
from clustering.fitting.keeping import keep, load_noise
from tests.clustering.angles import CLOSE, group, put
from tests.clustering.small_fits import on_one_store
from tests.conftest import Stores


@on_one_store
def test_each_round_over_the_noise_draws_another_sample(stores: Stores) -> None:
    put(stores.features, group("a", 0) | {f"c/{n:03}": 100 + n for n in range(100)})
    drawn = []
    for _ in range(2):
        fit = run_fit("c", replace(CLOSE, eps=1e-4), *stores)
        noise = load_noise(fit, 40, keep(fit, *stores, lambda _done: None), stores.features, lambda _done: None)
        drawn.append(set(noise.paths))
        assert (len(noise.paths), noise.of) == (40, 104)
    assert drawn[0] != drawn[1]
