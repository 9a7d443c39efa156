import type { Layer } from "./Layer";
import { LineList, lineObject } from "./lines";

const RING_STEP_M = 10;
const LAST_RING_M = 80;
const RING = [0.16, 0.18, 0.22];
const RING_50 = [0.24, 0.27, 0.33];
const FORWARD = [0.55, 0.3, 0.28];
const LEFT = [0.28, 0.46, 0.3];
const VEHICLE = [0.62, 0.66, 0.72];

/** Distance rings on the ground, the ego's axes, and an outline of the vehicle. */
export class GroundLayer implements Layer {
  readonly object = lineObject();

  constructor() {
    const lines = new LineList();
    for (let radius = RING_STEP_M; radius <= LAST_RING_M; radius += RING_STEP_M) {
      lines.loop(circle(radius), radius % 50 === 0 ? RING_50 : RING);
    }
    lines.add([0, 0, 0], [10, 0, 0], FORWARD);
    lines.add([0, 0, 0], [0, 5, 0], LEFT);
    drawVehicle(lines);
    this.object.geometry = lines.geometry();
  }

  update(): void {}

  dispose(): void {
    this.object.geometry.dispose();
    this.object.material.dispose();
  }
}

function circle(radius: number): number[][] {
  return Array.from({ length: 96 }, (_, step) => {
    const angle = (step * 2 * Math.PI) / 96;
    return [radius * Math.cos(angle), radius * Math.sin(angle), 0];
  });
}

/** A car's outline seen from above, and an arrow on it that says which way is forward. */
function drawVehicle(lines: LineList): void {
  const [back, front, half, z] = [-1.2, 3.6, 0.95, 0.3];
  const nose = [
    [back, -half, z],
    [front - 0.7, -half, z],
    [front, -half * 0.55, z],
    [front, half * 0.55, z],
    [front - 0.7, half, z],
    [back, half, z],
  ];
  lines.loop(nose, VEHICLE);
  lines.add([0.4, -0.5, z], [1.6, 0, z], VEHICLE);
  lines.add([0.4, 0.5, z], [1.6, 0, z], VEHICLE);
}
