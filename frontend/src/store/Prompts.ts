import type { MaskPrompt, PointPrompt } from "@/protocol/messages";
import { Emitter } from "./Emitter";

/** A click of this person. `position`: (u, v) pixels in a camera, (x, y, z) metres in ego. */
export interface PlacedPrompt {
  track: number | null; // null: of the track that is still to be made
  frame: number;
  sensor: number;
  position: readonly number[];
  positive: boolean;
  pending: boolean;
}

/**
 * The clicks behind the masks of this visit, by track and frame. What is drawn are those of the
 * selected track and of the one that is being made.
 */
export class Prompts {
  readonly changed = new Emitter<void>();
  private readonly placed: PlacedPrompt[] = [];
  private readonly starts = new Map<string, MaskPrompt[]>();
  private shownTrack: number | null = null;

  get prompts(): readonly PlacedPrompt[] {
    return this.placed.filter(({ track }) => track === null || track === this.shownTrack);
  }

  /** Whether the model has not answered a click yet. */
  get isAsking(): boolean {
    return this.placed.some(({ pending }) => pending);
  }

  show(track: number | null): void {
    if (track === this.shownTrack) return;
    this.shownTrack = track;
    this.changed.emit();
  }

  of(track: number | null, frame: number): readonly PlacedPrompt[] {
    return this.placed.filter((prompt) => prompt.track === track && prompt.frame === frame);
  }

  add(prompt: PlacedPrompt): void {
    this.placed.push(prompt);
    this.changed.emit();
  }

  /** The mask that these clicks mend: part of the question, each time. */
  startFrom(track: number, frame: number, masks: MaskPrompt[]): void {
    this.starts.set(`${track}:${frame}`, masks);
  }

  /** The whole question about one track in one frame, as it is sent. */
  question(track: number | null, frame: number): (PointPrompt | MaskPrompt)[] {
    const points = this.of(track, frame).map(({ sensor, position, positive }): PointPrompt => {
      return { kind: "point", sensor, position: [...position], positive };
    });
    return [...(this.starts.get(`${track}:${frame}`) ?? []), ...points];
  }

  /** The new track has its number. */
  adopt(frame: number, track: number): void {
    for (const prompt of this.placed) {
      if (prompt.track === null && prompt.frame === frame) prompt.track = track;
    }
    this.changed.emit();
  }

  settle(prompts: Iterable<PlacedPrompt>): void {
    for (const prompt of prompts) prompt.pending = false;
    this.changed.emit();
  }

  /** These were refused, or taken back. */
  remove(prompts: Iterable<PlacedPrompt>): void {
    const gone = new Set(prompts);
    this.placed.splice(0, this.placed.length, ...this.placed.filter((one) => !gone.has(one)));
    this.changed.emit();
  }

  /** The mask is no longer what these clicks have made. */
  forget(track: number, frame?: number): void {
    for (const key of [...this.starts.keys()]) {
      if (frame === undefined ? key.startsWith(`${track}:`) : key === `${track}:${frame}`) {
        this.starts.delete(key);
      }
    }
    this.remove(
      this.placed.filter((one) => one.track === track && (frame ?? one.frame) === one.frame),
    );
  }
}
