import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

// Lower rooms first. A room may import from rooms below it; rooms of one floor do not know each
// other. main.ts stands on the roof and sees them all.
const FLOORS = [
  ["protocol"],
  ["geometry"],
  ["store"],
  ["assets", "sync"],
  ["viewport"],
  ["tools"],
  ["panels"],
];
const SOURCE = resolve(__dirname, "../../frontend/src");

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return filesBelow(path);
    return /\.tsx?$/.test(name) ? [path] : [];
  });
}

function importsOf(path: string): string[] {
  const text = readFileSync(path, "utf8");
  const quoted = text.matchAll(/(?:from|import|new URL\()\s*\(?["']((?:\.|@\/)[^"']+)["']/g);
  return [...quoted].map(([, target]) =>
    target!.startsWith("@/") ? join(SOURCE, target!.slice(2)) : resolve(dirname(path), target!),
  );
}

const roomOf = (path: string): string => relative(SOURCE, path).split("/")[0]!;
const floorOf = (room: string): number => FLOORS.findIndex((rooms) => rooms.includes(room));
const files = filesBelow(SOURCE).filter((path) => dirname(path) !== SOURCE);

test("every room has a floor", () => {
  expect(files.length).toBeGreaterThan(0);
  for (const path of files) {
    expect(floorOf(roomOf(path)), `${roomOf(path)} has no floor`).toBeGreaterThanOrEqual(0);
  }
});

test("rooms look down only", () => {
  let seen = 0;
  for (const path of files) {
    for (const target of importsOf(path)) {
      const [from, to] = [roomOf(path), roomOf(target)];
      seen += 1;
      if (from === to) continue;
      const message = `${relative(SOURCE, path)} reaches up or sideways to ${to}`;
      expect(floorOf(to), message).toBeGreaterThanOrEqual(0);
      expect(floorOf(to), message).toBeLessThan(floorOf(from));
    }
  }
  expect(seen).toBeGreaterThan(0);
});

test("only panels know the UI library", () => {
  for (const path of files.filter((file) => roomOf(file) !== "panels")) {
    expect(readFileSync(path, "utf8"), relative(SOURCE, path)).not.toMatch(/from "preact/);
  }
});
