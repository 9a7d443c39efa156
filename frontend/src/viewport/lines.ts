import { BufferAttribute, BufferGeometry, LineBasicMaterial, LineSegments } from "three";

/** Line segments with colours (RGB or RGBA, 0 ... 1), collected and then drawn in one go. */
export class LineList {
  private readonly positions: number[] = [];
  private readonly colours: number[] = [];

  add(from: readonly number[], to: readonly number[], rgba: readonly number[]): void {
    this.positions.push(from[0]!, from[1]!, from[2]!, to[0]!, to[1]!, to[2]!);
    const [red, green, blue, alpha = 1] = rgba as [number, number, number, number?];
    this.colours.push(red, green, blue, alpha, red, green, blue, alpha);
  }

  /** A closed outline. */
  loop(points: readonly (readonly number[])[], rgba: readonly number[]): void {
    points.forEach((point, index) => {
      this.add(point, points[(index + 1) % points.length]!, rgba);
    });
  }

  geometry(): BufferGeometry {
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", new BufferAttribute(new Float32Array(this.positions), 3));
    geometry.setAttribute("color", new BufferAttribute(new Float32Array(this.colours), 4));
    return geometry;
  }
}

export function lineObject(): LineSegments<BufferGeometry, LineBasicMaterial> {
  const material = new LineBasicMaterial({
    vertexColors: true,
    transparent: true,
    depthWrite: false,
    toneMapped: false,
  });
  const lines = new LineSegments(new BufferGeometry(), material);
  lines.frustumCulled = false;
  return lines;
}
