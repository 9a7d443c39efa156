// @vitest-environment jsdom
import { afterEach, expect, test } from "vitest";
import { Predictors } from "@/panels/Predictors";
import { buildProject } from "./builders";
import { failing, leave, settled, showing, shown } from "./page";

afterEach(leave);

const GEOMETRIC = { key: "geometric", title: "Geometric", summary: "By shape.", facts: [] };
const NANO = {
  key: "nano",
  title: "Nano",
  summary: "A small network.",
  facts: [["Trained on", "procedural drives alone"]],
};
const ADDRESS = "/api/projects/3/predictor";

const choices = (): HTMLInputElement[] => [
  ...document.querySelectorAll<HTMLInputElement>("input[type=radio]"),
];

const chosen = (): string[] =>
  choices()
    .filter(({ checked }) => checked)
    .map((each) => each.closest("label")?.querySelector("strong")?.textContent ?? "");

test("a manager sees each card with its facts, the installation's own chosen, and chooses", async () => {
  const page = await showing(<Predictors project={buildProject()} />, {
    [`GET ${ADDRESS}`]: { chosen: "", offered: [GEOMETRIC, NANO] },
    [`PUT ${ADDRESS}`]: { chosen: "nano", offered: [GEOMETRIC, NANO] },
  });
  expect(chosen()).toEqual(["Geometric"]);
  expect(shown()).toContain("Trained on");
  expect(shown()).toContain("procedural drives alone");

  choices()[1]!.click();
  await settled();

  expect(page.calls.at(-1)).toEqual({ method: "PUT", path: ADDRESS, body: { predictor: "nano" } });
  expect(chosen()).toEqual(["Nano"]);
});

test("the installation's own is chosen as such, so that it follows the installation", async () => {
  const page = await showing(<Predictors project={buildProject()} />, {
    [`GET ${ADDRESS}`]: { chosen: "nano", offered: [GEOMETRIC, NANO] },
    [`PUT ${ADDRESS}`]: { chosen: "", offered: [GEOMETRIC, NANO] },
  });

  choices()[0]!.click();
  await settled();

  expect(page.calls.at(-1)?.body).toEqual({ predictor: "" });
});

test("an annotator reads the cards and cannot choose", async () => {
  await showing(<Predictors project={buildProject({ role: "annotator" })} />, {
    [`GET ${ADDRESS}`]: { chosen: "", offered: [GEOMETRIC, NANO] },
  });

  expect(choices().every(({ disabled }) => disabled)).toBe(true);
  expect(shown()).toContain("A project manager chooses it");
});

test("a refusal is told in the server's words, and the choice stays what it was", async () => {
  await showing(<Predictors project={buildProject()} />, {
    [`GET ${ADDRESS}`]: { chosen: "", offered: [GEOMETRIC, NANO] },
    [`PUT ${ADDRESS}`]: () => failing(400, { predictor: ["there is no predictor 'nano' here"] }),
  });

  choices()[1]!.click();
  await settled();

  expect(document.querySelector("[role=alert]")?.textContent).toContain("no predictor 'nano'");
  expect(chosen()).toEqual(["Geometric"]);
});

test("without a worker, and with a choice that is gone, it says what is the matter", async () => {
  await showing(<Predictors project={buildProject()} />, {
    [`GET ${ADDRESS}`]: { chosen: "", offered: [] },
  });
  expect(shown()).toContain("No model worker is running yet");
  await leave();

  await showing(<Predictors project={buildProject()} />, {
    [`GET ${ADDRESS}`]: { chosen: "nano", offered: [GEOMETRIC] },
  });
  expect(shown()).toContain("not installed here any more");
  expect(chosen()).toEqual([]);
});
