import { BufferAttribute, BufferGeometry, LineBasicMaterial, LineSegments } from "three";

/** Line segments with a colour each end, collected and then drawn in one go. */
export class LineList {
  private readonly positions: number[] = [];
  private readonly colours: number[] = [];

  add(from: readonly number[], to: readonly number[], rgb: readonly number[]): void {
    this.positions.push(from[0]!, from[1]!, from[2]!, to[0]!, to[1]!, to[2]!);
    this.colours.push(rgb[0]!, rgb[1]!, rgb[2]!, rgb[0]!, rgb[1]!, rgb[2]!);
  }

  /** A closed outline. */
  loop(points: readonly (readonly number[])[], rgb: readonly number[]): void {
    points.forEach((point, index) => {
      this.add(point, points[(index + 1) % points.length]!, rgb);
    });
  }

  geometry(): BufferGeometry {
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", new BufferAttribute(new Float32Array(this.positions), 3));
    geometry.setAttribute("color", new BufferAttribute(new Float32Array(this.colours), 3));
    return geometry;
  }
}

export function lineObject(opacity: number): LineSegments<BufferGeometry, LineBasicMaterial> {
  const material = new LineBasicMaterial({
    vertexColors: true,
    transparent: opacity < 1,
    opacity,
    depthWrite: false,
    toneMapped: false,
  });
  const lines = new LineSegments(new BufferGeometry(), material);
  lines.frustumCulled = false;
  return lines;
}
