// @vitest-environment jsdom
import { act } from "preact/test-utils";
import { afterEach, expect, test, vi } from "vitest";
import { IssuePanel } from "@/panels/workspace/IssuePanel";
import type { Room } from "@/panels/workspace/Room";
import type { Issue, Track } from "@/protocol/messages";
import { Emitter } from "@/store/Emitter";
import { Issues } from "@/store/Issues";
import { type Answers, enter, leave, press, settled, showing, shown } from "../page";

Element.prototype.scrollIntoView = () => undefined; // jsdom has no layout

afterEach(leave);

const buildIssue = (fields: Partial<Issue> = {}): Issue => ({
  id: 3,
  frame: 2,
  sensor: 1,
  position: [12, 0, 0.5],
  track: 7,
  fault: "class",
  rule: "",
  is_open: true,
  suggests: "",
  verdict: "",
  by: { id: 1, name: "Rita" },
  comments: [{ by: { id: 1, name: "Rita" }, text: "a bus", at: "2026-01-02T03:04:05Z" }],
  ...fields,
});

async function open(list: Issue[], answers: Answers = {}) {
  const issues = new Issues();
  issues.replaceWith(list);
  const told: string[] = [];
  const track = { number: 7, label_class: 1 } as Track;
  const room = {
    issues,
    timeline: { changed: new Emitter(), frame: 2 },
    document: { changed: new Emitter(), tracks: new Map([[7, track]]) },
    scene: {
      changed: new Emitter(),
      id: 5,
      mayEdit: true,
      sensors: new Map([[1, { name: "TOP" }]]),
    },
    nameOf: () => "car 7",
    offeredClasses: () => [
      { id: 1, name: "car" },
      { id: 2, name: "bus" },
    ],
    setTool: vi.fn(),
    goToIssue: (id: number) => issues.choose(id),
    decideIssue: vi.fn(),
    tell: (words: string) => told.push(words),
  };
  const { calls } = await showing(<IssuePanel room={room as unknown as Room} />, answers);
  return { issues, room, calls, told };
}

/** News is drawn with the next frame of the screen. */
async function drawn(): Promise<void> {
  await new Promise(requestAnimationFrame);
  await settled();
}

test("what rules have found is told apart, and resolved all at once", async () => {
  const said = buildIssue();
  const found = [4, 5].map((id) => buildIssue({ id, rule: "gap", by: null, fault: "lost" }));
  const { calls } = await open([said, ...found], {
    "PATCH /api/scenes/5/issues": found.map((issue) => ({ ...issue, is_open: false })),
  });
  expect(document.querySelectorAll("article.issue")).toHaveLength(3);

  await press("people's");
  expect(document.querySelectorAll("article.issue")).toHaveLength(1);
  await press("rules'");
  await press("Resolve all 2");
  await drawn();

  expect(calls[0]?.body).toEqual({ resolved: [4, 5] });
  expect(document.querySelectorAll("article.issue")).toHaveLength(0);
});

test("an issue shows its place, what is said, and is answered and resolved", async () => {
  const issue = buildIssue();
  const answer = { by: { id: 2, name: "Ann" }, text: "mended", at: "2026-01-02T04:00:00Z" };
  const { calls } = await open([issue], {
    "POST /api/issues/3/comments": { ...issue, comments: [...issue.comments, answer] },
    "PATCH /api/issues/3": { ...issue, is_open: false },
  });
  expect(shown()).toContain("frame 2car 7wrong class");
  expect(shown()).toContain("Rita a bus");

  await act(() => document.querySelector<HTMLElement>(".issue-head")!.click());
  await drawn();
  await enter(document.querySelector('input[aria-label="Answer"]')!, " mended ");
  await press("Say");
  await vi.waitFor(async () => {
    await drawn();
    expect(shown()).toContain("Ann mended");
  });
  await press("Resolve");

  expect(calls.map(({ body }) => body)).toEqual([{ text: "mended" }, { is_open: false }]);
});

test("what is suggested is offered to those who may edit", async () => {
  const { room } = await open([buildIssue({ suggests: "make it bus" })]);
  expect(shown()).toContain("Suggests: make it bus");

  await press("Do it");
  await press("Decline");

  expect(room.decideIssue.mock.calls).toEqual([
    [3, true],
    [3, false],
  ]);
});

test("a new issue goes out with its place, its fault and what it suggests", async () => {
  const made = buildIssue({ id: 9 });
  const { issues, calls } = await open([], { "POST /api/scenes/5/issues": made });
  await act(() => issues.begin({ frame: 2, sensor: 1, position: [12, 0, 0.5], track: 7 }));
  await drawn();
  expect(shown()).toContain("Frame 2 · car 7 · TOP");

  const area = document.querySelector("textarea")!;
  await act(() => {
    area.value = "a bus";
    area.dispatchEvent(new InputEvent("input", { bubbles: true }));
  });
  for (const [label, value] of [
    ["Kind of fault", "class"],
    ["What you suggest", "2"],
  ] as const) {
    const select = document.querySelector<HTMLSelectElement>(`select[aria-label="${label}"]`)!;
    await act(() => {
      select.value = value;
      select.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }
  await press("Pin it");

  expect(calls[0]?.body).toEqual({
    text: "a bus",
    frame: 2,
    sensor: 1,
    position: [12, 0, 0.5],
    track: 7,
    fault: "class",
    suggestion: {
      kind: "update_track",
      track: 7,
      label_class: 2,
      name: null,
      draw_order: null,
    },
  });
  expect(issues.draft).toBeNull();
  expect(issues.chosen).toBe(9);
});

test("a refusal keeps what was written", async () => {
  const { issues, told } = await open([]);
  await act(() => issues.begin({ frame: 2, sensor: null, position: null, track: null }));
  await drawn();
  const area = document.querySelector("textarea")!;
  await act(() => {
    area.value = "a bus";
    area.dispatchEvent(new InputEvent("input", { bubbles: true }));
  });

  await press("Pin it");

  expect(told).toHaveLength(1);
  expect(document.querySelector("textarea")?.value).toBe("a bus");
});

test("pins are of open issues, of the chosen one, and of the one that is written", () => {
  const issues = new Issues();
  issues.replaceWith([
    buildIssue({ id: 1 }),
    buildIssue({ id: 2, is_open: false }),
    buildIssue({ id: 3, position: null, sensor: null }),
  ]);
  expect(issues.marks.map(({ pending }) => pending)).toEqual([false]);

  issues.choose(2);
  issues.begin({ frame: 4, sensor: 0, position: [3, 4], track: null });

  expect(issues.marks.map(({ frame, pending }) => [frame, pending])).toEqual([
    [2, false],
    [2, true],
    [4, false],
  ]);
});
