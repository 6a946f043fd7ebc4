"""The first command from a bare clone, with the real uv: every index, folder and accident a user may meet."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from blb_migration_tests.bootstrap.conftest import BASE_PYTHON, TINY, TOP, SmallClone
from blb_migration_tests.bootstrap.private_index import PASSWORD

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and modes as POSIX has them")


def list_everything(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.lstat().st_mtime_ns) for path in folder.rglob("*"))


def only_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a refusal says: one line, no traceback, exit code 2."""
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("blb-migrate: ") and "Traceback" not in line
    return line


def test_it_installs_once_and_then_starts_in_the_environment(clone: SmallClone) -> None:
    environment = clone.folder / ".venv"
    first = clone.run()
    assert (first.returncode, first.stdout) == (7, f"{environment} ['an argument']\n"), first.stderr
    assert "fetching the installer uv" in first.stderr and f"into {environment}, once" in first.stderr
    assert "installed 2 packages" not in first.stderr and "installed 1 package" in first.stderr
    assert not (environment / "installing").exists()
    asked = len(clone.index.asked)
    second = clone.run()
    assert (second.returncode, second.stdout, second.stderr) == (7, first.stdout, "")
    assert len(clone.index.asked) == asked


def test_a_password_of_the_index_shows_nowhere(clone: SmallClone) -> None:
    clone.index.files["tiny"] = {TINY: b"not what the lock names"}
    done = clone.run()
    assert done.returncode == 2 and "tiny" in done.stderr and PASSWORD not in done.stderr
    clone.index.files["uv"] = dict.fromkeys(clone.index.files["uv"], b"other")
    assert "is not the file that requirements.lock names" in clone.run().stderr
    assert PASSWORD not in clone.run().stderr


def test_pip_conf_is_read_and_what_is_not_there_is_passed_over(clone: SmallClone, tmp_path: Path) -> None:
    configuration = tmp_path / "my pip.conf"
    configuration.write_text(
        f"[global]\nindex-url = {clone.index.url()}\ncert = {clone.index.certificate}\n"
        f"extra-index-url = file://{tmp_path}/gone/simple\nfind-links = {tmp_path}/gone\n"
    )
    clone.settings = {"PIP_CONFIG_FILE": str(configuration)}
    done = clone.run()
    assert done.returncode == 7, done.stderr


