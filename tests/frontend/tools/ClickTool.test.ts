import { beforeEach, expect, test } from "vitest";
import { base64FromBytes, encodeVarints } from "@/protocol/binary";
import type { AddPrompt, CancelRequest, LabelsChanged, Snapshot } from "@/protocol/messages";
import { Emitter } from "@/store/Emitter";
import { LabelDocument } from "@/store/LabelDocument";
import { Prompts } from "@/store/Prompts";
import { SceneInfo } from "@/store/SceneInfo";
import { Selection } from "@/store/Selection";
import type { Outcome } from "@/sync/SceneConnection";
import { ClickTool } from "@/tools/ClickTool";
import { SelectTool } from "@/tools/SelectTool";
import type { PointerInput } from "@/viewport/Tool";

const CAMERA = 0;
const LIDAR = 3;
const CAR = 2;

let asked: AddPrompt[];
let sent: CancelRequest[];
let words: string[];
let isConnected: boolean;
let connection: {
  ask(message: AddPrompt): boolean;
  send(message: CancelRequest): void;
  ended: Emitter<Outcome>;
  labelsChanged: Emitter<LabelsChanged>;
};
let scene: SceneInfo;
let labels: LabelDocument;
let selection: Selection;
let prompts: Prompts;
let tool: ClickTool;

beforeEach(() => {
  asked = [];
  sent = [];
  words = [];
  isConnected = true;
  connection = {
    ask: (message) => {
      if (isConnected) asked.push(message);
      return isConnected;
    },
    send: (message) => void sent.push(message),
    ended: new Emitter(),
    labelsChanged: new Emitter(),
  };
  scene = new SceneInfo();
  scene.mayEdit = true;
  labels = new LabelDocument();
  selection = new Selection();
  selection.labelClass = CAR;
  prompts = new Prompts();
  tool = new ClickTool({
    scene,
    document: labels,
    selection,
    prompts,
    connection: connection as never,
    tell: (text) => words.push(text),
  });
});

const input = (fields: Partial<PointerInput> = {}, position = [10, 20]): PointerInput => ({
  view: "image",
  sensor: CAMERA,
  frame: 4,
  pick: { position, track: null, sensor: CAMERA },
  button: 0,
  shift: false,
  ctrl: false,
  alt: false,
  x: 0,
  y: 0,
  ...fields,
});

function news(track: number, operation_id: string | null): LabelsChanged {
  return {
    type: "labels_changed",
    operation_id,
    tracks: [{ number: track }],
    deleted_tracks: [],
    masks: [{ track, frame: 4, sensor: CAMERA }],
    deleted_masks: [],
  } as unknown as LabelsChanged;
}

/** As the connection does it: the news is told first, then that the request has ended. */
function answer(index: number, track: number): void {
  const request = asked[index]!.request_id;
  connection.labelsChanged.emit(news(track, request));
  connection.ended.emit({ request, reason: null, news: news(track, request) });
}

const shown = () => prompts.prompts.map(({ positive, pending }) => ({ positive, pending }));

test("a click without a track asks for a new one of the chosen class and shows it is pending", () => {
  tool.onClick(input());

  expect(asked).toMatchObject([
    {
      type: "add_prompt",
      frame: 4,
      track: null,
      label_class: CAR,
      prompts: [{ kind: "point", sensor: CAMERA, position: [10, 20], positive: true }],
    },
  ]);
  expect(shown()).toEqual([{ positive: true, pending: true }]);
});

test("the new track is selected when its mask arrives", () => {
  tool.onClick(input());

  answer(0, 7);

  expect(selection.track).toBe(7);
  expect(shown()).toEqual([{ positive: true, pending: false }]);
});

test("every further click sends all clicks of the track in this frame", () => {
  tool.onClick(input());
  answer(0, 7);

  tool.onClick(input({ button: 2 }, [30, 40]));
  tool.onClick(input({ shift: true }, [12, 22]));

  expect(asked[2]).toMatchObject({ track: 7, label_class: null });
  expect(asked[2]!.prompts).toMatchObject([
    { position: [10, 20], positive: true },
    { position: [30, 40], positive: false },
    { position: [12, 22], positive: true },
  ]);
});

test("right and Alt + left take away; the middle button is nobody's click", () => {
  selection.set({ track: 7 });

  tool.onClick(input({ button: 2 }));
  tool.onClick(input({ alt: true }));
  tool.onClick(input({ button: 1 }));

  expect(shown().map(({ positive }) => positive)).toEqual([false, false]);
});

test("a click in the cloud is in the sweep under it, and beside any point it says so", () => {
  const pick = { position: [1, 2, 3], track: null, sensor: LIDAR };
  tool.onClick(input({ view: "cloud", sensor: LIDAR, pick }));
  tool.onClick(input({ view: "cloud", sensor: -1, pick: null }));

  expect(asked.length).toBe(1);
  expect(asked[0]!.prompts).toMatchObject([{ sensor: LIDAR, position: [1, 2, 3] }]);
  expect(words).toEqual([expect.stringMatching(/nothing to click/)]);
});

