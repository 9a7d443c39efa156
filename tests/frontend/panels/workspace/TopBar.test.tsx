// @vitest-environment jsdom
import { afterEach, expect, test } from "vitest";
import type { Room } from "@/panels/workspace/Room";
import { TopBar } from "@/panels/workspace/TopBar";
import type { Snapshot } from "@/protocol/messages";
import { Emitter } from "@/store/Emitter";
import { SceneInfo } from "@/store/SceneInfo";
import { buildTask } from "../builders";
import { type Answers, button, leave, press, settled, showing, shown } from "../page";

afterEach(leave);

async function open(fields: Partial<Snapshot>, answers: Answers = {}) {
  const scene = new SceneInfo();
  scene.replaceWith({
    scene: 5,
    project: 3,
    sensors: [],
    people: [],
    frames: [{ index: 0 }, { index: 1 }],
    expected_frames: 2,
    role: "annotator",
    may_edit: true,
    ...fields,
  } as unknown as Snapshot);
  const connection = {
    saveState: { kind: "saved", waiting: 0 },
    saveStateChanged: new Emitter(),
    link: { kind: "open", why: "" },
  };
  const told: string[] = [];
  const tell = (words: string) => told.push(words);
  const room = { scene, connection, tell } as unknown as Room;
  await showing(<TopBar room={room} task={null} onShowKeys={() => undefined} />, {
    "GET /api/projects/3/tasks": [buildTask({ scene: 5 })],
    ...answers,
  });
  return { scene, told };
}

test("a drive is handed in when all of it is here", async () => {
  const { scene } = await open({ expected_frames: 3 });
  expect(shown()).toContain("2 of 3 frames");
  expect(button("Submit").disabled).toBe(true);
  expect(button("Submit").title).toContain("still arriving");

  scene.addFrames([{ index: 2 }] as Snapshot["frames"], 3);
  await new Promise(requestAnimationFrame);
  await settled();

  expect(button("Submit").disabled).toBe(false);
});

test("who may not edit is not offered to hand in", async () => {
  await open({ may_edit: false });

  expect(shown()).toContain("to label");
  expect(() => button("Submit")).toThrow();
});

test("when a task is handed in, the next one is offered", async () => {
  const done = buildTask({ state: "submitted", mine: true });
  const { told } = await open(
    {},
    {
      "POST /api/tasks/9/submit": done,
      "POST /api/projects/3/next/label": { task: null },
    },
  );

  await press("Submit");
  expect(shown()).toContain("in review");
  await press("Next task");

  expect(told).toEqual(["Nothing is left to label"]);
});

test("a part of a drive says which frames are to be labelled", async () => {
  const part = buildTask({ scene: 5, is_part: true, first_frame: 40, last_frame: 79 });
  const { scene } = await open({}, { "GET /api/projects/3/tasks": [part] });

  expect(shown()).toContain("40–79");
  expect(scene.part).toEqual([40, 79]);
});
