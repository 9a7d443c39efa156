import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Bell } from "@/panels/Bell";
import { SendBack, Skip } from "@/panels/TaskForms";
import { FAULTS, goToNext, isToLabel, mayBeSentBack, TASK_STATES } from "@/panels/taskStates";
import { isUnderWay } from "@/store/Jobs";
import { ApiError, api, mayReview, type Task } from "@/sync/api";
import { attempt } from "./attempt";
import { GuidelinesButton } from "./GuidelinesButton";
import type { Room } from "./Room";
import { useNewsOf } from "./watching";

export function TopBar(props: {
  room: Room;
  task: number | null;
  onShowKeys: () => void;
}): JSX.Element {
  const { room } = props;
  const { scene } = room;
  useNewsOf(scene.changed);
  return (
    <header class="top-bar">
      <a class="mark" href="/" aria-label="Masklet: your projects">
        <img src="/static/app/icon.svg" alt="" />
      </a>
      <nav class="crumbs" aria-label="Where you are">
        <a href={`/projects/${scene.project}`}>{scene.projectName}</a>
        <span aria-hidden="true">›</span>
        <strong>{scene.name}</strong>
      </nav>
      {scene.frames.length < scene.expectedFrames && (
        <span class="badge warn" title="The rest of the drive is still arriving">
          {scene.frames.length} of {scene.expectedFrames} frames
        </span>
      )}
      <TaskState room={room} wanted={props.task} />
      <span class="grow" />
      <GuidelinesButton project={scene.project} />
      <SaveNote room={room} />
      <Bell />
      <People room={room} />
    </header>
  );
}

/** Lets rules look at the task's frames. What they find comes as issues, by the road of all news. */
function Check(props: { room: Room; task: Task }): JSX.Element {
  const { room, task } = props;
  useNewsOf(room.jobs.changed);
  const [isAsked, setAsked] = useState(false);
  const mine = useRef<number | null>(null);
  useEffect(
    () =>
      room.jobs.changed.on((job) => {
        if (job && job.id === mine.current && !isUnderWay(job)) room.tell(job.message);
      }),
    [room],
  );
  const isRunning = [...room.jobs.underWay.values()].some(({ kind }) => kind === "check");
  const check = async () => {
    setAsked(true);
    await attempt(room, async () => {
      mine.current = (await api.checkTask(task.id)).id;
    });
    setAsked(false);
  };
  return (
    <button
      type="button"
      class="quiet"
      disabled={isAsked || isRunning}
      title="Let rules look for what is odd: sizes, stray points, gaps, jumps, doubles, pictures and points that differ"
      onClick={() => void check()}
    >
      {isRunning ? "Checking…" : "Check"}
    </button>
  );
}

