// @vitest-environment jsdom
import { act } from "preact/test-utils";
import { afterEach, expect, test } from "vitest";
import { Exports } from "@/panels/Exports";
import { buildJob, buildProject, buildTask } from "./builders";
import { button, failing, leave, press, settled, showing, shown } from "./page";

afterEach(leave);

const FORMATS = [
  { name: "native", title: "Masklet archive", description: "lossless" },
  { name: "waymo-4dseg", title: "Waymo-4DSeg", description: "as in the paper" },
];
const TASKS = [
  buildTask({ id: 1, scene: 11, scene_name: "good", state: "accepted" }),
  buildTask({ id: 2, scene: 12, scene_name: "raw", state: "open" }),
];

const open = (answers = {}) =>
  showing(<Exports project={buildProject()} />, {
    "GET /api/projects/3/jobs": [],
    "GET /api/export-formats": FORMATS,
    "GET /api/projects/3/tasks": TASKS,
    ...answers,
  });

async function tick(words: string): Promise<void> {
  const label = [...document.querySelectorAll("label")].find(({ textContent }) =>
    textContent?.includes(words),
  );
  await act(() => label!.querySelector("input")!.click());
  await settled();
}

test("accepted scenes are exported; unreviewed ones only when they are asked for", async () => {
  const { calls } = await open({ "POST /api/projects/3/exports": { id: 1 } });
  await press("Export 1 scene");
  await tick("Also scenes that nobody has accepted");
  await press("Export 2 scenes");

  const asked = calls.filter(({ method }) => method === "POST").map(({ body }) => body);
  expect(asked).toEqual([
    { scenes: [11], format: "native", include_unreviewed: false, with_readings: false },
    { scenes: [11, 12], format: "native", include_unreviewed: true, with_readings: false },
  ]);
});

test("a scene in parts is one scene, accepted when all of them are", async () => {
  const part = (id: number, scene: number, state: "accepted" | "open") =>
    buildTask({ id, scene, scene_name: `drive ${scene}`, state, is_part: true });
  const { calls } = await open({
    "GET /api/projects/3/tasks": [
      part(1, 11, "accepted"),
      part(2, 11, "accepted"),
      part(3, 12, "accepted"),
      part(4, 12, "open"),
    ],
    "POST /api/projects/3/exports": { id: 1 },
  });

  await press("Export 1 scene");
  await tick("Also scenes that nobody has accepted");

  expect(calls.find(({ method }) => method === "POST")?.body).toMatchObject({ scenes: [11] });
  expect(shown()).toContain("drive 12 (1 of 2 parts accepted)");
});

test("a scene can be left out, and with none left there is nothing to export", async () => {
  await open();
  await tick("good");
  expect(button("Export").disabled).toBe(true);
});

test("only the archive of our own takes readings along", async () => {
  const { root } = await open();
  expect(shown()).toContain("With the pictures and sweeps");

  await act(() => {
    const choice = root.querySelector("select")!;
    choice.value = "waymo-4dseg";
    choice.dispatchEvent(new Event("change", { bubbles: true }));
  });

  expect(shown()).toContain("as in the paper");
  expect(shown()).not.toContain("With the pictures and sweeps");
});

test("a finished export can be downloaded, a running one cancelled", async () => {
  const done = { kind: "export", state: "done", download: "/api/exports/1/download" } as const;
  const jobs = [
    buildJob({ id: 1, ...done, report: { bytes: 439_427_556 } }),
    buildJob({ id: 2, kind: "export", state: "running", done: 3, total: 40 }),
  ];
  const { calls } = await open({
    "GET /api/projects/3/jobs": jobs,
    "POST /api/jobs/2/cancel": jobs[1],
  });
  expect(document.querySelector("a[download]")?.getAttribute("href")).toBe(
    "/api/exports/1/download",
  );
  expect(document.querySelector("a[download]")?.textContent).toBe("Download · 439.4 MB");
  expect(document.querySelector("progress")).toMatchObject({ value: 3, max: 40 });

  await press("Cancel");
  expect(calls.map(({ path }) => path)).toContain("/api/jobs/2/cancel");
});

test("a refused export says why", async () => {
  await open({
    "POST /api/projects/3/exports": failing(400, { scenes: ["good is not accepted any more"] }),
  });
  await press("Export 1 scene");
  expect(document.querySelector("[role=alert]")?.textContent).toBe("good is not accepted any more");
});
