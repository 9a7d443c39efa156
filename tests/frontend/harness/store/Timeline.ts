import { Emitter } from "@/store/Emitter";
export class Timeline {
  readonly changed = new Emitter<{ frame: number; previous: number; playing: boolean }>();
  frame = 0;
  frameCount = 0;
  playing = false;
  direction: 1 | -1 = 1;
  seek(frame: number): void {
    const previous = this.frame;
    this.frame = frame;
    this.changed.emit({ frame, previous, playing: this.playing });
  }
}
