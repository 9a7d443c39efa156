import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ClientMessage, Job } from "@/protocol/messages";
import { Issues } from "@/store/Issues";
import { Jobs } from "@/store/Jobs";
import { LabelDocument } from "@/store/LabelDocument";
import { SceneInfo } from "@/store/SceneInfo";
import { Timeline } from "@/store/Timeline";
import { newRequestId } from "@/sync/requestId";
import { type Outcome, SceneConnection, type Stores } from "@/sync/SceneConnection";
import { news } from "../messages";

/** The server's end of one connection. */
class Socket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly got: ClientMessage[] = [];

  send(text: string): void {
    this.got.push(JSON.parse(text));
  }
  close(): void {}
  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  types(): string[] {
    return this.got.map(({ type }) => type);
  }
}

const snapshot = (revision: number, fields: object = {}) => ({
  type: "snapshot",
  revision,
  sensors: [],
  frames: [{ index: 0 }, { index: 1 }],
  expected_frames: 2,
  label_classes: [],
  tracks: [],
  cuboids: [],
  jobs: [],
  issues: [],
  people: [],
  may_edit: true,
  ...fields,
});

let sockets: Socket[];
let stores: Stores & { document: LabelDocument };
let connection: SceneConnection;
let outcomes: Outcome[];
let classesAsked: number[];
const socket = (): Socket => sockets.at(-1)!;
const deleteTrack = { kind: "delete_track", track: 3 } as const;

function join(revision: number): void {
  socket().onopen?.();
  socket().say(snapshot(revision));
}

function drop(): void {
  socket().onclose?.({ code: 1006, reason: "" });
}

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  stores = {
    scene: new SceneInfo(),
    timeline: new Timeline(),
    document: new LabelDocument(),
    jobs: new Jobs(),
    issues: new Issues(),
  };
  connection = new SceneConnection(
    "ws://test",
    stores,
    () => {
      sockets.push(new Socket());
      return socket() as unknown as WebSocket;
    },
    (project) => {
      classesAsked.push(project);
      return Promise.resolve([{ id: 4, name: "unknown", colour: "#999999", position: 0 }] as never);
    },
  );
  classesAsked = [];
  outcomes = [];
  connection.ended.on((outcome) => outcomes.push(outcome));
});

afterEach(() => {
  connection.close();
  vi.useRealTimers();
});

test("joining fills the stores from the snapshot", () => {
  let joined = 0;
  connection.joined.on(() => joined++);

  join(4);

  expect(socket().got).toEqual([{ type: "join", protocol_version: 1, known_revision: null }]);
  expect(stores.document.revision).toBe(4);
  expect(stores.timeline.frameCount).toBe(2);
  expect(stores.scene.mayEdit).toBe(true);
  expect(joined).toBe(1);
  expect(connection.saveState).toEqual({ kind: "saved", waiting: 0 });
});

test("a gap in the news asks once for what is missing, and the answer closes it", () => {
  join(4);

  socket().say(news(6));
  socket().say(news(7));
  expect(socket().got.slice(1)).toEqual([{ type: "catch_up", known_revision: 4 }]);
  socket().say(news(4, { revision: 8 }));

  expect(stores.document.revision).toBe(8);
});

test("a heartbeat that knows more asks for it, one that knows less or the same does not", () => {
  join(4);

  socket().say({ type: "heartbeat", revision: 3 });
  socket().say({ type: "heartbeat", revision: 4 });
  expect(socket().types()).toEqual(["join"]);
  socket().say({ type: "heartbeat", revision: 5 });

  expect(socket().types()).toEqual(["join", "catch_up"]);
});

test("a catch-up that is never answered is asked for again by a later heartbeat", () => {
  join(4);
  socket().say({ type: "heartbeat", revision: 5 });

  vi.advanceTimersByTime(5001);
  socket().say({ type: "heartbeat", revision: 5 });

  expect(socket().types()).toEqual(["join", "catch_up", "catch_up"]);
});

test("an edit is saving until its news comes back", () => {
  join(4);

  const operation_id = connection.edit(deleteTrack);
  expect(connection.saveState).toEqual({ kind: "saving", waiting: 1 });
  socket().say(news(4, { operation_id }));

  expect(connection.saveState).toEqual({ kind: "saved", waiting: 0 });
  expect(outcomes).toMatchObject([{ request: operation_id, reason: null }]);
});

