// @vitest-environment jsdom
import { act } from "preact/test-utils";
import { afterEach, expect, test } from "vitest";
import { Team } from "@/panels/Team";
import type { Member } from "@/sync/api";
import { buildProject, USER } from "./builders";
import { enter, failing, leave, press, settled, showing, shown } from "./page";

afterEach(leave);

const ME: Member = { user: { id: 1, username: "maria", name: "Maria" }, role: "manager" };
const ANN: Member = { user: { id: 2, username: "ann", name: "Ann" }, role: "annotator" };
const PATH = "/api/projects/3/members";

const open = (answers = {}, role: "manager" | "annotator" = "manager") =>
  showing(<Team project={buildProject({ role })} user={USER} />, {
    [`GET ${PATH}`]: [ANN, ME],
    "GET /api/projects/3/invitations": [],
    ...answers,
  });

const choose = async (label: string, value: string): Promise<void> => {
  const field = document.querySelector<HTMLSelectElement>(`select[aria-label="${label}"]`)!;
  await act(() => {
    field.value = value;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  });
  await settled();
};

test("a manager takes somebody in by the account's name", async () => {
  const { calls } = await open({ [`POST ${PATH}`]: ANN });
  await enter(document.querySelector("input")!, " otto ");
  await press("Add");

  expect(calls.find(({ method }) => method === "POST")?.body).toEqual({
    username: "otto",
    role: "annotator",
  });
  expect(document.querySelector("input")!.value).toBe("");
});

test("what the server refuses is said, and the name stays to be mended", async () => {
  await open({
    [`POST ${PATH}`]: () => failing(400, { username: ["there is no account 'oto' here"] }),
  });
  await enter(document.querySelector("input")!, "oto");
  await press("Add");

  expect(shown()).toContain("there is no account 'oto' here");
  expect(document.querySelector("input")!.value).toBe("oto");
});

test("roles are changed and people taken out, after a second press", async () => {
  const { calls } = await open({
    [`PATCH ${PATH}/2`]: { ...ANN, role: "reviewer" },
    [`DELETE ${PATH}/2`]: () => new Response(null, { status: 204 }),
  });
  await choose("Role of Ann", "reviewer");
  expect(calls.find(({ method }) => method === "PATCH")?.body).toEqual({ role: "reviewer" });

  await press("Take out…");
  expect(calls.some(({ method }) => method === "DELETE")).toBe(false);
  await press("Take Ann out");
  expect(calls.some(({ method, path }) => method === "DELETE" && path === `${PATH}/2`)).toBe(true);
});

test("others see the team and can change nothing", async () => {
  await open({}, "annotator");

  expect(shown()).toContain("Ann");
  expect(shown()).toContain("(you)");
  expect(document.querySelector("select, form, button")).toBeNull();
});

test("whoever is an admin everywhere is shown as one, not as nothing", async () => {
  await open({ [`GET ${PATH}`]: [{ ...ANN, role: "admin" }, ME] });

  const roles = [...document.querySelectorAll("tbody tr")].map(
    (row) => row.children[2]?.textContent,
  );
  expect(roles[0]).toBe("admin");
});

test("a manager reads what was done here, older entries on demand", async () => {
  const entries = (from: number, count: number) =>
    Array.from({ length: count }, (_, k) => ({
      id: from - k,
      at: "2026-01-02T03:04:05Z",
      by: k ? "Maria" : null,
      act: "member.added",
      about: `number ${from - k}`,
    }));
  let asked = 0;
  const { calls } = await open({
    "GET /api/projects/3/audit": () => (asked++ ? entries(300, 2) : entries(500, 200)),
  });
  const details = document.querySelector("details")!;
  await act(() => {
    details.open = true; // which says so itself, a moment later
  });
  await settled();
  expect(shown()).toContain("the command line");
  expect(shown()).toContain("member added");

  await press("Earlier");

  expect(calls.at(-1)?.path).toBe("/api/projects/3/audit?before=301");
  expect(document.querySelectorAll('[aria-label="Audit log"] tr')).toHaveLength(202);
  expect(shown()).not.toContain("Earlier");
});

test("a link is made for somebody without an account, and taken back", async () => {
  const row = { id: 4, role: "annotator", note: "otto", by: "Maria", expires_at: "2026-12-11" };
  const { calls } = await open({
    "GET /api/projects/3/invitations": [row],
    "POST /api/projects/3/invitations": { ...row, secret: "s3cret" },
    "DELETE /api/projects/3/invitations/4": new Response(null, { status: 204 }),
  });
  await enter(document.querySelector('input[placeholder="ann@example.org"]')!, " otto ");
  await press("Make a link");
  expect(document.querySelector("code.secret")?.textContent).toMatch(/\/invited#s3cret$/);
  await press("Take back");

  const sent = calls.filter(({ method }) => method !== "GET");
  expect(sent.map(({ method, body }) => [method, body ?? null])).toEqual([
    ["POST", { role: "annotator", note: "otto" }],
    ["DELETE", null],
  ]);
});