def test_a_folder_of_wheels_needs_no_index(clone: SmallClone, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for files in clone.index.files.values():
        for name, content in files.items():
            (wheels / name).write_bytes(content)
    clone.settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    done = clone.run()
    assert done.returncode == 7, done.stderr
    assert clone.index.asked == []


def test_an_unknown_authority_and_a_wrong_log_in_are_named(clone: SmallClone) -> None:
    unknown = only_sentence(clone.run(PIP_CERT="", SSL_CERT_FILE=""))
    assert "certificate of 127.0.0.1 is not trusted" in unknown and "PIP_CERT" in unknown
    refused = only_sentence(clone.run(PIP_INDEX_URL=clone.index.url("reader", "wrong")))
    assert "401" in refused and "PIP_INDEX_URL" in refused and "wrong" not in refused
    absent = only_sentence(clone.run(PIP_CERT="/nowhere/authority.pem"))
    assert "/nowhere/authority.pem are not there" in absent


def test_offline_is_one_sentence_and_leaves_nothing_in_the_way(clone: SmallClone) -> None:
    offline = only_sentence(clone.run(PIP_INDEX_URL="https://127.0.0.1:9/simple"))
    assert "https://127.0.0.1:9/simple/uv/ cannot be reached" in offline and "PIP_INDEX_URL" in offline
    assert clone.run().returncode == 7


@pytest.mark.parametrize("content", [True, False], ids=["filled", "with a file in it"])
def test_an_environment_that_somebody_made_stays_as_it_is(clone: SmallClone, content: bool) -> None:
    theirs = clone.folder / ".venv"
    if content:
        subprocess.run([BASE_PYTHON, "-m", "venv", "--without-pip", str(theirs)], check=True)
    else:
        theirs.mkdir()
        (theirs / "notes.txt").write_text("mine")
    before = list_everything(theirs)
    done = clone.run()
    assert done.stdout.startswith(f"{clone.folder / '.venv-blb_migration'} "), done.stderr
    assert f"{theirs} was not made by this command and stays as it is" in done.stderr
    assert list_everything(theirs) == before


def test_an_environment_with_the_packages_is_used_as_it_is(clone: SmallClone, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    subprocess.run([BASE_PYTHON, "-m", "venv", "--without-pip", str(theirs)], check=True)
    site = next(theirs.glob("lib/python3*/site-packages"))
    (site / "tiny.py").write_text("")
    (site / "tiny-1.0.dist-info").mkdir()
    (site / "tiny-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    done = subprocess.run(
        [str(theirs / "bin" / "python"), "-m", "blb_migration"],
        cwd=clone.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, f"{theirs} []\n", "")
    assert not (clone.folder / ".venv").exists()


def test_two_first_runs_at_once_install_once(clone: SmallClone) -> None:
    release = clone.index.held[TINY] = threading.Event()
    first = clone.start()
    wait_until(lambda: any(TINY in path for path in clone.index.asked))
    second = clone.start()
    assert "another first run is filling" in first_line(second)
    release.set()
    outputs = [process.communicate(timeout=60) for process in (first, second)]
    assert (first.returncode, second.returncode) == (7, 7), outputs
    assert sum(path.startswith("/files/uv/") for path in clone.index.asked) == 1


def test_a_killed_first_run_is_begun_anew_once_its_installer_has_ended(clone: SmallClone) -> None:
    release = clone.index.held[TINY] = threading.Event()
    with clone.start() as killed:
        wait_until(lambda: any(TINY in path for path in clone.index.asked))
        killed.send_signal(signal.SIGKILL)  # its uv lives on and still writes
        second = clone.start()
        assert "another first run is filling" in first_line(second)
        release.set()
        stdout, stderr = second.communicate(timeout=60)
    assert second.returncode == 7, stderr
    assert stdout.startswith(f"{clone.folder / '.venv'} ")


def test_an_environment_that_was_left_half_filled_is_filled_anew(clone: SmallClone) -> None:
    assert clone.run().returncode == 7
    (clone.folder / ".venv" / ".installed-lock").write_text("unfinished")
    (clone.folder / ".venv" / "bin" / "python").unlink()
    assert clone.run().returncode == 7


def test_a_clone_that_was_moved_gets_an_environment_of_its_place(clone: SmallClone, tmp_path: Path) -> None:
    assert clone.run().returncode == 7
    moved = tmp_path / "moved"
    clone.folder.rename(moved)
    clone.folder = moved
    assert clone.run().stdout.startswith(f"{moved / '.venv'} ")


def test_a_clone_that_may_not_be_written_to_uses_the_users_cache(clone: SmallClone, tmp_path: Path) -> None:
    """A mount that is read-only stops root too; where none can be made, a mode stops an ordinary user."""
    cache = tmp_path / "cache"
    cache.mkdir()
    command = [BASE_PYTHON, "-m", "blb_migration"]
    if os.getuid() == 0:
        if not shutil.which("unshare"):
            pytest.skip("root without unshare: nothing is read-only for root")
        mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && exec "$@"'
        command = ["unshare", "--mount", "sh", "-c", mount, str(clone.folder), *command]
        probe = ["unshare", "--mount", "true"]
        if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
            pytest.skip("root without the right to mount: nothing is read-only for root")
    else:
        clone.folder.chmod(0o555)
    done = subprocess.run(
        command,
        cwd=clone.folder,
        env={"PATH": os.defpath, "XDG_CACHE_HOME": str(cache), **clone.settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7 and done.stdout.startswith(f"{cache}/blb_migration/"), done.stderr
    assert f"the packages go to {cache}" in done.stderr
    assert sorted(path.name for path in clone.folder.iterdir() if path.name.startswith(".venv")) == []


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 15), (3, 10, 13), (3, 14, 0)], ids=str)
@pytest.mark.parametrize("module", ["blb_migration", "blb_migration_tests"])
def test_another_python_is_refused_in_a_sentence(version: tuple[int, int, int], module: str) -> None:
    pretend = (
        f"import runpy, sys; sys.version_info = {(*version, 'final', 0)};"
        f"runpy.run_module({module!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", pretend], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert f"this is Python {'.'.join(map(str, version))}; Python 3.11, 3.12 or 3.13" in only_sentence(done)


@pytest.mark.parametrize("name", ["python2.7", "python3.6", "python3.8", "python3.10", "python3.14"])
@pytest.mark.parametrize("module", ["blb_migration", "blb_migration_tests"])
def test_another_python_that_is_here_reads_as_far_as_the_sentence(name: str, module: str) -> None:
    beside = sorted(Path(BASE_PYTHON).resolve().parents[2].glob(f"*/bin/{name}"))  # where pyenv has others
    python = str(beside[0]) if beside else shutil.which(name)
    if python is None:
        pytest.skip(f"no {name} here")
    done = subprocess.run([python, "-m", module], cwd=TOP, capture_output=True, check=False)
    assert done.returncode == 2 and b"3.11, 3.12 or 3.13 is needed" in done.stderr


def test_a_python_built_without_a_module_is_named(clone: SmallClone) -> None:
    pretend = (
        "import runpy, sys; sys.modules['_ssl'] = sys.modules['_sqlite3'] = None;"
        "runpy.run_module('blb_migration', run_name='__main__')"
    )
    done = subprocess.run(
        [BASE_PYTHON, "-c", pretend], cwd=clone.folder, capture_output=True, text=True, check=False
    )
    assert "was built without ssl, sqlite3" in only_sentence(done)


def test_a_python_whose_library_is_missing_is_named(clone: SmallClone) -> None:
    loader = "libssl.so.3: cannot open shared object file: No such file or directory"
    pretend = (
        "import importlib.abc, runpy, sys\n"
        "class Loader(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == '_ssl': raise ImportError({loader!r})\n"
        "sys.meta_path.insert(0, Loader())\n"
        "runpy.run_module('blb_migration', run_name='__main__')\n"
    )
    done = subprocess.run(
        [BASE_PYTHON, "-c", pretend], cwd=clone.folder, capture_output=True, text=True, check=False
    )
    sentence = only_sentence(done)
    assert "needs libssl.so.3, which this machine cannot load. " in sentence
    assert "then run again." in sentence and "built" not in sentence


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def wait_until(is_so: object, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)