/** Whose turn it is, and the buttons that pass it on. Nothing where the scene has no task. */
function TaskState({ room, wanted }: { room: Room; wanted: number | null }): JSX.Element | null {
  const { scene } = room;
  const [task, setTask] = useState<Task | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [asking, setAsking] = useState<"send back" | "skip" | null>(null);
  useEffect(() => {
    const load = (): void => {
      api
        .tasks(scene.project, scene.id)
        .then((here) => setTask(here.find(({ id }) => id === wanted) ?? here[0] ?? null))
        .catch((error: unknown) => {
          const words = error instanceof ApiError ? error.message : String(error);
          room.tell(`The task of this scene could not be read: ${words}`, true);
        });
    };
    load();
    window.addEventListener("focus", load); // others may have moved it on meanwhile
    return () => window.removeEventListener("focus", load);
  }, [scene.project, scene.id, scene.mayEdit]);
  const first = task?.is_part ? task.first_frame : null;
  useEffect(() => {
    scene.setPart(task && first !== null ? [first, task.last_frame] : null);
  }, [first, task?.last_frame]);
  if (!task) return null;

  const busily = async (action: () => Promise<void>): Promise<void> => {
    setBusy(true);
    await attempt(room, action);
    setBusy(false);
  };
  const move = (action: () => Promise<Task>): Promise<void> =>
    busily(async () => {
      setTask(await action());
      setAsking(null);
    });
  const goOn = (kind: "label" | "review"): Promise<void> =>
    busily(async () => {
      const why = await goToNext(scene.project, kind);
      if (why) room.tell(why);
    });
  const isArriving = scene.frames.length < scene.expectedFrames;
  const isReviewer = mayReview(scene.role);
  const { words, badge } = TASK_STATES[task.state];
  const isTheirs = task.assignee !== null && !task.mine;
  const canSubmit = scene.mayEdit && !isTheirs && isToLabel(task);
  const canAccept = isReviewer && task.state === "submitted";
  const canSendBack = isReviewer && mayBeSentBack(task);
  return (
    <div class="task">
      <span class={`badge ${badge}`}>{words}</span>
      {task.is_part && (
        <span class="dim" title="The frames of this task">
          {task.first_frame}–{task.last_frame}
        </span>
      )}
      {task.state === "sent_back" && task.reason && (
        <span
          class="reason"
          title={[task.reason, ...task.faults.map((fault) => FAULTS[fault] ?? fault)].join(" · ")}
        >
          “{task.reason}”
        </span>
      )}
      {canSubmit && <Check room={room} task={task} />}
      {canSubmit && (
        <button
          type="button"
          class="primary"
          disabled={isBusy || room.connection.saveState.waiting > 0 || isArriving}
          title={isArriving ? "The rest of the drive is still arriving" : undefined}
          onClick={() => void move(() => api.submitTask(task.id))}
        >
          Submit
        </button>
      )}
      {canSubmit && !asking && (
        <button
          type="button"
          class="quiet"
          disabled={isBusy}
          title="This cannot be labelled"
          onClick={() => setAsking("skip")}
        >
          Skip…
        </button>
      )}
      {canAccept && !asking && (
        <button
          type="button"
          class="primary"
          disabled={isBusy}
          onClick={() => void move(() => api.acceptTask(task.id))}
        >
          Accept
        </button>
      )}
      {canSendBack && !asking && (
        <button type="button" disabled={isBusy} onClick={() => setAsking("send back")}>
          Send back…
        </button>
      )}
      {task.mine && !isToLabel(task) && (
        <button type="button" disabled={isBusy} onClick={() => void goOn("label")}>
          Next task
        </button>
      )}
      {isReviewer && !task.mine && !canAccept && !isToLabel(task) && (
        <button type="button" disabled={isBusy} onClick={() => void goOn("review")}>
          Next review
        </button>
      )}
      {asking && (
        <div class="asked">
          {asking === "skip" ? (
            <Skip
              onSkip={(why, note) => void move(() => api.skipTask(task.id, why, note))}
              onLeave={() => setAsking(null)}
            />
          ) : (
            <SendBack
              onSend={(reason, faults) =>
                void move(() => api.sendBackTask(task.id, reason, faults))
              }
              onLeave={() => setAsking(null)}
            />
          )}
        </div>
      )}
    </div>
  );
}

function SaveNote({ room }: { room: Room }): JSX.Element {
  const { connection } = room;
  useNewsOf(connection.saveStateChanged);
  const { kind, waiting } = connection.saveState;
  const edits = waiting === 1 ? "1 edit" : `${waiting} edits`;
  const words = {
    saved: "Saved",
    saving: "Saving…",
    offline: waiting ? `Offline · ${edits} waiting` : "Offline",
  }[kind];
  const title = {
    saved: "Every edit is on the server.",
    saving: `${edits} on the way to the server.`,
    offline: "Not connected; trying again. Edits are kept here and sent when it works.",
  }[kind];
  return (
    <span class={`save-note ${kind}`} role="status" title={title}>
      <i class="dot" aria-hidden="true" />
      {words}
      {kind === "offline" && connection.link.kind === "lost" && (
        <button type="button" onClick={() => connection.retryNow()}>
          Connect now
        </button>
      )}
    </span>
  );
}

/** Who is here, one mark a person; a click goes to the frame where he is. */
function People({ room }: { room: Room }): JSX.Element {
  const { scene, timeline } = room;
  const others = scene.people.filter(({ connection }) => connection !== scene.connection);
  return (
    <ul class="people" aria-label="Who is here">
      {others.map(({ connection, person, frame }) => {
        const where = frame === null ? "" : `, frame ${frame}`;
        return (
          <li key={connection}>
            <button
              type="button"
              class="person"
              title={`${person.name}${where}: go there`}
              aria-label={`${person.name}${where}: go there`}
              onClick={() => frame !== null && timeline.step(frame - timeline.frame)}
            >
              {initials(person.name)}
            </button>
          </li>
        );
      })}
      {scene.me && (
        <li>
          <span class="person me" title={`${scene.me.name} (you, ${scene.role})`}>
            {initials(scene.me.name)}
          </span>
        </li>
      )}
    </ul>
  );
}

const initials = (name: string): string =>
  name
    .split(/\s+/)
    .map((word) => word.charAt(0).toUpperCase())
    .slice(0, 2)
    .join("");
