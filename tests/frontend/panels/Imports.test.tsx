// @vitest-environment jsdom
import { act } from "preact/test-utils";
import { afterEach, expect, test } from "vitest";
import { folderAbove, Imports } from "@/panels/Imports";
import { buildJob, buildProject } from "./builders";
import { button, failing, leave, press, settled, showing, shown } from "./page";

afterEach(leave);

const FORMATS = [
  { name: "waymo", title: "Waymo Open Dataset", description: "a .tfrecord file" },
  { name: "native", title: "Masklet archive", description: "a .zip" },
];
const REPORT = {
  summary: "198 frames of 2 sensors",
  sensors: [{ name: "TOP", kind: "lidar", readings: 198, points: 33_000_000 }],
  gaps: [{ after_frame: 12, milliseconds: 300.4 }],
  odd_calibration: [],
  skipped: [{ file: "a.tfrecord", record: 17, message: "SIDE_LEFT is empty" }],
};

const open = (answers = {}, role: "manager" | "admin" = "manager") =>
  showing(<Imports project={buildProject({ role })} />, {
    "GET /api/projects/3/jobs": [],
    "GET /api/import-formats": FORMATS,
    ...answers,
  });

async function choose(file: File): Promise<void> {
  const input = document.querySelector<HTMLInputElement>("input[type=file]")!;
  Object.defineProperty(input, "files", { value: [file], configurable: true });
  await act(() => void input.dispatchEvent(new Event("change", { bubbles: true })));
  await settled();
}

const drive = (): File => new File(["0123456789"], "drive.zip", { lastModified: 5 });

test("a file is announced, sent up, and imported", async () => {
  const { calls } = await open({
    "POST /api/projects/3/uploads": { id: 4, offset: 0, size: 10 },
    "GET /api/uploads/4": { id: 4, offset: 0, size: 10 },
    "PATCH /api/uploads/4": { offset: 10 },
    "POST /api/projects/3/imports": buildJob(),
  });

  await choose(drive());
  await press("Upload and import");

  const posted = calls.filter(({ method }) => method === "POST");
  expect(posted.map(({ body }) => body)).toEqual([
    { name: "drive.zip", size: 10 },
    { format: "waymo", upload: 4 },
  ]);
});

test("a file that was sent up in part goes on where the server says, after a reload too", async () => {
  let isDown = true;
  const answers = {
    "POST /api/projects/3/uploads": { id: 4, offset: 0, size: 10 },
    "GET /api/uploads/4": () => ({ id: 4, offset: isDown ? 0 : 6, size: 10 }),
    "PATCH /api/uploads/4": () =>
      isDown ? failing(400, { detail: "the disk is full" }) : { offset: 10 },
    "POST /api/projects/3/imports": buildJob(),
  };
  await open(answers);
  await choose(drive());
  await press("Upload and import");
  expect(shown()).toContain("the disk is full");

  isDown = false;
  document.getElementById("app")!.remove(); // a reload: nothing but the browser's memory is left
  const { calls } = await open(answers);
  await choose(drive());
  await press("Resume upload");

  const made = calls.map(({ method, path }) => `${method} ${path}`);
  expect(made).not.toContain("POST /api/projects/3/uploads");
  expect(made).toContain("POST /api/projects/3/imports");
  const pieces = calls.filter(({ method }) => method === "PATCH").map(({ body }) => body as Blob);
  expect(pieces.map(({ size }) => size)).toEqual([4]);
});

test("the server's folders are offered to admins alone", async () => {
  await open();
  expect(shown()).not.toContain("a folder of the server");
  await leave();

  await open({}, "admin");
  expect(shown()).toContain("a folder of the server");
});

test("a finished import shows its report and opens its scene", async () => {
  await open({
    "GET /api/projects/3/jobs": [buildJob({ state: "done", report: REPORT, scene_ids: [8] })],
  });

  const text = shown();
  expect(text).toContain("198 frames of 2 sensors · 2 remarks");
  expect(text).toContain("33,000,000");
  expect(text).toContain("after frame 12: 300 ms");
  expect(text).toContain("a.tfrecord: record 17: SIDE_LEFT is empty");
  expect(document.querySelector("article a")?.getAttribute("href")).toBe("/scenes/8");
});

test("a failed import says what was wrong and can be tried again", async () => {
  const { calls } = await open({
    "GET /api/projects/3/jobs": [buildJob({ state: "failed", error: "record 12: wrong CRC" })],
    "POST /api/jobs/7/resume": buildJob(),
  });
  expect(document.querySelector("[role=alert]")?.textContent).toBe("record 12: wrong CRC");

  await press("Try again");
  expect(calls.map(({ path }) => path)).toContain("/api/jobs/7/resume");
});

test("what the server reads is what is offered, with what to choose", async () => {
  const { root } = await open();
  const choice = root.querySelector("select")!;
  expect([...choice.options].map(({ text }) => text)).toEqual(FORMATS.map(({ title }) => title));
  expect(shown()).toContain("a .tfrecord file");

  await act(() => {
    choice.value = "native";
    choice.dispatchEvent(new Event("change", { bubbles: true }));
  });
  await settled();
  expect(shown()).toContain("a .zip");
});

test("a file of the server is asked for once: a second press is not possible", async () => {
  const file = { name: "a.tfrecord", path: "/data/a.tfrecord", is_folder: false, size: 2300 };
  const { root, calls } = await open(
    {
      "GET /api/projects/3/import-folders": { path: "", entries: [file], roots: ["/data"] },
      "POST /api/projects/3/imports": buildJob(),
    },
    "admin",
  );
  await act(() => {
    const from = root.querySelectorAll("select")[1]!;
    from.value = "server";
    from.dispatchEvent(new Event("change", { bubbles: true }));
  });
  await settled();
  expect(shown()).toContain("/data: named in MASKLET_IMPORT_ROOTS, but no folder of the server.");

  await press("a.tfrecord · 2.3 kB");
  await press("Import this file");

  const posted = calls.filter(({ method }) => method === "POST");
  expect(posted.map(({ body }) => body)).toEqual([{ format: "waymo", path: "/data/a.tfrecord" }]);
  expect(button("Import this folder").disabled).toBe(true);
});

test.each([
  [{ state: "running", done: 2, total: 4, message: "frame 2 of 4" }, "frame 2 of 4 · the system"],
  [
    { state: "waiting", done: 2, total: 4, message: "cancelled" },
    "waits for a worker that is free · the system",
  ],
  [{ state: "cancelled", message: "cancelled" }, "the system"],
  [{ state: "done", message: REPORT.summary, report: REPORT }, "the system"],
] as const)("a job says nothing twice: %o", async (fields, expected) => {
  await open({ "GET /api/projects/3/jobs": [buildJob(fields)] });

  expect(document.querySelector("article.job > p.dim")!.textContent).toMatch(
    new RegExp(`^${expected},`),
  );
});

test("one climbs out of folders up to the roots and not above", () => {
  const roots = ["/data/drives"];
  expect(folderAbove("/data/drives/2026/may", roots)).toBe("/data/drives/2026");
  expect(folderAbove("/data/drives/2026", roots)).toBe("/data/drives");
  expect(folderAbove("/data/drives", roots)).toBe("");
});
