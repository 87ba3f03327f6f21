import json
import pickle
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.cosmos import move as move_module
from shared.migrate.__main__ import main
from shared.settings import Settings, read_settings
from shared.stores import open_store
from tests.pictures import encoded, scene, stripes
from tests.shared.store_conformance import MODEL, content, feature_of, random_vectors


@pytest.fixture
def environment(
    cosmos_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Settings, Settings]:
    """The embedded store and the one in Cosmos DB, both empty, as the environment names them."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    embedded = read_settings({"DATA_DIR": str(tmp_path / "data")})
    monkeypatch.setenv("COSMOS_ENDPOINT", cosmos_settings.cosmos_endpoint)
    monkeypatch.setenv("COSMOS_KEY", cosmos_settings.cosmos_key)
    monkeypatch.setenv("COSMOS_DATABASE", cosmos_settings.cosmos_database)
    return embedded, cosmos_settings


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = main(["--json", *arguments])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else None


def test_a_collection_goes_to_cosmos_and_back(
    environment: tuple[Settings, Settings], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    embedded, cloud = environment
    features = [
        feature_of(f"dogs/{n}", embedding=vector, model=f"m{n % 2}", tags={"n": str(n)})
        for n, vector in enumerate(random_vectors(50))
    ]
    with closing(open_store(embedded)) as store:
        for feature in features:
            store.upsert(feature)
        store.upsert(feature_of("cats/a"))
    go = ("copy", "dogs", "--from", "embedded", "--to", "cosmos")
    assert run(capsys, *go) == (0, {"collection": "dogs", "features": 50, "written": 50})
    assert run(capsys, *go) == (0, {"collection": "dogs", "features": 50, "written": 0})
    with closing(open_store(cloud)) as store:
        assert store.counts() == {"dogs": {"m0": 25, "m1": 25}}
        for feature in features:
            assert content(store.get(feature.path)) == content(feature)
    for file in (tmp_path / "data").iterdir():
        file.unlink()
    assert run(capsys, "copy", "dogs", "--from", "cosmos", "--to", "embedded")[1]["written"] == 50
    with closing(open_store(embedded)) as store:
        assert all(content(store.get(feature.path)) == content(feature) for feature in features)


def test_a_collection_gets_more_shards(
    environment: tuple[Settings, Settings], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(move_module, "WRITE_SECONDS", -10.0)  # nobody else writes here
    _, cloud = environment
    with closing(open_store(cloud)) as store:
        for n in range(30):
            store.upsert(feature_of(f"dogs/{n}"))
    code, report = run(capsys, "shards", "dogs", "3")
    assert (code, report["shards"], report["moved"]) == (0, 3, 30)
    with closing(open_store(cloud)) as store:
        assert store.counts() == {"dogs": {MODEL: 30}}
    assert main(["shards", "dogs", "0"]) == 2
    assert "1 to 100 shards" in capsys.readouterr().err


def test_an_older_feature_file_brings_its_images(
    environment: tuple[Settings, Settings], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    (folder / "deep").mkdir(parents=True)
    (folder / "rex.jpg").write_bytes(encoded(scene(), "JPEG"))
    (folder / "deep" / "waves.png").write_bytes(encoded(stripes(0)))
    (folder / "broken.png").write_bytes(b"no image")
    names = ["../data/rex.jpg", "/home/someone/images/deep/waves.png", "../data/gone.jpg", "broken.png"]
    file = tmp_path / "old.pkl"
    file.write_bytes(pickle.dumps({name: np.zeros(2048) for name in names}))
    command = ("import", str(file), "--images", str(folder), "--collection", "dogs", "--to", "embedded")
    expected = {"collection": "dogs", "paths": 4, "written": 2, "skipped": 1, "missing": ["../data/gone.jpg"]}
    assert run(capsys, *command) == (1, expected)
    assert run(capsys, *command) == (1, expected | {"written": 0})
    with closing(open_store(environment[0])) as store:
        assert sorted(feature.path for block in store.scan("dogs") for feature in block) == [
            "dogs/deep/waves.png",
            "dogs/rex.jpg",
        ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("copy", "dogs", "--from", "embedded", "--to", "embedded"), "the same store"),
        (("copy", "dogs", "--from", "embedded", "--to", "cosmos"), "Set COSMOS_ENDPOINT"),
        (("shards", "dogs", "2"), "Set COSMOS_ENDPOINT"),
        (("import", "missing.pkl", "--images", ".", "--collection", "x"), "missing.pkl"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: tuple[str, ...],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.delenv("COSMOS_ENDPOINT", raising=False)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
