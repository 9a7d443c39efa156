// @vitest-environment jsdom
import { afterEach, expect, test } from "vitest";
import { Tasks } from "@/panels/Tasks";
import type { Role, Task } from "@/sync/api";
import { buildProject, buildTask } from "./builders";
import { button, enter, failing, leave, press, showing, shown } from "./page";

afterEach(leave);

const offered = (): string[] =>
  [...document.querySelectorAll("td.acts button")].map(({ textContent }) => textContent ?? "");

const open = (role: Role, task: Task, answers = {}) =>
  showing(<Tasks project={buildProject({ role })} />, {
    "GET /api/projects/3/tasks": [task],
    ...answers,
  });

test.each<[Role, Task["state"], string[]]>([
  ["annotator", "open", ["Submit"]],
  ["annotator", "submitted", []],
  ["annotator", "sent_back", ["Submit"]],
  ["reviewer", "submitted", ["Accept", "Send back…"]],
  ["reviewer", "accepted", ["Send back…"]],
  ["manager", "open", ["Submit"]],
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
  await press("Send back");

  const sent = calls.find(({ method }) => method === "POST");
  expect(sent).toMatchObject({
    path: "/api/tasks/9/send_back",
    body: { reason: "the cyclist is missing" },
  });
});

test("the labeller reads why the work came back", async () => {
  await open("annotator", buildTask({ state: "sent_back", mine: true, reason: "frame 40" }));
  expect(shown()).toContain("Sent back: frame 40");
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
