import { Emitter } from "./Emitter";

export interface TimelineChange {
  frame: number;
  previous: number;
  playing: boolean;
}

/** Which frame is shown, and how playing moves it on. Frames count from 0. */
export class Timeline {
  readonly changed = new Emitter<TimelineChange>();
  frame = 0;
  frameCount = 0;
  playing = false;
  direction: 1 | -1 = 1;
  ratePerSecond = 10;
  private lastStepMs: number | null = null;

  /** To the nearest frame there is. */
  seek(frame: number): void {
    const last = Math.max(0, this.frameCount - 1);
    const previous = this.frame;
    this.frame = Math.min(last, Math.max(0, Math.round(frame)));
    if (this.frame !== previous) this.tell(previous);
  }

  /** Move by frames; stops playing, as a person has taken over. */
  step(count: number): void {
    if (this.playing) this.stop();
    if (count !== 0) this.direction = count > 0 ? 1 : -1;
    this.seek(this.frame + count);
  }

  /** From the far end it starts over. */
  play(direction: 1 | -1 = 1): void {
    const end = direction > 0 ? this.frameCount - 1 : 0;
    if (this.frameCount < 2) return;
    this.direction = direction;
    this.playing = true;
    this.lastStepMs = null;
    const previous = this.frame;
    if (this.frame === end) this.frame = direction > 0 ? 0 : this.frameCount - 1;
    this.tell(previous);
  }

  stop(): void {
    if (!this.playing) return;
    this.playing = false;
    this.tell(this.frame);
  }

  setRate(ratePerSecond: number): void {
    this.ratePerSecond = ratePerSecond;
    this.tell(this.frame);
  }

  setFrameCount(frameCount: number): void {
    if (frameCount === this.frameCount) return;
    this.frameCount = frameCount;
    const previous = this.frame;
    this.frame = Math.max(0, Math.min(this.frame, frameCount - 1));
    this.tell(previous);
  }

  /**
   * Once per drawing while playing. Waits for a frame that is not ready rather than skipping it:
   * what a person has not seen, he has not checked.
   */
  tick(nowMs: number, isReady: (frame: number) => boolean): void {
    if (!this.playing) return;
    this.lastStepMs ??= nowMs;
    const stepMs = 1000 / this.ratePerSecond;
    if (nowMs - this.lastStepMs < stepMs) return;
    const next = this.frame + this.direction;
    if (next < 0 || next >= this.frameCount) {
      this.stop();
      return;
    }
    if (!isReady(next)) return;
    // Keeps the rate, but does not race after a pause to catch up.
    this.lastStepMs = Math.max(this.lastStepMs + stepMs, nowMs - stepMs);
    const previous = this.frame;
    this.frame = next;
    this.tell(previous);
  }

  private tell(previous: number): void {
    this.changed.emit({ frame: this.frame, previous, playing: this.playing });
  }
}
