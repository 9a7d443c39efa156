import type { Frame, Sensor } from "@/protocol/messages";
import { Emitter } from "@/store/Emitter";
export class SceneInfo {
  readonly changed = new Emitter<void>();
  id = 0;
  name = "";
  sensors = new Map<number, Sensor>();
  frames: Frame[] = [];
  expectedFrames = 0;
}
