"""Byte layouts of what travels in bulk, as tables. All numbers are little-endian.

The codec itself is backend/scenes/sweep_codec.py (numpy) and frontend/src/protocol/binary.ts;
tests/protocol/examples/*.bin are read by the tests of both.
"""

from __future__ import annotations

from struct import Struct

# --- every bulk message: one chunk of one object, at most MAX_MESSAGE_BYTES in all ---------------
#   u8  kind (KIND_*)          u8  flags (bit 0: last chunk)   u16 sensor (NO_SENSOR for labels)
#   u32 request                u32 frame
#   u32 offset of this chunk   u32 size of the whole object    then the chunk's bytes
CHUNK_HEADER = Struct("<BBHIIII")
MAX_MESSAGE_BYTES = 256 * 1024
KIND_SWEEP, KIND_IMAGE, KIND_PROXY, KIND_LABELS = 1, 2, 3, 4
FLAG_LAST = 1
NO_SENSOR = 0xFFFF

# --- a sweep, the compact view ------------------------------------------------------------------
#   4s  magic "MKSW"           u8  version (1)                 u8  codec (CODEC_*)
#   u16 flags (bit 0: elongation is meaningful)
#   u32 point count            3 x f32 low corner, metres in ego
#   f32 step_m                 f32 intensity shown as 255      u32 size of the inflated payload
#   u32 reserved (0)           then the payload
# A point is u16 x, u16 y, u16 z (steps from the low corner), u8 intensity (square-root scale:
# 255 * sqrt(min(raw / top, 1))), u8 elongation (raw / 1.5 * 255).
# CODEC_P8: those 8 bytes per point, interleaved: a GPU's vertex layout, uploaded as it is.
# CODEC_D1: zstd of eight planes of one byte per point: low bytes of x, y, z, high bytes of x, y, z,
#   intensity, elongation. x, y, z are differences to the previous point in stored (scan) order,
#   modulo 2^16, zig-zag coded ((d << 1) ^ (d >> 15)); the first point's difference is to 0.
SWEEP_HEADER = Struct("<4sBBHIfffffII")
SWEEP_MAGIC = b"MKSW"
SWEEP_VERSION = 1
CODEC_P8, CODEC_D1 = 0, 1
SWEEP_FLAG_ELONGATION = 1
POINT_BYTES = 8
STEP_M = 0.005
ELONGATION_TOP = 1.5

# --- the masks of one frame: zstd of ------------------------------------------------------------
#   4s  magic "MKLB"           u8 version (1)   3 x pad        u32 revision
#   u32 mask count             then the table, one row a mask:
#     u32 track   u16 sensor   u8 source (SOURCES)   u8 confidence (0-254; 255: none)
#     u32 size of its runs
#   then the runs of all masks, one after the other, in the table's order
LABELS_HEADER = Struct("<4sB3xII")
LABELS_MAGIC = b"MKLB"
LABELS_VERSION = 1
MASK_ROW = Struct("<IHBBI")
SOURCES = ("person", "model", "engine", "import")
NO_CONFIDENCE = 255
