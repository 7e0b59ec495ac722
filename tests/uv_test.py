"""pip-compile for another target, as scripts/compile_target.py runs it, against uv: an independent cross-resolver."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import Checkout
from distributions import wheel
from upstream import Upstream

from scripts import lock
from scripts.pip_environment import pip_environment

# Our name of a platform -> uv's.
PLATFORMS = {
    "manylinux_2_28_x86_64": "x86_64-manylinux_2_28",
    "manylinux_2_28_aarch64": "aarch64-manylinux_2_28",
    "musllinux_1_2_x86_64": "x86_64-unknown-linux-musl",
    "macosx_14_0_arm64": "aarch64-apple-darwin",
    "macosx_14_0_x86_64": "x86_64-apple-darwin",
    "win_amd64": "x86_64-pc-windows-msvc",
    "win_arm64": "aarch64-pc-windows-msvc",
}
PIN = re.compile(r"^(\S+==\S+)", re.MULTILINE)

# Twenty-five projects whose needs depend on the target; what they need, each in versions 1.0, 2.0 and 3.0, is made up
# from these lines.
NEEDS: dict[str, list[str]] = {
    "click": ["colorama; platform_system == 'Windows'"],
    "tqdm": ["colorama>=2; sys_platform == 'win32'"],
    "ipython": ["pexpect<3; sys_platform != 'win32' and sys_platform != 'emscripten'", "colorama; os_name == 'nt'"],
    "keyring": ["pywin32-ctypes; sys_platform == 'win32'", "secretstorage; sys_platform == 'linux'"],
    "portalocker": ["pywin32>=2; platform_system == 'Windows'"],
    "virtualenv": ["importlib-metadata; python_version < '3.8'", "typing-extensions>1; python_version < '3.11'"],
    "pytest": ["tomli>=1; python_version < '3.11'", "exceptiongroup; python_version < '3.11'"],
    "rich": ["typing-extensions<3; python_version < '3.9'", "pygments"],
    "pandas": ["numpy<2; python_version < '3.10'", "numpy>=2; python_version >= '3.10'", "tzdata"],
    "matplotlib": ["importlib-resources; python_version < '3.10'", "contourpy"],
    "sqlalchemy": [
        "greenlet; platform_machine == 'aarch64' or platform_machine == 'x86_64' or platform_machine == 'win32'"
    ],
    "torch": ["nvidia; platform_system == 'Linux' and platform_machine == 'x86_64'", "sympy"],
    "tensorflow": ["metal; sys_platform == 'darwin' and platform_machine == 'arm64'"],
    "cryptography": ["cffi; platform_python_implementation != 'PyPy'"],
    "gevent": ["cffi>=2; platform_python_implementation == 'CPython' and sys_platform == 'win32'", "greenlet>1"],
    "numba": ["llvmlite<2; python_full_version < '3.9.5'", "llvmlite>=2; python_full_version >= '3.9.5'"],
    "grpc": ["typing-extensions; implementation_name == 'cpython'", "pypy-only; implementation_name == 'pypy'"],
    "uvicorn": ["click"],
    "jupyter": ["appnope; platform_system == 'Darwin'", "pywinpty; os_name == 'nt'", "terminado; os_name != 'nt'"],
    "psutil": ["wmi; platform_machine in 'AMD64 ARM64'"],
    "watchdog": ["fsevents; sys_platform in 'darwin,ios'"],
    "black": ["tomli; python_full_version <= '3.11.0a6'", "typing-extensions>=2; python_version ~= '3.9'"],
    "twine": ["keyring; platform_machine not in 'ppc64le s390x'"],
    "dask": ["pandas", "importlib-metadata>=2; python_version < '3.12.0'"],
    "scipy": ["numpy>=1", "openblas; implementation_version >= '3.10'"],
}
EXTRAS = {
    "uvicorn": {
        "standard": ["colorama; sys_platform == 'win32'", "uvloop; sys_platform != 'win32' and os_name == 'posix'"]
    },
    "pandas": {"fast": ["numba; python_version < '3.13'", "tqdm"]},
}
TAGS = {
    "numpy": ["cp39-cp39-{}", "cp310-cp310-{}", "cp312-cp312-{}"],
    "cffi": ["cp39-abi3-{}"],
    "llvmlite": ["cp39-cp39-{}", "cp312-abi3-{}"],
}
PLATFORM_TAGS = (
    *("manylinux_2_17_x86_64.manylinux2014_x86_64", "manylinux_2_17_aarch64", "musllinux_1_1_x86_64"),
    *("macosx_10_9_universal2", "win_amd64", "win_arm64"),
)


def fill(upstream: Upstream) -> None:
    for name, needs in NEEDS.items():
        for number in ("1.0", "2.0"):
            upstream.add(wheel(name, number, requires=needs, extras=EXTRAS.get(name, {})))
        upstream.add(wheel(name, "3.0", requires_python=">=3.16"))
    all_needs = [need for needs in NEEDS.values() for need in needs]
    all_needs += [need for extras in EXTRAS.values() for needs in extras.values() for need in needs]
    for leaf in {re.split("[<>;=]", need)[0].strip() for need in all_needs} - set(NEEDS):
        for tag in TAGS.get(leaf, ["py3-none-any"]):
            for platform in PLATFORM_TAGS if "{}" in tag else ("",):
                upstream.add(wheel(leaf, "1.0", tag=tag.format(platform)))
                upstream.add(wheel(leaf, "2.0", tag=tag.format(platform)))
        upstream.add(wheel(leaf, "3.0", tag="cp312-cp312-win_amd64", requires_python=">=3.10"))
        upstream.add(wheel(leaf, "4.0rc1"))


def uv_pins(folder: Path, python: str, platform: str, environment: Mapping[str, str], *options: str) -> list[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
    command = (
        *(str(Path(sys.prefix) / "bin" / "uv"), "pip", "compile", "--quiet", "--no-config", "--no-header"),
        *("--no-annotate", f"--default-index={environment['PIP_INDEX_URL']}"),
        *("--only-binary=:all:", f"--python-version={python}", f"--python-platform={PLATFORMS[platform]}"),
        *("--no-python-downloads", *options, "requirements.in"),
    )
    environment = ours | {"MACOSX_DEPLOYMENT_TARGET": "14.0", "UV_CACHE_DIR": str(folder.parent / "uv")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return sorted(PIN.findall(done.stdout))


def pip_pins(checkout: Checkout, python: str, platform: str) -> list[str]:
    return sorted(PIN.findall(checkout.locked(f"requirements/{python}-{platform}").partition("\n\n")[2]))


@pytest.mark.parametrize(
    ("python", "platforms"),
    [
        ("3.9.5", ["manylinux_2_28_x86_64", "macosx_14_0_arm64", "win_amd64"]),
        ("3.14", ["manylinux_2_28_aarch64", "musllinux_1_2_x86_64", "macosx_14_0_x86_64", "win_arm64"]),
    ],
)
@pytest.mark.slow
def test_the_pins_agree_with_uv(checkout: Checkout, upstream: Upstream, python: str, platforms: list[str]) -> None:
    fill(upstream)
    names = [f"{name}[{','.join(EXTRAS[name])}]" if name in EXTRAS else name for name in NEEDS]
    assert len(names) >= 20
    packages_yaml = f'resolve_deps: true\npython_versions: ["{python}"]\nplatforms: {platforms}\n'
    checkout.write("".join(f"{name}\n" for name in names), packages_yaml=packages_yaml)
    assert checkout.lock() == 0
    environment = pip_environment(upstream.url)
    of_uv = {platform: uv_pins(checkout.path, python, platform, environment) for platform in platforms}
    assert {platform: pip_pins(checkout, python, platform) for platform in platforms} == of_uv
    # No two of them are the same, or the agreement would say little.
    assert len({tuple(found) for found in of_uv.values()}) == len(platforms)


REAL = """\
aiohttp
black
click
colorlog
concurrent-log-handler
cryptography
fastapi
flask
importlib-resources
ipython
keyring
loguru
portalocker
pytest
requests[socks]
rich
sqlalchemy
terminado
tqdm
twine
uvicorn[standard]
virtualenv
"""
REAL_TARGETS = (("3.10", "manylinux_2_28_x86_64"), ("3.12", "win_amd64"), ("3.13", "macosx_14_0_arm64"))


@pytest.mark.live
@pytest.mark.parametrize(
    ("python", "platform"), [REAL_TARGETS[0], *(pytest.param(*one, marks=pytest.mark.slow) for one in REAL_TARGETS[1:])]
)
def test_the_pins_of_real_projects_agree_with_uv(checkout: Checkout, python: str, platform: str) -> None:
    checkout.write(REAL, packages_yaml=f'resolve_deps: true\npython_versions: ["{python}"]\nplatforms: [{platform}]\n')
    assert lock.main(["--upstream="]) == 0
    ours = pip_pins(checkout, python, platform)
    assert len(ours) > len(REAL.split())
    # A release made between the two runs, and nothing else, could tell them apart.
    assert ours == uv_pins(checkout.path, python, platform, pip_environment())
