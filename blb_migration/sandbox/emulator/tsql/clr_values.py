"""Values of the CLR types as bytes: hierarchyid's paths, and shapes as well-known binary.

The serialized forms are those of [MS-SSCLRT], "Microsoft SQL Server CLR Types Serialization Formats":
hierarchyid in 2.2.1, geography and geometry in 2.1.1. Known here: paths whose steps are whole numbers from
-8 to 1103, single points, and single lines of two points, without Z and M. Anything else is a ValueError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

# Prefix, the bits after it (a digit is fixed, an x counts), and the smallest number so written.
_STEPS = (
    ("00111", "xxx", -8),
    ("01", "xx", 0),
    ("100", "xx", 4),
    ("101", "xxx", 8),
    ("110", "xx0x1xxx", 16),
    ("1110", "xxx0xxx0x1xxx", 80),
)
_POINT, _LINE = 0x0C, 0x14  # valid and a single point; valid and a single line of two points
_WKB_LITTLE_ENDIAN = b"\x01"
_WKB_POINT, _WKB_LINESTRING = 1, 2


def hierarchy_path(value: bytes) -> str:
    """Return what ``ToString()`` gives: ``/`` for the root, ``/1/-3/``."""
    bits = "".join(f"{byte:08b}" for byte in value)
    return "/" + "".join(f"{step}/" for step in _iterate_steps(bits))


def _iterate_steps(bits: str) -> Iterator[int]:
    position = 0
    while "1" in bits[position:]:
        for prefix, pattern, first in _STEPS:
            end = position + len(prefix) + len(pattern)
            if not bits.startswith(prefix, position) or end >= len(bits):
                continue
            body = bits[position + len(prefix) : end]
            counting = "".join(bit for bit, place in zip(body, pattern, strict=True) if place == "x")
            if bits[end] != "1":
                raise ValueError("a hierarchyid with a step like /1.1/")
            yield first + int(counting, 2)
            position = end + 1
            break
        else:
            raise ValueError("a hierarchyid with a step outside -8 to 1103")


def geometry_to_wkb(value: bytes) -> bytes:
    """Return what ``STAsBinary()`` and, without Z and M, ``AsBinaryZM()`` of a geometry give."""
    return _to_wkb(value, is_geography=False)


def geography_to_wkb(value: bytes) -> bytes:
    """Return the same of a geography: longitude first, though it is stored after the latitude."""
    return _to_wkb(value, is_geography=True)


def _to_wkb(value: bytes, *, is_geography: bool) -> bytes:
    _, version, properties = struct.unpack_from("<iBB", value)
    if version not in (1, 2) or properties not in (_POINT, _LINE):
        raise ValueError("a shape that is neither a point nor a line of two points")
    points = list(struct.iter_unpack("<2d", value[6:]))
    if is_geography:
        points = [(longitude, latitude) for latitude, longitude in points]
    kind = _WKB_POINT if properties == _POINT else _WKB_LINESTRING
    count = b"" if properties == _POINT else struct.pack("<I", len(points))
    body = b"".join(struct.pack("<2d", *point) for point in points)
    return _WKB_LITTLE_ENDIAN + struct.pack("<I", kind) + count + body
