/** Answers the questions of tests/bench/page.py: one measurement after the other, for ever. */
import { decoding } from "./bench/decoding";
import { images } from "./bench/images";
import { masks } from "./bench/masks";
import { render } from "./bench/render";
import { requestToGpu } from "./bench/requestToGpu";
import type { Times } from "./bench/timing";

const measurements: Record<string, (...args: never[]) => Promise<Times>> = {
  decoding,
  images,
  masks,
  render,
  requestToGpu,
};

async function answer(): Promise<void> {
  const question = await (await fetch("/letters/question")).json();
  let body: { value: Times } | { error: string };
  try {
    body = { value: await measurements[question.name]!(...(question.arguments as never[])) };
  } catch (error) {
    body = { error: String(error) };
  }
  await fetch("/letters/answer", { method: "POST", body: JSON.stringify(body) });
}

for (;;) await answer();
