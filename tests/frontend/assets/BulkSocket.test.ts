import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BulkSocket, CREDIT_BYTES } from "@/assets/BulkSocket";

/** The network's end of the socket. */
class Wire {
  readyState = 0;
  binaryType = "";
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  sent: Record<string, unknown>[] = [];

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  accept(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  close(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
  chunk(request: number, offset: number, size: number, bytes: number[], isLast: boolean): void {
    const message = new Uint8Array(20 + bytes.length);
    const view = new DataView(message.buffer);
    view.setUint8(0, 1);
    view.setUint8(1, isLast ? 1 : 0);
    view.setUint32(4, request, true);
    view.setUint32(12, offset, true);
    view.setUint32(16, size, true);
    message.set(bytes, 20);
    this.onmessage?.({ data: message.buffer });
  }
}

let wires: Wire[];
const listener = {
  onOpen: vi.fn(),
  onObject: vi.fn(),
  onUnavailable: vi.fn(),
  onBytes: vi.fn(),
  onLost: vi.fn(),
};
const open = (): BulkSocket =>
  new BulkSocket("ws://scene/bulk", listener, () => {
    wires.push(new Wire());
    return wires.at(-1) as unknown as WebSocket;
  });

beforeEach(() => {
  wires = [];
  vi.useFakeTimers();
  vi.clearAllMocks();
});
afterEach(() => vi.useRealTimers());

test("credit is given before anything is asked", () => {
  const socket = open();
  wires[0]!.accept();
  socket.want([{ request: 1, frame: 0, kind: "sweep", sensor: 2 }]);

  expect(wires[0]!.sent).toEqual([
    { type: "credit", bytes: CREDIT_BYTES },
    { type: "want", requests: [{ request: 1, frame: 0, kind: "sweep", sensor: 2 }] },
  ]);
});

test("chunks of two objects that take turns are put together", () => {
  open();
  wires[0]!.accept();

  wires[0]!.chunk(1, 0, 4, [1, 2], false);
  wires[0]!.chunk(2, 0, 1, [9], true);
  wires[0]!.chunk(1, 2, 4, [3, 4], true);

  expect(listener.onObject.mock.calls).toEqual([
    [2, Uint8Array.from([9])],
    [1, Uint8Array.from([1, 2, 3, 4])],
  ]);
});

test("the rest of a dropped object is let pass", () => {
  const socket = open();
  wires[0]!.accept();
  wires[0]!.chunk(1, 0, 4, [1, 2], false);

  socket.drop([1]);
  wires[0]!.chunk(1, 2, 4, [3, 4], true);

  expect(listener.onObject).not.toHaveBeenCalled();
  expect(wires[0]!.sent.at(-1)).toEqual({ type: "drop", requests: [1] });
  expect(wires).toHaveLength(1);
});

test("credit comes back as bytes arrive, in total as many as arrived", () => {
  open();
  wires[0]!.accept();
  const bytes = new Array(200_000).fill(0);
  for (let request = 1; request <= 6; request++) {
    wires[0]!.chunk(request, 0, bytes.length, bytes, true);
  }

  const given = wires[0]!.sent.map((message) => message.bytes as number);
  expect(given).toEqual([CREDIT_BYTES, 3 * 200_020, 3 * 200_020]);
});

test("a lost connection is opened again, later each time, and says so", () => {
  open();
  wires[0]!.close();
  expect(listener.onLost).toHaveBeenCalledWith("connection lost", true);

  vi.advanceTimersByTime(1000);
  expect(wires).toHaveLength(2);
  wires[1]!.close();
  vi.advanceTimersByTime(700);
  expect(wires).toHaveLength(2);
  vi.advanceTimersByTime(1000);
  expect(wires).toHaveLength(3);
});

test("a refusal is final", () => {
  open();
  wires[0]!.close(4403, "not a member of this project");
  vi.advanceTimersByTime(60_000);

  expect(wires).toHaveLength(1);
  expect(listener.onLost).toHaveBeenCalledWith("not a member of this project", false);
});

test("bytes out of order start the connection anew instead of making a wrong object", () => {
  open();
  wires[0]!.accept();
  wires[0]!.chunk(1, 0, 6, [1, 2], false);
  wires[0]!.chunk(1, 4, 6, [5, 6], true);

  expect(listener.onObject).not.toHaveBeenCalled();
  expect(listener.onLost).toHaveBeenCalled();
});
