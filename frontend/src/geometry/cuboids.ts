/** The eight corners of a cuboid: bottom face counter-clockwise from front left, then the top. */
export function cornersOfCuboid(
  centre: readonly number[],
  size: readonly number[],
  heading: number,
): [number, number, number][] {
  const [length, width, height] = [size[0]! / 2, size[1]! / 2, size[2]! / 2];
  const [cosine, sine] = [Math.cos(heading), Math.sin(heading)];
  const around = [
    [length, width],
    [-length, width],
    [-length, -width],
    [length, -width],
  ] as const;
  return [-height, height].flatMap((up) =>
    around.map(([along, aside]): [number, number, number] => [
      centre[0]! + cosine * along - sine * aside,
      centre[1]! + sine * along + cosine * aside,
      centre[2]! + up,
    ]),
  );
}

/** Pairs of corners that an edge joins. */
export const CUBOID_EDGES: readonly (readonly [number, number])[] = [
  [0, 1],
  [1, 2],
  [2, 3],
  [3, 0],
  [4, 5],
  [5, 6],
  [6, 7],
  [7, 4],
  [0, 4],
  [1, 5],
  [2, 6],
  [3, 7],
];
