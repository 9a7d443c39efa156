// @vitest-environment jsdom
import { afterEach, expect, test } from "vitest";
import type { Room } from "@/panels/workspace/Room";
import { TopBar } from "@/panels/workspace/TopBar";
import type { Job, Snapshot } from "@/protocol/messages";
import { Emitter } from "@/store/Emitter";
import { Jobs } from "@/store/Jobs";
import { SceneInfo } from "@/store/SceneInfo";
import { buildJob, buildTask } from "../builders";
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
  const jobs = new Jobs();
  const room = { scene, connection, jobs, tell } as unknown as Room;
  await showing(<TopBar room={room} task={null} onShowKeys={() => undefined} />, {
    "GET /api/projects/3/tasks": [buildTask({ scene: 5 })],
    ...answers,
  });
  return { scene, told, jobs };
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

test("rules look at the frames when they are asked to, and say what they found", async () => {
  const { told, jobs } = await open({}, { "POST /api/tasks/9/checks": buildJob({ id: 12 }) });

  await press("Check");
  const job = { id: 12, kind: "check", done: 0, total: 3, message: "" } as Job;
  jobs.put({ ...job, state: "running" });
  await new Promise(requestAnimationFrame);
  await settled();
  expect(button("Checking…").disabled).toBe(true);
  jobs.put({ ...job, state: "done", message: "2 findings: see the issues" });

  expect(told).toEqual(["2 findings: see the issues"]);
});

test("a part of a drive says which frames are to be labelled", async () => {
  const part = buildTask({ scene: 5, is_part: true, first_frame: 40, last_frame: 79 });
  const { scene } = await open({}, { "GET /api/projects/3/tasks": [part] });

  expect(shown()).toContain("40–79");
  expect(scene.part).toEqual([40, 79]);
});
