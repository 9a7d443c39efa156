/**
 * Rigid transforms as row-major [16] arrays, as they come over the wire. `aFromB` maps points in b
 * to points in a; neighbours cancel. Numbers are float64 until they reach a shader.
 */

export type Matrix4 = readonly number[];
export type PointEgo = readonly [number, number, number] & { readonly __frame?: "ego" };
export type Pixel = readonly [number, number] & { readonly __frame?: "pixel" };

export const IDENTITY: Matrix4 = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** aFromC = compose(aFromB, bFromC). */
export function compose(aFromB: Matrix4, bFromC: Matrix4): Matrix4 {
  const product = new Array<number>(16).fill(0);
  for (let row = 0; row < 4; row++) {
    for (let column = 0; column < 4; column++) {
      for (let k = 0; k < 4; k++) {
        product[row * 4 + column]! += aFromB[row * 4 + k]! * bFromC[k * 4 + column]!;
      }
    }
  }
  return product;
}

/** bFromA, by transposing the rotation. */
export function inverse(aFromB: Matrix4): Matrix4 {
  const [a, b, c, x, d, e, f, y, g, h, i, z] = aFromB as number[] as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return [
    a,
    d,
    g,
    -(a * x + d * y + g * z),
    b,
    e,
    h,
    -(b * x + e * y + h * z),
    c,
    f,
    i,
    -(c * x + f * y + i * z),
    0,
    0,
    0,
    1,
  ];
}

export function transformPoint(
  aFromB: Matrix4,
  pointB: ArrayLike<number>,
): [number, number, number] {
  const [x, y, z] = [pointB[0]!, pointB[1]!, pointB[2]!];
  const row = (r: number): number =>
    aFromB[r]! * x + aFromB[r + 1]! * y + aFromB[r + 2]! * z + aFromB[r + 3]!;
  return [row(0), row(4), row(8)];
}
