import { type JSX, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import "./workspace.css";
import { KeyOverlay } from "./KeyOverlay";
import { onKey } from "./keys";
import { Panes } from "./Panes";
import { Room } from "./Room";
import { TimelineBar } from "./TimelineBar";
import { Toasts } from "./Toasts";
import { ToolBar } from "./ToolBar";
import { TopBar } from "./TopBar";
import { TrackPanel } from "./TrackPanel";
import { useNewsOf } from "./watching";

export interface WorkspaceOptions {
  task?: number;
  frame?: number;
}

/** Show a scene for labelling in `root`. Returns what closes it. */
export function openWorkspace(
  root: HTMLElement,
  sceneId: number,
  options: WorkspaceOptions = {},
): () => void {
  const room = new Room(sceneId, options.frame ?? 0);
  const warn = (event: BeforeUnloadEvent): void => {
    if (room.connection.saveState.waiting > 0) event.preventDefault();
  };
  window.addEventListener("beforeunload", warn);
  render(<Workspace room={room} task={options.task ?? null} />, root);
  return () => {
    window.removeEventListener("beforeunload", warn);
    render(null, root);
    room.dispose();
  };
}

function Workspace({ room, task }: { room: Room; task: number | null }): JSX.Element {
  const [areKeysShown, setKeysShown] = useState(false);
  const [enlarged, setEnlarged] = useState<number | null>(null);
  useNewsOf(room.scene.changed, room.connection.linkChanged);
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      const isOurs = onKey(event, room, {
        toggleKeys: () => setKeysShown((isShown) => !isShown),
        enlarge: (index) => setEnlarged((now) => cameraAt(room, index, now)),
      });
      if (isOurs) event.preventDefault();
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, [room]);
  useEffect(() => {
    document.title = room.scene.name ? `${room.scene.name} · Masklet` : "Masklet";
  }, [room.scene.name]);

  const { link } = room.connection;
  if (link.kind === "refused" && !room.isJoined) return <Closed why={link.why} />;
  if (!room.isJoined) return <Opening why={link.why} />;
  return (
    <div class="workspace">
      <TopBar room={room} task={task} onShowKeys={() => setKeysShown(true)} />
      <ToolBar room={room} onShowKeys={() => setKeysShown(true)} />
      <main class="workspace-centre">
        <Banner room={room} />
        <Panes room={room} enlarged={enlarged} onEnlarge={setEnlarged} />
      </main>
      <TrackPanel room={room} />
      <TimelineBar room={room} />
      <Toasts room={room} />
      {areKeysShown && <KeyOverlay onClose={() => setKeysShown(false)} />}
    </div>
  );
}

function cameraAt(room: Room, index: number, now: number | null): number | null {
  const camera = room.cameras()[index]?.number ?? now;
  return camera === now ? null : camera;
}

/** What stands in the way of labelling, as long as it does. */
function Banner({ room }: { room: Room }): JSX.Element | null {
  const { link } = room.connection;
  if (link.kind === "refused") {
    return (
      <div class="banner danger" role="alert">
        <span>This page is no longer connected: {link.why}.</span>
        <button type="button" onClick={() => location.reload()}>
          Reload
        </button>
      </div>
    );
  }
  if (room.scene.mayEdit) return null;
  return (
    <div class="banner" role="status">
      <strong>Read-only.</strong> <span>{room.scene.whyReadOnly}</span>
    </div>
  );
}

function Opening({ why }: { why: string }): JSX.Element {
  return (
    <main class="workspace-wait" aria-busy="true">
      <p>Opening the scene…</p>
      {why && <p class="dim">{capital(why)}; trying again.</p>}
      <a href="/">Back to your projects</a>
    </main>
  );
}

function Closed({ why }: { why: string }): JSX.Element {
  return (
    <main class="workspace-wait">
      <h1>This scene cannot be opened</h1>
      <p role="alert">{capital(why)}.</p>
      <a href="/">Back to your projects</a>
    </main>
  );
}

const capital = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);
