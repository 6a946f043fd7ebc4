"""Small real PNG pictures for the binary columns: a company logo, previews of quoted models.

Written to the PNG specification (ISO/IEC 15948) with stored, uncompressed data, so that the bytes
are the same whatever zlib is installed.
"""

from __future__ import annotations

import struct
import zlib


def build_png(color: int, edge_pixels: int) -> bytes:
    """Build a square PNG of one ``color`` (0xRRGGBB) with a lighter diagonal."""
    plain = color.to_bytes(3, "big")
    light = bytes((channel + 255) // 2 for channel in plain)
    scanlines = bytearray()
    for y in range(edge_pixels):
        scanlines.append(0)  # filter type: none
        for x in range(edge_pixels):
            scanlines += light if x == y else plain
    header = struct.pack(">IIBBBBB", edge_pixels, edge_pixels, 8, 2, 0, 0, 0)  # 8 bits, RGB
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", zlib.compress(bytes(scanlines), level=0)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
