// @vitest-environment jsdom
import { afterEach, expect, test, vi } from "vitest";
import { SecondFactor } from "@/panels/SecondFactor";
import { SignIn } from "@/panels/SignIn";
import { enter, failing, leave, press, settled, showing, shown } from "./page";

afterEach(leave);

test("codes are switched on with a code, and recovery codes are shown once", async () => {
  let isOn = false;
  const { calls } = await showing(<SecondFactor />, {
    "GET /api/second-factor": () => ({ is_on: isOn, recovery_left: isOn ? 10 : 0 }),
    "POST /api/second-factor": { secret: "ABCD", address: "otpauth://x", picture: "data:," },
    "PUT /api/second-factor": () => {
      isOn = true;
      return { recovery: ["a1b2c3-d4e5f6"] };
    },
  });

  await press("Set up…");
  expect(shown()).toContain("ABCD");
  await enter(document.querySelector('input[aria-label="Code"]')!, " 123456 ");
  await press("Switch on");

  expect(calls.find(({ method }) => method === "PUT")?.body).toEqual({ code: "123456" });
  expect(shown()).toContain("a1b2c3-d4e5f6");
  expect(shown()).toContain("10 recovery codes are left");
  expect(shown()).not.toContain("ABCD");
});

test("a sign-in asks for the code when the server does, and says when it is wrong", async () => {
  let answer = { detail: "give the code", needs_code: true };
  const { calls } = await showing(<SignIn />, {
    "POST /api/session": () => failing(400, answer),
  });
  const form = document.querySelector("form")!;
  const submit = async () => {
    form.dispatchEvent(new SubmitEvent("submit", { bubbles: true, cancelable: true }));
    await settled();
  };

  await submit();
  await vi.waitFor(() => expect(document.querySelector('input[name="code"]')).not.toBeNull());
  expect(document.querySelector('[role="alert"]')).toBeNull();
  answer = { detail: "this code is wrong", needs_code: true };
  await enter(document.querySelector('input[name="code"]')!, "000000");
  await submit();

  expect(calls.at(-1)?.body).toMatchObject({ code: "000000" });
  expect(document.querySelector('[role="alert"]')?.textContent).toContain("this code is wrong");
});
