import { CUBOID_EDGES, cornersOfCuboid } from "@/geometry/cuboids";
import type { Cuboid } from "@/protocol/messages";
import type { Layer } from "./Layer";
import type { LutTexels } from "./LutTexels";
import { LineList, lineObject } from "./lines";
import type { Sources } from "./sources";

// A street has a hundred boxes: those that are not in question stay in the background.
const QUIET = 0.4;
const HOVERED = 0.9;

/** The 3D boxes of a frame, in their tracks' colours, with a line that says where they head. */
export class CuboidLayer implements Layer {
  readonly object = lineObject();

  constructor(
    private readonly sources: Sources,
    private readonly lut: LutTexels,
  ) {}

  update(frame: number): void {
    const lines = new LineList();
    for (const cuboid of this.sources.document.cuboids.values()) {
      if (cuboid.frame === frame) this.draw(cuboid, lines);
    }
    this.object.geometry.dispose();
    this.object.geometry = lines.geometry();
  }

  dispose(): void {
    this.object.geometry.dispose();
    this.object.material.dispose();
  }

  private draw({ track, centre_ego, size, heading }: Cuboid, lines: LineList): void {
    const [red, green, blue, alpha] = this.lut.rgba.subarray(track * 4, track * 4 + 4);
    if (!alpha) return; // hidden, as its masks are
    const { selection } = this.sources;
    const strength = selection.hoveredTrack === track ? HOVERED : QUIET;
    const rgba =
      selection.track === track ? [1, 1, 1, 1] : [red! / 255, green! / 255, blue! / 255, strength];
    const corners = cornersOfCuboid(centre_ego, size, heading);
    for (const [from, to] of CUBOID_EDGES) lines.add(corners[from]!, corners[to]!, rgba);
    const front = [0, 1, 2].map((axis) => (corners[0]![axis]! + corners[3]![axis]!) / 2);
    const floor = [centre_ego[0]!, centre_ego[1]!, centre_ego[2]! - size[2]! / 2];
    lines.add(floor, front, rgba);
  }
}
