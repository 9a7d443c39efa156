import { transformPoint } from "@/geometry/transforms";

type Vector = [number, number, number];

export const FIELD_OF_VIEW = (50 * Math.PI) / 180; // vertical
const NEAREST_M = 0.5;
const FARTHEST_M = 600;
const LOWEST_ELEVATION = -0.1;
const TOP = Math.PI / 2;

/**
 * Where the cloud is looked at from: a point that is orbited, and a way to it. Ego metres.
 *
 * azimuth: of the eye as seen from the target, counter-clockwise from ego x.
 * Seen from the top the picture is orthographic, so that distances can be compared.
 */
export class OrbitCamera {
  target: Vector = [8, 0, 0];
  distance = 32;
  azimuth = Math.PI;
  elevation = 0.5;
  isOrthographic = false;

  /** Behind and above the vehicle, looking forward. */
  reset(): void {
    this.target = [8, 0, 0];
    this.distance = 32;
    this.azimuth = Math.PI;
    this.elevation = 0.5;
    this.isOrthographic = false;
  }

  /** Straight down, forward is up. */
  lookFromTop(): void {
    this.azimuth = Math.PI;
    this.elevation = TOP;
    this.distance = Math.max(this.distance, 60);
    this.isOrthographic = true;
  }

  /** Angles in radians. */
  orbit(azimuth: number, elevation: number): void {
    this.azimuth += azimuth;
    this.elevation = Math.min(TOP, Math.max(LOWEST_ELEVATION, this.elevation + elevation));
    if (elevation !== 0) this.isOrthographic = false;
  }

  /** Move with the pointer: right and down, in CSS pixels of a pane `heightPx` high. */
  pan(right: number, down: number, heightPx: number): void {
    const metres = this.metresPerPixel(heightPx);
    const { right: r, up: u } = this.axes();
    this.target = this.target.map(
      (value, axis) => value - r[axis]! * right * metres + u[axis]! * down * metres,
    ) as Vector;
  }

  /** Come nearer (factor < 1) to a point, which stays where it is in the picture. */
  zoom(factor: number, towards: readonly number[] = this.target): void {
    const distance = Math.min(FARTHEST_M, Math.max(NEAREST_M, this.distance * factor));
    const share = distance / this.distance;
    this.target = this.target.map(
      (value, axis) => towards[axis]! + (value - towards[axis]!) * share,
    ) as Vector;
    this.distance = distance;
  }

  /** Turn about a point, without moving the eye. */
  setPivot(point: readonly number[]): void {
    const eye = this.eye();
    const way = point.map((value, axis) => value - eye[axis]!);
    const { forward } = this.axes();
    // The part of the way that lies along the view: the eye stays, the target moves along it.
    const depth = way.reduce((sum, value, axis) => sum + value * forward[axis]!, 0);
    const shift = point.map((value, axis) => value - (eye[axis]! + forward[axis]! * depth));
    this.distance = Math.min(FARTHEST_M, Math.max(NEAREST_M, depth));
    this.target = eye.map(
      (value, axis) => value + forward[axis]! * this.distance + shift[axis]!,
    ) as Vector;
  }

  /** Bring an object of this size (metres across) to the middle. */
  flyTo(point: readonly number[], size: number): void {
    this.target = [point[0]!, point[1]!, point[2]!];
    this.distance = Math.max(4, (size * 1.8) / (2 * Math.tan(FIELD_OF_VIEW / 2)));
  }

  metresPerPixel(heightPx: number): number {
    return (2 * this.distance * Math.tan(FIELD_OF_VIEW / 2)) / heightPx;
  }

  eye(): Vector {
    const { forward } = this.axes();
    return this.target.map((value, axis) => value - forward[axis]! * this.distance) as Vector;
  }

  /** Unit vectors of the picture. The formula for `right` holds straight from the top, too. */
  axes(): { right: Vector; up: Vector; forward: Vector } {
    const [ca, sa] = [Math.cos(this.azimuth), Math.sin(this.azimuth)];
    const [ce, se] = [Math.cos(this.elevation), Math.sin(this.elevation)];
    return {
      right: [-sa, ca, 0],
      up: [-se * ca, -se * sa, ce],
      forward: [-ce * ca, -ce * sa, -se],
    };
  }

  /** Row-major; maps the view's axes (x right, y up, z towards the viewer) to ego. */
  egoFromView(): number[] {
    const { right: r, up: u, forward: f } = this.axes();
    const e = this.eye();
    return [
      [r[0], u[0], -f[0], e[0]],
      [r[1], u[1], -f[1], e[1]],
      [r[2], u[2], -f[2], e[2]],
      [0, 0, 0, 1],
    ].flat();
  }

  /** The point under a pixel, on the plane through the target that faces the viewer. */
  pointOnTargetPlane(x: number, y: number, widthPx: number, heightPx: number): Vector {
    const metres = this.metresPerPixel(heightPx);
    return transformPoint(this.egoFromView(), [
      (x - widthPx / 2) * metres,
      (heightPx / 2 - y) * metres,
      -this.distance,
    ]);
  }
}
