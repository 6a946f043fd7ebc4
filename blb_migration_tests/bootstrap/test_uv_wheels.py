"""Which of the locked uv's wheels a machine takes, for every kind of machine that has one."""

from __future__ import annotations

from pathlib import Path

import pytest

from blb_migration.bootstrap.uv import Machine, describe_machine, is_wheel_for, read_pin

# What the index has of the locked release; "any" version of it has the same platforms.
PLATFORMS = (
    "linux_armv6l",
    "macosx_10_12_x86_64",
    "macosx_11_0_arm64",
    "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
    "manylinux_2_17_armv7l.manylinux2014_armv7l.musllinux_1_1_armv7l",
    "manylinux_2_17_i686.manylinux2014_i686",
    "manylinux_2_17_ppc64le.manylinux2014_ppc64le",
    "manylinux_2_17_s390x.manylinux2014_s390x",
    "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "manylinux_2_31_riscv64.musllinux_1_1_riscv64",
    "manylinux_2_31_riscv64",
    "musllinux_1_1_i686",
    "musllinux_1_1_x86_64",
    "win32",
    "win_amd64",
    "win_arm64",
)


@pytest.mark.parametrize(
    "machine, expected",
    [
        (Machine("linux", "x86_64", "glibc", (2, 36)), ["manylinux_2_17_x86_64.manylinux2014_x86_64"]),
        (Machine("linux", "x86_64", "glibc", (2, 12)), []),  # older than every wheel asks for
        (Machine("linux", "x86_64", "musl", (1, 2)), ["musllinux_1_1_x86_64"]),
        (Machine("linux", "i686", "glibc", (2, 36)), ["manylinux_2_17_i686.manylinux2014_i686"]),
        (
            Machine("linux", "aarch64", "glibc", (2, 17)),
            ["manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64"],
        ),
        (
            Machine("linux", "aarch64", "musl", (1, 2)),
            ["manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64"],
        ),
        (
            Machine("linux", "riscv64", "glibc", (2, 31)),
            [
                "manylinux_2_31_riscv64.musllinux_1_1_riscv64",
                "manylinux_2_31_riscv64",
            ],
        ),
        (Machine("linux", "riscv64", "glibc", (2, 30)), []),
        (Machine("linux", "armv6l", "glibc", (2, 36)), ["linux_armv6l"]),
        (Machine("linux", "s390x", "glibc", (2, 28)), ["manylinux_2_17_s390x.manylinux2014_s390x"]),
        (Machine("linux", "loongarch64", "glibc", (2, 36)), []),
        (Machine("macosx", "arm64", version=(14, 5)), ["macosx_11_0_arm64"]),
        (Machine("macosx", "x86_64", version=(10, 16)), ["macosx_10_12_x86_64"]),
        (Machine("macosx", "x86_64", version=(10, 9)), []),
        (Machine("win", "amd64"), ["win_amd64"]),
        (Machine("win", "arm64"), ["win_arm64"]),
        (Machine("win", "win32"), ["win32"]),
    ],
    ids=lambda value: " ".join(map(str, vars(value).values())) if isinstance(value, Machine) else "",
)
def test_each_machine_takes_its_wheel(machine: Machine, expected: list[str]) -> None:
    found = [tags for tags in PLATFORMS if is_wheel_for(machine, f"uv-1.0-py3-none-{tags}.whl")]
    assert found == expected


def test_this_machine_has_one() -> None:
    machine = describe_machine()
    assert sum(is_wheel_for(machine, f"uv-1.0-py3-none-{tags}.whl") for tags in PLATFORMS) >= 1
    assert not is_wheel_for(machine, "uv-1.0.tar.gz")


def test_a_pin_is_read_with_its_own_hashes_only(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "uuid==9 \\\n    --hash=sha256:aa\n    # via x\n"
        "uv==0.13.9 ; python_version > '3' \\\n  --hash=sha256:bb \\\n    --hash=sha256:cc\n    # via y\n"
        "uvicorn==1 \\\n    --hash=sha256:dd\n"
    )
    assert read_pin(lock, "uv") == ("0.13.9", {"bb", "cc"})
