import { type JSX, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import "./workspace.css";
import { ApiError, api } from "@/sync/api";
import { keepFrameInAddress } from "./address";
import { KeyOverlay } from "./KeyOverlay";
import { onKey, releaseAfterClick } from "./keys";
import { Panes } from "./Panes";
import { Room } from "./Room";
import { SidePanel } from "./SidePanel";
import { TimelineBar } from "./TimelineBar";
import { Toasts } from "./Toasts";
import { ToolBar } from "./ToolBar";
import { TopBar } from "./TopBar";
import { useNewsOf } from "./watching";

export interface WorkspaceOptions {
  task?: number;
  frame?: number;
  issue?: number; // to be shown
}

/** Show a scene for labelling in `root`. Returns what closes it. */
export function openWorkspace(
  root: HTMLElement,
  sceneId: number,
  options: WorkspaceOptions = {},
): () => void {
  const room = new Room(sceneId, options.frame ?? 0);
  const { issue } = options;
  if (issue !== undefined) room.connection.joined.on(() => room.goToIssue(issue));
  const warn = (event: BeforeUnloadEvent): void => {
    if (room.connection.saveState.waiting > 0) event.preventDefault();
  };
  window.addEventListener("beforeunload", warn);
  render(<Workspace room={room} sceneId={sceneId} task={options.task ?? null} />, root);
  return () => {
    window.removeEventListener("beforeunload", warn);
    render(null, root);
    room.dispose();
  };
}

function Workspace(props: { room: Room; sceneId: number; task: number | null }): JSX.Element {
  const { room, sceneId, task } = props;
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
    window.addEventListener("click", releaseAfterClick);
    return () => {
      window.removeEventListener("keydown", listen);
      window.removeEventListener("click", releaseAfterClick);
    };
  }, [room]);
  useEffect(() => keepFrameInAddress(room.timeline), [room]);
  useEffect(() => {
    document.title = room.scene.name ? `${room.scene.name} · Masklet` : "Masklet";
  }, [room.scene.name]);

  const { link } = room.connection;
  const obstacle = useObstacle(room, sceneId);
  if (!room.isJoined && obstacle) return <Closed why={obstacle} />;
  if (link.kind === "refused" && !room.isJoined) return <Closed why={link.why} />;
  if (!room.isJoined) return <Opening why={link.why} />;
  return (
    <div class="workspace">
      <TopBar room={room} task={task} onShowKeys={() => setKeysShown(true)} />
      <ToolBar room={room} onShowKeys={() => setKeysShown(true)} />
      <main class="workspace-centre">
        <Banner room={room} obstacle={obstacle} />
        <Panes room={room} enlarged={enlarged} onEnlarge={setEnlarged} />
      </main>
      <SidePanel room={room} />
      <TimelineBar room={room} />
      <Toasts room={room} />
      {areKeysShown && <KeyOverlay onClose={() => setKeysShown(false)} />}
    </div>
  );
}

/**
 * Why the socket cannot be had, in words; "" while it is only a matter of time. A socket that is
 * denied says nothing, so it is asked for over HTTP.
 */
function useObstacle(room: Room, sceneId: number): string {
  const [obstacle, setObstacle] = useState("");
  useEffect(
    () =>
      room.connection.linkChanged.on(async ({ kind }) => {
        if (kind === "open") setObstacle("");
        if (kind !== "lost") return;
        const why = await obstacleTo(sceneId);
        if (why && !room.isJoined) room.giveUp();
        setObstacle(why);
      }),
    [room, sceneId],
  );
  return obstacle;
}

async function obstacleTo(sceneId: number): Promise<string> {
  try {
    const { user } = await api.session();
    if (!user) return "you are signed out: sign in in another tab and come back to this one";
    await api.scene(sceneId);
  } catch (error) {
    if (error instanceof ApiError && error.status >= 400 && error.status < 500) {
      return error.status === 404 ? "there is no such scene, or it is not yours" : error.message;
    }
  }
  return "";
}

function cameraAt(room: Room, index: number, now: number | null): number | null {
  const camera = room.cameras()[index]?.number ?? now;
  return camera === now ? null : camera;
}

/** What stands in the way of labelling, as long as it does. */
function Banner(props: { room: Room; obstacle: string }): JSX.Element | null {
  const { room, obstacle } = props;
  const { link } = room.connection;
  const why = link.kind === "refused" ? link.why : obstacle;
  if (why) {
    return (
      <div class="banner danger" role="alert">
        <span>This page is no longer connected: {why}.</span>
        <button type="button" onClick={() => location.reload()}>
          Reload
        </button>
      </div>
    );
  }
  if (room.scene.mayEdit) return null;
  return (
    <div class="banner" role="status">
      <strong>Read-only.</strong> <span>{capital(room.scene.whyReadOnly)}.</span>
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
