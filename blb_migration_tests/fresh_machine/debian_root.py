"""A minimal Debian in a temporary folder: made by debootstrap, entered as a container is, gone afterwards.

debootstrap is a shell script: its package is fetched and unpacked here, not installed. All of apt's
state lies in the temporary folder too, so that this system stays as it is. Mounts live in a mount namespace
of their own and vanish with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from blb_migration.bootstrap.index import IndexSettings, list_config_files, read_index_settings

PACKAGES = ("python3", "git", "ca-certificates")
NEEDED_PROGRAMS = ("apt-get", "dpkg-deb", "wget", "gpgv", "chroot", "unshare", "mount", "pivot_root")
ROOT_MEMORY_KIB = 6 << 20  # two environments, their downloads, the tests' databases
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_PIVOT = 'mount --rbind "$0" "$0" && cd "$0" && pivot_root . mnt && cd / && umount --lazy /mnt && exec "$@"'
_AUTHORITIES = "/etc/ssl/certs/handed-over.pem"


class CannotMakeError(Exception):
    """This machine cannot make another one; the text says why."""


def refuse_unable_machine() -> None:
    """Raise CannotMakeError unless this is Linux, Debian and root, with the programs that it takes."""
    if sys.platform != "linux" or not Path("/etc/debian_version").exists():
        raise CannotMakeError("this is no Debian")
    if os.geteuid() != 0:
        raise CannotMakeError("only root can make a root to change into")
    if missing := [name for name in NEEDED_PROGRAMS if shutil.which(name) is None]:
        raise CannotMakeError(f"{', '.join(missing)} is not installed")
    if not _KEYRING.exists():
        raise CannotMakeError(f"{_KEYRING} is not there to check Debian's packages with")
    if subprocess.run([*ISOLATED, "true"], capture_output=True, check=False).returncode != 0:
        raise CannotMakeError("this container may not mount")


# Its own mounts and processes: whatever happens, both are gone when the command is.
ISOLATED = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def make_root(work: Path, suite: str) -> Path:
    """Return the folder of a minimal Debian ``suite``, made in ``work``.

    Raises CannotMakeError with what apt-get or debootstrap said last.
    """
    apt = ["apt-get", "-q", "-y"]
    for name, folder in (("State::lists", "lists"), ("Cache", "cache")):
        (work / folder / "partial").mkdir(parents=True)
        apt += ["-o", f"Dir::{name}={work / folder}"]
    apt += ["-o", "APT::Sandbox::User=root"]
    _run([*apt, "update"], work)
    _run([*apt, "download", "debootstrap"], work)
    (package,) = work.glob("debootstrap_*.deb")
    _run(["dpkg-deb", "--extract", str(package), str(work / "debootstrap")], work)
    targets = ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"]
    listed = subprocess.run([*targets, *apt[3:]], capture_output=True, text=True, check=False).stdout
    mirrors = [line.split()[1] for line in listed.splitlines() if line.split()[:1] == [suite]]
    if not mirrors:
        raise CannotMakeError(f"apt knows no mirror of {suite}")
    root = work / "root"
    include = f"--include={','.join(PACKAGES)}"
    command = [str(work / "debootstrap/usr/sbin/debootstrap"), "--variant=minbase", include]
    environ = os.environ | {"DEBOOTSTRAP_DIR": str(work / "debootstrap/usr/share/debootstrap")}
    _run([*command, f"--keyring={_KEYRING}", suite, str(root), mirrors[0]], work, environ)
    shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
    hand_over_index(read_index_settings(os.environ, list_config_files(os.environ)), root)
    for name in ("resolv.conf", "hosts"):
        shutil.copy(Path("/etc", name), root / "etc" / name)
    return root


def hand_over_index(settings: IndexSettings, root: Path) -> None:
    """Write the package index of this machine into the other's pip.conf, as its administrator would."""
    lines = ["[global]"]
    for name, value in (
        ("index-url", settings.url),
        ("extra-index-url", " ".join(settings.extra_urls)),
        ("proxy", settings.proxy),
        ("trusted-host", " ".join(settings.trusted_hosts)),
        ("timeout", f"{settings.timeout_seconds:.0f}"),
    ):
        lines += [f"{name} = {value}"] if value else []
    if settings.certificate and Path(settings.certificate).is_file():
        shutil.copy(settings.certificate, root / _AUTHORITIES.lstrip("/"))
        lines.append(f"cert = {_AUTHORITIES}")
    (root / "etc/pip.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")


def mount_memory(folder: Path) -> None:
    """Put a folder into memory where there is enough: dpkg and initdb wait for a disk at every file."""
    sizes = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    if int(sizes["MemAvailable"].split()[0]) >= ROOT_MEMORY_KIB * 2:
        options = f"size={ROOT_MEMORY_KIB}k,mode=755"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)


def mount_kernel_folders(root: Path) -> None:
    """Mount /proc; device nodes are the root's own, and there is no /dev/shm: it must do without."""
    subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=True)


def enter(root: Path, user: int, folder: str, command: list[str], environ: Mapping[str, str]) -> int:
    """Run a command in the root as a user's number, with nothing in its environment but ``environ``.

    The root is pivoted to, as a container does: after chroot the kernel refuses user namespaces.
    """
    variables = [f"{name}={value}" for name, value in environ.items()]
    changed = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "env", "-i"]
    inside = ["unshare", "--mount", "sh", "-c", _PIVOT, str(root), *changed, f"--chdir={folder}", *variables]
    return subprocess.run([*inside, *command], stdin=subprocess.DEVNULL, check=False).returncode


def _run(command: list[str], folder: Path, environ: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environ and dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        last = " | ".join(done.stdout.strip().splitlines()[-3:])
        raise CannotMakeError(f"{Path(command[0]).name} ended with {done.returncode}: {last}")
