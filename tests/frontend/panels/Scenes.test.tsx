// @vitest-environment jsdom
import { afterEach, expect, test } from "vitest";
import { Scenes } from "@/panels/Scenes";
import { buildProject, buildScene } from "./builders";
import { failing, leave, press, showing, shown } from "./page";

afterEach(leave);

test("a scene is deleted only after a second press that says what goes with it", async () => {
  let scenes = [buildScene({ track_count: 12 })];
  const { calls } = await showing(<Scenes project={buildProject()} />, {
    "GET /api/projects/3/scenes": () => scenes,
    "DELETE /api/scenes/5": () => {
      scenes = [];
      return new Response(null, { status: 204 });
    },
  });

  await press("Delete…");
  expect(calls.map(({ method }) => method)).not.toContain("DELETE");
  expect(shown()).toContain("12 tracks");
  await press("Delete for good");

  expect(calls.map(({ method, path }) => `${method} ${path}`)).toContain("DELETE /api/scenes/5");
  expect(shown()).toContain("No drive here yet");
});

test("a refusal to delete is shown and the scene stays", async () => {
  await showing(<Scenes project={buildProject()} />, {
    "GET /api/projects/3/scenes": [buildScene()],
    "DELETE /api/scenes/5": failing(403, { detail: "Only a manager may delete a scene." }),
  });

  await press("Delete…");
  await press("Delete for good");

  expect(shown()).toContain("Only a manager may delete a scene.");
  expect(shown()).toContain("street-1");
});

test("who may not delete is not offered it", async () => {
  await showing(<Scenes project={buildProject({ role: "reviewer" })} />, {
    "GET /api/projects/3/scenes": [buildScene()],
  });
  expect(shown()).toContain("street-1");
  expect(shown()).not.toContain("Delete");
});
