// @vitest-environment jsdom
import { render } from "preact";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Room } from "@/panels/workspace/Room";
import { TrackPanel } from "@/panels/workspace/TrackPanel";
import type { Snapshot, Track } from "@/protocol/messages";
import { Appearance } from "@/store/Appearance";
import { LabelDocument } from "@/store/LabelDocument";
import { SceneInfo } from "@/store/SceneInfo";
import { Selection } from "@/store/Selection";
import { Timeline } from "@/store/Timeline";

const labelClass = (id: number, name: string, position: number) => ({
  id,
  name,
  position,
  colour: "#3080f0",
  is_stuff: false,
});
const track = (number: number, label_class: number, mask_frames: number[][] = [[0, 9]]): Track => ({
  number,
  label_class,
  mask_frames,
  name: "",
  is_stuff: false,
  draw_order: 0,
  source: "person",
});

let root: HTMLElement;
let room: ReturnType<typeof build>;

function build(tracks: Track[], mayEdit = true) {
  const document = new LabelDocument();
  const label_classes = [labelClass(5, "pedestrian", 1), labelClass(2, "car", 0)];
  document.replaceWith({ revision: 0, cuboids: [], label_classes, tracks } as unknown as Snapshot);
  const scene = new SceneInfo();
  scene.mayEdit = mayEdit;
  const fake = {
    document,
    scene,
    selection: new Selection(),
    appearance: new Appearance(),
    timeline: new Timeline(),
    labelClasses: () => [...document.labelClasses.values()],
    offeredClasses: () => [...document.labelClasses.values()],
    tracksInOrder: () => tracks,
    nameOf: ({ number, label_class }: Track) =>
      `${document.labelClasses.get(label_class)!.name} ${number}`,
    isLabelledHere: ({ mask_frames }: Track) => mask_frames[0]?.[0] === 0,
    beginObject: vi.fn(),
    setClassOf: vi.fn(),
    flyToTrack: vi.fn(),
    deleteTrack: vi.fn(),
    toggleIsolated: vi.fn(),
  };
  render(<TrackPanel room={fake as unknown as Room} />, root);
  return fake;
}

const settle = (): Promise<void> =>
  new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
const texts = (selector: string): string[] =>
  [...root.querySelectorAll(selector)].map((element) => element.textContent ?? "");
const button = (label: string): HTMLButtonElement =>
  root.querySelector<HTMLButtonElement>(`button[aria-label="${label}"]`)!;

beforeEach(() => {
  Element.prototype.scrollIntoView = () => undefined; // jsdom lays nothing out
  root = document.body.appendChild(document.createElement("div"));
});

afterEach(async () => {
  await settle(); // what is waiting to begin must not begin after the end
  render(null, root);
  root.remove();
  await settle();
});

test("objects are grouped by class in the project's order, with counts", () => {
  room = build([track(1, 2), track(3, 2), track(4, 5)]);

  expect(texts(".list h3")).toEqual([" car2", " pedestrian1"]);
  expect(texts(".track-name .name")).toEqual(["car 1", "car 3", "pedestrian 4"]);
});

test("an object that is not in this frame is told apart", () => {
  room = build([track(1, 2), track(3, 2, [[5, 9]])]);

  expect(texts("li.elsewhere .name")).toEqual(["car 3"]);
});

test("a click selects, the eye hides, and a way back to all is offered", async () => {
  room = build([track(1, 2), track(3, 2)]);
  await settle();

  root.querySelector<HTMLButtonElement>(".track-name")!.click();
  button("Hide car 3").click();
  await settle();

  expect(room.selection.track).toBe(1);
  expect(room.appearance.isHidden(3)).toBe(true);
  expect(texts("li.selected .name")).toEqual(["car 1"]);
  expect(button("Show car 3")).toBeTruthy();
  expect(texts(".list-head button")).toContain("Show all");
});

test("the search finds by name and by number", async () => {
  room = build([track(1, 2), track(3, 2), track(4, 5)]);
  await settle();
  const search = root.querySelector<HTMLInputElement>("input[type=search]")!;
  const type = async (words: string): Promise<string[]> => {
    search.value = words;
    search.dispatchEvent(new Event("input", { bubbles: true }));
    await settle();
    return texts(".track-name .name");
  };

  expect(await type("pedes")).toEqual(["pedestrian 4"]);
  expect(await type("#3")).toEqual(["car 3"]);
  expect(await type("tram")).toEqual([]);
  expect(texts(".hint")).toEqual(["No object is called “tram”."]);
});

test("an empty drive says what to do first", () => {
  room = build([]);

  expect(texts(".hint strong")).toEqual(["Click an object in a picture or in the cloud."]);
});

test("where nothing may be changed, nothing offers to", async () => {
  room = build([track(1, 2)], false);
  await settle();
  root.querySelector<HTMLButtonElement>(".track-name")!.click();
  await settle();

  expect(texts("li.selected .name")).toEqual(["car 1"]);
  expect(root.querySelector(".class-chooser, .track-actions")).toBeNull();
});
