// @vitest-environment jsdom
import { afterEach, expect, test, vi } from "vitest";
import { forgetUpload, isRemembered, uploadFor } from "@/sync/rememberedUploads";

const file = (content = "0123456789"): File => new File([content], "a.zip", { lastModified: 5 });

function serverWith(known: Record<number, { size: number; offset: number }>, next = 20) {
  const begun: number[] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    const answer = (status: number, body: unknown): Response =>
      new Response(JSON.stringify(body), { status });
    if (init.method === "POST") {
      begun.push(next);
      const { size } = JSON.parse(init.body as string) as { size: number };
      known[next] = { size, offset: 0 };
      return answer(201, { id: next, ...known[next++] });
    }
    const id = Number(path.split("/").at(-1));
    return known[id] ? answer(200, { id, ...known[id] }) : answer(404, { detail: "no upload" });
  });
  return begun;
}

afterEach(() => {
  vi.unstubAllGlobals();
  localStorage.clear();
});

test("the same file finds its upload again", async () => {
  const known: Record<number, { size: number; offset: number }> = {};
  const begun = serverWith(known);
  await uploadFor(3, file());
  known[20]!.offset = 6;

  expect(await uploadFor(3, file())).toEqual({ id: 20, size: 10, offset: 6 });
  expect(begun).toEqual([20]);
});

test("an upload that the server has cleared away is begun anew", async () => {
  const known: Record<number, { size: number; offset: number }> = {};
  const begun = serverWith(known);
  await uploadFor(3, file());
  delete known[20];

  expect((await uploadFor(3, file())).id).toBe(21);
  expect(begun).toEqual([20, 21]);
});

test("another file, or the same in another project, has an upload of its own", async () => {
  const begun = serverWith({});
  await uploadFor(3, file());
  await uploadFor(3, file("01234567890"));
  await uploadFor(4, file());

  expect(begun).toEqual([20, 21, 22]);
});

test("a finished upload is forgotten", async () => {
  serverWith({});
  await uploadFor(3, file());
  expect(isRemembered(3, file())).toBe(true);

  forgetUpload(3, file());
  expect(isRemembered(3, file())).toBe(false);
});
