"""GUIDs from their text to their sixteen bytes, many at once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# The value of each ASCII code as a hexadecimal digit; 255 where it is none.
_HEX_VALUES = np.full(256, 255, dtype=np.uint8)
for _digit, _characters in enumerate(zip("0123456789abcdef", "0123456789ABCDEF", strict=True)):
    for _character in _characters:
        _HEX_VALUES[ord(_character)] = _digit
# Where the 16 bytes' high digits stand in 8-4-4-4-12 (RFC 9562, section 4); the low digit follows each.
_UUID_HIGH_DIGITS = np.array([0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34])
_UUID_TEXT_LENGTH = 36
_UUID_TYPE = pa.binary(16)


def uuid_text_to_bytes(array: pa.Array, arrow_type: pa.DataType = _UUID_TYPE) -> pa.Array:
    """GUID texts (large_string) as 16-byte values in textual (RFC 9562) order; NULL stays NULL.

    Raises pa.ArrowInvalid for anything that is not a GUID's text.
    """
    present = array.drop_null()
    values = np.zeros((len(array), 16), dtype=np.uint8)
    if len(present):
        lengths = pc.unique(pc.binary_length(present)).to_pylist()
        if lengths != [_UUID_TEXT_LENGTH]:
            raise pa.ArrowInvalid(f"a GUID's text has {_UUID_TEXT_LENGTH} characters, found {lengths}")
        offsets = np.frombuffer(present.buffers()[1], dtype=np.int64)
        start = offsets[present.offset]
        text = np.frombuffer(present.buffers()[2], dtype=np.uint8)[start:][: len(present) * _UUID_TEXT_LENGTH]
        digits = _HEX_VALUES[text].reshape(-1, _UUID_TEXT_LENGTH)
        high, low = digits[:, _UUID_HIGH_DIGITS], digits[:, _UUID_HIGH_DIGITS + 1]
        if high.max() > 15 or low.max() > 15:
            raise pa.ArrowInvalid("a GUID's text holds something else than hexadecimal digits")
        values[np.asarray(array.is_valid())] = high << 4 | low
    validity = pa.array(array.is_valid()).buffers()[1] if array.null_count else None
    return pa.FixedSizeBinaryArray.from_buffers(
        arrow_type, len(array), [validity, pa.py_buffer(values.tobytes())]
    )