test("a second click on a track that has no number yet waits, and does not make another track", () => {
  tool.onClick(input());
  tool.onClick(input({ button: 2 }, [30, 40]));
  expect(asked.length).toBe(1);

  answer(0, 7);

  expect(asked[1]).toMatchObject({ track: 7 });
  expect(asked[1]!.prompts.length).toBe(2);
});

test("the latest click wins: an older answer leaves the marks pending", () => {
  selection.set({ track: 7 });
  tool.onClick(input());
  tool.onClick(input({}, [12, 22]));

  answer(0, 7);
  expect(shown().map(({ pending }) => pending)).toEqual([true, true]);
  answer(1, 7);

  expect(shown().map(({ pending }) => pending)).toEqual([false, false]);
});

test("a failure takes the click away and says why; the clicks before it stay", () => {
  tool.onClick(input());
  answer(0, 7);
  tool.onClick(input({}, [900, 1]));

  connection.ended.emit({
    request: asked[1]!.request_id,
    reason: "nothing was found there",
    news: null,
  });

  expect(words).toEqual(["No mask: nothing was found there"]);
  expect(shown()).toEqual([{ positive: true, pending: false }]);
});

test("Esc gives up the question first, then the track", () => {
  selection.set({ track: 7 });
  tool.onClick(input());

  tool.cancel();
  expect(sent).toEqual([{ type: "cancel_request", request_id: asked[0]!.request_id }]);
  expect(shown()).toEqual([]);
  expect(selection.track).toBe(7);
  tool.cancel();

  expect(selection.track).toBeNull();
});

test("a mask that is there already is part of the first question", () => {
  const runs = encodeVarints([5, 9]);
  const entry = { track: 7, frame: 4, sensor: CAMERA, runs, area: 9, confidence: null };
  labels.replaceWith({
    revision: 1,
    tracks: [],
    cuboids: [],
    label_classes: [],
  } as unknown as Snapshot);
  labels.loadFrame(4, 1, [{ ...entry, source: "model" }]);
  selection.set({ track: 7 });

  tool.onClick(input({ button: 2 }));

  expect(asked[0]!.prompts).toMatchObject([
    { kind: "mask", sensor: CAMERA, runs: base64FromBytes(runs) },
    { kind: "point", positive: false },
  ]);
});

test("a mask that somebody else changed is no longer that of these clicks", () => {
  tool.onClick(input());
  answer(0, 7);

  connection.labelsChanged.emit(news(7, null));

  expect(shown()).toEqual([]);
});

test("a left click on another object's mask goes over to it, with Shift it is a click, on stuff too", () => {
  labels.tracks.set(8, { number: 8, is_stuff: false } as never);
  labels.tracks.set(9, { number: 9, is_stuff: true } as never);
  const on = (track: number) => ({ position: [1, 2], track, sensor: CAMERA });

  tool.onClick(input({ pick: on(8) }));
  expect([selection.track, asked.length]).toEqual([8, 0]);
  selection.set({ track: 7 });
  tool.onClick(input({ pick: on(8), shift: true }));
  tool.onClick(input({ pick: on(9) }));

  expect(asked.map(({ track }) => track)).toEqual([7, 7]);
});

test("clicks of other tracks are not shown, and come back with theirs", () => {
  tool.onClick(input());
  answer(0, 7);

  selection.set({ track: 8 });
  expect(shown()).toEqual([]);
  selection.set({ track: 7 });

  expect(shown().length).toBe(1);
});

test.each([
  ["read-only", () => scene.setMayEdit(false, "the task was accepted"), /accepted/],
  ["no class", () => selection.set({ labelClass: null }), /class/],
  [
    "no connection",
    () => {
      isConnected = false;
    },
    /Not connected/,
  ],
])("with %s nothing is asked and the reason is said", (_, given, reason) => {
  given();

  tool.onClick(input());

  expect(asked).toEqual([]);
  expect(prompts.prompts).toEqual([]);
  expect(words).toEqual([expect.stringMatching(reason)]);
});

test("selecting is by left click, on nothing it lets go, and hovering lights up", () => {
  const select = new SelectTool(selection);
  const over = { position: [1, 2], track: 9, sensor: CAMERA };

  select.onPointerMove(input({ pick: over }));
  expect(selection.hoveredTrack).toBe(9);
  select.onClick(input({ pick: over }));
  expect(selection.track).toBe(9);
  select.onClick(input({ button: 2, pick: null }));
  expect(selection.track).toBe(9);
  select.onClick(input({ pick: null }));

  expect(selection.track).toBeNull();
});
