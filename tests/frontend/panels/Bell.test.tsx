// @vitest-environment jsdom
import { act } from "preact/test-utils";
import { afterEach, expect, test } from "vitest";
import { Bell } from "@/panels/Bell";
import { leave, press, settled, showing, shown } from "./page";

afterEach(leave);

const note = (id: number, read_at: string | null = null) => ({
  id,
  kind: "mention",
  text: `note ${id}`,
  address: `/scenes/${id}`,
  at: "2026-01-02T03:04:05Z",
  read_at,
});

const bell = () => document.querySelector<HTMLButtonElement>(".bell > button")!;

async function openBell(): Promise<void> {
  await act(() => bell().click());
  await settled();
}

test("the bell counts what is to be read, and lists it", async () => {
  await showing(<Bell />, {
    "GET /api/notifications": { unread: 1, notifications: [note(2), note(1, "2026-01-03")] },
  });
  expect(bell().getAttribute("aria-label")).toBe("Notifications: 1 to read");

  await openBell();

  const links = [...document.querySelectorAll(".notifications a")];
  expect(links.map((link) => link.getAttribute("href"))).toEqual(["/scenes/2", "/scenes/1"]);
  expect(document.querySelectorAll("li.dim")).toHaveLength(1);
});

test("all are read at once, and the count goes", async () => {
  const { calls } = await showing(<Bell />, {
    "GET /api/notifications": { unread: 1, notifications: [note(2)] },
    "POST /api/notifications": { unread: 0, notifications: [note(2, "2026-01-03")] },
  });
  await openBell();
  await press("All are read");

  expect(calls.at(-1)).toMatchObject({ method: "POST", body: {} });
  expect(bell().textContent).toBe("");
});

test("without any there is a word, and Escape closes it", async () => {
  await showing(<Bell />, { "GET /api/notifications": { unread: 0, notifications: [] } });
  await openBell();
  expect(shown()).toContain("Nothing has happened yet.");

  await act(() => {
    window.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
  });
  await settled();

  expect(document.querySelector(".notifications")).toBeNull();
});

test("a server that is away is no reason to shout", async () => {
  await showing(<Bell />, {});
  await openBell();

  expect(document.querySelector("[role=alert]")).toBeNull();
});
