// @vitest-environment jsdom
import { act } from "preact/test-utils";
import { afterEach, expect, test } from "vitest";
import { Classes } from "@/panels/Classes";
import type { LabelClass } from "@/protocol/messages";
import { buildProject } from "./builders";
import { enter, failing, leave, press, settled, showing, shown } from "./page";

afterEach(leave);

const buildClass = (id: number, name: string, fields: Partial<LabelClass> = {}): LabelClass => ({
  id,
  name,
  colour: "#123456",
  is_stuff: false,
  position: id,
  parent: null,
  hint: "",
  longest_m: null,
  is_archived: false,
  ...fields,
});
const CLASSES = [
  buildClass(1, "vehicle"),
  buildClass(2, "horse", { is_archived: true }),
  buildClass(3, "car", { parent: 1, hint: "four wheels", longest_m: 7 }),
];

const open = (role: "annotator" | "manager", answers = {}) =>
  showing(<Classes project={buildProject({ role })} />, {
    "GET /api/projects/3/classes": CLASSES,
    ...answers,
  });

async function change(label: string, value: string | boolean): Promise<void> {
  const field = document.querySelector<HTMLInputElement>(`[aria-label="${label}"]`)!;
  await act(() => {
    if (typeof value === "boolean") field.checked = value;
    else field.value = value;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  });
  await settled();
}

test("labellers read what the classes are, and which keys they have", async () => {
  await open("annotator");

  const rows = [...document.querySelectorAll("tbody tr")].map((row) =>
    [...row.children].map(({ textContent }) => textContent?.trim()),
  );
  expect(rows).toEqual([
    ["1", "vehicle", "", "", "", ""],
    ["", "horse (archived)", "", "", "", ""],
    ["2", "car", "vehicle", "four wheels", "7 m", ""],
  ]);
  expect(document.querySelector("input")).toBeNull();
});

test("a manager changes what each one is", async () => {
  const path = "PATCH /api/projects/3/classes/3";
  const { calls } = await open("manager", { [path]: CLASSES[2] });

  await change("Name of car", " motor car ");
  await change("Colour of car", "#ff0000");
  await change("What car is a kind of", "");
  await change("When to choose car", "");
  await change("How long car is at most, in metres", "6.5");
  await change("How long car is at most, in metres", "-1"); // nothing is
  await change("car is stuff", true);
  await change("Name of car", "car"); // as it was: nothing to say

  const sent = calls.filter(({ method }) => method === "PATCH").map(({ body }) => body);
  expect(sent).toEqual([
    { name: "motor car" },
    { colour: "#ff0000" },
    { parent: null },
    { hint: "" },
    { longest_m: 6.5 },
    { is_stuff: true },
  ]);
});

test("classes are added, moved, archived and deleted", async () => {
  const { calls } = await open("manager", {
    "POST /api/projects/3/classes": CLASSES[0],
    "PUT /api/projects/3/classes": CLASSES,
    "PATCH /api/projects/3/classes/2": CLASSES[1],
    "DELETE /api/projects/3/classes/1": new Response(null, { status: 204 }),
  });

  await enter(document.querySelector('input[aria-label="Name of a new class"]')!, " tram ");
  await press("Add class");
  await act(() => document.querySelector<HTMLElement>('[aria-label="car up"]')!.click());
  await settled();
  await press("Use again");
  await act(() =>
    [...document.querySelectorAll("button")].find((b) => b.textContent === "Delete")!.click(),
  );
  await settled();

  const sent = calls.filter(({ method }) => method !== "GET");
  expect(sent.map(({ method, path, body }) => [method, path, body ?? null])).toEqual([
    ["POST", "/api/projects/3/classes", { name: "tram" }],
    ["PUT", "/api/projects/3/classes", { classes: [1, 3, 2] }],
    ["PATCH", "/api/projects/3/classes/2", { is_archived: false }],
    ["DELETE", "/api/projects/3/classes/1", null],
  ]);
});

test("a refusal is said, and what was typed goes", async () => {
  await open("manager", {
    "PATCH /api/projects/3/classes/3": failing(409, { detail: "there is a class 'bus' already" }),
  });

  await change("Name of car", "bus");

  expect(shown()).toContain("there is a class 'bus' already");
  expect(document.querySelector<HTMLInputElement>('[aria-label="Name of car"]')?.value).toBe("car");
});
