"""The real compiler has the last word where there is one."""

import shutil
import subprocess

import pytest

from tests.infra.bicep import INFRA

BICEP = shutil.which("bicep")

pytestmark = pytest.mark.skipif(
    BICEP is None, reason="bicep is not on PATH: what Azure would say of the files is not shown"
)


@pytest.mark.parametrize("command", ["build --stdout", "lint"])
@pytest.mark.parametrize("file", ["main.bicep", "eventgrid.bicep"])
def test_it_takes_the_files(command: str, file: str) -> None:
    done = subprocess.run(
        [str(BICEP), *command.split(), str(INFRA / file)], capture_output=True, text=True, check=False, timeout=300
    )

    assert done.returncode == 0, done.stderr
