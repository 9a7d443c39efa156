// @vitest-environment jsdom
import { act } from "preact/test-utils";
import { afterEach, expect, test } from "vitest";
import { Quality } from "@/panels/Quality";
import type { Comparison, Quality as QualityOf } from "@/sync/api";
import { buildProject, buildTask } from "./builders";
import { leave, press, showing, shown } from "./page";

afterEach(leave);

const GOLD: Comparison = {
  id: 4,
  scene: 8,
  scene_name: "street-1",
  reference: 5,
  is_gold: true,
  person: { id: 2, name: "Ben" },
  other: null,
  frames: [10, 29],
  pixels: { iou: 0.8123, miou: 0.8, pq: 0.7, lstq: 0.75, boundary: 0.9 },
  points: { iou: 0.93, miou: 0.9, pq: 0.85, lstq: 0.88, boundary: null },
  found: 12,
  missing: 2,
  extra: 1,
  other_class: 0,
  at: "2026-11-02T03:04:05Z",
};

const QUALITY: QualityOf = {
  people: [
    {
      person: { id: 2, name: "Ben" },
      trials: 1,
      pixels: GOLD.pixels,
      points: GOLD.points,
      agreement: null,
    },
  ],
  comparisons: [GOLD],
  copies: [buildTask({ state: "submitted", copy_of: 5 })],
};

const open = (quality: Partial<QualityOf> = {}, answers = {}) =>
  showing(<Quality project={buildProject()} />, {
    "GET /api/projects/3/quality": { ...QUALITY, ...quality },
    "GET /api/projects/3": { ...buildProject(), review_policy: "all", review_share: 10 },
    ...answers,
  });

const cells = (table: string): (string | null)[] =>
  [...document.querySelectorAll(`table[aria-label="${table}"] tbody td`)].map(
    ({ textContent }) => textContent,
  );

test("a manager sees how good each person's labels are", async () => {
  await open();

  expect(cells("People")).toEqual([
    ...["Ben", "1", "0.812", "0.700", "0.750", "0.900"],
    ...["0.930", "0.850", "0.880", "–"],
  ]);
  expect(shown()).toContain("frames 10 to 29");
  expect(cells("Blind copies")).toEqual(["street-1", "in review", "whoever comes first"]);
});

test("where two labellings differ is one click away", async () => {
  await open(
    {},
    {
      "GET /api/comparisons/4": {
        ...GOLD,
        classes: [{ name: "car", pixels: 0.8, points: null, objects: 3 }],
        ranges: [{ name: "0-20 m", points: 0.95 }],
        worst: [
          { frame: 3, sensor: "FRONT", track: 7, is_judged: false, label_class: "car", iou: 0 },
          { frame: 6, sensor: "TOP", track: 9, is_judged: true, label_class: "pole", iou: 0 },
        ],
      },
    },
  );

  await press("More");

  expect(cells("By class")).toEqual(["car", "3", "0.800", "–"]);
  expect(cells("By range")).toEqual(["0-20 m", "0.950"]);
  const places = [...document.querySelectorAll("ol li")];
  expect(places.map(({ textContent }) => textContent)).toEqual([
    "car, FRONT, frame 3 is missing",
    "pole, TOP, frame 6 nobody else has it",
  ]);
  expect(places[0]?.querySelector("a")?.getAttribute("href")).toBe("/scenes/8?frame=3");
});

test("a copy beside others can take the original's place, gold cannot be replaced", async () => {
  const beside = { ...GOLD, is_gold: false, other: { id: 1, name: "Ann" } };
  const { calls } = await open(
    { comparisons: [beside] },
    { "POST /api/scenes/8/adopt": { revision: 7 } },
  );

  await press("Take these labels");

  expect(calls.some(({ path }) => path === "/api/scenes/8/adopt")).toBe(true);
  await leave();
  await open();
  expect(shown()).not.toContain("Take these labels");
});

test("a manager chooses what is reviewed", async () => {
  const { calls } = await open({}, { "PATCH /api/projects/3": buildProject() });
  const [all, exceptions] = document.querySelectorAll<HTMLInputElement>("input[type=radio]");
  expect(all!.checked).toBe(true);

  await act(() => exceptions!.click());

  expect(calls.find(({ method }) => method === "PATCH")).toMatchObject({
    path: "/api/projects/3",
    body: { review_policy: "exceptions" },
  });
});

test("an empty page says how to begin", async () => {
  await open({ people: [], comparisons: [], copies: [] });

  expect(shown()).toContain("Nothing is compared yet");
  expect(document.querySelector(".empty a")?.getAttribute("href")).toBe("/projects/3/tasks");
});
