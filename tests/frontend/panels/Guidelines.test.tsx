// @vitest-environment jsdom
import { act } from "preact/test-utils";
import { afterEach, expect, test } from "vitest";
import { Guidelines } from "@/panels/Guidelines";
import { buildProject } from "./builders";
import { leave, press, settled, showing, shown } from "./page";

afterEach(leave);

const detail = (guidelines: string, html: string) => ({
  ...buildProject(),
  guidelines,
  guidelines_html: html,
});

test("a labeller reads them, and cannot write them", async () => {
  await showing(<Guidelines project={buildProject({ role: "annotator" })} />, {
    "GET /api/projects/3": detail("# Cars", "<h1>Cars</h1>"),
  });

  expect(document.querySelector(".prose h1")?.textContent).toBe("Cars");
  expect(document.querySelector("button")).toBeNull();
});

test("a manager writes the first ones", async () => {
  const { calls } = await showing(<Guidelines project={buildProject()} />, {
    "GET /api/projects/3": detail("", ""),
    "PATCH /api/projects/3": buildProject(),
  });
  expect(shown()).toContain("No guidelines yet");

  await press("Write guidelines");
  const area = document.querySelector("textarea")!;
  await act(() => {
    area.value = "# Cars";
    area.dispatchEvent(new InputEvent("input", { bubbles: true }));
  });
  await press("Save");
  await settled();

  expect(calls.find(({ method }) => method === "PATCH")?.body).toEqual({ guidelines: "# Cars" });
  expect(document.querySelector("textarea")).toBeNull();
});
