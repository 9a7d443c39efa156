// @vitest-environment jsdom
import { act } from "preact/test-utils";
import { afterEach, expect, test } from "vitest";
import { Invited } from "@/panels/Invited";
import { enter, failing, leave, settled, showing, shown } from "./page";

afterEach(leave);

const OFFER = { project: "Streets", role: "annotator", by: "Mia" };
const LOOK = "POST /api/invitations/look";
const ACCEPT = "POST /api/invitations/accept";

async function fill(): Promise<void> {
  for (const [name, value] of [
    ["username", " ann "],
    ["name", "Ann Arbor"],
    ["password", " a long one "],
  ] as const) {
    await enter(document.querySelector(`input[name=${name}]`)!, value);
  }
}

test("a link shows what it invites to, and makes the account", async () => {
  const { calls } = await showing(<Invited secret="s3cret" />, {
    [LOOK]: OFFER,
    [ACCEPT]: failing(400, { username: ["there is an account 'ann' already"] }),
  });
  expect(shown()).toContain("Mia invites you to Streets as annotator.");

  await fill();
  await act(() => document.querySelector("form")!.requestSubmit());
  await settled();

  expect(calls.at(-1)?.body).toEqual({
    secret: "s3cret",
    username: "ann",
    name: "Ann Arbor",
    password: " a long one ", // every character of it
  });
  expect(shown()).toContain("there is an account 'ann' already");
  expect(document.querySelector<HTMLInputElement>("input[name=username]")?.value).toBe(" ann ");
});

test("a link that leads nowhere says so, and asks for nothing", async () => {
  await showing(<Invited secret="old" />, {
    [LOOK]: failing(400, { detail: "this link was used already: sign in" }),
  });

  expect(shown()).toContain("this link was used already");
  expect(document.querySelector("input")).toBeNull();
  expect(document.querySelector("button")).toBeNull();
});
