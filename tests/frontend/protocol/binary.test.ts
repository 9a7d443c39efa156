import { expect, test } from "vitest";
import {
  BadBytes,
  base64FromBytes,
  bytesFromBase64,
  CODEC_D1,
  decodeVarints,
  encodeVarints,
  KIND_PROXY,
  readChunk,
  readLabels,
  readSweepHeader,
} from "@/protocol/binary";
import { exampleBytes, exampleJson } from "../examples";

const expected = exampleJson("expected.json");

test("the example chunk says whose part it is", () => {
  const chunk = readChunk(exampleBytes("chunk.bin").slice().buffer);

  expect(chunk).toMatchObject({
    kind: KIND_PROXY,
    isLast: true,
    sensor: expected.chunk.sensor,
    request: expected.chunk.request,
    frame: expected.chunk.frame,
    offset: expected.chunk.offset,
    objectSize: expected.chunk.object_size,
  });
  expect(new TextDecoder().decode(chunk.bytes)).toBe(expected.chunk.text);
});

test("a chunk that reaches beyond its object is refused", () => {
  const bytes = exampleBytes("chunk.bin").slice();
  bytes[16] = 11; // the object's size, which was 12

  expect(() => readChunk(bytes.buffer)).toThrow(BadBytes);
  expect(() => readChunk(new ArrayBuffer(19))).toThrow(BadBytes);
});

test("the head of the example sweep is read", () => {
  const header = readSweepHeader(exampleBytes("sweep_d1.bin"));

  expect(header).toMatchObject({
    codec: CODEC_D1,
    hasElongation: true,
    pointCount: expected.sweep.points.length,
    lowCorner: expected.sweep.low_corner,
    intensityTop: expected.sweep.intensity_top,
    inflatedSize: 8 * expected.sweep.points.length,
  });
  expect(header.stepM).toBeCloseTo(expected.sweep.step_m, 9);
});

test("a sweep of another version asks for a reload", () => {
  const bytes = exampleBytes("sweep_p8.bin").slice();
  bytes[4] = 2;

  expect(() => readSweepHeader(bytes)).toThrow(/version 2.*reload/);
  expect(() => readSweepHeader(exampleBytes("chunk.bin"))).toThrow(BadBytes);
});

test("labels that are cut off are refused", () => {
  expect(() => readLabels(new Uint8Array(4))).toThrow(BadBytes);
  const head = Uint8Array.from([77, 75, 76, 66, 1, 0, 0, 0, 41, 0, 0, 0, 3, 0, 0, 0]);
  expect(() => readLabels(head)).toThrow(/table of 3/);
});

test("varints come back, the largest of 32 bits too", () => {
  const values = [0, 1, 127, 128, 300, 70000, 2 ** 31, 2 ** 32 - 1];

  expect([...encodeVarints([300])]).toEqual([0xac, 0x02]);
  expect([...decodeVarints(encodeVarints(values))]).toEqual(values);
});

test("a damaged varint is refused", () => {
  expect(() => decodeVarints(Uint8Array.from([0x80]))).toThrow(/cut off/);
  expect(() => decodeVarints(Uint8Array.from([255, 255, 255, 255, 127]))).toThrow(/32 bits/);
});

test("base64 comes back for every byte and for long masks", () => {
  const bytes = Uint8Array.from({ length: 100_003 }, (_, index) => (index * 31) & 255);

  expect(base64FromBytes(Uint8Array.from([3, 2]))).toBe("AwI=");
  expect(bytesFromBase64(base64FromBytes(bytes))).toEqual(bytes);
});