test("edits of which nothing was heard are sent again in order after a reconnect", () => {
  join(4);
  const first = connection.edit(deleteTrack);
  drop();
  const second = connection.edit({ kind: "undo_last" });
  expect(connection.saveState).toEqual({ kind: "offline", waiting: 2 });

  vi.advanceTimersByTime(500);
  join(4);

  const edits = socket().got.filter((message) => message.type === "edit");
  expect(edits.map(({ operation_id }) => operation_id)).toEqual([first, second]);
  expect(connection.saveState).toEqual({ kind: "saving", waiting: 2 });
});

test("the repeated news of an edit confirms it even when it is known or after a gap", () => {
  join(4);
  const operation_id = connection.edit(deleteTrack);

  socket().say(news(9, { operation_id }));

  expect(connection.saveState.waiting).toBe(0);
});

test("an edit that was refused is not kept, and its asker hears why", () => {
  join(4);
  const request_id = connection.edit(deleteTrack);

  socket().say({ type: "request_failed", request_id, reason: "track 3 does not exist" });

  expect(outcomes).toEqual([{ request: request_id, reason: "track 3 does not exist", news: null }]);
  expect(connection.saveState.waiting).toBe(0);
});

test("a failure of no request of ours is a complaint", () => {
  join(4);
  const complaints: string[] = [];
  connection.complaint.on((words) => complaints.push(words));

  socket().say({ type: "request_failed", request_id: null, reason: "not understood" });

  expect(complaints).toEqual(["not understood"]);
});

test("reconnecting waits longer each time and starts over after it worked", () => {
  join(4);
  const waits = [500, 1000, 2000, 4000, 8000, 15_000, 15_000];
  for (const ms of waits) {
    const before = sockets.length;
    drop();
    vi.advanceTimersByTime(ms - 1);
    expect(sockets.length).toBe(before);
    vi.advanceTimersByTime(1);
    expect(sockets.length).toBe(before + 1);
  }

  join(4);
  const before = sockets.length;
  drop();
  vi.advanceTimersByTime(500);
  expect(sockets.length).toBe(before + 1);
});

test("after a reconnect the labels that are here catch up instead of being loaded again", () => {
  join(4);
  stores.document.loadFrame(0, 4, []);
  drop();
  vi.advanceTimersByTime(500);
  join(6);

  expect(stores.document.masksAt(0)).toBeDefined();
  expect(socket().got.at(-1)).toEqual({ type: "catch_up", known_revision: 4 });
});

test("a server that went back to a backup is believed", () => {
  join(9);
  stores.document.loadFrame(0, 9, []);
  drop();
  vi.advanceTimersByTime(500);
  join(6);

  expect(stores.document.revision).toBe(6);
  expect(stores.document.masksAt(0)).toBeUndefined();
});

test("a line that has gone silent is given up", () => {
  join(4);

  vi.advanceTimersByTime(16_000);

  expect(connection.link.kind).toBe("lost");
  vi.advanceTimersByTime(500);
  expect(sockets.length).toBe(2);
});

test("a refusal is final and says why", () => {
  join(4);

  socket().say({ type: "refused", code: 4403, reason: "you no longer have access to this scene" });
  socket().onclose?.({ code: 4403, reason: "" });
  vi.advanceTimersByTime(60_000);

  expect(connection.link).toEqual({
    kind: "refused",
    why: "you no longer have access to this scene",
  });
  expect(sockets.length).toBe(1);
});

test("a question that was under way when the line broke ends with a reason; offline none is asked", () => {
  join(4);
  const request_id = newRequestId();
  const ask = () =>
    connection.ask({
      type: "add_prompt",
      request_id,
      frame: 0,
      prompts: [],
      track: 1,
      label_class: null,
    });
  expect(ask()).toBe(true);

  drop();

  expect(outcomes).toMatchObject([
    { request: request_id, reason: expect.stringContaining("lost") },
  ]);
  expect(ask()).toBe(false);
});

