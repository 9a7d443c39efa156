// @vitest-environment jsdom
import { beforeEach, expect, test } from "vitest";
import { keepClass, lastClass } from "@/panels/workspace/lastClass";
import type { LabelClass } from "@/protocol/messages";

const classes = [{ id: 4 }, { id: 7 }] as LabelClass[];

beforeEach(() => localStorage.clear());

test("a visit goes on with the class of the last one, project by project", () => {
  expect(lastClass(1, classes)).toBe(4);

  keepClass(1, 7);

  expect(lastClass(1, classes)).toBe(7);
  expect(lastClass(2, classes)).toBe(4);
});

test("a class that is no longer there is not chosen", () => {
  keepClass(1, 7);

  expect(lastClass(1, classes.slice(0, 1))).toBe(4);
  expect(lastClass(1, [])).toBeNull();
});
