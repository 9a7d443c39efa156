import { afterEach, expect, test, vi } from "vitest";
import { ApiError, afterSignIn, api, PIECE_BYTES, sendFile, wordsOf } from "@/sync/api";

const answer = (status: number, body: unknown): Response =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });

function serverThat(...answers: (Response | Error)[]) {
  const calls: { method: string; path: string; offset: string | null }[] = [];
  vi.stubGlobal("document", { cookie: "csrftoken=token-1" });
  vi.stubGlobal("location", { pathname: "/", search: "", assign: vi.fn() });
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    const headers = new Headers(init.headers);
    calls.push({ method: init.method ?? "", path, offset: headers.get("Upload-Offset") });
    const next = answers.shift();
    if (!next) throw new Error("the server was asked more often than expected");
    if (next instanceof Error) throw next;
    return next;
  });
  return calls;
}

afterEach(() => vi.unstubAllGlobals());

test("an error carries the server's own words", async () => {
  serverThat(answer(400, { path: ["/etc is outside the import roots"] }));
  await expect(api.startImport(1, { format: "native", path: "/etc" })).rejects.toThrow(
    "/etc is outside the import roots",
  );
});

test("a server that cannot be reached is said to be so", async () => {
  serverThat(new TypeError("network"));
  const failure = await api.projects().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ApiError);
  expect((failure as ApiError).status).toBe(0);
});

test("somebody who is signed out is led to the sign-in page", async () => {
  serverThat(answer(401, { detail: "sign in" }));
  await expect(api.projects()).rejects.toThrow("sign in");
  expect(location.assign).toHaveBeenCalledWith("/sign-in");
});

test("signing in leads back to where one was, and never to another site", () => {
  expect(afterSignIn("?next=%2Fprojects%2F3")).toBe("/projects/3");
  expect(afterSignIn("?next=https%3A%2F%2Fevil.example")).toBe("/");
  expect(afterSignIn("?next=%2F%2Fevil.example")).toBe("/");
  expect(afterSignIn("?next=%2F%5Cevil.example")).toBe("/");
});

test("an answer without words gets some", () => {
  expect(wordsOf(null, 500)).toContain("Nothing was changed");
});

test("an upload goes on where the server says, after a wrong offset and a lost connection", async () => {
  const file = new Blob([new Uint8Array(PIECE_BYTES + 10)]);
  const calls = serverThat(
    answer(200, { id: 7, offset: 0, size: file.size }),
    answer(409, { offset: 5 }),
    new TypeError("network"),
    answer(200, { offset: 5 + PIECE_BYTES }),
    answer(200, { offset: file.size }),
  );
  const progress: number[] = [];
  await sendFile(
    { id: 7, offset: 0, size: file.size },
    file,
    (sent) => progress.push(sent),
    new AbortController().signal,
    async () => {},
  );
  expect(calls.map((call) => call.offset)).toEqual([null, "0", "5", "5", String(5 + PIECE_BYTES)]);
  expect(progress.at(-1)).toBe(file.size);
});
