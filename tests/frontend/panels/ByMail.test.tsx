// @vitest-environment jsdom
import { afterEach, expect, test } from "vitest";
import { Address } from "@/panels/Address";
import { Confirmed, Forgotten, NewPassword } from "@/panels/ByMail";
import { enter, failing, leave, press, settled, showing, shown } from "./page";

afterEach(leave);

const submit = async () => {
  document
    .querySelector("form")!
    .dispatchEvent(new SubmitEvent("submit", { bubbles: true, cancelable: true }));
  await settled();
};

test("who has forgotten the password asks for a link, and is told the same whoever they are", async () => {
  const { calls } = await showing(<Forgotten />, {
    "POST /api/password/forgotten": () => new Response(null, { status: 204 }),
  });
  await enter(document.querySelector("input")!, " ann@example.org ");
  await submit();

  expect(calls[0]?.body).toEqual({ email: "ann@example.org" });
  expect(shown()).toContain("a link is on its way");
});

test("a new password goes with the secret of the link, and a weak one says why", async () => {
  const { calls } = await showing(<NewPassword secret="MQ.abc" />, {
    "POST /api/password/set": failing(400, { password: ["This password is too short."] }),
  });
  await enter(document.querySelector("input")!, "short");
  await submit();

  expect(calls[0]?.body).toEqual({ secret: "MQ.abc", password: "short" });
  expect(document.querySelector('[role="alert"]')?.textContent).toContain("too short");
});

test("an address is confirmed by opening its link", async () => {
  await showing(<Confirmed secret="s" />, {
    "POST /api/account/email/confirm": () => new Response(null, { status: 204 }),
  });
  expect(shown()).toContain("This address is yours now");
  await leave();
  await showing(<Confirmed secret="s" />, {
    "POST /api/account/email/confirm": failing(400, { detail: "this link is over" }),
  });
  expect(document.querySelector('[role="alert"]')?.textContent).toContain("this link is over");
});

test("an address is given, and digests are switched off", async () => {
  const address = { email: "ann@example.org", wants_digest: true, is_possible: true };
  const { calls } = await showing(<Address />, {
    "GET /api/account/email": address,
    "PATCH /api/account/email": address,
  });
  await enter(document.querySelector('input[type="email"]')!, "new@example.org");
  await press("Send a link there");
  expect(shown()).toContain("Open the link in the mail to new@example.org");
  document.querySelector<HTMLInputElement>('input[type="checkbox"]')!.click();
  await settled();

  const sent = calls.filter(({ method }) => method === "PATCH").map(({ body }) => body);
  expect(sent).toEqual([{ email: "new@example.org" }, { wants_digest: false }]);
});

test("without a mail server nothing is asked for", async () => {
  await showing(<Address />, {
    "GET /api/account/email": { email: "", wants_digest: true, is_possible: false },
  });
  expect(shown()).toContain("has no mail server");
  expect(document.querySelector("input")).toBeNull();
});
