// @vitest-environment jsdom
import { afterEach, expect, test } from "vitest";
import { ProjectPage } from "@/panels/ProjectPage";
import type { Role } from "@/sync/api";
import { buildProject, buildScene, USER } from "./builders";
import { failing, leave, press, showing, shown } from "./page";

afterEach(leave);

const tabs = (): string[] =>
  [...document.querySelectorAll("nav.tabs a")].map(({ textContent }) => textContent ?? "");

const open = (role: Role, scenes: unknown = []) =>
  showing(<ProjectPage user={USER} id={3} tab="scenes" />, {
    "GET /api/projects/3": buildProject({ role }),
    "GET /api/projects/3/jobs": [],
    "GET /api/projects/3/scenes": scenes,
  });

test.each<[Role, string[]]>([
  ["annotator", ["Scenes", "Tasks", "Team", "Classes", "Guidelines", "Predictor"]],
  ["reviewer", ["Scenes", "Tasks", "Team", "Classes", "Guidelines", "Predictor"]],
  [
    "manager",
    [
      "Scenes",
      "Tasks",
      "Figures",
      "Quality",
      "Team",
      "Classes",
      "Guidelines",
      "Imports",
      "Exports",
      "Predictor",
      "Webhooks",
    ],
  ],
  [
    "admin",
    [
      "Scenes",
      "Tasks",
      "Figures",
      "Quality",
      "Team",
      "Classes",
      "Guidelines",
      "Imports",
      "Exports",
      "Predictor",
      "Webhooks",
    ],
  ],
])("a project shows to %s what that role can do", async (role, expected) => {
  await open(role);
  expect(tabs()).toEqual(expected);
});

test("an empty project leads a manager to the import, and tells others who does it", async () => {
  await open("manager");
  expect(document.querySelector(".empty a")?.getAttribute("href")).toBe("/projects/3/imports");
  await leave();

  await open("annotator");
  expect(document.querySelector(".empty a")).toBeNull();
  expect(shown()).toContain("A project manager imports recordings");
});

test("a project that is not theirs is spoken of in words, with a way back", async () => {
  await showing(<ProjectPage user={USER} id={3} tab="scenes" />, {
    "GET /api/projects/3": failing(404, { detail: "No Project matches the given query." }),
  });

  expect(shown()).toContain("This does not exist, or it is not yours.");
  expect(shown()).toContain("Back to your projects");
});

test("names from people are text, whatever they look like", async () => {
  await open("admin", [buildScene({ name: "<img src=x onerror=alert(1)>" })]);
  expect(shown()).toContain("<img src=x onerror=alert(1)>");
  expect([...document.images].map((image) => image.getAttribute("src"))).not.toContain("x");
});

test("a drive that is arriving says how far it is and can be opened", async () => {
  await open("annotator", [
    buildScene({ state: "arriving", frame_count: 63, expected_frames: 200 }),
  ]);
  expect(shown()).toContain("63 of 200 frames");
  expect(document.querySelector("a.button")?.getAttribute("href")).toBe("/scenes/5");
});

test("an error is told in the server's words, and trying again helps", async () => {
  let isBroken = true;
  await showing(<ProjectPage user={USER} id={3} tab="scenes" />, {
    "GET /api/projects/3": () =>
      isBroken ? failing(404, { detail: "There is no such project." }) : buildProject(),
    "GET /api/projects/3/jobs": [],
    "GET /api/projects/3/scenes": [],
  });
  expect(document.querySelector("[role=alert]")?.textContent).toContain("no such project");

  isBroken = false;
  await press("Try again");

  expect(document.querySelector("[role=alert]")).toBeNull();
  expect(shown()).toContain("Streets");
});
