// @vitest-environment jsdom
import { afterEach, expect, test } from "vitest";
import { duration, Figures } from "@/panels/Figures";
import type { Figures as FiguresOf } from "@/sync/api";
import { buildProject } from "./builders";
import { leave, press, showing, shown } from "./page";

afterEach(leave);

const FIGURES: FiguresOf = {
  since: "2026-11-01",
  until: "2026-11-02",
  tasks: { accepted: 2, open: 1 },
  frames: { accepted: 60, open: 20 },
  days: [
    { day: "2026-11-01", accepted_frames: 20 },
    { day: "2026-11-02", accepted_frames: 40 },
  ],
  people: [
    {
      name: "Ann",
      submitted: 3,
      judged: 2,
      first_time: 1,
      frames: 80,
      objects: 40,
      clicks: 60,
      edits: 120,
      at_work_s: 4800,
      tool_s: 1200,
      thinking_s: 3600,
      idle_s: 300,
      waiting_s: 480,
    },
  ],
  prelabels: 200,
  corrected: 30,
  faults: { class: 2 },
  ready_on: "2026-11-09",
};

const open = (figures: Partial<FiguresOf> = {}) =>
  showing(<Figures project={buildProject()} />, {
    "GET /api/projects/3/figures": { ...FIGURES, ...figures },
  });

test("a manager sees how far it is, how fast it goes, and when it is ready", async () => {
  await open();

  expect(shown()).toContain("75 % of 80 frames are accepted");
  expect(shown()).toContain("accepted: 2 tasks, 60 frames");
  expect(shown()).toContain("all of it is accepted on 2026-11-09");
  const bars = [...document.querySelectorAll<HTMLElement>(".bars i")];
  expect(bars.map(({ style }) => style.height)).toEqual(["50%", "100%"]);
});

test("what each person did, and what it cost", async () => {
  await open();

  const cells = [...document.querySelectorAll("tbody td")].map(({ textContent }) => textContent);
  expect(cells).toEqual([
    ...["Ann", "3", "1 of 2", "40", "1.5", "1 h 20 min"],
    ...["25 %", "75 %", "5 min", "10 %", "120"],
  ]);
  expect(shown()).toContain("Of 200 pre-labelled objects");
  expect(shown()).toContain("30 (15 %)");
  expect(shown()).toContain("Sent back for: wrong class (2).");
});

test("without work there is nothing to divide by", async () => {
  await open({ tasks: {}, frames: {}, people: [], prelabels: 0, faults: {}, ready_on: null });

  expect(shown()).toContain("There are no tasks yet.");
  expect(shown()).toContain("Nobody has done anything in these days.");
  expect(shown()).not.toContain("NaN");
});

test("other spans are asked for, also by the download", async () => {
  const { calls } = await open();
  await press("7 days");

  expect(calls.at(-1)?.path).toBe("/api/projects/3/figures?days=7");
  expect(document.querySelector("a[download]")?.getAttribute("href")).toContain("days=7");
});

test("durations are as people say them", () => {
  expect([0, 59.4, 61, 3599, 12000].map(duration)).toEqual([
    "0 s",
    "59 s",
    "1 min",
    "1 h 0 min",
    "3 h 20 min",
  ]);
});
