import { base64FromBytes } from "@/protocol/binary";
import type { LabelsChanged, MaskPrompt } from "@/protocol/messages";
import type { LabelDocument } from "@/store/LabelDocument";
import type { PlacedPrompt, Prompts } from "@/store/Prompts";
import type { SceneInfo } from "@/store/SceneInfo";
import type { Selection } from "@/store/Selection";
import { newRequestId } from "@/sync/requestId";
import type { Outcome, SceneConnection } from "@/sync/SceneConnection";
import type { PointerInput, Tool } from "@/viewport/Tool";

export interface ClickSources {
  scene: SceneInfo;
  document: LabelDocument;
  selection: Selection;
  prompts: Prompts;
  connection: Pick<SceneConnection, "ask" | "send" | "ended" | "labelsChanged">;
  /** Says something to the person. */
  tell(words: string): void;
}

/** One question to the model that is under way. */
interface Question {
  track: number | null; // null: makes a new one
  frame: number;
  asked: readonly PlacedPrompt[];
}

const RIGHT = 2;

/**
 * Click an object, get its mask.
 *
 * Left is "this belongs to it", right or Alt + left is "this does not". With a track selected the
 * click mends its mask in this frame, without one it makes a new track of the chosen class. On
 * another object's mask a plain left click goes over to that object; Shift + left insists. Every
 * question holds all clicks of its track in its frame, so the latest one is always the whole truth:
 * an older answer may come or not.
 *
 *   idle -> asked -> idle, the mask is there (a new track is then the selected one)
 *   asked, new track -> another click waits -> its number comes -> asked again with both
 */
export class ClickTool implements Tool {
  readonly cursor = "crosshair";
  private readonly questions = new Map<string, Question>(); // by request id
  private readonly stop: (() => void)[];

  constructor(private readonly sources: ClickSources) {
    const { connection, selection, prompts } = sources;
    this.stop = [
      connection.ended.on((outcome) => this.answered(outcome)),
      connection.labelsChanged.on((news) => this.othersChanged(news)),
      selection.changed.on(() => prompts.show(selection.track)),
    ];
  }

  dispose(): void {
    for (const stop of this.stop) stop();
  }

  onPointerMove({ pick }: PointerInput): void {
    this.sources.selection.set({ hoveredTrack: pick?.track ?? null });
  }

  onClick(input: PointerInput): void {
    const { pick } = input;
    if (input.button !== 0 && input.button !== RIGHT) return;
    if (!pick) {
      this.sources.tell("There is nothing to click: choose a point or a pixel of the object.");
      return;
    }
    const isPositive = input.button === 0 && !input.alt;
    const { selection, scene } = this.sources;
    if (isPositive && !input.shift && this.isAnotherObject(pick.track)) {
      selection.set({ track: pick.track });
      return;
    }
    if (!scene.mayEdit) {
      this.sources.tell(`These labels are read-only: ${scene.whyReadOnly}`);
      return;
    }
    if (selection.track === null && !isPositive && !this.isMaking(input.frame)) {
      this.sources.tell("Nothing to take away from: select an object first, or left-click one.");
      return;
    }
    if (selection.track === null && selection.labelClass === null) {
      this.sources.tell("Choose a class for the new object first (keys 1 to 9).");
      return;
    }
    this.place({
      track: selection.track,
      frame: input.frame,
      sensor: pick.sensor,
      position: pick.position,
      positive: isPositive,
      pending: true,
    });
  }

  /** Gives up what is under way; with nothing under way, lets go of the track. */
  cancel(): void {
    const { connection, prompts, selection } = this.sources;
    if (!this.questions.size) {
      selection.set({ track: null });
      return;
    }
    const pending: PlacedPrompt[] = [];
    for (const [request, { track, frame }] of this.questions) {
      connection.send({ type: "cancel_request", request_id: request });
      pending.push(...prompts.of(track, frame).filter((prompt) => prompt.pending));
    }
    this.questions.clear();
    prompts.remove(pending);
  }

  private place(prompt: PlacedPrompt): void {
    const { prompts } = this.sources;
    const { track, frame } = prompt;
    if (track !== null && !prompts.of(track, frame).length) this.startFromMask(track, frame);
    const mustWait = track === null && this.isMaking(frame);
    prompts.add(prompt);
    // Until the new track has its number, a second question would make a second track.
    if (!mustWait) this.askAbout(track, frame);
  }

  /** A mask that was followed to here, or made on another day, is mended, not replaced. */
  private startFromMask(track: number, frame: number): void {
    const { document, prompts } = this.sources;
    const masks = document.masksOf(track, frame).map(({ sensor, runs }): MaskPrompt => {
      return { kind: "mask", sensor, runs: base64FromBytes(runs) };
    });
    prompts.startFrom(track, frame, masks);
  }

  private askAbout(track: number | null, frame: number): void {
    const { connection, prompts, selection, tell } = this.sources;
    const request_id = newRequestId();
    const asked = [...prompts.of(track, frame)];
    // The latest click wins: what is asked now contains what was asked before.
    for (const [request, question] of this.questions) {
      if (question.track === track && question.frame === frame) this.questions.delete(request);
    }
    this.questions.set(request_id, { track, frame, asked });
    const isSent = connection.ask({
      type: "add_prompt",
      request_id,
      frame,
      prompts: prompts.question(track, frame),
      track,
      label_class: track === null ? selection.labelClass : null,
    });
    if (isSent) return;
    this.questions.delete(request_id);
    prompts.remove(asked.filter(({ pending }) => pending));
    tell("Not connected: the model cannot be asked. Click again when the connection is back.");
  }

  private answered({ request, reason, news }: Outcome): void {
    const question = this.questions.get(request);
    if (!question) return;
    this.questions.delete(request);
    const { prompts, tell } = this.sources;
    if (reason !== null) {
      prompts.remove(prompts.of(question.track, question.frame).filter(({ pending }) => pending));
      tell(`No mask: ${reason}`);
      return;
    }
    prompts.settle(question.asked);
    if (question.track === null) this.adopt(question, news);
  }

  private adopt({ frame, asked }: Question, news: LabelsChanged | null): void {
    const { prompts, selection } = this.sources;
    const track = news?.masks[0]?.track ?? news?.tracks[0]?.number;
    if (track === undefined) {
      prompts.remove(prompts.of(null, frame));
      return;
    }
    prompts.adopt(frame, track);
    selection.set({ track });
    if (prompts.of(track, frame).length > asked.length) this.askAbout(track, frame);
  }

  /** A mask that others, an undo or a propagation changed is not what these clicks made. */
  private othersChanged(news: LabelsChanged): void {
    const { prompts } = this.sources;
    if (news.operation_id !== null && this.questions.has(news.operation_id)) return;
    for (const track of news.deleted_tracks) prompts.forget(track);
    const places = [...news.masks, ...news.deleted_masks].map(({ track, frame }) => [track, frame]);
    for (const [track, frame] of places) {
      const isAsked = [...this.questions.values()].some(
        (question) => question.track === track && question.frame === frame,
      );
      if (!isAsked) prompts.forget(track!, frame);
    }
  }

  /** Stuff lies under everything: a click on it means what stands there. */
  private isAnotherObject(track: number | null): boolean {
    const { document, selection } = this.sources;
    if (track === null || track === selection.track) return false;
    return document.tracks.get(track)?.is_stuff === false;
  }

  private isMaking(frame: number): boolean {
    return [...this.questions.values()].some(
      (question) => question.track === null && question.frame === frame,
    );
  }
}
