import type { FrameCache } from "@/assets/FrameCache";
import type { Appearance } from "@/store/Appearance";
import type { Emitter } from "@/store/Emitter";
import type { LabelDocument } from "@/store/LabelDocument";
import type { SceneInfo } from "@/store/SceneInfo";
import type { Selection } from "@/store/Selection";
import type { Timeline } from "@/store/Timeline";
import { LabelMaps } from "./LabelMaps";
import { LutTexels } from "./LutTexels";

/** A click that is part of the question to the model. `position` as in Pick. */
export interface PromptMark {
  sensor: number;
  frame: number;
  position: readonly number[];
  positive: boolean;
  pending: boolean;
  isIssue?: boolean; // not a click, but something that somebody says of the place
}

export interface PromptMarks {
  readonly prompts: readonly PromptMark[];
  readonly changed: Pick<Emitter<unknown>, "on">;
}

/** What a pane draws from. It writes to none of them. */
export interface Sources {
  scene: SceneInfo;
  timeline: Timeline;
  document: LabelDocument;
  selection: Selection;
  appearance: Appearance;
  cache: FrameCache;
  prompts?: PromptMarks;
  issues?: { readonly marks: readonly PromptMark[]; readonly changed: PromptMarks["changed"] };
}

/** All that is pinned to places. */
export const marksOf = ({ prompts, issues }: Sources): readonly PromptMark[] => [
  ...(prompts?.prompts ?? []),
  ...(issues?.marks ?? []),
];

/** What the panes of one scene share, so that it is computed once. */
export interface Shared {
  maps: LabelMaps;
  lut: LutTexels;
}

const sharedByDocument = new WeakMap<LabelDocument, Shared>();

export function sharedOf({ document, selection, appearance }: Sources): Shared {
  let shared = sharedByDocument.get(document);
  if (!shared) {
    shared = {
      maps: new LabelMaps(document),
      lut: new LutTexels(document, selection, appearance),
    };
    sharedByDocument.set(document, shared);
  }
  return shared;
}
