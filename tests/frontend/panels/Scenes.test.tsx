// @vitest-environment jsdom
import { act } from "preact/test-utils";
import { afterEach, expect, test, vi } from "vitest";
import { Scenes } from "@/panels/Scenes";
import { buildJob, buildProject, buildScene } from "./builders";
import { type Answers, failing, leave, press, showing, shown } from "./page";

afterEach(async () => {
  await leave();
  vi.useRealTimers();
});

const open = (answers: Answers, role: "manager" | "annotator" | "reviewer" = "manager") =>
  showing(<Scenes project={buildProject({ role })} />, {
    "GET /api/projects/3/jobs": [],
    ...answers,
  });

test("a drive that is being made is announced, and appears without a reload", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout"], shouldAdvanceTime: true });
  let jobs = [buildJob({ kind: "demo", label: "Demo drive, 200 frames", done: 3, total: 200 })];
  let scenes = [] as ReturnType<typeof buildScene>[];
  await open(
    { "GET /api/projects/3/jobs": () => jobs, "GET /api/projects/3/scenes": () => scenes },
    "annotator",
  );
  expect(shown()).toContain("Demo drive, 200 frames is being made");
  expect(document.querySelector("progress")?.value).toBe(3);
  expect(shown()).not.toContain("No drive here yet");

  jobs = [{ ...jobs[0]!, state: "done", scene_ids: [5] }];
  scenes = [buildScene()];
  await act(async () => void (await vi.advanceTimersByTimeAsync(1500)));

  expect(shown()).toContain("street-1");
  expect(shown()).not.toContain("is being made");
});

test("an import that failed is not mistaken for nothing at all", async () => {
  await open({
    "GET /api/projects/3/jobs": [buildJob({ state: "failed", error: "record 2: wrong CRC" })],
    "GET /api/projects/3/scenes": [],
  });

  expect(shown()).toContain("No drive here yet");
  expect(shown()).toContain("street.zip could not be imported: record 2: wrong CRC");
});

test("a scene is deleted only after a second press that says what goes with it", async () => {
  let scenes = [buildScene({ track_count: 12 })];
  const { calls } = await open({
    "GET /api/projects/3/scenes": () => scenes,
    "DELETE /api/scenes/5": () => {
      scenes = [];
      return new Response(null, { status: 204 });
    },
  });

  await press("Delete…");
  expect(calls.map(({ method }) => method)).not.toContain("DELETE");
  expect(shown()).toContain("12 tracks");
  await press("Delete for good");

  expect(calls.map(({ method, path }) => `${method} ${path}`)).toContain("DELETE /api/scenes/5");
  expect(shown()).toContain("No drive here yet");
});

test("a refusal to delete is shown and the scene stays", async () => {
  await open({
    "GET /api/projects/3/scenes": [buildScene()],
    "DELETE /api/scenes/5": failing(403, { detail: "Only a manager may delete a scene." }),
  });

  await press("Delete…");
  await press("Delete for good");

  expect(shown()).toContain("Only a manager may delete a scene.");
  expect(shown()).toContain("street-1");
});

test("who may not delete is not offered it", async () => {
  await open({ "GET /api/projects/3/scenes": [buildScene()] }, "reviewer");
  expect(shown()).toContain("street-1");
  expect(shown()).not.toContain("Delete");
});

test("a manager has a drive pre-labelled, sees how far it is, and stops it", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout"], shouldAdvanceTime: true });
  let jobs = [] as ReturnType<typeof buildJob>[];
  const engine = buildJob({ kind: "engine", state: "waiting", scene_ids: [5], label: "Pre-label" });
  const { calls } = await open({
    "GET /api/projects/3/jobs": () => jobs,
    "GET /api/projects/3/scenes": [buildScene()],
    "POST /api/scenes/5/prelabels": () => {
      jobs = [engine];
      return engine;
    },
    "POST /api/jobs/7/cancel": () => {
      jobs = [{ ...jobs[0]!, cancel_requested: true }];
      return jobs[0]!;
    },
  });

  await press("Pre-label");
  expect(shown()).toContain("waiting for a free worker");

  jobs = [
    { ...engine, state: "running", done: 40, total: 1200, message: "fusing: frame 4 of 200" },
  ];
  await act(async () => void (await vi.advanceTimersByTimeAsync(1500)));
  expect(shown()).toContain("fusing: frame 4 of 200");
  expect(document.querySelector("progress")?.value).toBe(40);

  await press("Stop");
  expect(calls.map(({ method, path }) => `${method} ${path}`)).toContain("POST /api/jobs/7/cancel");
  expect(shown()).toContain("Stopping…");

  jobs = [{ ...engine, state: "done", message: "31 tracks, 912 masks" }];
  await act(async () => void (await vi.advanceTimersByTimeAsync(1500)));
  expect(shown()).toContain("Pre-labelled: 31 tracks, 912 masks");
  expect(shown()).toContain("Pre-label again");
});

test("annotators see what came of pre-labelling, and cannot start it", async () => {
  const job = buildJob({ kind: "engine", state: "failed", scene_ids: [5], error: "no frames" });
  await open(
    { "GET /api/projects/3/jobs": [job], "GET /api/projects/3/scenes": [buildScene()] },
    "annotator",
  );

  expect(shown()).toContain("Pre-labelling failed: no frames");
  expect(shown()).not.toContain("Pre-label again");
  expect([...document.querySelectorAll("button")].map((b) => b.textContent)).not.toContain(
    "Pre-label",
  );
});
