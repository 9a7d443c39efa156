/**
 * Bytes of the bulk socket and of masks, as backend/protocol/binary.py lays them out.
 * Everything is little-endian. tests/protocol/examples/*.bin are read by the tests of both ends.
 */

export const KIND_SWEEP = 1;
export const KIND_IMAGE = 2;
export const KIND_PROXY = 3;
export const KIND_LABELS = 4;
export const NO_SENSOR = 0xffff;

export const CODEC_P8 = 0;
export const CODEC_D1 = 1;
/** Bytes of one decoded point: u16 x, y, z (steps), u8 intensity, u8 elongation. */
export const POINT_BYTES = 8;

const CHUNK_HEADER_BYTES = 20;
const FLAG_LAST = 1;
const SWEEP_HEADER_BYTES = 40;
const SWEEP_MAGIC = 0x57534b4d; // "MKSW"
const SWEEP_FLAG_ELONGATION = 1;
const LABELS_HEADER_BYTES = 16;
const LABELS_MAGIC = 0x424c4b4d; // "MKLB"
const MASK_ROW_BYTES = 12;
const NO_CONFIDENCE = 255;
const VERSION = 1;

const SOURCES = ["person", "model", "engine", "import"] as const;
export type MaskSource = (typeof SOURCES)[number];

/** Bytes that do not follow the layout: a bug at one end, or a transfer cut short. */
export class BadBytes extends Error {}

export interface Chunk {
  kind: number;
  isLast: boolean;
  sensor: number | null;
  request: number;
  frame: number;
  offset: number;
  objectSize: number;
  bytes: Uint8Array; // a view of the message
}

export interface SweepHeader {
  codec: number;
  hasElongation: boolean;
  pointCount: number;
  lowCorner: [number, number, number]; // metres in ego
  stepM: number;
  intensityTop: number; // raw intensity shown as 255
  inflatedSize: number;
  payload: Uint8Array; // a view
}

export interface FrameMask {
  track: number;
  sensor: number;
  source: MaskSource;
  confidence: number | null; // 0 ... 1
  runs: Uint8Array; // its own bytes, not a view
}

/** One message of the bulk socket. Throws BadBytes. */
export function readChunk(message: ArrayBuffer): Chunk {
  if (message.byteLength < CHUNK_HEADER_BYTES) {
    throw new BadBytes(`a bulk message of ${message.byteLength} bytes has no room for its header`);
  }
  const view = new DataView(message);
  const sensor = view.getUint16(2, true);
  const chunk = {
    kind: view.getUint8(0),
    isLast: (view.getUint8(1) & FLAG_LAST) !== 0,
    sensor: sensor === NO_SENSOR ? null : sensor,
    request: view.getUint32(4, true),
    frame: view.getUint32(8, true),
    offset: view.getUint32(12, true),
    objectSize: view.getUint32(16, true),
    bytes: new Uint8Array(message, CHUNK_HEADER_BYTES),
  };
  if (chunk.offset + chunk.bytes.length > chunk.objectSize) {
    throw new BadBytes(
      `a chunk ends at ${chunk.offset + chunk.bytes.length} of an object of ${chunk.objectSize} bytes`,
    );
  }
  return chunk;
}

/** The head of a sweep, and its payload still coded. Throws BadBytes. */
export function readSweepHeader(sweep: Uint8Array): SweepHeader {
  if (sweep.length < SWEEP_HEADER_BYTES) {
    throw new BadBytes(`a sweep of ${sweep.length} bytes has no room for its header`);
  }
  const view = new DataView(sweep.buffer, sweep.byteOffset, sweep.byteLength);
  checkMagic(view, SWEEP_MAGIC, "a sweep");
  return {
    codec: view.getUint8(5),
    hasElongation: (view.getUint16(6, true) & SWEEP_FLAG_ELONGATION) !== 0,
    pointCount: view.getUint32(8, true),
    lowCorner: [view.getFloat32(12, true), view.getFloat32(16, true), view.getFloat32(20, true)],
    stepM: view.getFloat32(24, true),
    intensityTop: view.getFloat32(28, true),
    inflatedSize: view.getUint32(32, true),
    payload: sweep.subarray(SWEEP_HEADER_BYTES),
  };
}

/** The masks of one frame, after zstd. Throws BadBytes. */
export function readLabels(inflated: Uint8Array): { revision: number; masks: FrameMask[] } {
  if (inflated.length < LABELS_HEADER_BYTES) {
    throw new BadBytes(`labels of ${inflated.length} bytes have no room for their header`);
  }
  const view = new DataView(inflated.buffer, inflated.byteOffset, inflated.byteLength);
  checkMagic(view, LABELS_MAGIC, "labels");
  const count = view.getUint32(12, true);
  let runsStart = LABELS_HEADER_BYTES + count * MASK_ROW_BYTES;
  if (runsStart > inflated.length) throw new BadBytes(`labels are cut off in a table of ${count}`);
  const masks: FrameMask[] = [];
  for (let index = 0; index < count; index++) {
    const row = LABELS_HEADER_BYTES + index * MASK_ROW_BYTES;
    const runsEnd = runsStart + view.getUint32(row + 8, true);
    if (runsEnd > inflated.length) throw new BadBytes(`labels are cut off in mask ${index}`);
    const confidence = view.getUint8(row + 7);
    masks.push({
      track: view.getUint32(row, true),
      sensor: view.getUint16(row + 4, true),
      source: SOURCES[view.getUint8(row + 6)] ?? "import",
      confidence: confidence === NO_CONFIDENCE ? null : confidence / 254,
      runs: inflated.slice(runsStart, runsEnd),
    });
    runsStart = runsEnd;
  }
  return { revision: view.getUint32(8, true), masks };
}

function checkMagic(view: DataView, magic: number, what: string): void {
  if (view.getUint32(0, true) !== magic) throw new BadBytes(`${what} does not start as one`);
  const version = view.getUint8(4);
  if (version !== VERSION) {
    throw new BadBytes(`${what} has version ${version}, this page reads ${VERSION}: reload it`);
  }
}

export function bytesFromBase64(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

export function base64FromBytes(bytes: Uint8Array): string {
  let binary = "";
  // In slices: spreading a long array over the argument list overflows the stack.
  for (let start = 0; start < bytes.length; start += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  }
  return btoa(binary);
}

/** Unsigned LEB128 numbers, each below 2^32. Throws BadBytes. */
export function decodeVarints(bytes: Uint8Array): Uint32Array {
  const values = new Uint32Array(bytes.length); // at most one number a byte
  let count = 0;
  let value = 0;
  let scale = 1;
  for (const byte of bytes) {
    value += (byte & 0x7f) * scale; // not a shift: those end at 31 bits
    if (value > 0xffffffff) throw new BadBytes("a varint is larger than 32 bits");
    if (byte & 0x80) {
      scale *= 128;
    } else {
      values[count++] = value;
      value = 0;
      scale = 1;
    }
  }
  if (scale !== 1) throw new BadBytes("a varint is cut off at the end of the data");
  return values.subarray(0, count);
}

export function encodeVarints(values: ArrayLike<number>): Uint8Array {
  const bytes: number[] = [];
  for (let index = 0; index < values.length; index++) {
    let value = values[index]!;
    while (value > 0x7f) {
      bytes.push((value % 128) | 0x80);
      value = Math.floor(value / 128);
    }
    bytes.push(value);
  }
  return Uint8Array.from(bytes);
}
