// @vitest-environment jsdom
import { act } from "preact/test-utils";
import { afterEach, expect, test } from "vitest";
import { Tasks } from "@/panels/Tasks";
import type { Role, Task } from "@/sync/api";
import { buildProject, buildTask } from "./builders";
import { button, enter, failing, leave, press, settled, showing, shown } from "./page";

afterEach(leave);

const offered = (): string[] =>
  [...document.querySelectorAll("td.acts button")].map(({ textContent }) => textContent ?? "");

const open = (role: Role, task: Task, answers = {}) =>
  showing(<Tasks project={buildProject({ role })} />, {
    "GET /api/projects/3/tasks": [task],
    ...answers,
  });

test.each<[Role, Task["state"], string[]]>([
  ["viewer", "open", []],
  ["annotator", "open", ["Submit", "Skip…"]],
  ["annotator", "in_progress", ["Submit", "Skip…", "Give up"]],
  ["annotator", "submitted", []],
  ["annotator", "sent_back", ["Submit", "Skip…"]],
  ["annotator", "skipped", []],
  ["reviewer", "submitted", ["Accept", "Send back…"]],
  ["reviewer", "accepted", ["Send back…"]],
  ["manager", "open", ["Submit", "Skip…", "Split…", "Label again…"]],
  ["manager", "accepted", ["Send back…", "Label again…"]],
  ["manager", "skipped", ["Open again"]],
])("%s can do with a task that is %s: %j", async (role, state, expected) => {
  await open(role, buildTask({ state }));
  expect(offered()).toEqual(expected);
});

test("a task is sent back with a reason, and not without one", async () => {
  const { calls } = await open("reviewer", buildTask({ state: "submitted" }), {
    "POST /api/tasks/9/send_back": buildTask({ state: "sent_back" }),
  });

  await press("Send back…");
  expect(button("Send back").disabled).toBe(true);
  await enter(document.querySelector("form input")!, "  the cyclist is missing ");
  await press("an object is missing");
  await press("wrong class");
  await press("an object is missing"); // not after all
  await press("Send back");

  const sent = calls.find(({ method }) => method === "POST");
  expect(sent).toMatchObject({
    path: "/api/tasks/9/send_back",
    body: { reason: "the cyclist is missing", faults: ["class"] },
  });
});

test("a manager lets others label the same frames, and says who", async () => {
  const { calls } = await open("manager", buildTask({ state: "accepted" }), {
    "GET /api/projects/3/members": [
      { user: { id: 1, username: "ann", name: "Ann" }, role: "annotator" },
      { user: { id: 2, username: "ben", name: "Ben" }, role: "annotator" },
      { user: { id: 3, username: "mia", name: "Mia" }, role: "manager" },
    ],
    "POST /api/tasks/9/copies": [],
  });

  await press("Label again…");
  expect(shown()).toContain("they are gold");
  await press("Ben");
  await enter(document.querySelector<HTMLInputElement>("form input.tiny")!, "1");
  await press("Make 2 blind copies");

  expect(calls.find(({ method }) => method === "POST")).toMatchObject({
    path: "/api/tasks/9/copies",
    body: { people: [2, null], prelabel: false },
  });
});

test("the labeller reads why the work came back", async () => {
  await open(
    "annotator",
    buildTask({ state: "sent_back", mine: true, reason: "frame 40", faults: ["class"] }),
  );
  expect(shown()).toContain("Sent back: frame 40");
  expect(shown()).toContain("wrong class");
  expect(shown()).toContain("you");
});

test("of two people who press at once, the slower one is told, and sees the news", async () => {
  let state: Task["state"] = "submitted";
  await showing(<Tasks project={buildProject({ role: "reviewer" })} />, {
    "GET /api/projects/3/tasks": () => [buildTask({ state })],
    "POST /api/tasks/9/accept": () => {
      state = "accepted"; // by somebody else
      return failing(409, { detail: "the task is accepted, so it cannot become accepted" });
    },
  });

  await press("Accept");

  expect(document.querySelector("[role=alert]")?.textContent).toContain("the task is accepted");
  expect(offered()).toEqual(["Send back…"]);
});

const member = (id: number, name: string, role: Role) => ({
  user: { id, username: name, name },
  role,
});

test("a manager shares chosen tasks out among the annotators", async () => {
  const tasks = [1, 2, 3].map((id) =>
    buildTask({ id, is_part: true, first_frame: 10 * id, last_frame: 10 * id + 9 }),
  );
  const { calls } = await showing(<Tasks project={buildProject()} />, {
    "GET /api/projects/3/tasks": tasks,
    "GET /api/projects/3/members": [
      member(7, "ann", "annotator"),
      member(8, "bob", "annotator"),
      member(9, "mia", "manager"),
    ],
    "PATCH /api/projects/3/tasks": tasks,
  });
  expect(shown()).toContain("street-1, frames 10–19");

  for (const at of [1, 3])
    await tick(document.querySelectorAll<HTMLInputElement>("td.pick input")[at - 1]!);
  expect(shown()).toContain("2 chosen");
  await choose("Give them to", "share");
  await choose("How urgent they are", "3");

  const sent = calls.filter(({ method }) => method === "PATCH").map(({ body }) => body);
  expect(sent).toEqual([
    { tasks: [1, 3], assignees: [7, 8] },
    { tasks: [1, 3], priority: 3 },
  ]);
});

async function tick(box: HTMLInputElement): Promise<void> {
  await act(() => box.click());
  await settled();
}

async function choose(label: string, value: string): Promise<void> {
  const select = document.querySelector<HTMLSelectElement>(`select[aria-label="${label}"]`)!;
  await act(() => {
    select.value = value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  });
  await settled();
}

test("a drive is split into tasks that overlap", async () => {
  const { calls } = await open("manager", buildTask(), {
    "GET /api/projects/3/members": [],
    "POST /api/scenes/5/split": [],
  });

  await press("Split…");
  await press("Split");

  expect(calls.find(({ method }) => method === "POST")).toMatchObject({
    path: "/api/scenes/5/split",
    body: { frames: 50, overlap: 1 },
  });
});

test("what cannot be labelled is skipped with a reason", async () => {
  const { calls } = await open("annotator", buildTask({ state: "in_progress", mine: true }), {
    "POST /api/tasks/9/skip": buildTask({ state: "skipped" }),
  });

  await press("Skip…");
  await choose("Why it is skipped", "data");
  await press("Skip the task");

  expect(calls.find(({ method }) => method === "POST")).toMatchObject({
    path: "/api/tasks/9/skip",
    body: { why: "data", note: "" },
  });
});

test("who asks for the next task when there is none is told so", async () => {
  await open("reviewer", buildTask({ state: "accepted" }), {
    "POST /api/projects/3/next/label": { task: null },
    "POST /api/projects/3/next/review": { task: null },
  });

  await press("Next task");
  expect(shown()).toContain("Nothing is left to label.");
  await press("Next review");
  expect(shown()).toContain("Nothing waits for a review.");
});

test("the list can be narrowed to one state", async () => {
  await showing(<Tasks project={buildProject({ role: "annotator" })} />, {
    "GET /api/projects/3/tasks": [
      buildTask({ id: 1, scene_name: "one" }),
      buildTask({ id: 2, scene_name: "two", state: "accepted" }),
    ],
  });

  await press("accepted 1");

  expect([...document.querySelectorAll("td.name")].map((cell) => cell.textContent?.trim())).toEqual(
    ["two"],
  );
});
