import type { Frame, Person, Presence, Sensor, Snapshot } from "@/protocol/messages";
import { Emitter } from "./Emitter";

/** What is recorded, who looks at it, and whether this person may change its labels. */
export class SceneInfo {
  readonly changed = new Emitter<void>();
  id = 0;
  name = "";
  project = 0;
  projectName = "";
  sensors = new Map<number, Sensor>();
  frames: Frame[] = [];
  expectedFrames = 0;

  role: Snapshot["role"] = "annotator";
  mayEdit = false;
  whyReadOnly = "";
  me: Person | null = null;
  connection = "";
  people: Presence[] = [];
  part: readonly [number, number] | null = null; // first and last frame of the task, where it is not all

  replaceWith(snapshot: Snapshot): void {
    this.id = snapshot.scene;
    this.name = snapshot.scene_name;
    this.project = snapshot.project;
    this.projectName = snapshot.project_name;
    this.sensors = new Map(snapshot.sensors.map((sensor) => [sensor.number, sensor]));
    this.frames = snapshot.frames;
    this.expectedFrames = snapshot.expected_frames;
    this.role = snapshot.role;
    this.mayEdit = snapshot.may_edit;
    this.whyReadOnly = snapshot.why_read_only;
    this.me = snapshot.me;
    this.connection = snapshot.connection;
    this.people = snapshot.people;
    this.changed.emit();
  }

  /** Frames of a drive that is still arriving; ones that are known already are replaced. */
  addFrames(frames: readonly Frame[], expectedFrames: number): void {
    const byIndex = new Map([...this.frames, ...frames].map((frame) => [frame.index, frame]));
    this.frames = [...byIndex.values()].sort((first, second) => first.index - second.index);
    this.expectedFrames = expectedFrames;
    this.changed.emit();
  }

  setPeople(people: Presence[]): void {
    this.people = people;
    this.changed.emit();
  }

  /** First and last frame of what is worked at round a frame: the task's part, outside of it all. */
  spanRound(frame: number, frameCount: number): [number, number] {
    const { part } = this;
    const isInside = part !== null && part[0] <= frame && frame <= part[1];
    return isInside ? [part[0], part[1]] : [0, frameCount - 1];
  }

  setPart(part: readonly [number, number] | null): void {
    this.part = part;
    this.changed.emit();
  }

  setMayEdit(mayEdit: boolean, whyReadOnly: string): void {
    this.mayEdit = mayEdit;
    this.whyReadOnly = whyReadOnly;
    this.changed.emit();
  }
}
