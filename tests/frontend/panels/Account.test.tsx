// @vitest-environment jsdom
import { act } from "preact/test-utils";
import { afterEach, expect, test, vi } from "vitest";
import { Account } from "@/panels/Account";
import type { ApiToken } from "@/sync/api";
import { USER } from "./builders";
import { button, enter, failing, leave, press, settled, showing, shown } from "./page";

afterEach(leave);

const inDays = (days: number): string => new Date(Date.now() + days * 24 * 3600e3).toISOString();

const TOKEN: ApiToken = {
  id: 4,
  name: "nightly export",
  scope: "read",
  hint: "x7Qa",
  created_at: inDays(-10),
  expires_at: inDays(80),
  last_used_at: null,
};

const open = (answers = {}) =>
  showing(<Account user={USER} />, { "GET /api/tokens": [], ...answers });

const choose = async (place: number, value: string): Promise<void> => {
  const field = document.querySelectorAll("select")[place]!;
  await act(() => {
    field.value = value;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  });
};

test("a token is made with what was chosen, shown once, and copied", async () => {
  const writeText = vi.fn(async () => {});
  vi.stubGlobal("navigator", { clipboard: { writeText } });
  let listed: ApiToken[] = [];
  const { calls } = await open({
    "GET /api/tokens": () => listed,
    "POST /api/tokens": () => {
      listed = [TOKEN];
      return { ...TOKEN, token: "masklet_secret" };
    },
  });
  expect(shown()).toContain("You have no tokens.");
  expect(button("Make token").disabled).toBe(true);

  await enter(document.querySelector("input")!, " nightly export ");
  await choose(0, "write");
  await choose(1, "30");
  await press("Make token");

  expect(calls.find(({ method }) => method === "POST")?.body).toEqual({
    name: "nightly export",
    scope: "write",
    days: 30,
  });
  expect(shown()).toContain("masklet_secret");
  expect(shown()).toContain("it is not shown again");
  expect(shown()).toContain("…x7Qa");
  await press("Copy");
  expect(writeText).toHaveBeenCalledWith("masklet_secret");
  button("Copied");
});

test("a token is taken back after a second press, and can be kept", async () => {
  let listed = [TOKEN];
  const { calls } = await open({
    "GET /api/tokens": () => listed,
    "DELETE /api/tokens/4": () => {
      listed = [];
      return new Response(null, { status: 204 });
    },
  });
  await press("Take back…");
  await press("Keep");
  expect(calls.some(({ method }) => method === "DELETE")).toBe(false);

  await press("Take back…");
  await press("Take it back");
  await settled();

  expect(shown()).toContain("You have no tokens.");
});

test("what has expired, and what soon will, is marked", async () => {
  await open({
    "GET /api/tokens": [
      { ...TOKEN, id: 1, name: "old", expires_at: inDays(-1) },
      { ...TOKEN, id: 2, name: "soon", expires_at: inDays(2.5) },
      TOKEN,
    ],
  });

  const rows = [...document.querySelectorAll("tbody tr")].map(({ textContent }) => textContent);
  expect(rows[0]).toContain("expired");
  expect(rows[1]).toContain("in 3 days");
  expect(rows[2]).not.toContain("days");
});

test("the server's words are shown where it refuses", async () => {
  await open({
    "POST /api/tokens": () => failing(400, { name: ["you have 50 tokens: take one back"] }),
  });
  await enter(document.querySelector("input")!, "one more");
  await press("Make token");

  expect(shown()).toContain("you have 50 tokens");
});
