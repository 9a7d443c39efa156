// @vitest-environment jsdom
import { afterEach, expect, test } from "vitest";
import { Webhooks } from "@/panels/Webhooks";
import type { Delivery, Webhook } from "@/sync/api";
import { buildProject } from "./builders";
import { enter, failing, leave, press, showing, shown } from "./page";

afterEach(leave);

const WEBHOOK: Webhook = {
  id: 4,
  url: "https://example.org/hook",
  events: ["task.moved"],
  is_active: true,
  created_at: "2026-11-02T03:04:05Z",
};
const DELIVERY: Delivery = {
  id: 8,
  event: "ping",
  body: { project: 3 },
  created_at: "2026-11-02T03:04:05Z",
  attempts: 1,
  next_at: null,
  delivered_at: "2026-11-02T03:04:06Z",
  status: 200,
  error: "",
};

const open = (answers = {}, webhooks = [WEBHOOK]) =>
  showing(<Webhooks project={buildProject()} />, {
    "GET /api/projects/3/webhooks": webhooks,
    ...answers,
  });

test("a webhook is made, and its secret is shown once", async () => {
  const { calls } = await open({
    "POST /api/projects/3/webhooks": { ...WEBHOOK, secret: "whsec_abc" },
  });

  await enter(document.querySelector('input[aria-label="Address"]')!, "https://example.org/hook");
  await press("issues are raised");
  await press("Add webhook");

  expect(calls.find(({ method }) => method === "POST")?.body).toEqual({
    url: "https://example.org/hook",
    events: ["task.moved", "issue.raised"],
  });
  expect(shown()).toContain("whsec_abc");
});

test("a refused address says why", async () => {
  await open({
    "POST /api/projects/3/webhooks": failing(400, { url: ["messages go to https://"] }),
  });
  await enter(document.querySelector('input[aria-label="Address"]')!, "http://example.org/");
  await press("Add webhook");

  expect(document.querySelector('[role="alert"]')?.textContent).toContain("messages go to https");
});

test("deliveries say what became of each, and can be sent again", async () => {
  const late = { ...DELIVERY, id: 9, delivered_at: null, status: 503, error: "answered 503" };
  const { calls } = await open({
    "GET /api/webhooks/4/deliveries": [DELIVERY, late],
    "POST /api/deliveries/8/resend": DELIVERY,
  });

  await press("Deliveries");
  expect(shown()).toContain("taken (200)");
  expect(shown()).toContain("answered 503; given up");
  await press("Send again");

  expect(calls.some(({ path }) => path === "/api/deliveries/8/resend")).toBe(true);
});

test("an empty page says what to do", async () => {
  await open({}, []);
  expect(shown()).toContain("No webhooks yet");
});