test("jobs under way are known, and a superseded click ends without a word", () => {
  join(4);
  const request_id = newRequestId();
  connection.ask({
    type: "propagate",
    request_id,
    track: 1,
    from_frame: 0,
    to_frame: 1,
  });
  const job = { id: 5, kind: "propagate", state: "running", request_id } as Job;

  socket().say({ type: "job_changed", job });
  expect([...stores.jobs.underWay.keys()]).toEqual([5]);
  socket().say({ type: "job_changed", job: { ...job, state: "superseded" } });

  expect(stores.jobs.underWay.size).toBe(0);
  expect(outcomes).toEqual([{ request: request_id, reason: null, news: null }]);
});

test("a propagation has ended with its job, not with the first frame that it has made", () => {
  join(4);
  const request_id = newRequestId();
  connection.ask({ type: "propagate", request_id, track: 1, from_frame: 0, to_frame: 9 });

  socket().say(news(5, { operation_id: request_id }));
  socket().say(news(6, { operation_id: request_id }));
  expect(outcomes).toEqual([]);

  const job = {
    id: 8,
    request_id,
    kind: "propagate",
    state: "failed",
    message: "the disk is full",
  };
  socket().say({ type: "job_changed", job });
  expect(outcomes).toEqual([{ request: request_id, reason: "the disk is full", news: null }]);
});

test("a job that failed ends its request with the job's words", () => {
  join(4);
  const request_id = newRequestId();
  connection.ask({
    type: "add_prompt",
    request_id,
    frame: 0,
    prompts: [],
    track: 1,
    label_class: null,
  });

  const job = { id: 5, kind: "click", state: "failed", request_id, message: "nothing was found" };
  socket().say({ type: "job_changed", job });

  expect(outcomes).toEqual([{ request: request_id, reason: "nothing was found", news: null }]);
});

test("issues come with the snapshot and then one by one", () => {
  const issue = { id: 3, frame: 1, is_open: true, comments: [] };
  socket().onopen?.();
  socket().say(snapshot(4, { issues: [issue] }));
  socket().say({ type: "issue_changed", issue: { ...issue, id: 4, frame: 0 } });
  expect(stores.issues.inOrder().map(({ id }) => id)).toEqual([4, 3]);

  socket().say({ type: "issue_changed", issue: { ...issue, is_open: false } });

  expect(stores.issues.openCount).toBe(1);
  expect(stores.issues.get(3)?.is_open).toBe(false);
});

test("classes that were changed are the document's at once", () => {
  join(4);

  const tram = { id: 9, name: "tram", colour: "#123456", position: 0 };
  socket().say({ type: "classes_changed", label_classes: [tram] });

  expect([...stores.document.labelClasses.keys()]).toEqual([9]);
  expect(stores.document.revision).toBe(4);
});

test("frames that are added lengthen the timeline", () => {
  join(4);

  socket().say({ type: "frames_added", frames: [{ index: 1 }, { index: 2 }], expected_frames: 9 });

  expect(stores.scene.frames.map(({ index }) => index)).toEqual([0, 1, 2]);
  expect(stores.timeline.frameCount).toBe(3);
});

test("rights that are taken away and given back are known", () => {
  join(4);

  socket().say({ type: "document_frozen", may_edit: false, why_read_only: "accepted" });

  expect([stores.scene.mayEdit, stores.scene.whyReadOnly]).toEqual([false, "accepted"]);
});

test("request ids are UUIDs with and without a secure context", () => {
  const insecure = { getRandomValues: crypto.getRandomValues.bind(crypto) } as unknown as Crypto;
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

  expect(newRequestId()).toMatch(uuid);
  expect(newRequestId(insecure)).toMatch(uuid);
  expect(newRequestId(insecure)).not.toBe(newRequestId(insecure));
});

test("a class that was made meanwhile is learnt when the first object of it comes", async () => {
  join(7);
  const track = { number: 1, label_class: 4, name: "", mask_frames: [] };

  socket().say(news(7, { tracks: [track] as never }));
  socket().say(news(8, { tracks: [{ ...track, number: 2 }] as never }));
  await vi.advanceTimersByTimeAsync(0);

  expect(classesAsked.length).toBe(1);
  expect(stores.document.labelClasses.get(4)?.name).toBe("unknown");

  socket().say(news(9, { tracks: [{ ...track, number: 3 }] as never }));
  await vi.advanceTimersByTimeAsync(0);
  expect(classesAsked.length).toBe(1);
});
