import type { Object3D } from "three";

/** One kind of thing that is drawn over the cloud. */
export interface Layer {
  readonly object: Object3D;
  /** Bring it up to date with what is true at this frame. */
  update(frame: number): void;
  dispose(): void;
}
