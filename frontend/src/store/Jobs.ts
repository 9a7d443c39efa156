import type { Job } from "@/protocol/messages";
import { Emitter } from "./Emitter";

export const isUnderWay = ({ state }: Job): boolean => state === "waiting" || state === "running";

/** Machine work on this scene that is under way. */
export class Jobs {
  readonly changed = new Emitter<Job | null>(); // null: all of them
  readonly underWay = new Map<number, Job>();

  replaceWith(jobs: readonly Job[]): void {
    this.underWay.clear();
    for (const job of jobs) if (isUnderWay(job)) this.underWay.set(job.id, job);
    this.changed.emit(null);
  }

  put(job: Job): void {
    if (isUnderWay(job)) this.underWay.set(job.id, job);
    else this.underWay.delete(job.id);
    this.changed.emit(job);
  }
}
