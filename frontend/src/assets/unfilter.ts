/**
 * Undoes codec D1's filter without WebAssembly: what unfilter.wat does, in the plainest way.
 * Used where the browser has no SIMD, and as the second opinion in the tests.
 *
 * planes: [8 x count] bytes. Returns [4 x count]: x, y, z in steps, intensity + 256 * elongation.
 */
export function unfilterPlain(planes: Uint8Array, count: number): Uint16Array {
  const points = new Uint16Array(count * 4); // its stores wrap modulo 2^16, as the code wants
  for (let axis = 0; axis < 3; axis++) {
    const low = axis * count;
    const high = (axis + 3) * count;
    let sum = 0;
    for (let point = 0; point < count; point++) {
      const coded = planes[low + point]! | (planes[high + point]! << 8);
      sum += (coded >>> 1) ^ -(coded & 1);
      points[point * 4 + axis] = sum;
    }
  }
  for (let point = 0; point < count; point++) {
    points[point * 4 + 3] = planes[6 * count + point]! | (planes[7 * count + point]! << 8);
  }
  return points;
}
