import { type ComponentChild, render } from "preact";
import { act } from "preact/test-utils";
import { vi } from "vitest";

export interface Call {
  method: string;
  path: string;
  body: unknown;
}

/** What the server answers, by "METHOD /path" without the query; a function gets the call. */
export type Answers = Record<string, unknown | ((call: Call) => Response | unknown)>;

export const failing = (status: number, body: unknown): Response =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });

/** Puts a page into an empty document, with a server that gives these answers. */
export async function showing(page: ComponentChild, answers: Answers) {
  const calls: Call[] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    const body = typeof init.body === "string" ? JSON.parse(init.body) : init.body;
    const call = { method: init.method ?? "GET", path, body };
    calls.push(call);
    const key = `${call.method} ${path.split("?")[0]}`;
    if (!(key in answers)) return failing(404, { detail: `no answer for ${key}` });
    const given = answers[key];
    const answer = typeof given === "function" ? given(call) : given;
    return answer instanceof Response ? answer : failing(200, answer);
  });
  document.body.innerHTML = "<div id='app'></div>";
  const root = document.getElementById("app")!;
  await act(() => render(page, root));
  await settled();
  return { root, calls };
}

/** Until what was asked for is on the page. */
export async function settled(): Promise<void> {
  for (let round = 0; round < 10; round++) {
    await act(async () => new Promise((done) => setTimeout(done, 0)));
  }
}

export function button(words: string): HTMLButtonElement {
  const found = [...document.querySelectorAll("button")].find(
    ({ textContent }) => textContent?.trim() === words,
  );
  if (!found) throw new Error(`no button "${words}" in: ${document.body.textContent}`);
  return found;
}

export async function press(words: string): Promise<void> {
  await act(() => button(words).click());
  await settled();
}

export async function enter(field: HTMLInputElement, text: string): Promise<void> {
  await act(() => {
    field.value = text;
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  });
}

export const shown = (): string => document.body.textContent ?? "";

/** Effects begin and end late; inside act they are over before the document is. */
export async function leave(): Promise<void> {
  await act(() => render(null, document.getElementById("app")!));
  vi.unstubAllGlobals();
  localStorage.clear();
}
