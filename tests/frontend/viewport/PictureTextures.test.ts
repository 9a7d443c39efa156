import { expect, test } from "vitest";
import type { LabelMap } from "@/viewport/LabelMaps";
import { LabelTexture } from "@/viewport/PictureTextures";

const [WIDTH, HEIGHT] = [4, 3];

/** A texture that takes what WebGL would: whole rows out of a longer array. */
class Gpu {
  readonly texels = new Uint16Array(WIDTH * HEIGHT);
  sent = 0;

  readonly gl = new Proxy(
    {
      texSubImage2D: (...args: [number, number, number, number, number, number, ...unknown[]]) => {
        const [, , u, v, width, height] = args;
        const [source, from] = args.slice(8) as [Uint16Array, number];
        expect([u, width]).toEqual([0, WIDTH]);
        this.texels.set(source.subarray(from, from + width * height), v * WIDTH);
        this.sent += width * height;
      },
    },
    { get: (own, name) => Reflect.get(own, name) ?? (() => undefined) },
  ) as unknown as WebGL2RenderingContext;
}

const mapOf = (version: number, before: number, changed: LabelMap["changed"], fill: number) => ({
  tracks: new Uint16Array(WIDTH * HEIGHT).fill(fill),
  version,
  before,
  changed,
});

test("a changed mask re-sends the rows that it is in", () => {
  const gpu = new Gpu();
  const texture = new LabelTexture(gpu.gl, WIDTH, HEIGHT);
  texture.set(mapOf(1, -1, null, 5));
  expect(gpu.texels).toEqual(new Uint16Array(12).fill(5));

  gpu.sent = 0;
  texture.set(mapOf(2, 1, [6, 9], 7)); // ends in the first pixel of the last row

  expect([...gpu.texels]).toEqual([5, 5, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7]);
  expect(gpu.sent).toBe(8);
});

test("a map that does not follow the one on the GPU is sent whole, the same one not at all", () => {
  const gpu = new Gpu();
  const texture = new LabelTexture(gpu.gl, WIDTH, HEIGHT);
  texture.set(mapOf(1, -1, null, 5));

  texture.set(mapOf(3, 2, [6, 9], 7)); // version 2 was never here
  expect(gpu.texels).toEqual(new Uint16Array(12).fill(7));

  gpu.sent = 0;
  texture.set(mapOf(3, 2, [6, 9], 7));
  expect(gpu.sent).toBe(0);
});
